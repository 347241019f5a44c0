//! Hair and beard.

use super::{
    attributes::{Attributes, Beard, Hair, Hat},
    canvas::{Canvas, blob, curve, oval, rounded},
    face::HEAD,
    look::Look,
};

/// Where beards show, whatever the pose: left, top, right, bottom in units of the canvas.
pub(super) const BEARD: [f32; 4] = [18.0, 36.0, 46.0, 53.0];

/// Hair behind the head.
pub(super) fn back(canvas: &mut Canvas, look: &Look, hair: Hair) {
    let ([x, y], [w, h]) = (HEAD, look.head);
    let shade = look.hair.lighter(-0.14);
    match hair {
        Hair::Long => {
            canvas.fill(rounded([x, y + 4.0], [w + 3.4, h + 2.5], 11.0), shade, 1.0);
        }
        Hair::Curly => {
            for (dx, dy, r) in CURLS {
                for side in [-1.0, 1.0] {
                    canvas.oval([x + side * dx * w, y + dy * h], [r * 1.12, r * 1.12], shade);
                }
            }
        }
        Hair::Bald | Hair::Short | Hair::Spiky => {}
    }
}

/// Curls around the head: place in half widths and half heights, radius.
const CURLS: [(f32, f32, f32); 6] =
    [(0.0, -1.0, 5.4), (0.42, -0.96, 5.2), (0.78, -0.74, 5.0), (1.02, -0.4, 4.6), (1.1, -0.04, 4.2), (1.06, 0.26, 3.4)];

/// Hair in front of the head; a hat leaves only what shows beside it.
pub(super) fn front(canvas: &mut Canvas, look: &Look, attributes: &Attributes) {
    let ([x, y], [w, h]) = (HEAD, look.head);
    let top = y - h;
    let colour = look.hair;
    let shine = colour.lighter(0.18);
    let covered = attributes.hat != Hat::None;
    match attributes.hair {
        Hair::Bald => {
            if !covered {
                canvas.fill(oval([x - w * 0.3, top + 4.4], [3.2, 1.6]), look.skin.lighter(0.35), 0.7);
            }
        }
        Hair::Short => {
            temples(canvas, look, 0.02);
            let fringe = y - h * 0.44;
            let cut = [
                [x - w * 1.16, top - 1.8, x - w * 0.1, top - 1.9],
                [x + w * 1.16, top - 1.8, x + w * 1.03, y - h * 0.14],
                [x + w * 0.95, fringe - 0.4, x + w * 0.5, fringe - 1.2],
                [x - w * 0.1, fringe - 2.4, x - w * 0.62, fringe + 0.6],
                [x - w * 0.9, fringe + 1.0, x - w * 1.03, y - h * 0.14],
            ];
            canvas.fill(blob([x - w * 1.03, y - h * 0.14], &cut), colour, 1.0);
            canvas.line(curve([x - w * 0.55, top + 2.6], [x - 1.0, top - 0.2], [x + w * 0.4, top + 1.6]), 1.1, shine);
        }
        Hair::Long => {
            let fringe = y - h * 0.34;
            let cut = [
                [x - w * 1.3, top - 2.6, x, top - 2.2],
                [x + w * 1.3, top - 2.6, x + w * 1.12, y + h * 0.3],
                [x + w * 0.98, fringe - 1.0, x + w * 0.16, top + 3.2],
                [x - w * 0.5, fringe + 1.0, x - w * 0.86, fringe + 2.0],
                [x - w * 0.98, y - h * 0.1, x - w * 1.12, y + h * 0.3],
            ];
            canvas.fill(blob([x - w * 1.12, y + h * 0.3], &cut), colour, 1.0);
            for side in [-1.0, 1.0] {
                let lock = [
                    [x + side * (w + 4.6), y + 2.0, x + side * (w + 3.2), y + h + 3.0],
                    [x + side * (w + 0.6), y + h + 4.6, x + side * (w - 1.4), y + h + 1.8],
                    [x + side * (w + 0.6), y + h * 0.4, x + side * (w - 0.3), y - h * 0.3],
                ];
                canvas.fill(blob([x + side * (w - 0.3), y - h * 0.3], &lock), colour, 1.0);
            }
            canvas.line(curve([x - w * 0.6, top + 2.4], [x - 1.0, top - 1.0], [x + w * 0.4, top + 1.0]), 1.1, shine);
        }
        Hair::Curly => {
            temples(canvas, look, 0.1);
            let curls = [(0.0, -0.92, 4.3), (0.38, -0.84, 4.1), (0.7, -0.62, 3.7), (0.93, -0.3, 3.0)];
            for (dx, dy, r) in curls {
                for side in [-1.0, 1.0] {
                    canvas.oval([x + side * dx * w, y + dy * h], [r, r], colour);
                }
            }
            for (dx, dy) in [(-0.42, -0.98), (0.1, -1.06), (0.55, -0.86)] {
                let [cx, cy] = [x + dx * w, y + dy * h];
                canvas.line(curve([cx - 1.3, cy + 0.5], [cx, cy - 1.2], [cx + 1.3, cy + 0.5]), 0.8, shine);
            }
        }
        Hair::Spiky => {
            temples(canvas, look, -0.02);
            let mut path = tiny_skia::PathBuilder::new();
            path.move_to(x - w * 1.03, y - h * 0.12);
            let spikes = [(-1.2, -0.62), (-0.92, -1.16), (-0.4, -1.36), (0.14, -1.42), (0.66, -1.28), (1.12, -0.8)];
            for (number, (dx, dy)) in spikes.into_iter().enumerate() {
                path.line_to(x + dx * w, y + dy * h);
                let valley = -0.86 + 0.36 * number as f32;
                path.line_to(x + valley * w, y - h * (1.0 - 0.26 * valley * valley) - 0.4);
            }
            path.line_to(x + w * 1.03, y - h * 0.12);
            for (dx, dy) in [(0.74, -0.5), (0.46, -0.3), (0.2, -0.58), (-0.12, -0.34), (-0.42, -0.58), (-0.74, -0.4)] {
                path.line_to(x + dx * w, y + dy * h);
            }
            path.close();
            canvas.fill(path.finish(), colour, 1.0);
        }
    }
}

/// Hair before the ears, down to `low` half heights below the middle.
fn temples(canvas: &mut Canvas, look: &Look, low: f32) {
    let ([x, y], [w, h]) = (HEAD, look.head);
    for side in [-1.0, 1.0] {
        let lock = [
            [x + side * w * 1.1, y - h * 0.3, x + side * w * 1.0, y + h * low],
            [x + side * w * 0.9, y + h * (low - 0.05), x + side * w * 0.84, y - h * 0.42],
        ];
        canvas.fill(blob([x + side * w * 0.84, y - h * 0.5], &lock), look.hair, 1.0);
    }
}

/// A beard with moustache, below the mouth and up to the ears.
pub(super) fn beard(canvas: &mut Canvas, look: &Look, beard: Beard) {
    if beard == Beard::No {
        return;
    }
    let ([x, y], [w, h]) = (HEAD, look.head);
    let lip = y + h * 0.36;
    let shape = [
        [x - w * 1.02, y + h * 0.42, x - w * 0.78, y + h * 0.62],
        [x - w * 0.52, y + h * 1.13, x, y + h * 1.12],
        [x + w * 0.52, y + h * 1.13, x + w * 0.78, y + h * 0.62],
        [x + w * 1.02, y + h * 0.42, x + w * 0.97, y + h * 0.04],
        [x + w * 0.82, y + h * 0.42, x + w * 0.48, lip - 0.2],
        [x + w * 0.2, lip - 1.8, x, lip - 0.4],
        [x - w * 0.2, lip - 1.8, x - w * 0.48, lip - 0.2],
        [x - w * 0.82, y + h * 0.42, x - w * 0.97, y + h * 0.04],
    ];
    canvas.fill(blob([x - w * 0.97, y + h * 0.04], &shape), look.hair.lighter(-0.06), 1.0);
    canvas.fill(oval([x, y + h * 0.6], [look.mouth_width * 0.98, 3.3]), look.skin.lighter(-0.03), 1.0);
}
