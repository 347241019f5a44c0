//! A folder of pictures, cut to squares of one size.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use image::{ImageReader, Limits, imageops::FilterType};
use sha2::{Digest, Sha256};

use super::{DataError, ImageSet};

/// Bytes of all pictures together at most.
const LARGEST_DATA: usize = 1 << 33;
/// Pixels along a side of a picture at most.
const LARGEST_SIDE: u32 = 16_384;

/// The pictures of a folder.
pub(super) struct FolderPictures {
    /// In the order of their names.
    pub(super) images: ImageSet,
    /// SHA-256 of each picture's file.
    pub(super) digests: Vec<[u8; 32]>,
    /// How many had another size.
    pub(super) resized: usize,
    /// The files that are no readable pictures.
    pub(super) skipped: Vec<PathBuf>,
}

/// All pictures of a folder (not of its subfolders), by name, cut to their middle square and resized to `side`; and the
/// files that are no readable pictures.
pub fn read_folder(folder: &Path, side: usize) -> Result<(ImageSet, Vec<PathBuf>), DataError> {
    read_pictures(folder, side).map(|found| (found.images, found.skipped))
}

/// As [`read_folder`], with what names each picture.
pub(super) fn read_pictures(folder: &Path, side: usize) -> Result<FolderPictures, DataError> {
    let unreadable = |error: std::io::Error| DataError::Read { file: folder.to_owned(), reason: error.to_string() };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    let (mut bytes, mut digests, mut resized, mut skipped) = (Vec::new(), Vec::new(), 0, Vec::new());
    for path in &files {
        match read_picture(path, side as u32) {
            Some(Picture { rgb, digest, was }) => {
                bytes.extend(rgb);
                digests.push(digest);
                resized += usize::from(was != [side as u32; 2]);
            }
            None => skipped.push(path.clone()),
        }
        if bytes.len() > LARGEST_DATA {
            return Err(DataError::TooMany { folder: folder.to_owned(), count: files.len(), side });
        }
    }
    if bytes.is_empty() {
        return Err(DataError::NoPictures { folder: folder.to_owned(), files: files.len() });
    }
    Ok(FolderPictures { images: ImageSet::rgb(bytes, side), digests, resized, skipped })
}

/// A picture that was read.
struct Picture {
    /// `[side, side, 3]`.
    rgb: Vec<u8>,
    /// SHA-256 of its file.
    digest: [u8; 32],
    /// Its width and height in the file.
    was: [u32; 2],
}

/// Bytes of a picture's file at most.
const LARGEST_FILE: u64 = 1 << 30;

/// What is transparent is drawn on white.
fn read_picture(path: &Path, side: u32) -> Option<Picture> {
    if std::fs::metadata(path).ok()?.len() > LARGEST_FILE {
        return None;
    }
    let content = std::fs::read(path).ok()?;
    let mut reader = ImageReader::new(Cursor::new(&content)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    reader.limits(limits);
    let picture = reader.decode().ok()?;
    // Cut first: resizing first would mix what is cut away into the edges.
    let (width, height) = (picture.width(), picture.height());
    let middle = width.min(height);
    let square = picture.crop_imm((width - middle) / 2, (height - middle) / 2, middle, middle);
    let square = square.resize_exact(side, side, FilterType::CatmullRom).to_rgba8();
    let on_white = |pixel: &image::Rgba<u8>| {
        let [r, g, b, alpha] = pixel.0.map(u32::from);
        [r, g, b].map(|value| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
    };
    let rgb = square.pixels().flat_map(on_white).collect();
    Some(Picture { rgb, digest: Sha256::digest(&content).into(), was: [width, height] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

    #[test]
    fn broken_pictures_are_named_and_skipped() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // A red middle square between green margins.
        let wide = RgbImage::from_fn(40, 20, |x, _| Rgb(if (10..30).contains(&x) { [255, 0, 0] } else { [0, 255, 0] }));
        wide.save(at("b.png")).unwrap();
        wide.save(at("c.jpg")).unwrap();
        RgbaImage::from_pixel(8, 8, Rgba([9, 9, 9, 0])).save(at("d.png")).unwrap();
        let png = std::fs::read(at("b.png")).unwrap();
        std::fs::write(at("a.png"), &png[..png.len() / 2]).unwrap();
        std::fs::write(at("z.txt"), "words").unwrap();
        std::fs::create_dir(at("more.png")).unwrap();
        let (set, skipped) = read_folder(folder.path(), 16).unwrap();
        assert_eq!((set.len(), set.side()), (3, 16));
        assert_eq!(skipped, [at("a.png"), at("z.txt")]);
        let red = set.images(&[0]);
        assert!(red[..256].iter().all(|&v| v > 0.99) && red[256..].iter().all(|&v| v < -0.99));
        assert_eq!(set.images(&[2]), vec![1.0; 768]);
    }

    #[test]
    fn a_folder_without_pictures_is_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("z.txt"), "words").unwrap();
        let error = read_folder(folder.path(), 16).unwrap_err().to_string();
        assert!(error.ends_with(": no readable PNG or JPEG picture among its 1 files"), "{error}");
        assert!(matches!(read_folder(&folder.path().join("absent"), 16), Err(DataError::Read { .. })));
    }
}
