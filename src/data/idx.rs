//! IDX files, the format of MNIST: big-endian dimensions, then bytes; plain or gzipped.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

use flate2::read::GzDecoder;

use super::{DataError, ImageSet, LARGEST};

/// Bytes of all images of a file at most: thirty times MNIST.
const LARGEST_DATA: u64 = 1 << 31;
/// First bytes of a file of unsigned bytes, before the number of dimensions.
const MAGIC: [u8; 3] = [0, 0, 8];
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Images `[count, height, width]`, centred on black squares of the next power of two pixels, or of `side`: larger ones are
/// wider margins, smaller ones are shrunk.
pub fn read_images(path: &Path, side: Option<usize>) -> Result<ImageSet, DataError> {
    let (dims, bytes) = read(path, 3)?;
    let wrong = |reason: String| DataError::Idx { file: path.to_owned(), reason };
    let [_, height, width] = dims[..] else { return Err(wrong("it has no images".to_owned())) };
    if height.max(width) > LARGEST {
        return Err(wrong(format!("its images have {width}x{height} pixels, the largest side is {LARGEST}")));
    }
    // A file of lines would grow a thousandfold when they are put on squares.
    if height.max(width) > 4 * height.min(width) {
        return Err(wrong(format!("its images have {width}x{height} pixels; one side is over 4 times the other")));
    }
    let own = height.max(width).next_power_of_two();
    let wanted = side.unwrap_or(own);
    let side = wanted.max(own);
    let (top, left) = ((side - height) / 2, (side - width) / 2);
    let mut out = vec![0; bytes.len() / (height * width) * side * side];
    for (image, target) in bytes.chunks_exact(height * width).zip(out.chunks_exact_mut(side * side)) {
        for (row, line) in image.chunks_exact(width).enumerate() {
            let at = (top + row) * side + left;
            target[at..at + width].copy_from_slice(line);
        }
    }
    let shrunk = ImageSet::grey(out, side).shrunk(wanted);
    shrunk.ok_or_else(|| wrong(format!("its images cannot be shrunk to {wanted}x{wanted} pixels")))
}

/// Labels, `[count]`.
pub fn read_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    read(path, 1).map(|(_, bytes)| bytes)
}

/// The dimensions, each at least 1, and that many bytes.
fn read(path: &Path, dimensions: u8) -> Result<(Vec<usize>, Vec<u8>), DataError> {
    let wrong = |reason: &str| DataError::Idx { file: path.to_owned(), reason: reason.to_owned() };
    let unreadable = |error: std::io::Error| DataError::Read { file: path.to_owned(), reason: error.to_string() };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let zipped = file.fill_buf().map_err(unreadable)?.starts_with(&GZIP);
    let mut content: Box<dyn Read> = if zipped { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
    let mut word = || -> Result<[u8; 4], DataError> {
        let mut word = [0; 4];
        content.read_exact(&mut word).map_err(|_| wrong("it ends within its header"))?;
        Ok(word)
    };
    let magic = word()?;
    if magic[..3] != MAGIC || magic[3] != dimensions {
        let what = if dimensions == 3 { "images (three dimensions of bytes)" } else { "labels" };
        return Err(wrong(&format!("it does not begin like a file of {what}")));
    }
    let dims = (0..dimensions).map(|_| Ok(u32::from_be_bytes(word()?))).collect::<Result<Vec<_>, DataError>>()?;
    let total = dims.iter().try_fold(1u64, |total, &dim| total.checked_mul(u64::from(dim)));
    let total = match total {
        Some(0) => return Err(wrong("it is empty")),
        Some(total) if total <= LARGEST_DATA => total,
        _ => return Err(wrong(&format!("its header claims {dims:?} bytes, more than {LARGEST_DATA}"))),
    };
    let mut bytes = Vec::new();
    // The vector grows with what is there, not with what the header claims.
    content.take(total).read_to_end(&mut bytes).map_err(|error| wrong(&error.to_string()))?;
    if (bytes.len() as u64) < total {
        return Err(wrong(&format!("it ends after {} of {total} bytes", bytes.len())));
    }
    Ok((dims.into_iter().map(|dim| dim as usize).collect(), bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn header(dims: &[u32]) -> Vec<u8> {
        let mut out = vec![0, 0, 8, dims.len() as u8];
        out.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
        out
    }

    #[test]
    fn images_are_centred_on_a_power_of_two() {
        let mut content = header(&[2, 3, 6]);
        content.extend(1..=36);
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zipped.write_all(&content).unwrap();
        for content in [content, zipped.finish().unwrap()] {
            let file = file(&content);
            let set = read_images(file.path(), None).unwrap();
            assert_eq!((set.len(), set.side()), (2, 8));
            let image: Vec<f32> = set.images(&[1])[..64].iter().map(|v| ((v + 1.0) * 127.5).round()).collect();
            assert_eq!((&image[..16], &image[40..64]), (&[0.0; 16][..], &[0.0; 24][..]));
            assert_eq!(image[24..32], [0.0, 25.0, 26.0, 27.0, 28.0, 29.0, 30.0, 0.0]);
            assert_eq!(read_images(file.path(), Some(16)).unwrap().side(), 16);
            let small = read_images(file.path(), Some(4)).unwrap();
            let row: Vec<f32> = small.images(&[1])[4..8].iter().map(|v| ((v + 1.0) * 1275.0).round() / 10.0).collect();
            assert_eq!((small.side(), row), (4, vec![11.0, 23.5, 25.5, 13.5]));
            assert!(read_images(file.path(), Some(3)).is_err());
        }
        let mut labels = header(&[3]);
        labels.extend([7, 0, 9]);
        assert_eq!(read_labels(file(&labels).path()).unwrap(), [7, 0, 9]);
    }

    #[test]
    fn hostile_files_are_one_sentence() {
        let mut short = header(&[2, 3, 6]);
        short.extend([0; 35]);
        for (content, reason) in [
            (vec![], "it ends within its header"),
            (header(&[2, 3, 6])[..10].to_vec(), "it ends within its header"),
            (b"PNG PNG PNG PNG".to_vec(), "it does not begin like a file of images (three dimensions of bytes)"),
            (header(&[7]), "it does not begin like a file of images (three dimensions of bytes)"),
            (short, "it ends after 35 of 36 bytes"),
            (header(&[0, 28, 28]), "it is empty"),
            (header(&[60_000, 28, 28]), "it ends after 0 of 47040000 bytes"),
            (header(&[1, 1, 2000]), "it ends after 0 of 2000 bytes"),
            (
                [header(&[1, 2, 9]), vec![0; 18]].concat(),
                "its images have 9x2 pixels; one side is over 4 times the other",
            ),
            (
                header(&[u32::MAX; 3]),
                "its header claims [4294967295, 4294967295, 4294967295] bytes, more than 2147483648",
            ),
            (
                header(&[1 << 31, 1, 1 << 31]),
                "its header claims [2147483648, 1, 2147483648] bytes, more than 2147483648",
            ),
        ] {
            let file = file(&content);
            let error = read_images(file.path(), None).unwrap_err().to_string();
            assert_eq!(error, format!("{}: not a usable IDX file: {reason}", file.path().display()));
        }
        let mut wide = header(&[1, 1, 2000]);
        wide.extend([0; 2000]);
        assert!(read_images(file(&wide).path(), None).is_err());
        assert!(read_images(file(&[0x1f, 0x8b, 8, 0, 1, 2, 3]).path(), None).is_err());
        assert!(matches!(read_images(Path::new("absent"), None), Err(DataError::Read { .. })));
    }
}
