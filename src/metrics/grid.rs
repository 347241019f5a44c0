//! Grids of samples and PNG files of them.

use std::io::{self, Cursor};
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};
use thiserror::Error;

use super::Tiles;
use crate::atomic_file::{self, plain_reason};

/// Smaller tiles are enlarged by whole numbers up to about this many pixels.
const TILE_PIXELS: u32 = 96;
/// Room around each tile, in which a negative sample's frame is drawn.
const BORDER: u32 = 3;
/// Room between the grid before and the grid after.
const GAP: u32 = 12;
/// No grid is larger than this many pixels: 768 MiB in memory.
const MAX_PIXELS: u64 = 1 << 28;

const BACKGROUND: Rgb<u8> = Rgb([24, 24, 27]);
const NEGATIVE: Rgb<u8> = Rgb([229, 57, 53]);

/// Why a picture was not made; each message is one sentence.
#[derive(Debug, Error)]
pub enum GridError {
    #[error("a grid of {count} tiles of {width}x{height} pixels is empty or too large to draw")]
    Size { count: usize, width: u32, height: u32 },
    #[error("before and after differ: {before} and {after}")]
    Pair { before: String, after: String },
    #[error("{file}: cannot be written ({})", plain_reason(source))]
    Write { file: String, source: io::Error },
}

/// Draws tiles row by row, small ones enlarged; those marked in `negatives` get a red frame.
///
/// `negatives` goes with the tiles by position; missing ones are not negative.
pub fn draw_grid(tiles: &Tiles, columns: usize, negatives: &[bool]) -> Result<RgbImage, GridError> {
    let (count, width, height) = (tiles.count(), tiles.width, tiles.height);
    let wrong = || GridError::Size { count, width, height };
    let columns = columns.clamp(1, count.max(1));
    let scale = (TILE_PIXELS / width.max(height).max(1)).max(1);
    let cell = |side: u32| side.checked_mul(scale)?.checked_add(2 * BORDER);
    let (cell_width, cell_height) = (cell(width).ok_or_else(wrong)?, cell(height).ok_or_else(wrong)?);
    let total = |cells: usize, cell: u32| u32::try_from(cells).ok()?.checked_mul(cell);
    let total_width = total(columns, cell_width).ok_or_else(wrong)?;
    let total_height = total(count.div_ceil(columns), cell_height).ok_or_else(wrong)?;
    if count == 0 || u64::from(total_width) * u64::from(total_height) > MAX_PIXELS {
        return Err(wrong());
    }

    let mut grid = RgbImage::from_pixel(total_width, total_height, BACKGROUND);
    for (number, tile) in tiles.rgb.chunks_exact(tiles.tile_bytes()).enumerate() {
        let left = (number % columns) as u32 * cell_width;
        let top = (number / columns) as u32 * cell_height;
        if negatives.get(number) == Some(&true) {
            for y in 0..cell_height {
                for x in 0..cell_width {
                    grid.put_pixel(left + x, top + y, NEGATIVE);
                }
            }
        }
        for y in 0..height * scale {
            for x in 0..width * scale {
                let at = ((y / scale) as usize * width as usize + (x / scale) as usize) * 3;
                let pixel = Rgb([tile[at], tile[at + 1], tile[at + 2]]);
                grid.put_pixel(left + BORDER + x, top + BORDER + y, pixel);
            }
        }
    }
    Ok(grid)
}

/// Draws the same samples before and after side by side; `negatives` (by what they showed before) are framed in both.
pub fn draw_before_after(
    before: &Tiles,
    after: &Tiles,
    columns: usize,
    negatives: &[bool],
) -> Result<RgbImage, GridError> {
    if (before.count(), before.width, before.height) != (after.count(), after.width, after.height) {
        return Err(GridError::Pair { before: before.describe(), after: after.describe() });
    }
    let left = draw_grid(before, columns, negatives)?;
    let right = draw_grid(after, columns, negatives)?;
    let offset = left.width() + GAP;
    let mut both = RgbImage::from_pixel(offset + right.width(), left.height(), BACKGROUND);
    image::imageops::replace(&mut both, &left, 0, 0);
    image::imageops::replace(&mut both, &right, i64::from(offset), 0);
    Ok(both)
}

/// Writes a grid of tiles as a PNG file.
pub fn write_grid(path: &Path, tiles: &Tiles, columns: usize, negatives: &[bool]) -> Result<(), GridError> {
    write_png(path, &draw_grid(tiles, columns, negatives)?)
}

/// Writes the grids before and after, side by side, as a PNG file.
pub fn write_before_after(
    path: &Path,
    before: &Tiles,
    after: &Tiles,
    columns: usize,
    negatives: &[bool],
) -> Result<(), GridError> {
    write_png(path, &draw_before_after(before, after, columns, negatives)?)
}

/// Writes a PNG file, replacing one that is there only when all is on the disk.
pub fn write_png(path: &Path, picture: &RgbImage) -> Result<(), GridError> {
    let write = || -> io::Result<()> {
        let mut png = Cursor::new(Vec::new());
        picture.write_to(&mut png, ImageFormat::Png).map_err(io::Error::other)?;
        atomic_file::write(path, png.get_ref())
    };
    write().map_err(|source| {
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        GridError::Write { file, source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four tiles of 32x32 in the colours given.
    fn tiles(colours: [[u8; 3]; 4]) -> Tiles {
        let rgb = colours.iter().flat_map(|colour| colour.repeat(32 * 32)).collect();
        Tiles { rgb, width: 32, height: 32 }
    }

    const A: [[u8; 3]; 4] = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]];
    const B: [[u8; 3]; 4] = [[201, 0, 0], [202, 0, 0], [203, 0, 0], [204, 0, 0]];

    #[test]
    fn a_grid_has_each_tile_in_its_place() {
        let grid = draw_grid(&tiles(A), 3, &[false, true]).unwrap();
        let cell = 32 * 3 + 2 * BORDER;
        assert_eq!(grid.dimensions(), (3 * cell, 2 * cell));
        let centre = |column: u32, row: u32| grid.get_pixel(column * cell + cell / 2, row * cell + cell / 2).0;
        assert_eq!([centre(0, 0), centre(1, 0), centre(2, 0), centre(0, 1)], A);
        assert_eq!(centre(1, 1), BACKGROUND.0);
        assert_eq!(*grid.get_pixel(cell, 0), NEGATIVE);
        assert_eq!(*grid.get_pixel(2 * cell - 1, cell - 1), NEGATIVE);
        assert_eq!(*grid.get_pixel(0, 0), BACKGROUND);
        assert_eq!(grid.get_pixel(cell + BORDER, BORDER).0, A[1]);
        let framed = grid.pixels().filter(|&&pixel| pixel == NEGATIVE).count() as u32;
        assert_eq!(framed, cell * cell - 96 * 96);
    }

    #[test]
    fn tiles_grow_by_whole_numbers() {
        for (side, scaled) in [(1, 96), (16, 96), (32, 96), (40, 80), (64, 64), (128, 128)] {
            let tile = Tiles { rgb: vec![9; (side * side * 3) as usize], width: side, height: side };
            assert_eq!(draw_grid(&tile, 1, &[]).unwrap().width(), scaled + 2 * BORDER, "{side}");
        }
        let two = Tiles { rgb: vec![255, 0, 0, 0, 255, 0], width: 2, height: 1 };
        let grid = draw_grid(&two, 1, &[]).unwrap();
        assert_eq!(grid.get_pixel(BORDER + 47, BORDER + 47).0, [255, 0, 0]);
        assert_eq!(grid.get_pixel(BORDER + 48, BORDER).0, [0, 255, 0]);
    }

    #[test]
    fn before_and_after_stand_side_by_side() {
        let both = draw_before_after(&tiles(A), &tiles(B), 2, &[true]).unwrap();
        let cell = 32 * 3 + 2 * BORDER;
        assert_eq!(both.dimensions(), (4 * cell + GAP, 2 * cell));
        let right = 2 * cell + GAP;
        assert_eq!(both.get_pixel(cell / 2, cell / 2).0, A[0]);
        assert_eq!(both.get_pixel(right + cell / 2, cell / 2).0, B[0]);
        assert_eq!(both.get_pixel(right + cell + cell / 2, cell + cell / 2).0, B[3]);
        assert_eq!((*both.get_pixel(0, 0), *both.get_pixel(right, 0)), (NEGATIVE, NEGATIVE));
        assert_eq!(*both.get_pixel(2 * cell + GAP / 2, 5), BACKGROUND);
        let fewer = Tiles { rgb: vec![0; 3 * 32 * 32], width: 32, height: 32 };
        let error = draw_before_after(&tiles(A), &fewer, 2, &[]).unwrap_err().to_string();
        assert_eq!(error, "before and after differ: 4 tiles of 32x32 and 1 tiles of 32x32");
    }

    #[test]
    fn a_file_holds_the_grid_pixel_by_pixel() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        write_grid(&path, &tiles(A), 2, &[true]).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgb8(), draw_grid(&tiles(A), 2, &[true]).unwrap());
        write_before_after(&path, &tiles(A), &tiles(B), 4, &[]).unwrap();
        let both = draw_before_after(&tiles(A), &tiles(B), 4, &[]).unwrap();
        assert_eq!(image::open(&path).unwrap().to_rgb8(), both);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = write_grid(&folder.path().join("absent/g.png"), &tiles(A), 2, &[]).unwrap_err().to_string();
        assert_eq!(error, "g.png: cannot be written (no such file or directory)");
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        let none = Tiles { rgb: vec![], width: 4, height: 4 };
        assert!(draw_grid(&none, 3, &[]).is_err());
        assert!(draw_grid(&Tiles { rgb: vec![], width: 0, height: 0 }, 0, &[]).is_err());
        let thin = Tiles { rgb: vec![0; 3 << 16], width: 1 << 16, height: 1 };
        assert!(draw_grid(&thin, 1, &[]).is_ok());
        let many = Tiles { rgb: vec![0; 3 * 40_000], width: 1, height: 1 };
        let error = draw_grid(&many, 200, &[]).unwrap_err().to_string();
        assert_eq!(error, "a grid of 40000 tiles of 1x1 pixels is empty or too large to draw");
    }
}
