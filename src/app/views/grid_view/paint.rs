//! From what is seen to what the shader is given.

use std::collections::HashMap;

use eframe::egui::{Pos2, Rect, Ui, vec2};

use super::view::GridView;
use crate::{
    app::{
        grid::{
            atlas::Atlas,
            instance::{DrawMode, Globals, Instance, NO_SLOT, colour, flag},
            paint::{GridFrame, TileUpload},
        },
        state::{
            layout::TileLayout,
            studio::Studio,
            tiles::{Source, TileKey},
            view::Compare,
        },
        views::theme::{self, palette},
    },
    feedback::{Mark, Sample},
};

/// Bytes that are copied to the window's GPU in a frame; the rest waits for the next one.
const UPLOAD: usize = 3 << 20;
/// Seconds in which a new picture fades in.
const FADE: f64 = 0.22;
/// Pixels of a picture for one of the screen, above which it is averaged.
const MINIFIED: f32 = 1.2;

/// Where the grid lies in this frame.
pub(super) struct VisibleGrid {
    /// The content's origin on the screen.
    pub(super) origin: Pos2,
    /// What is seen of it.
    pub(super) on_screen: Rect,
    pub(super) layout: TileLayout,
    pub(super) focused: bool,
}

impl GridView {
    pub(super) fn paint(
        &mut self,
        ui: &Ui,
        shown: &VisibleGrid,
        samples: &[(usize, Sample)],
        selected: &[usize],
        studio: &mut Studio,
    ) {
        let Some(format) = self.format else { return };
        let [before, after] = studio.compared_sources();
        let needed = studio.needed_sources();
        if samples.iter().all(|&(_, sample)| studio.has_tile(after, sample)) {
            self.last_complete = after;
        }
        self.atlas.begin_frame();
        let side = samples
            .iter()
            .find_map(|&(_, sample)| studio.tiles.get(TileKey { source: needed[0], sample }).map(|tile| tile.side));
        if let Some(side) = side.filter(|&side| side != self.atlas.side()) {
            self.atlas = Atlas::new(side);
        }
        let fade_in = self.fade_in;
        let (mut uploads, mut bytes, mut moving) = (Vec::new(), 0, false);
        let mut slot = |atlas: &mut Atlas, studio: &mut Studio, source: Source, sample: Sample| -> Option<(u32, f32)> {
            let key = TileKey { source, sample };
            let tile = studio.tiles.get(key).filter(|tile| tile.side == atlas.side())?.clone();
            if bytes > UPLOAD && atlas.serial(key) != Some(tile.serial) {
                moving = true;
                return None;
            }
            let placement = atlas.assign(key, tile.serial)?;
            bytes += if placement.stale { tile.rgba.len() } else { 0 };
            uploads.push(TileUpload { slot: placement.slot, serial: tile.serial, rgba: tile.rgba.clone() });
            let fade = if fade_in { ((studio.now - tile.since) / FADE).clamp(0.0, 1.0) as f32 } else { 1.0 };
            moving |= fade < 1.0;
            Some((placement.slot, fade))
        };
        let corner = shown.on_screen.min;
        let mut instances = Vec::with_capacity(samples.len() + 1);
        let there = |instance: &Instance| instance.slots != [NO_SLOT; 2];
        let zoomed = self.magnifier.zoom(studio.now);
        let mut enlarged = None;
        let mut drawn_as = HashMap::with_capacity(samples.len());
        for &(index, sample) in samples {
            let rect = shown.layout.rect(index).translate(shown.origin.to_vec2() - corner.to_vec2());
            let mut place = |atlas: &mut Atlas, studio: &mut Studio, sample: Sample| {
                [before, after].map(|source| match needed.contains(&source) {
                    true => slot(atlas, studio, source, sample),
                    false => None,
                })
            };
            let missing = |pictures: &[Option<(u32, f32)>; 2]| {
                [before, after]
                    .iter()
                    .zip(pictures)
                    .any(|(source, picture)| needed.contains(source) && picture.is_none())
            };
            let latent = (sample.address(), sample.class());
            let mut drawn = studio.tiles.stand_in(&needed, sample);
            let mut pictures = place(&mut self.atlas, studio, drawn);
            // What waits for its turn to be copied does not leave a hole: what was drawn in the last frame stays.
            if let Some(&last) = self.drawn_as.get(&latent)
                && last != drawn
                && missing(&pictures)
            {
                let older = place(&mut self.atlas, studio, last);
                if !missing(&older) {
                    (pictures, drawn) = (older, last);
                }
            }
            drawn_as.insert(latent, drawn);
            let [old, mut new] = pictures;
            if new.is_none() && needed.contains(&after) && studio.view.compare != Compare::Before {
                let drawn = studio.tiles.stand_in(&[self.last_complete], sample);
                new = slot(&mut self.atlas, studio, self.last_complete, drawn);
            }
            let mark = match studio.marks.get(sample) {
                Some(Mark::Negative) => flag::NEGATIVE,
                Some(Mark::Positive) => flag::POSITIVE,
                None => 0,
            };
            let cursor = if shown.focused && index == studio.view.cursor { flag::CURSOR } else { 0 };
            let in_rectangle = if selected.binary_search(&index).is_ok() { flag::SELECTED } else { 0 };
            let instance = Instance {
                rect: [rect.left(), rect.top(), rect.width(), rect.height()],
                slots: [old.map_or(NO_SLOT, |(slot, _)| slot), new.map_or(NO_SLOT, |(slot, _)| slot)],
                flags: mark | cursor | in_rectangle,
                fade: [old.map_or(0.0, |(_, fade)| fade), new.map_or(0.0, |(_, fade)| fade)],
            };
            // An empty place is not worth a closer look.
            if let Some((_, zoom)) = zoomed.filter(|(tile, _)| *tile == index && there(&instance)) {
                enlarged = Some((instance, zoom));
            }
            instances.push(instance);
        }
        self.drawn_as = drawn_as;
        if let Some((mut instance, zoom)) = enlarged {
            let [left, top, width, height] = instance.rect;
            let size = width * zoom;
            let rect = Rect::from_center_size(Pos2::new(left + width / 2.0, top + height / 2.0), vec2(size, size));
            let free = shown.on_screen.translate(-corner.to_vec2()).shrink(4.0);
            let inside = vec2(
                (free.left() - rect.left()).max(0.0) - (rect.right() - free.right()).max(0.0),
                (free.top() - rect.top()).max(0.0) - (rect.bottom() - free.bottom()).max(0.0),
            );
            let rect = rect.translate(inside);
            instance.rect = [rect.left(), rect.top(), rect.width(), rect.height()];
            instance.flags |= flag::HOVERED;
            instances.push(instance);
        }
        if moving {
            ui.ctx().request_repaint();
        }
        self.any_drawn = instances.iter().any(there);
        self.filled = !instances.is_empty() && instances.iter().all(there);
        self.drawn = samples.len();
        let p = palette(ui.style());
        let (columns, side) = (self.atlas.columns(), self.atlas.side());
        let scale = ui.ctx().pixels_per_point();
        let mode = DrawMode {
            compare: match studio.view.compare {
                // Without an after, before is all there is.
                _ if before == after && studio.view.compare != Compare::Before => 0,
                Compare::After => 0,
                Compare::Before => 1,
                Compare::Split => 2,
                Compare::Difference => 3,
                Compare::Heat => 4,
            },
            minified: side as f32 > MINIFIED * shown.layout.tile * scale,
        };
        let globals = Globals {
            size: shown.on_screen.size().into(),
            scale,
            pad0: 0.0,
            split: studio.view.split,
            radius: (shown.layout.tile * 0.07).clamp(2.0, 7.0),
            columns: columns as u32,
            tile: side as f32,
            atlas: (columns * side) as f32,
            pad: [0.0; 3],
            negative: colour(p.negative),
            positive: colour(p.positive),
            before: colour(p.before),
            after: colour(p.after),
            cursor: colour(p.text),
            empty: colour(theme::mix(p.canvas, p.card, 0.8)),
        };
        let frame = GridFrame { format, mode, globals, instances, uploads, atlas: (columns, side) };
        ui.painter().add(frame.shape(shown.on_screen));
    }
}
