//! What varies from drawing to drawing besides the attributes: pose, proportions, shades.

use super::{
    attributes::{Attributes, Background, HairColour, Skin},
    canvas::Rgb,
};
use crate::networks::NormalSource;

/// Colours of hats and shirts.
const CLOTH: [Rgb; 8] = [
    Rgb([214, 69, 65]),
    Rgb([52, 103, 181]),
    Rgb([46, 139, 107]),
    Rgb([232, 163, 61]),
    Rgb([116, 79, 153]),
    Rgb([52, 62, 80]),
    Rgb([224, 122, 95]),
    Rgb([42, 157, 163]),
];

/// Pose, proportions and shades of one drawing; lengths in units of the canvas.
pub(super) struct Look {
    /// Turn of the head in radians.
    pub(super) turn: f64,
    pub(super) scale: f32,
    pub(super) shift: [f32; 2],
    /// Half width and half height of the head.
    pub(super) head: [f32; 2],
    /// Distance of an eye from the middle.
    pub(super) eye_gap: f32,
    pub(super) eye: f32,
    /// Where the eyes look.
    pub(super) glance: [f32; 2],
    /// How far the outer end of a brow is raised.
    pub(super) brow: f32,
    pub(super) mouth_width: f32,
    pub(super) nose: f32,
    pub(super) skin: Rgb,
    pub(super) hair: Rgb,
    pub(super) background: Rgb,
    pub(super) lip: Rgb,
    pub(super) hat: Rgb,
    pub(super) shirt: Rgb,
    /// Whether a cap's visor points right (1) or left (-1).
    pub(super) side: f32,
}

impl Look {
    pub(super) fn draw(attributes: &Attributes, rng: &mut NormalSource) -> Self {
        let mut between = |low: f64, high: f64| low + (high - low) * rng.uniform();
        let turn = between(-0.13, 0.13);
        let mut length = |low: f64, high: f64| between(low, high) as f32;
        let (scale, shift) = (length(1.0, 1.14), [length(-2.2, 2.2), length(-1.2, 1.2)]);
        let head = [length(12.6, 14.8), length(14.6, 16.6)];
        let (eye_gap, eye) = (length(5.0, 6.3), length(1.55, 2.05));
        let glance = [length(-0.55, 0.55), length(-0.35, 0.35)];
        let (brow, mouth_width, nose) = (length(-0.5, 1.0), length(4.2, 6.0), length(2.4, 3.6));
        let shades = [length(-0.06, 0.06), length(-0.1, 0.1), length(-0.06, 0.06)];
        let side = if rng.uniform() < 0.5 { -1.0 } else { 1.0 };
        let mut cloth = || CLOTH[rng.below(CLOTH.len())];
        let (hat, shirt) = (cloth(), cloth());
        Self {
            turn,
            scale,
            shift,
            head,
            eye_gap,
            eye,
            glance,
            brow,
            mouth_width,
            nose,
            skin: skin(attributes.skin).lighter(shades[0]),
            hair: hair(attributes.hair_colour).lighter(shades[1]),
            background: background(attributes.background).lighter(shades[2]),
            lip: lip(attributes.skin),
            hat,
            shirt,
            side,
        }
    }
}

fn skin(skin: Skin) -> Rgb {
    Rgb(match skin {
        Skin::Porcelain => [250, 224, 205],
        Skin::Peach => [242, 196, 160],
        Skin::Tan => [217, 160, 112],
        Skin::Brown => [162, 105, 68],
        Skin::Dark => [104, 66, 46],
    })
}

/// Lips stand out from every skin.
fn lip(skin: Skin) -> Rgb {
    Rgb(match skin {
        Skin::Porcelain | Skin::Peach | Skin::Tan => [150, 44, 52],
        Skin::Brown => [92, 20, 34],
        Skin::Dark => [222, 112, 112],
    })
}

fn hair(colour: HairColour) -> Rgb {
    Rgb(match colour {
        HairColour::Black => [38, 34, 40],
        HairColour::Brown => [104, 63, 36],
        HairColour::Blond => [232, 192, 98],
        HairColour::Red => [190, 76, 34],
        HairColour::Grey => [172, 174, 180],
    })
}

fn background(background: Background) -> Rgb {
    Rgb(match background {
        Background::Sky => [158, 203, 236],
        Background::Mint => [168, 220, 190],
        Background::Sand => [243, 220, 166],
        Background::Rose => [242, 178, 188],
        Background::Lilac => [200, 182, 232],
        Background::Slate => [112, 128, 150],
    })
}
