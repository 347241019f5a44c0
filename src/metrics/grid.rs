//! Grids of samples, as pictures in memory and as PNG files, which are written row by row: no picture is ever held whole to
//! be written.

use std::{
    io::{self, Write},
    path::Path,
};

use image::RgbImage;
use thiserror::Error;

use super::{Caption, Tiles};
use crate::atomic_file::{self, plain_reason};

/// Smaller tiles are enlarged by whole numbers up to about this many pixels.
const TILE_PIXELS: u32 = 96;
/// Room around each tile, in which a negative sample's frame is drawn.
const BORDER: u32 = 3;
/// Room between the grid before and the grid after.
const GAP: u32 = 12;
/// Most pixels of a PNG file, 32768 x 32768: few programs open larger ones.
const PNG_PIXELS: u64 = 1 << 30;
/// Most pixels of a picture that is held in memory: 96 MiB.
const HELD_PIXELS: u64 = 1 << 25;

/// Behind tiles and captions.
pub const BACKGROUND: [u8; 3] = [24, 24, 27];
const NEGATIVE: [u8; 3] = [229, 57, 53];

/// Why a picture was not made; each message is one sentence.
#[derive(Debug, Error)]
pub enum GridError {
    #[error("a picture of no samples, or of samples without pixels, cannot be drawn")]
    Empty,
    #[error("{count} samples of {width}x{height} pixels are too many for one picture; at most {most} fit")]
    Size { count: usize, width: u32, height: u32, most: usize },
    #[error("before and after differ: {before} and {after}")]
    Pair { before: String, after: String },
    #[error("{file}: cannot be written ({})", plain_reason(source))]
    Write { file: String, source: io::Error },
}

/// Where tiles stand in a picture: one grid of them, or several side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Tiles of one grid.
    count: usize,
    /// Width and height of a tile.
    tile: [u32; 2],
    columns: usize,
    grids: u32,
    /// By how much tiles are enlarged.
    scale: u32,
    /// Height of what stands above the grids, in pixels.
    header: u32,
}

impl Layout {
    /// A PNG file of `grids` grids side by side, each of `count` tiles of `tile` (width and height) pixels.
    pub fn png(count: usize, tile: [u32; 2], columns: usize, grids: u32) -> Result<Self, GridError> {
        Self::new(count, tile, |_| columns, grids, PNG_PIXELS)
    }

    /// A PNG file of one grid that is as wide as high.
    pub fn square_png(count: usize, tile: [u32; 2]) -> Result<Self, GridError> {
        Self::new(count, tile, |count| (count as f64).sqrt().ceil() as usize, 1, PNG_PIXELS)
    }

    /// A picture of one grid that is held in memory.
    pub fn held(count: usize, tile: [u32; 2], columns: usize) -> Result<Self, GridError> {
        Self::new(count, tile, |_| columns, 1, HELD_PIXELS)
    }

    fn new(
        count: usize,
        tile: [u32; 2],
        columns: impl Fn(usize) -> usize,
        grids: u32,
        limit: u64,
    ) -> Result<Self, GridError> {
        let [width, height] = tile;
        let scale = (TILE_PIXELS / width.max(height).max(1)).max(1);
        let of = |count: usize| Self {
            count,
            tile,
            columns: columns(count).clamp(1, count.max(1)),
            grids,
            scale,
            header: 0,
        };
        let fits = |count: usize| of(count).pixels().is_some_and(|pixels| pixels <= limit);
        if count == 0 || width == 0 || height == 0 {
            return Err(GridError::Empty);
        }
        if fits(count) {
            return Ok(of(count));
        }
        // A grid of more tiles is never smaller.
        let (mut most, mut too_many) = (0, count);
        while too_many - most > 1 {
            let middle = most + (too_many - most) / 2;
            if fits(middle) { most = middle } else { too_many = middle }
        }
        Err(GridError::Size { count, width, height, most })
    }

    fn pixels(&self) -> Option<u64> {
        let side = |cells: usize, tile: u32| {
            let cell = u64::from(tile).checked_mul(u64::from(self.scale))?.checked_add(2 * u64::from(BORDER))?;
            cell.checked_mul(cells as u64)
        };
        let width = side(self.columns, self.tile[0])?.checked_mul(self.grids.into())?;
        let width = width.checked_add(u64::from(GAP) * u64::from(self.grids.saturating_sub(1)))?;
        let height = side(self.count.div_ceil(self.columns), self.tile[1])?;
        // A side beyond this would be so in any format.
        let sides = [width, height].into_iter().all(|side| side <= i32::MAX as u64);
        width.checked_mul(height).filter(|_| sides)
    }

    fn cell(&self) -> [u32; 2] {
        self.tile.map(|side| side * self.scale + 2 * BORDER)
    }

    fn tile_bytes(&self) -> usize {
        self.tile[0] as usize * self.tile[1] as usize * 3
    }

    /// Tiles in a row of one grid.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Rows of tiles.
    fn rows(&self) -> usize {
        self.count.div_ceil(self.columns)
    }

    /// Width and height of the picture.
    fn size(&self) -> [u32; 2] {
        let [width, height] = self.cell();
        let grid = self.columns as u32 * width;
        [self.grids * grid + self.grids.saturating_sub(1) * GAP, self.header + self.rows() as u32 * height]
    }

    /// The tiles in a row of one grid, of which the last has what is left.
    fn in_row(&self, row: usize) -> usize {
        self.columns.min(self.count - row * self.columns)
    }

    /// Draws a caption above each grid, line by line.
    fn draw_header(&self, captions: &[Caption], mut draw: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let grid_bytes = (self.columns as u32 * self.cell()[0] + GAP) as usize * 3;
        for y in 0..self.header as usize {
            let mut line = BACKGROUND.repeat(self.size()[0] as usize);
            for (grid, caption) in line.chunks_mut(grid_bytes).zip(captions) {
                caption.draw_line(y, grid);
            }
            draw(&line)?;
        }
        Ok(())
    }

    /// Draws a row of tiles, line by line; `tiles` are those of each grid.
    fn draw_row(
        &self,
        row: usize,
        tiles: &[&[u8]],
        negatives: &[bool],
        mut draw: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let [cell_width, cell_height] = self.cell().map(|side| side as usize);
        let [tile_width, tile_height] = self.tile.map(|side| side as usize);
        let scale = self.scale as usize;
        let border = BORDER as usize;
        let is_negative = |column: usize| negatives.get(row * self.columns + column) == Some(&true);
        let mut line = BACKGROUND.repeat(self.size()[0] as usize);
        for y in 0..cell_height {
            let within = y.checked_sub(border).map(|y| y / scale).filter(|y| *y < tile_height);
            let grid_bytes = (self.columns * cell_width + GAP as usize) * 3;
            for (grid, tiles) in line.chunks_mut(grid_bytes).zip(tiles) {
                let cells = grid.chunks_exact_mut(cell_width * 3).zip(tiles.chunks_exact(self.tile_bytes()));
                for (column, (cell, tile)) in cells.enumerate() {
                    let edge = if is_negative(column) { NEGATIVE } else { BACKGROUND };
                    let Some(y) = within else {
                        cell.as_chunks_mut().0.fill(edge);
                        continue;
                    };
                    let (before, rest) = cell.split_at_mut(border * 3);
                    let (pixels, after) = rest.split_at_mut(tile_width * scale * 3);
                    before.as_chunks_mut().0.fill(edge);
                    after.as_chunks_mut().0.fill(edge);
                    let from = &tile[y * tile_width * 3..][..tile_width * 3];
                    for (to, from) in pixels.chunks_exact_mut(scale * 3).zip(from.as_chunks::<3>().0) {
                        to.as_chunks_mut().0.fill(*from);
                    }
                }
            }
            draw(&line)?;
        }
        Ok(())
    }
}

/// Draws tiles row by row, small ones enlarged; those marked in `negatives` get a red frame.
///
/// `negatives` goes with the tiles by position; missing ones are not negative.
pub fn draw_grid(tiles: &Tiles, columns: usize, negatives: &[bool]) -> Result<RgbImage, GridError> {
    let layout = Layout::held(tiles.count(), [tiles.width, tiles.height], columns)?;
    let [width, height] = layout.size();
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    let rows = tiles.rgb.chunks(layout.columns * layout.tile_bytes()).take(layout.rows());
    for (row, tiles) in rows.enumerate() {
        let drawn = layout.draw_row(row, &[tiles], negatives, |line| {
            rgb.extend_from_slice(line);
            Ok(())
        });
        drawn.map_err(|_| GridError::Empty)?;
    }
    RgbImage::from_raw(width, height, rgb).ok_or(GridError::Empty)
}

/// A PNG file of grids that is being written. Tiles come in order, for each grid those that it shows; a row is written, and
/// forgotten, when it is there in every grid.
pub struct PngGrid<'a> {
    file: String,
    layout: Layout,
    negatives: &'a [bool],
    /// Takes the lines of the picture, from the top.
    lines: &'a mut dyn Write,
    /// Tiles of each grid that are not written yet.
    waiting: Vec<Vec<u8>>,
    /// Rows that are written.
    written: usize,
}

impl PngGrid<'_> {
    /// Takes further tiles of a grid, `[count, height, width, 3]`.
    pub fn push(&mut self, grid: usize, tiles: &[u8]) -> Result<(), GridError> {
        if let Some(waiting) = self.waiting.get_mut(grid) {
            waiting.extend_from_slice(tiles);
        }
        while self.written < self.layout.rows() {
            let bytes = self.layout.in_row(self.written) * self.layout.tile_bytes();
            let rows: Option<Vec<&[u8]>> = self.waiting.iter().map(|waiting| waiting.get(..bytes)).collect();
            let Some(rows) = rows else { break };
            let lines = &mut self.lines;
            let drawn = self.layout.draw_row(self.written, &rows, self.negatives, |line| lines.write_all(line));
            drawn.map_err(|source| GridError::Write { file: self.file.clone(), source })?;
            self.waiting.iter_mut().for_each(|waiting| drop(waiting.drain(..bytes)));
            self.written += 1;
        }
        Ok(())
    }
}

/// Writes a PNG file of grids, with a caption above each for which there is one; `fill` pushes all their tiles. Whatever
/// fails, a file that is there stays as it is.
pub fn write_png<E: From<GridError>>(
    path: &Path,
    layout: Layout,
    negatives: &[bool],
    captions: &[Caption],
    fill: impl FnOnce(&mut PngGrid) -> Result<(), E>,
) -> Result<(), E> {
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let layout = Layout { header: Caption::highest(captions), ..layout };
    let mut failure = None;
    let written = atomic_file::write_with(path, |out| {
        let [width, height] = layout.size();
        let mut encoder = png::Encoder::new(out, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        encoder.set_filter(png::Filter::Adaptive);
        let mut png = encoder.write_header()?;
        let mut lines = png.stream_writer()?;
        layout.draw_header(captions, |line| lines.write_all(line))?;
        let waiting = vec![Vec::new(); layout.grids as usize];
        let mut grids = PngGrid { file: file.clone(), layout, negatives, lines: &mut lines, waiting, written: 0 };
        if let Err(error) = fill(&mut grids) {
            failure = Some(error);
            return Err(io::Error::other("the tiles could not be made"));
        }
        lines.finish()?;
        Ok(png.finish()?)
    });
    match (failure, written) {
        (Some(error), _) => Err(error),
        (None, written) => written.map_err(|source| GridError::Write { file, source }.into()),
    }
}

/// Writes a grid of tiles as a PNG file.
pub fn write_grid(path: &Path, tiles: &Tiles, columns: usize, negatives: &[bool]) -> Result<(), GridError> {
    let layout = Layout::png(tiles.count(), [tiles.width, tiles.height], columns, 1)?;
    write_png(path, layout, negatives, &[], |grid| grid.push(0, &tiles.rgb))
}

/// Writes the grids before and after, side by side, as a PNG file; `negatives` (by what they showed before) are framed in
/// both.
pub fn write_before_after(
    path: &Path,
    before: &Tiles,
    after: &Tiles,
    columns: usize,
    negatives: &[bool],
) -> Result<(), GridError> {
    if (before.count(), before.width, before.height) != (after.count(), after.width, after.height) {
        return Err(GridError::Pair { before: before.describe(), after: after.describe() });
    }
    let layout = Layout::png(before.count(), [before.width, before.height], columns, 2)?;
    let row = layout.columns * layout.tile_bytes();
    write_png(path, layout, negatives, &[], |grids| {
        let mut rows = before.rgb.chunks(row).zip(after.rgb.chunks(row));
        rows.try_for_each(|(before, after)| grids.push(0, before).and_then(|()| grids.push(1, after)))
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

    /// What the file of these grids holds.
    fn read(write: impl FnOnce(&Path) -> Result<(), GridError>) -> RgbImage {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        write(&path).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        image::open(&path).unwrap().to_rgb8()
    }

    #[test]
    fn a_grid_has_each_tile_in_its_place() {
        let grid = draw_grid(&tiles(A), 3, &[false, true]).unwrap();
        let cell = 32 * 3 + 2 * BORDER;
        assert_eq!(grid.dimensions(), (3 * cell, 2 * cell));
        let centre = |column: u32, row: u32| grid.get_pixel(column * cell + cell / 2, row * cell + cell / 2).0;
        assert_eq!([centre(0, 0), centre(1, 0), centre(2, 0), centre(0, 1)], A);
        assert_eq!(centre(1, 1), BACKGROUND);
        assert_eq!(grid.get_pixel(cell, 0).0, NEGATIVE);
        assert_eq!(grid.get_pixel(2 * cell - 1, cell - 1).0, NEGATIVE);
        assert_eq!(grid.get_pixel(0, 0).0, BACKGROUND);
        assert_eq!(grid.get_pixel(cell + BORDER, BORDER).0, A[1]);
        let framed = grid.pixels().filter(|pixel| pixel.0 == NEGATIVE).count() as u32;
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
        let both = read(|path| write_before_after(path, &tiles(A), &tiles(B), 2, &[true]));
        let cell = 32 * 3 + 2 * BORDER;
        assert_eq!(both.dimensions(), (4 * cell + GAP, 2 * cell));
        let right = 2 * cell + GAP;
        assert_eq!(both.get_pixel(cell / 2, cell / 2).0, A[0]);
        assert_eq!(both.get_pixel(right + cell / 2, cell / 2).0, B[0]);
        assert_eq!(both.get_pixel(right + cell + cell / 2, cell + cell / 2).0, B[3]);
        assert_eq!((both.get_pixel(0, 0).0, both.get_pixel(right, 0).0), (NEGATIVE, NEGATIVE));
        assert_eq!(both.get_pixel(2 * cell + GAP / 2, 5).0, BACKGROUND);
        let fewer = Tiles { rgb: vec![0; 3 * 32 * 32], width: 32, height: 32 };
        let error = write_before_after(Path::new("both.png"), &tiles(A), &fewer, 2, &[]).unwrap_err().to_string();
        assert_eq!(error, "before and after differ: 4 tiles of 32x32 and 1 tiles of 32x32");
    }

    #[test]
    fn a_file_holds_the_grid_pixel_by_pixel() {
        for columns in 1..=4 {
            let drawn = draw_grid(&tiles(A), columns, &[true]).unwrap();
            assert_eq!(read(|path| write_grid(path, &tiles(A), columns, &[true])), drawn, "{columns} columns");
        }
        let folder = tempfile::tempdir().unwrap();
        let error = write_grid(&folder.path().join("absent/g.png"), &tiles(A), 2, &[]).unwrap_err().to_string();
        assert_eq!(error, "g.png: cannot be written (no such file or directory)");
    }

    #[test]
    fn a_file_is_written_while_its_tiles_come_and_only_a_row_of_them_waits() {
        let layout = Layout::square_png(10, [32, 32]).unwrap();
        let tile = |number: u8| [number; 3].repeat(32 * 32);
        let all: Vec<u8> = (0..10).flat_map(tile).collect();
        let written = read(|path| {
            write_png(path, layout, &[], &[], |grid| {
                for number in 0..10 {
                    grid.push(0, &tile(number))?;
                    assert!(grid.waiting[0].len() < 4 * layout.tile_bytes(), "after tile {number}");
                }
                Ok(())
            })
        });
        assert_eq!(written, draw_grid(&Tiles { rgb: all, width: 32, height: 32 }, 4, &[]).unwrap());
    }

    #[test]
    fn captions_stand_above_their_grids() {
        let layout = Layout::png(1, [32, 32], 1, 2).unwrap();
        let ink = |height: usize| Caption::new(5, vec![255; 5 * height]);
        let picture = read(|path| {
            write_png(path, layout, &[], &[ink(2), ink(4)], |grids| {
                grids.push(0, &A[0].repeat(32 * 32))?;
                grids.push(1, &A[1].repeat(32 * 32))
            })
        });
        let cell = 32 * 3 + 2 * BORDER;
        assert_eq!(picture.dimensions(), (2 * cell + GAP, 4 + cell));
        let is_ink = |x: u32, y: u32| picture.get_pixel(x, y).0 != BACKGROUND;
        let right = cell + GAP;
        assert!(is_ink(0, 1) && is_ink(4, 1) && !is_ink(5, 1) && !is_ink(0, 2));
        assert!(is_ink(right, 3) && !is_ink(right, 4) && !is_ink(right - 1, 0));
        assert_eq!(
            [picture.get_pixel(BORDER, 4 + BORDER).0, picture.get_pixel(right + BORDER, 4 + BORDER).0],
            [A[0], A[1]]
        );
    }

    #[test]
    fn what_cannot_be_filled_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        std::fs::write(&path, "old").unwrap();
        let layout = Layout::square_png(2, [32, 32]).unwrap();
        let failed = |_: &mut PngGrid| Err(GridError::Empty);
        assert!(matches!(write_png(&path, layout, &[], &[], failed), Err(GridError::Empty)));
        let one_of_two = |grid: &mut PngGrid| grid.push(0, &[9; 3 * 32 * 32]);
        assert!(write_png(&path, layout, &[], &[], one_of_two).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_and_too_much_are_declined_with_the_number_that_fits() {
        for tile in [[4, 4], [0, 4], [4, 0]] {
            let count = if tile == [4, 4] { 0 } else { 3 };
            assert!(matches!(Layout::png(count, tile, 3, 1), Err(GridError::Empty)), "{tile:?}");
        }
        let most = |layout: Result<Layout, GridError>| match layout {
            Err(GridError::Size { most, .. }) => most,
            other => panic!("too large, not {other:?}"),
        };
        type Kind = (&'static str, fn(usize, u32) -> Result<Layout, GridError>);
        let kinds: [Kind; 4] = [
            ("square", |count, side| Layout::square_png(count, [side; 2])),
            ("eight in a row", |count, side| Layout::png(count, [side; 2], 8, 1)),
            ("before and after", |count, side| Layout::png(count, [side; 2], 8, 2)),
            ("held", |count, side| Layout::held(count, [side; 2], 8)),
        ];
        for (name, layout) in kinds {
            for side in [1, 32, 256, 1024] {
                for count in [1 << 20, 1 << 40, usize::MAX] {
                    let most = most(layout(count, side));
                    assert!(layout(most, side).is_ok() && layout(most + 1, side).is_err(), "{name}, {side}: {most}");
                }
            }
        }
        assert_eq!(most(Layout::square_png(1, [u32::MAX; 2])), 0);
        assert_eq!(
            Layout::square_png(65_536, [1024, 1024]).unwrap_err().to_string(),
            "65536 samples of 1024x1024 pixels are too many for one picture; at most 992 fit"
        );
    }
}
