//! Words as pixels, for pictures that are saved: in the window's own font.

use eframe::egui::{
    Color32, FontDefinitions, FontId,
    epaint::text::{Fonts, TextOptions},
};

use crate::metrics::Caption;

/// Size of the words, and room around them, in pixels.
const SIZE: f32 = 18.0;
const ROOM: [usize; 2] = [8, 5];

/// Draws each of these lines; all are of one height.
pub(crate) fn draw(lines: &[String]) -> Vec<Caption> {
    let mut fonts = Fonts::new(TextOptions::default(), FontDefinitions::default());
    lines.iter().map(|line| caption(&mut fonts, line)).collect()
}

fn caption(fonts: &mut Fonts, line: &str) -> Caption {
    let mut fonts = fonts.with_pixels_per_point(1.0);
    let font = FontId::proportional(SIZE);
    let row_height = fonts.row_height(&font);
    let galley = fonts.layout_no_wrap(line.to_owned(), font, Color32::WHITE);
    // The glyphs lie in it once the words are laid out.
    let atlas = fonts.image();
    let [across, above] = ROOM;
    let width = galley.size().x.ceil() as usize + 2 * across;
    let height = row_height.ceil() as usize + 2 * above;
    let mut coverage = vec![0u8; width * height];
    for row in galley.rows.iter().take(1) {
        for glyph in row.glyphs.iter().filter(|glyph| !glyph.uv_rect.is_nothing()) {
            let corner = row.pos + glyph.pos.to_vec2() + glyph.uv_rect.offset;
            let [left, top] = [corner.x.round() as isize + across as isize, corner.y.round() as isize + above as isize];
            let [from, to] = [glyph.uv_rect.min, glyph.uv_rect.max].map(|corner| corner.map(usize::from));
            for (y, from_y) in (from[1]..to[1]).enumerate() {
                for (x, from_x) in (from[0]..to[0]).enumerate() {
                    let place = (left.checked_add_unsigned(x), top.checked_add_unsigned(y));
                    let (Some(x), Some(y)) = place else { continue };
                    let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { continue };
                    let texel = atlas.pixels.get(from_y * atlas.size[0] + from_x);
                    if let (true, Some(texel)) = (x < width && y < height, texel) {
                        let covered = &mut coverage[y * width + x];
                        *covered = (*covered).max(texel.a());
                    }
                }
            }
        }
    }
    Caption::new(width, coverage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_lines_are_of_one_height_and_say_what_they_were_given() {
        let lines = ["avatars-64: before", "avatars-64: after 120 steps", ""].map(str::to_owned);
        let drawn = draw(&lines);
        let [before, after, nothing] = &drawn[..] else { panic!("three captions") };
        assert!(before.height() > 20 && before.height() < 60, "{}", before.height());
        assert_eq!([before.height(), after.height(), nothing.height()], [before.height(); 3]);
        let alone = |line: &str| {
            let mut fonts = Fonts::new(TextOptions::default(), FontDefinitions::default());
            caption(&mut fonts, line)
        };
        assert_eq!((&alone(&lines[0]), &alone(&lines[1])), (before, after), "glyphs of other lines do not matter");
        assert!(alone("nn") != alone("uu"));
        assert_eq!(*nothing, Caption::new(2 * ROOM[0], vec![0; 2 * ROOM[0] * nothing.height() as usize]));
    }
}
