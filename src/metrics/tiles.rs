//! Samples as 8-bit pictures, as the window shows them and grids hold them.

/// 8-bit RGB pictures of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// `[count, height, width, 3]`.
    pub rgb: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

impl Tiles {
    /// Number of tiles.
    pub fn count(&self) -> usize {
        self.rgb.len().checked_div(self.tile_bytes()).unwrap_or(0)
    }

    /// Tiles from a generator's images, `shape` = `[n, 1 or 3, height, width]`, values in [-1, 1].
    ///
    /// None if `images` does not have this shape.
    pub fn from_images(images: &[f32], shape: [usize; 4]) -> Option<Self> {
        let [_, _, height, width] = shape;
        Some(Self {
            rgb: to_rgb8(images, shape)?,
            width: u32::try_from(width).ok()?,
            height: u32::try_from(height).ok()?,
        })
    }

    pub(super) fn tile_bytes(&self) -> usize {
        self.width as usize * self.height as usize * 3
    }

    pub(super) fn describe(&self) -> String {
        format!("{} tiles of {}x{}", self.count(), self.width, self.height)
    }
}

/// 8-bit RGB `[n, height, width, 3]` of images `[n, 1 or 3, height, width]` in [-1, 1].
///
/// -1 is 0, 1 is 255, rounded to the nearest; values beyond are clamped, one that is no number is black. One channel
/// is repeated. None if `images` does not have this shape.
pub fn to_rgb8(images: &[f32], shape: [usize; 4]) -> Option<Vec<u8>> {
    let [count, channels, height, width] = shape;
    let plane = height.checked_mul(width)?;
    let image = plane.checked_mul(channels)?;
    if !matches!(channels, 1 | 3) || image.checked_mul(count)? != images.len() {
        return None;
    }
    let mut rgb = Vec::with_capacity(count * plane * 3);
    for image in images.chunks_exact(image.max(1)) {
        for pixel in 0..plane {
            for channel in 0..3 {
                let value = image[channel % channels * plane + pixel];
                // A cast from float to integer saturates.
                rgb.push(((value + 1.0) * 127.5).round() as u8);
            }
        }
    }
    Some(rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_and_clamp() {
        let table = [
            (-1.0, 0),
            (1.0, 255),
            (0.0, 128),
            (-9.0, 0),
            (9.0, 255),
            (f32::NAN, 0),
            (f32::INFINITY, 255),
            // One step is 2/255: less than half of it changes nothing.
            (-1.0 + 0.99 / 255.0, 0),
            (-1.0 + 1.01 / 255.0, 1),
        ];
        for (value, expected) in table {
            assert_eq!(to_rgb8(&[value], [1, 1, 1, 1]), Some(vec![expected; 3]), "{value}");
        }
        for byte in 0..=255u8 {
            let value = f32::from(byte) / 127.5 - 1.0;
            assert_eq!(to_rgb8(&[value], [1, 1, 1, 1]), Some(vec![byte; 3]));
        }
    }

    #[test]
    fn planes_become_pixels() {
        let level = |byte: u8| f32::from(byte) / 127.5 - 1.0;
        // Two images of 1x2: planes R, G, B.
        let images: Vec<f32> = [1, 2, 11, 12, 21, 22, 101, 102, 111, 112, 121, 122].map(level).to_vec();
        let expected = [1, 11, 21, 2, 12, 22, 101, 111, 121, 102, 112, 122];
        assert_eq!(to_rgb8(&images, [2, 3, 1, 2]).unwrap(), expected);
        assert_eq!(to_rgb8(&images, [2, 2, 1, 3]), None);
        assert_eq!(to_rgb8(&images, [1, 3, 1, 2]), None);
        assert_eq!(to_rgb8(&images, [usize::MAX, 3, usize::MAX, 2]), None);
        assert_eq!(to_rgb8(&[], [0, 3, 4, 4]), Some(vec![]));
        let tiles = Tiles::from_images(&images, [2, 3, 1, 2]).unwrap();
        assert_eq!((tiles.count(), tiles.width, tiles.height), (2, 2, 1));
        assert_eq!(Tiles::from_images(&images, [5, 3, 1, 2]), None);
    }
}
