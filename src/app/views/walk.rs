//! The way from one sample to another, before and after, at the place that a slider stands at.

use eframe::egui::{self, Button, ColorImage, Context, Layout, RichText, Slider, TextureHandle, Ui};

use super::{
    dialogs::{Dialogs, Purpose},
    picture_row::PictureRow,
    widgets,
};
use crate::app::state::{
    studio::Studio,
    walk::{OpenWalk, WalkPlace, WalkState},
};

/// Height of everything but the pictures, and least width, in points.
const EVERYTHING_ELSE: f32 = 320.0;
const LEAST_WIDTH: f32 = 320.0;

/// Textures of the place that is seen.
#[derive(Default)]
pub(crate) struct WalkView {
    textures: Vec<TextureHandle>,
    /// Which place they show.
    serial: Option<u64>,
    /// Whether the slider was given the keyboard.
    has_begun: bool,
}

impl WalkView {
    pub(crate) fn is_open(studio: &Studio) -> bool {
        studio.walk.open().is_some()
    }

    pub(crate) fn ui(&mut self, ctx: &Context, studio: &mut Studio, dialogs: &mut Dialogs) {
        let Some(walk) = studio.walk.open().cloned() else {
            *self = Self::default();
            return;
        };
        if let Some(place) = walk.place.as_ref().filter(|place| self.serial != Some(place.serial)) {
            self.take(ctx, place);
        }
        let response = widgets::question(ctx, "walk").show(ctx, |ui| self.content(ui, studio, &walk, dialogs));
        if response.inner || response.should_close() {
            studio.walk = WalkState::None;
        }
        // After the slider: what is asked for is where it stands now.
        studio.request_walk();
    }

    /// Makes textures of a place.
    fn take(&mut self, ctx: &Context, place: &WalkPlace) {
        self.serial = Some(place.serial);
        self.textures.truncate(place.tiles.len());
        for (number, tile) in place.tiles.iter().enumerate() {
            let image = ColorImage::from_rgb([tile.side; 2], &tile.rgb);
            let options = widgets::magnified(tile.side);
            match self.textures.get_mut(number) {
                Some(texture) => texture.set(image, options),
                None => self.textures.push(ctx.load_texture("walk", image, options)),
            }
        }
    }

    /// Whether it is to be closed.
    fn content(&mut self, ui: &mut Ui, studio: &mut Studio, walk: &OpenWalk, dialogs: &mut Dialogs) -> bool {
        let row = PictureRow::new(ui.ctx(), studio, EVERYTHING_ELSE);
        let width = row.width().max(LEAST_WIDTH);
        ui.set_width(width);
        title(ui, walk);
        ui.add_space(4.0);
        let between = format!("Between sample {} and sample {}", walk.from.address().index, walk.to.index);
        let textures = [0, 1].map(|number| self.textures.get(number));
        row.ui(ui, textures, &studio.timeline.caption(), |ui, name, image| {
            ui.add(image.alt_text(format!("{between}, {name}")));
        });
        ui.add_space(6.0);
        self.slider(ui, studio, width, walk);
        ui.add_space(6.0);
        if let Some(place) = &walk.place {
            let way = match place.mapped {
                true => "A straight line between the two mapped latents (w), as is usual with a mapping network.",
                false => "An arc between the two latents (z), as is usual without a mapping network.",
            };
            widgets::explain(ui, way);
        }
        ui.add_space(4.0);
        ui.horizontal(|ui| {
            let save = ui.add(Button::new("Save animation\u{2026}"));
            let help = "A GIF of 24 pictures from one sample to the other, before and after side by side";
            if save.on_hover_text(help).clicked() {
                dialogs.ask(Purpose::SaveWalk, studio);
            }
            ui.button("Close").clicked()
        })
        .inner
    }

    fn slider(&mut self, ui: &mut Ui, studio: &mut Studio, width: f32, walk: &OpenWalk) {
        let mut t = walk.t;
        let response = ui.scope(|ui| {
            ui.spacing_mut().slider_width = width;
            ui.add(Slider::new(&mut t, 0.0..=1.0).step_by(0.01).show_value(false)).accessible_name("Place on the way")
        });
        if !std::mem::replace(&mut self.has_begun, true) {
            response.inner.request_focus();
        }
        studio.walk_at(t);
        ui.horizontal(|ui| {
            ui.label(RichText::new(format!("Sample {}", walk.from.address().index)).weak());
            ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
                ui.label(RichText::new(format!("Sample {}", walk.to.index)).weak());
            });
        });
    }
}

fn title(ui: &mut Ui, walk: &OpenWalk) {
    let (from, to) = (walk.from.address(), walk.to);
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("From sample {} to {}", from.index, to.index)).heading());
        let seeds = match from.seed == to.seed {
            true => format!("seed {}", from.seed),
            false => format!("seeds {} and {}", from.seed, to.seed),
        };
        let class = walk.from.class().map_or_else(String::new, |class| format!(", class {class}"));
        ui.label(RichText::new(format!("{seeds}, psi {}{class}", walk.from.psi())).weak());
    });
}
