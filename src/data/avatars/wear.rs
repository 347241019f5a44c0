//! Hats and glasses.

use super::{
    attributes::{Glasses, Hat},
    canvas::{Canvas, Rgb, blob, curve, oval, rounded},
    face::{EYES, HEAD},
    look::Look,
};

/// Where glasses and hats show, whatever the pose: left, top, right, bottom in units of the canvas.
pub(super) const GLASSES: [f32; 4] = [18.0, 26.5, 46.0, 38.5];
pub(super) const HATS: [f32; 4] = [14.0, 4.0, 50.0, 26.0];

const FRAME: Rgb = Rgb([34, 36, 46]);
const GLASS: Rgb = Rgb([232, 244, 250]);

/// Glasses.
pub(super) fn glasses(canvas: &mut Canvas, look: &Look, glasses: Glasses) {
    if glasses == Glasses::None {
        return;
    }
    let (gap, y) = (look.eye_gap + 0.3, EYES + 0.4);
    let half = match glasses {
        Glasses::Square => [4.7, 3.5],
        _ => [4.3, 4.3],
    };
    for side in [-1.0, 1.0] {
        let middle = [HEAD[0] + side * gap, y];
        let lens = || match glasses {
            Glasses::Square => rounded(middle, half, 1.0),
            _ => oval(middle, half),
        };
        canvas.fill(lens(), GLASS, 0.26);
        canvas.line(lens(), 1.45, FRAME);
        let hinge = [middle[0] + side * half[0], y - 0.6];
        canvas.line(curve(hinge, [hinge[0] + side, y - 1.0], [HEAD[0] + side * look.head[0], y - 0.8]), 1.2, FRAME);
    }
    let inner = gap - half[0];
    canvas.line(curve([32.0 - inner, y - 0.6], [32.0, y - 1.8], [32.0 + inner, y - 0.6]), 1.3, FRAME);
}

/// The hat.
pub(super) fn hat(canvas: &mut Canvas, look: &Look, hat: Hat) {
    let ([x, y], [w, h]) = (HEAD, look.head);
    let (top, colour, side) = (y - h, look.hat, look.side);
    let brim = y - h * 0.42;
    match hat {
        Hat::None => {}
        Hat::Cap => {
            let dome = [
                [x - w * 1.14, top - 4.6, x, top - 4.4],
                [x + w * 1.14, top - 4.6, x + w * 1.08, brim],
                [x, brim - 3.0, x - w * 1.08, brim],
            ];
            canvas.fill(blob([x - w * 1.08, brim], &dome), colour, 1.0);
            canvas.line(
                curve([x, top - 4.2], [x + side * 3.0, top + 1.0], [x + side * 2.6, brim - 1.6]),
                0.8,
                colour.lighter(-0.2),
            );
            canvas.oval([x, top - 4.3], [1.3, 0.9], colour.lighter(-0.2));
            let visor = [
                [x + side * w * 0.4, brim - 4.4, x + side * w * 1.06, brim - 1.2],
                [x + side * w * 1.7, brim + 0.2, x + side * w * 1.62, brim + 2.4],
                [x + side * w * 0.7, brim + 0.4, x - side * w * 0.5, brim + 0.2],
            ];
            canvas.fill(blob([x - side * w * 0.5, brim - 1.2], &visor), colour.lighter(-0.28), 1.0);
        }
        Hat::Beanie => {
            let dome = [
                [x - w * 1.2, top - 6.2, x, top - 6.0],
                [x + w * 1.2, top - 6.2, x + w * 1.08, brim],
                [x, brim - 2.0, x - w * 1.08, brim],
            ];
            canvas.oval([x, top - 6.2], [3.1, 3.0], colour.lighter(0.55));
            canvas.fill(blob([x - w * 1.08, brim], &dome), colour, 1.0);
            let cuff = rounded([x, brim - 1.2], [w * 1.12, 2.8], 2.2);
            canvas.fill(cuff, colour.lighter(0.34), 1.0);
            for rib in -4..=4 {
                let at = x + rib as f32 * w * 0.24;
                canvas.line(curve([at, brim - 2.8], [at, brim - 1.2], [at, brim + 0.4]), 0.7, colour.lighter(0.12));
            }
        }
    }
}
