//! One sample at full size, before and after, its address, and where in it the thing is that must go.

use eframe::egui::{self, ColorImage, Context, Key, RichText, TextureHandle, Ui};

use super::{
    format::format_probability,
    picture_row::{BEFORE, PictureRow},
    region_painter::RegionPainter,
    widgets,
};
use crate::{
    app::state::{studio::Studio, view::DetailTile},
    feedback::{Mark, Sample},
};

/// Height of everything but the pictures, in points.
const EVERYTHING_ELSE: f32 = 330.0;

/// Textures of the sample that is looked at, and the brush.
#[derive(Default)]
pub(crate) struct DetailView {
    of: Option<Sample>,
    textures: [Option<TextureHandle>; 2],
    painter: RegionPainter,
    /// Whether arrow keys move a box or size the brush: they do not lead to the next sample then.
    painting: bool,
}

impl DetailView {
    pub(crate) fn is_open(studio: &Studio) -> bool {
        studio.detail.is_some()
    }

    pub(crate) fn ui(&mut self, ctx: &Context, studio: &mut Studio) {
        let Some(detail) = studio.detail.clone() else {
            (self.of, self.textures, self.painting) = (None, [None, None], false);
            self.painter.reset();
            return;
        };
        if self.of != Some(detail.sample) {
            (self.of, self.textures) = (Some(detail.sample), [None, None]);
            self.painter.reset();
        }
        for (texture, tile) in self.textures.iter_mut().zip(&detail.tiles) {
            if let (None, Some(DetailTile { side, rgb })) = (&texture, tile) {
                let image = ColorImage::from_rgb([*side; 2], rgb);
                *texture = Some(ctx.load_texture("detail", image, widgets::magnified(*side)));
            }
        }
        let response = widgets::question(ctx, "detail").show(ctx, |ui| self.content(ui, studio, detail.sample));
        let by = if self.painting { 0 } else { widgets::presses(ctx, Key::ArrowRight, Key::ArrowLeft) };
        if response.inner || response.should_close() {
            studio.detail = None;
        } else if by != 0 {
            studio.open_next_detail(by);
        }
    }

    /// Whether it is to be closed.
    fn content(&mut self, ui: &mut Ui, studio: &mut Studio, sample: Sample) -> bool {
        self.painting = false;
        let address = sample.address();
        let row = PictureRow::new(ui.ctx(), studio, EVERYTHING_ELSE);
        ui.set_width(row.width());
        ui.horizontal(|ui| {
            ui.label(RichText::new(format!("Sample {}", address.index)).heading());
            let class = sample.class().map_or_else(String::new, |class| format!(", class {class}"));
            ui.label(RichText::new(format!("seed {}, psi {}{class}", address.seed, sample.psi())).weak());
            if let Some((label, labeler)) = studio.order.label(sample).zip(studio.labeler.as_ref()) {
                let likely = format_probability(label.probability);
                ui.label(RichText::new(format!("{} with {likely}", labeler.removed_classes())).weak())
                    .on_hover_text("How likely the sample shows what must go, as the labeler sees it");
            }
        });
        ui.add_space(4.0);
        let Self { textures: [before, after], painter, painting, .. } = self;
        let caption = studio.timeline.caption();
        row.ui(ui, [before.as_ref(), after.as_ref()], &caption, |ui, name, image| {
            let image = image.alt_text(format!("Sample {} {name}", address.index));
            // Marks are of what was there before.
            if name == BEFORE {
                let picture = ui.add(image.sense(RegionPainter::SENSE));
                *painting = picture.has_focus();
                painter.picture(ui, &picture, &mut studio.marks, sample);
            } else {
                ui.add(image);
            }
        });
        ui.add_space(6.0);
        self.painting |= self.painter.controls(ui, &mut studio.marks, sample);
        ui.add_space(6.0);
        ui.horizontal_wrapped(|ui| {
            let mark = studio.marks.get(sample);
            for (this, name) in [(Mark::Negative, "Must go"), (Mark::Positive, "May stay")] {
                if ui.selectable_label(mark == Some(this), name).clicked() {
                    studio.marks.toggle(sample, this);
                }
            }
            ui.add_space(8.0);
            let entry = studio.detail.as_ref().and_then(|detail| detail.entry.as_ref());
            let copy = ui.add_enabled(entry.is_some(), egui::Button::new("Copy address"));
            let copy = copy.on_hover_text("Copies what a feedback file says of this sample");
            if let Some(entry) = entry.filter(|_| copy.clicked()) {
                ui.ctx().copy_text(entry.clone());
            }
            let obstacle = studio.walk_obstacle();
            let walk = ui.add_enabled(obstacle.is_none(), egui::Button::new("Walk to\u{2026}"));
            let help = "Shows what lies between this sample and another one, which you click next (W in the grid)";
            let walk = walk.on_hover_text(help).on_disabled_hover_text(obstacle.unwrap_or_default());
            let closed = ui.button("Close").clicked();
            if walk.clicked() {
                studio.walk_from(sample);
            }
            closed
        })
        .inner
    }
}
