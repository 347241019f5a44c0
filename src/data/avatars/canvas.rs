//! Anti-aliased shapes on a picture of 64 by 64 units, whatever its size in pixels.
//!
//! Curves are quadratic or elliptic only: their arithmetic is exact to the bit on every machine, which stroking cubics
//! (arc cosines of the platform's library) is not.

use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

/// Units along a side.
pub(super) const SIDE: f32 = 64.0;

/// An opaque colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rgb(pub(super) [u8; 3]);

impl Rgb {
    /// Towards white (1) or black (-1).
    pub(super) fn lighter(self, by: f32) -> Self {
        let target = if by > 0.0 { Self([255; 3]) } else { Self([0; 3]) };
        self.mix(target, by.abs())
    }

    /// Some of another colour.
    pub(super) fn mix(self, other: Self, share: f32) -> Self {
        let mut out = self.0;
        for (a, b) in out.iter_mut().zip(other.0) {
            *a = (f32::from(*a) + (f32::from(b) - f32::from(*a)) * share).round() as u8;
        }
        Self(out)
    }
}

/// A picture being drawn.
pub(super) struct Canvas {
    pixmap: Pixmap,
    scale: Transform,
    pose: Transform,
}

impl Canvas {
    /// A picture of `size` pixels filled with one colour; `None` for sizes that cannot be.
    pub(super) fn new(size: u32, fill: Rgb) -> Option<Self> {
        let mut pixmap = Pixmap::new(size, size)?;
        let [r, g, b] = fill.0;
        pixmap.fill(Color::from_rgba8(r, g, b, 255));
        let scale = size as f32 / SIDE;
        Some(Self { pixmap, scale: Transform::from_scale(scale, scale), pose: Transform::identity() })
    }

    /// Where everything drawn from now on stands: turned about (`x`, `y`), scaled and shifted.
    pub(super) fn pose(&mut self, turn: f64, scale: f32, [x, y]: [f32; 2], shift: [f32; 2]) {
        let (sin, cos) = libm::sincos(turn);
        let (a, b) = (scale * cos as f32, scale * sin as f32);
        let [tx, ty] = [x + shift[0] - a * x + b * y, y + shift[1] - b * x - a * y];
        self.pose = Transform::from_row(a, b, -b, a, tx, ty);
    }

    fn paint(colour: Rgb, opacity: f32) -> Paint<'static> {
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        let [r, g, b] = colour.0;
        paint.set_color_rgba8(r, g, b, (opacity * 255.0).round() as u8);
        paint
    }

    /// Fills a closed path.
    pub(super) fn fill(&mut self, path: Option<Path>, colour: Rgb, opacity: f32) {
        let Some(path) = path else { return };
        let transform = self.scale.pre_concat(self.pose);
        self.pixmap.fill_path(&path, &Self::paint(colour, opacity), FillRule::Winding, transform, None);
    }

    /// Draws along a path with round ends.
    pub(super) fn line(&mut self, path: Option<Path>, width: f32, colour: Rgb) {
        let Some(path) = path else { return };
        let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        let transform = self.scale.pre_concat(self.pose);
        self.pixmap.stroke_path(&path, &Self::paint(colour, 1.0), &stroke, transform, None);
    }

    /// Fills an ellipse.
    pub(super) fn oval(&mut self, centre: [f32; 2], radii: [f32; 2], colour: Rgb) {
        self.fill(oval(centre, radii), colour, 1.0);
    }

    /// The picture as `[height, width, 3]`.
    pub(super) fn finish(self) -> Vec<u8> {
        self.pixmap.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect()
    }
}

/// An ellipse.
pub(super) fn oval([x, y]: [f32; 2], [rx, ry]: [f32; 2]) -> Option<Path> {
    PathBuilder::from_oval(Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry)?)
}

/// A closed path of quadratic curves: a start, then pairs of control point and end.
pub(super) fn blob(start: [f32; 2], curves: &[[f32; 4]]) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(start[0], start[1]);
    for [cx, cy, x, y] in curves {
        path.quad_to(*cx, *cy, *x, *y);
    }
    path.close();
    path.finish()
}

/// An open quadratic curve.
pub(super) fn curve([x0, y0]: [f32; 2], [cx, cy]: [f32; 2], [x, y]: [f32; 2]) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(x0, y0);
    path.quad_to(cx, cy, x, y);
    path.finish()
}

/// A rectangle with corners rounded by `r`.
pub(super) fn rounded([x, y]: [f32; 2], [rx, ry]: [f32; 2], r: f32) -> Option<Path> {
    let [l, t, right, b] = [x - rx, y - ry, x + rx, y + ry];
    let mut path = PathBuilder::new();
    path.move_to(l + r, t);
    path.line_to(right - r, t);
    path.quad_to(right, t, right, t + r);
    path.line_to(right, b - r);
    path.quad_to(right, b, right - r, b);
    path.line_to(l + r, b);
    path.quad_to(l, b, l, b - r);
    path.line_to(l, t + r);
    path.quad_to(l, t, l + r, t);
    path.close();
    path.finish()
}
