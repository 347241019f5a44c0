//! Words above a picture, as pixels: whoever asks for a picture draws them, so that nothing here knows fonts.

use image::{Rgb, RgbImage};

const INK: [u8; 3] = [228, 228, 231];

/// A line of words: how much of each pixel they cover, `[height, width]`, 255 for all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caption {
    width: usize,
    coverage: Vec<u8>,
}

impl Caption {
    /// Words of this width in pixels; an incomplete last line is left out.
    pub fn new(width: usize, mut coverage: Vec<u8>) -> Self {
        coverage.truncate(coverage.len() / width.max(1) * width);
        Self { width, coverage }
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        u32::try_from(self.coverage.len() / self.width.max(1)).unwrap_or(u32::MAX)
    }

    /// Height of all of them side by side.
    pub fn highest(captions: &[Self]) -> u32 {
        captions.iter().map(Self::height).max().unwrap_or(0)
    }

    /// Draws one of its lines onto a line of pixels `[width, 3]`, from the left; what has no room is cut.
    pub(super) fn draw_line(&self, y: usize, pixels: &mut [u8]) {
        let Some(line) = self.coverage.chunks_exact(self.width.max(1)).nth(y) else { return };
        for (pixel, &covered) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(line) {
            for (value, ink) in pixel.iter_mut().zip(INK) {
                let covered = u32::from(covered);
                *value = ((u32::from(*value) * (255 - covered) + u32::from(ink) * covered + 127) / 255) as u8;
            }
        }
    }
}

/// A picture with a caption above it, for which `height` pixels are made room.
pub fn add_caption(picture: &RgbImage, caption: Option<&Caption>, height: u32, background: [u8; 3]) -> RgbImage {
    let mut out = RgbImage::from_pixel(picture.width(), picture.height() + height, Rgb(background));
    let line = picture.width() as usize * 3;
    let lines = out.chunks_exact_mut(line.max(1));
    for (y, pixels) in lines.enumerate() {
        match y.checked_sub(height as usize) {
            Some(y) => pixels.copy_from_slice(&picture.as_raw()[y * line..][..line]),
            None => caption.into_iter().for_each(|caption| caption.draw_line(y, pixels)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_stands_above_the_picture_and_is_cut_at_its_end() {
        let caption = Caption::new(3, vec![255, 0, 255, 0, 255, 0, 9]);
        assert_eq!(caption.height(), 2);
        let picture = RgbImage::from_pixel(2, 1, Rgb([9, 9, 9]));
        let both = add_caption(&picture, Some(&caption), 3, [0; 3]);
        let expected = [INK, [0; 3], [0; 3], INK, [0; 3], [0; 3], [9; 3], [9; 3]];
        assert_eq!(
            (both.dimensions(), both.pixels().map(|pixel| pixel.0).collect::<Vec<_>>()),
            ((2, 4), expected.to_vec())
        );
        assert_eq!(add_caption(&picture, None, 0, [0; 3]), picture);
        let mut half = [100, 100, 100];
        Caption::new(1, vec![128]).draw_line(0, &mut half);
        assert_eq!(half, [164, 164, 166]);
        Caption::default().draw_line(0, &mut half);
        assert_eq!((half, Caption::default().height(), Caption::highest(&[])), ([164, 164, 166], 0, 0));
    }
}
