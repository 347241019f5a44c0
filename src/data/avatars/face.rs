//! Body, head and features.

use super::{
    attributes::Mouth,
    canvas::{Canvas, Rgb, blob, curve, oval, rounded},
    look::Look,
};

/// Middle of the head.
pub(super) const HEAD: [f32; 2] = [32.0, 34.0];
/// Height of the eyes.
pub(super) const EYES: f32 = 33.5;
/// Where mouths show, whatever the pose: left, top, right, bottom in units of the canvas.
pub(super) const MOUTH: [f32; 4] = [23.5, 37.5, 40.5, 49.0];

const INK: Rgb = Rgb([46, 36, 40]);
const WHITE: Rgb = Rgb([252, 251, 248]);
const THROAT: Rgb = Rgb([82, 24, 29]);
const TONGUE: Rgb = Rgb([230, 110, 112]);

/// A soft disc behind the person.
pub(super) fn backdrop(canvas: &mut Canvas, look: &Look) {
    canvas.oval([32.0, 33.0], [27.0, 27.0], look.background.lighter(0.22));
}

/// Shoulders and neck.
pub(super) fn body(canvas: &mut Canvas, look: &Look) {
    let shoulders = [[12.0, 54.0, 26.0, 52.5], [32.0, 56.0, 38.0, 52.5], [52.0, 54.0, 53.0, 68.0]];
    canvas.fill(blob([11.0, 68.0], &shoulders), look.shirt, 1.0);
    canvas.fill(rounded([32.0, 50.0], [5.2, 6.5], 4.0), look.skin.lighter(-0.16), 1.0);
    canvas.line(curve([25.6, 53.2], [32.0, 61.0], [38.4, 53.2]), 1.4, look.shirt.lighter(0.35));
}

/// Head and ears.
pub(super) fn head(canvas: &mut Canvas, look: &Look) {
    let [w, h] = look.head;
    for side in [-1.0, 1.0] {
        let ear = [HEAD[0] + side * w, 35.0];
        canvas.oval(ear, [2.7, 3.6], look.skin.lighter(-0.07));
        canvas.oval(ear, [1.4, 2.1], look.skin.lighter(-0.2));
    }
    canvas.fill(outline([w, h]), look.skin, 1.0);
    for side in [-1.0, 1.0] {
        let cheek = oval([HEAD[0] + side * (w - 4.6), 39.6], [2.7, 1.9]);
        canvas.fill(cheek, look.skin.mix(Rgb([235, 92, 92]), 0.5), 0.5);
    }
}

/// The outline of a head with these half width and half height: an oval, narrower at the chin.
pub(super) fn outline([w, h]: [f32; 2]) -> Option<tiny_skia::Path> {
    let [x, y] = HEAD;
    let [top, chin] = [y - h, y + h];
    let (shoulder, jaw) = (w * 0.98, w * 0.8);
    blob(
        [x, top],
        &[
            [x + shoulder * 0.86, top, x + w * 0.96, y - h * 0.36],
            [x + w * 1.05, y + h * 0.1, x + jaw, y + h * 0.52],
            [x + jaw * 0.66, chin, x, chin],
            [x - jaw * 0.66, chin, x - jaw, y + h * 0.52],
            [x - w * 1.05, y + h * 0.1, x - w * 0.96, y - h * 0.36],
            [x - shoulder * 0.86, top, x, top],
        ],
    )
}

/// Eyes, brows and nose.
pub(super) fn features(canvas: &mut Canvas, look: &Look) {
    let brow = if look.hair.0.iter().all(|&c| c > 140) { look.hair.lighter(-0.3) } else { look.hair.lighter(-0.12) };
    for side in [-1.0, 1.0] {
        let x = HEAD[0] + side * look.eye_gap;
        canvas.oval([x, EYES], [look.eye * 1.55, look.eye * 1.3], WHITE);
        let pupil = [x + look.glance[0], EYES + look.glance[1]];
        canvas.oval(pupil, [look.eye * 0.92, look.eye * 0.98], INK);
        canvas.oval([pupil[0] - 0.5, pupil[1] - 0.6], [0.5, 0.5], WHITE);
        let raised = EYES - look.eye - 2.6 - look.brow;
        let inner = [x - side * 2.7, EYES - look.eye - 2.4];
        canvas.line(curve(inner, [x + side * 0.6, raised - 0.9], [x + side * 3.1, raised + 1.0]), 1.25, brow);
    }
    let tip = EYES + look.nose + 1.8;
    canvas.line(curve([30.6, tip - 0.4], [32.1, tip + 1.5], [33.5, tip - 0.5]), 1.15, look.skin.lighter(-0.27));
}

/// The mouth.
pub(super) fn mouth(canvas: &mut Canvas, look: &Look, mouth: Mouth) {
    let (w, y) = (look.mouth_width, HEAD[1] + look.head[1] * 0.56);
    let [l, r] = [32.0 - w, 32.0 + w];
    match mouth {
        Mouth::Neutral => canvas.line(curve([l + 1.4, y + 0.6], [32.0, y + 0.8], [r - 1.4, y + 0.6]), 1.4, look.lip),
        Mouth::Smile => canvas.line(curve([l, y - 1.0], [32.0, y + 5.0], [r, y - 1.0]), 1.5, look.lip),
        Mouth::Open => {
            let lips = oval([32.0, y + 0.7], [w * 0.66, 3.3]);
            canvas.fill(lips, THROAT, 1.0);
            canvas.fill(oval([32.0, y + 2.4], [w * 0.42, 1.5]), TONGUE, 1.0);
            canvas.fill(rounded([32.0, y - 1.35], [w * 0.4, 0.7], 0.5), WHITE, 1.0);
        }
    }
}
