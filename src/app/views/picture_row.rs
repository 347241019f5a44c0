//! Before and after of one picture, large and side by side, each with its caption.

use eframe::egui::{Context, Image, RichText, Sense, TextureHandle, Ui, Vec2};

use super::{theme::palette, widgets};
use crate::app::state::studio::Studio;

/// Between the picture before and the picture after, in points.
const GAP: f32 = 16.0;
/// Least and largest side of a picture, and the room that the window keeps at their sides, in points.
const SIDES: [f32; 2] = [128.0, 512.0];
const AT_THE_SIDES: f32 = 160.0;

/// What is before, the first picture of a row.
pub(super) const BEFORE: &str = "Before";

/// How many pictures there are, and how large.
#[derive(Clone, Copy)]
pub(super) struct PictureRow {
    count: usize,
    side: f32,
}

impl PictureRow {
    /// One picture while after is before, otherwise two: as large as the window lets them be beside so many points of height for
    /// everything else.
    pub(super) fn new(ctx: &Context, studio: &Studio, everything_else: f32) -> Self {
        let [before, after] = studio.compared_sources();
        let count = if before == after { 1 } else { 2 };
        let screen = ctx.content_rect().size();
        let side = (screen.y - everything_else).min((screen.x - AT_THE_SIDES) / count as f32);
        Self { count, side: side.clamp(SIDES[0], SIDES[1]) }
    }

    /// Its width in points.
    pub(super) fn width(self) -> f32 {
        self.side * self.count as f32 + GAP * (self.count - 1) as f32
    }

    /// Draws the row. `add` puts a picture in its place and is told its name; a picture that is still to come is a plain square. What is
    /// after has `caption` behind its name.
    pub(super) fn ui(
        self,
        ui: &mut Ui,
        textures: [Option<&TextureHandle>; 2],
        caption: &str,
        mut add: impl FnMut(&mut Ui, &'static str, Image<'static>),
    ) {
        let p = palette(ui.style());
        let captions = [(BEFORE, p.before, ""), ("After", p.after, caption)];
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = GAP;
            for (texture, (name, colour, more)) in textures.into_iter().zip(captions).take(self.count) {
                ui.vertical(|ui| {
                    ui.spacing_mut().item_spacing.x = 8.0;
                    let size = Vec2::splat(self.side);
                    match texture {
                        Some(texture) => add(ui, name, Image::new(texture).fit_to_exact_size(size).corner_radius(8.0)),
                        None => {
                            let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
                            ui.painter().rect_filled(rect, 8.0, p.lifted);
                        }
                    }
                    if self.count > 1 {
                        ui.horizontal(|ui| {
                            widgets::dot(ui, colour);
                            ui.label(name);
                            ui.label(RichText::new(more).weak());
                        });
                    }
                });
            }
        });
    }
}
