//! Small pictures in the panels: textures of marked samples and of snapshots.

use std::collections::HashMap;

use eframe::egui::{self, ColorImage, Context, Image, Rect, Response, Sense, TextureHandle, TextureOptions, Ui, Vec2};

use super::theme::palette;
use crate::{
    app::state::{
        studio::Studio,
        tiles::{Source, TileKey, sample_at},
    },
    engine::SampleKind,
    feedback::Sample,
};

/// Textures that are kept.
const KEPT: usize = 256;

/// Textures by what they show.
#[derive(Default)]
pub(crate) struct Thumbnails {
    textures: HashMap<TileKey, (TextureHandle, u64)>,
    model: String,
    frame: u64,
}

impl Thumbnails {
    /// Takes over what has arrived; called in every frame.
    pub(crate) fn update(&mut self, ctx: &Context, studio: &mut Studio) {
        self.frame += 1;
        let model = studio.model.as_ref().map_or("", |card| card.sha256.as_str());
        if self.model != model {
            self.textures.clear();
            self.model = model.to_owned();
        }
        let changed = std::mem::take(&mut studio.changed_thumbnails);
        self.textures.retain(|key, _| !changed.contains(&key.source));
        for tiles in std::mem::take(&mut studio.thumbnails) {
            let request = &tiles.request;
            let size = tiles.side * tiles.side * 3;
            for (&index, rgb) in request.indices.iter().zip(tiles.rgb.chunks_exact(size.max(1))) {
                let (Some(source), Some(sample)) =
                    (Source::of(request.weights), sample_at(request.seed, index, request.psi))
                else {
                    continue;
                };
                let sample = sample.with_class(request.class);
                let image = ColorImage::from_rgb([tiles.side; 2], rgb);
                let texture = ctx.load_texture(format!("sample {index}"), image, TextureOptions::LINEAR);
                self.textures.insert(TileKey { source, sample }, (texture, self.frame));
            }
        }
        if self.textures.len() > KEPT {
            let mut ages: Vec<u64> = self.textures.values().map(|(_, used)| *used).collect();
            ages.sort_unstable();
            let old = ages[ages.len() - KEPT / 2];
            self.textures.retain(|_, (_, used)| *used >= old);
        }
    }

    /// Asks for what is not there.
    pub(crate) fn request(&self, studio: &mut Studio, kind: SampleKind, source: Source, samples: &[Sample]) {
        let missing = |sample: &&Sample| !self.textures.contains_key(&TileKey { source, sample: **sample });
        let missing: Vec<Sample> = samples.iter().filter(missing).copied().collect();
        studio.request_thumbnails(kind, source, &missing);
    }

    /// Whether a picture is there.
    pub(crate) fn has(&self, source: Source, sample: Sample) -> bool {
        self.textures.contains_key(&TileKey { source, sample })
    }

    /// A picture that can be clicked, or its empty place.
    pub(crate) fn show(&mut self, ui: &mut Ui, source: Source, sample: Sample, side: f32, name: &str) -> Response {
        let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), Sense::click());
        self.paint(ui, rect, source, sample);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
        response
    }

    /// Paints a picture, or its empty place.
    pub(crate) fn paint(&mut self, ui: &Ui, rect: Rect, source: Source, sample: Sample) {
        if !ui.is_rect_visible(rect) {
            return;
        }
        match self.textures.get_mut(&TileKey { source, sample }) {
            Some((texture, used)) => {
                *used = self.frame;
                Image::new(&*texture).corner_radius(4.0).paint_at(ui, rect);
            }
            None => {
                ui.painter().rect_filled(rect, 4.0, palette(ui.style()).lifted);
            }
        }
    }
}
