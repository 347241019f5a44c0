//! Where tiles lie in the endless grid.

use std::ops::Range;

use eframe::egui::emath::{Pos2, Rect, Vec2, pos2, vec2};

/// Room between tiles, in points.
pub const GAP: f32 = 6.0;

/// Tiles in rows, row 0 at the top, in a content that is `width` wide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TileLayout {
    /// Tiles in a row.
    pub columns: usize,
    /// Number of tiles.
    pub count: usize,
    /// Width and height of a tile: at least what was asked for, so that rows are full.
    pub tile: f32,
}

impl TileLayout {
    /// As many tiles of about `wanted` points in a row as fit.
    pub fn new(width: f32, wanted: f32, count: usize) -> Self {
        let columns = (((width + GAP) / (wanted + GAP)).floor() as usize).max(1);
        let tile = ((width + GAP) / columns as f32 - GAP).max(8.0);
        Self { columns, count, tile }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.count.div_ceil(self.columns)
    }

    /// Distance from one row to the next.
    pub fn pitch(&self) -> f32 {
        self.tile + GAP
    }

    /// Width and height of the whole content.
    pub fn size(&self) -> Vec2 {
        let pitch = self.pitch();
        vec2(self.columns as f32 * pitch - GAP, (self.rows() as f32 * pitch - GAP).max(0.0))
    }

    /// Where a tile lies in the content.
    pub fn rect(&self, index: usize) -> Rect {
        let (column, row) = (index % self.columns, index / self.columns);
        Rect::from_min_size(pos2(column as f32, row as f32) * self.pitch(), Vec2::splat(self.tile))
    }

    /// The tile at a point of the content; `None` between tiles.
    pub fn at(&self, point: Pos2) -> Option<usize> {
        if point.x < 0.0 || point.y < 0.0 {
            return None;
        }
        let column = (point.x / self.pitch()).floor() as usize;
        let row = (point.y / self.pitch()).floor() as usize;
        let index = row.checked_mul(self.columns)?.checked_add(column)?;
        (column < self.columns && index < self.count && self.rect(index).contains(point)).then_some(index)
    }

    /// The tiles of which something is seen between two heights of the content.
    pub fn seen(&self, top: f32, bottom: f32) -> Range<usize> {
        let first = (top.max(0.0) / self.pitch()).floor() as usize * self.columns;
        let last = ((bottom.max(0.0) / self.pitch()).ceil() as usize).saturating_mul(self.columns);
        first.min(self.count)..last.min(self.count)
    }

    /// The tiles that a rectangle of the content touches.
    pub fn within(&self, area: Rect) -> Vec<usize> {
        self.seen(area.top(), area.bottom()).filter(|&index| self.rect(index).intersects(area)).collect()
    }

    /// The tile of the same column that is nearest to `index` among those of `range`, whole rows.
    pub fn nearest(&self, index: usize, range: &Range<usize>) -> usize {
        if range.is_empty() || range.contains(&index) {
            return index;
        }
        let rows = (range.start / self.columns, (range.end - 1) / self.columns);
        let row = (index / self.columns).clamp(rows.0, rows.1);
        (row * self.columns + index % self.columns).min(range.end - 1)
    }

    /// The tile that is reached from `index` by so many columns and rows, staying inside.
    pub fn step(&self, index: usize, columns: isize, rows: isize) -> usize {
        let rows = rows.saturating_mul(self.columns as isize);
        let target = index as isize + columns + rows;
        if target < 0 || target >= self.count as isize { index } else { target as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_fill_the_width() {
        for (width, wanted, columns) in [(1000.0, 64.0, 14), (64.0, 64.0, 1), (10.0, 64.0, 1), (134.0, 64.0, 2)] {
            let layout = TileLayout::new(width, wanted, 100);
            assert_eq!(layout.columns, columns, "{width}");
            if width >= wanted {
                assert!((layout.size().x - width).abs() < 0.01 && layout.tile >= wanted, "{layout:?}");
            }
        }
        assert_eq!(TileLayout::new(500.0, 64.0, 15).rows(), 3);
    }

    #[test]
    fn every_tile_is_found_where_it_lies() {
        let layout = TileLayout::new(777.0, 50.0, 203);
        for index in 0..203 {
            let rect = layout.rect(index);
            assert_eq!(layout.at(rect.center()), Some(index));
            assert_eq!(layout.at(rect.max + vec2(GAP / 2.0, 0.0)), None);
            assert!(layout.seen(rect.top(), rect.bottom()).contains(&index));
        }
        assert_eq!(layout.at(pos2(5.0, layout.size().y + 5.0)), None);
        assert_eq!(layout.at(pos2(-1.0, 5.0)), None);
        assert_eq!(layout.seen(1e6, 2e6), 203..203);
    }

    #[test]
    fn a_rectangle_takes_what_it_touches() {
        let layout = TileLayout::new(4.0 * 56.0 - GAP, 50.0, 14);
        assert_eq!(layout.columns, 4);
        let (a, b) = (layout.rect(5).center(), layout.rect(11).center());
        assert_eq!(layout.within(Rect::from_two_pos(a, b)), [5, 6, 7, 9, 10, 11]);
        assert_eq!(layout.within(Rect::from_two_pos(b, a)), [5, 6, 7, 9, 10, 11]);
        assert_eq!(layout.within(Rect::from_min_max(pos2(0.0, 1e5), pos2(9.0, 2e5))), [0usize; 0]);
    }

    #[test]
    fn the_nearest_tile_is_in_the_same_column() {
        let layout = TileLayout { columns: 4, count: 22, tile: 50.0 };
        let table = [(1, 8..16, 9), (9, 8..16, 9), (21, 8..16, 13), (3, 16..22, 19), (3, 20..22, 21), (5, 0..0, 5)];
        for (index, range, expected) in table {
            assert_eq!(layout.nearest(index, &range), expected, "{index} in {range:?}");
        }
    }

    #[test]
    fn steps_stay_inside() {
        let layout = TileLayout { columns: 4, count: 10, tile: 50.0 };
        assert_eq!([layout.step(5, 1, 0), layout.step(5, 0, 1), layout.step(5, 0, -1)], [6, 9, 1]);
        assert_eq!(
            [layout.step(0, -1, 0), layout.step(9, 1, 0), layout.step(7, 0, 1), layout.step(1, 0, -1)],
            [0, 9, 7, 1]
        );
    }
}
