//! Avatars: faces drawn from nothing but a seed, each with independent attributes that can be named, counted and
//! forgotten. Drawing `(seed, index)` is the same on every machine.

mod attributes;
mod canvas;
mod face;
mod hair;
mod look;
mod wear;

pub use attributes::{Attributes, Background, Beard, Glasses, Hair, HairColour, Hat, Mouth, Skin};

use canvas::Canvas;
use look::Look;

use crate::networks::NormalSource;

/// Side of a drawing unless another is asked for.
pub const SIZE: u32 = 64;
/// No drawing is smaller (the attributes could not be told apart) or larger.
pub const SIZES: std::ops::RangeInclusive<u32> = 32..=1024;

/// One drawing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Avatar {
    /// What it shows.
    pub attributes: Attributes,
    /// `[size, size, 3]`, 8 bits.
    pub rgb: Vec<u8>,
}

/// Drawing number `index` of `seed` with `size` pixels along a side, clamped to [`SIZES`].
pub fn draw(seed: u64, index: u64, size: u32) -> Avatar {
    let mut rng = source(seed, index);
    let attributes = Attributes::draw(&mut rng);
    let look = Look::draw(&attributes, &mut rng);
    let rgb = Canvas::new(size.clamp(*SIZES.start(), *SIZES.end()), look.background).map(|mut canvas| {
        paint(&mut canvas, &attributes, &look);
        canvas.finish()
    });
    Avatar { attributes, rgb: rgb.unwrap_or_default() }
}

/// What drawing number `index` of `seed` shows, without drawing it.
pub fn attributes(seed: u64, index: u64) -> Attributes {
    Attributes::draw(&mut source(seed, index))
}

/// Where an attribute shows in every drawing, pose and proportions allowed for: left, top, right, bottom in parts of the
/// picture. `None` of an attribute that is all over it, or none.
pub fn place(attribute: &str) -> Option<[f64; 4]> {
    let place = match attribute {
        "glasses" => wear::GLASSES,
        "hat" => wear::HATS,
        "beard" => hair::BEARD,
        "mouth" => face::MOUTH,
        _ => return None,
    };
    Some(place.map(|at| f64::from(at) / f64::from(canvas::SIDE)))
}

/// A stream of its own for every drawing, apart from those of training with the same seed.
fn source(seed: u64, index: u64) -> NormalSource {
    NormalSource::new(seed ^ u64::from_le_bytes(*b"avatars\0"), index)
}

fn paint(canvas: &mut Canvas, attributes: &Attributes, look: &Look) {
    face::backdrop(canvas, look);
    canvas.pose(look.turn, look.scale, [32.0, 50.0], look.shift);
    hair::back(canvas, look, attributes.hair);
    face::body(canvas, look);
    face::head(canvas, look);
    hair::beard(canvas, look, attributes.beard);
    face::mouth(canvas, look, attributes.mouth);
    face::features(canvas, look);
    hair::front(canvas, look, attributes);
    wear::glasses(canvas, look, attributes.glasses);
    wear::hat(canvas, look, attributes.hat);
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn drawings_are_the_stored_ones() {
        let digest = |seed: u64, size: u32| {
            let mut sha = Sha256::new();
            for index in 0..40 {
                sha.update(draw(seed, index, size).rgb);
            }
            sha.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let found = [digest(0, 64), digest(1, 64), digest(0, 32), digest(0, 100)];
        assert_eq!(found, ["25cbf404217ba00e", "a8997bff6c10ca20", "b3e23f9867aa062a", "ce1e6e1d5180f7e3"]);
    }

    #[test]
    fn every_value_has_its_share_and_attributes_are_independent() {
        const COUNT: u64 = 4000;
        let drawn: Vec<_> = (0..COUNT).map(|index| attributes(5, index).values()).collect();
        let share = |holds: &dyn Fn(&[&str; 8]) -> bool| {
            drawn.iter().filter(|values| holds(values)).count() as f64 / COUNT as f64
        };
        let shares = Attributes::shares();
        for (a, values) in shares.iter().enumerate() {
            for (value, expected) in values {
                let found = share(&|drawn| drawn[a] == *value);
                assert!((found - expected).abs() < 0.03, "{} {value}: {found}", Attributes::NAMES[a]);
                for (b, others) in shares.iter().enumerate().skip(a + 1) {
                    for (other, probability) in others {
                        let found = share(&|drawn| drawn[a] == *value && drawn[b] == *other);
                        assert!((found - expected * probability).abs() < 0.025, "{value} and {other}: {found}");
                    }
                }
            }
        }
    }

    /// The same drawings with and without: what differs lies in the place.
    #[test]
    fn an_attribute_shows_in_its_place() {
        type Change = fn(&mut Attributes);
        let changes: [(&str, [Change; 2]); 6] = [
            ("glasses", [|a| a.glasses = Glasses::Round, |a| a.glasses = Glasses::None]),
            ("glasses", [|a| a.glasses = Glasses::Square, |a| a.glasses = Glasses::None]),
            ("hat", [|a| a.hat = Hat::Cap, |a| a.hat = Hat::None]),
            ("hat", [|a| a.hat = Hat::Beanie, |a| a.hat = Hat::None]),
            ("beard", [|a| a.beard = Beard::Yes, |a| a.beard = Beard::No]),
            ("mouth", [|a| a.mouth = Mouth::Open, |a| a.mouth = Mouth::Neutral]),
        ];
        for (attribute, pair) in changes {
            let [left, top, right, bottom] = place(attribute).unwrap().map(|at| at * f64::from(SIZE));
            let (mut within, mut all) = (0.0, 0.0);
            for index in 0..200 {
                let mut rng = source(3, index);
                let mut attributes = Attributes::draw(&mut rng);
                let look = Look::draw(&attributes, &mut rng);
                let [with, without] = pair.map(|change| {
                    change(&mut attributes);
                    let mut canvas = Canvas::new(SIZE, look.background).unwrap();
                    paint(&mut canvas, &attributes, &look);
                    canvas.finish()
                });
                for (i, (a, b)) in with.into_iter().zip(without).enumerate() {
                    let (row, column) = (i / 3 / SIZE as usize, i / 3 % SIZE as usize);
                    let (y, x) = (row as f64 + 0.5, column as f64 + 0.5);
                    let differs = f64::from(a.abs_diff(b));
                    all += differs;
                    within += if (left..right).contains(&x) && (top..bottom).contains(&y) { differs } else { 0.0 };
                }
            }
            let area = (right - left) * (bottom - top) / f64::from(SIZE * SIZE);
            assert!(within / all > 0.85 && area < 0.25, "{attribute}: {:.3} on {area:.3}", within / all);
        }
        assert_eq!(place("background"), None);
    }

    #[test]
    fn a_drawing_shows_its_attributes_and_has_the_size_asked_for() {
        assert_eq!(draw(0, 3, 64).attributes, attributes(0, 3));
        for (asked, size) in [(32, 32), (64, 64), (77, 77), (1, 32)] {
            assert_eq!(draw(0, 0, asked).rgb.len(), size * size * 3);
        }
        assert_ne!(draw(0, 0, 64).rgb, draw(1, 0, 64).rgb);
    }
}
