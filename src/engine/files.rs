//! Files that are no models: feedback, labelers, pictures. Read and written on the worker's thread, so that whoever asks
//! never waits.

use std::path::Path;

use super::{
    error::EngineError,
    event::{Event, LabelerCard},
    request::{FileJob, PictureRequest, SampleKind, SampleRequest},
    session::Session,
    tiles::tiles,
};
use crate::{
    atomic_file::{self, plain_reason},
    feedback::Feedback,
    metrics::{Tiles, grid},
    unlearn::StateRef,
};

/// Hundredths of a second that a picture of an animation stands; the last one stands longer.
const FRAME: u16 = 25;
const LAST_FRAME: u16 = 150;

/// Does a job; `current` is the state of a run in progress.
pub(super) fn do_file_job(
    session: &mut Session,
    job: FileJob,
    current: Option<StateRef<'_>>,
) -> Result<Event, EngineError> {
    match job {
        FileJob::OpenFeedback(path) => {
            let model = session.model()?;
            let feedback = Feedback::load(&path, &model.sha256)?;
            Ok(Event::Feedback(path, Box::new(feedback)))
        }
        FileJob::SaveFeedback(path, feedback) => {
            feedback.save(&path)?;
            Ok(Event::Exported(path))
        }
        FileJob::OpenLabeler(spec) => {
            let labeler = spec.open()?;
            let (heads, features) = (labeler.heads().to_vec(), labeler.has_features());
            let input = labeler.input_shape();
            Ok(Event::Labeler(Box::new(LabelerCard { spec, heads, features, input })))
        }
        FileJob::Grid(path, picture) => {
            let tiles = pictures(session, &picture, current)?;
            let drawn = match tiles.as_slice() {
                [before, after, ..] => grid::draw_before_after(before, after, picture.columns, &picture.negatives),
                [tiles] => grid::draw_grid(tiles, picture.columns, &picture.negatives),
                [] => return Err(EngineError::State("there is nothing to draw")),
            };
            grid::write_png(&path, &drawn?)?;
            Ok(Event::Exported(path))
        }
        FileJob::Animation(path, picture) => {
            let frames: Result<Vec<_>, _> = pictures(session, &picture, current)?
                .iter()
                .map(|tiles| grid::draw_grid(tiles, picture.columns, &picture.negatives))
                .collect();
            write(&path, &animation(&frames?).map_err(|reason| cannot_write(&path, &reason))?)?;
            Ok(Event::Exported(path))
        }
        FileJob::Text(path, text) => {
            write(&path, text.as_bytes())?;
            Ok(Event::Exported(path))
        }
    }
}

/// What a picture shows, one entry for each of its sets of weights.
fn pictures(
    session: &mut Session,
    picture: &PictureRequest,
    current: Option<StateRef<'_>>,
) -> Result<Vec<Tiles>, EngineError> {
    let PictureRequest { weights, seed, indices, psi, class, .. } = picture;
    let mut pictures = Vec::with_capacity(weights.len());
    for &weights in weights {
        let (kind, indices) = (SampleKind::Picture, indices.clone());
        let request = SampleRequest { kind, weights, seed: *seed, indices, psi: *psi, class: *class };
        let tiles = tiles(session, request, current)?;
        pictures.push(Tiles { rgb: tiles.rgb, width: tiles.side as u32, height: tiles.side as u32 });
    }
    Ok(pictures)
}

/// An endless GIF of pictures of one size.
fn animation(frames: &[image::RgbImage]) -> Result<Vec<u8>, String> {
    let first = frames.first().ok_or("there is nothing to show")?;
    let side = |pixels: u32| u16::try_from(pixels).map_err(|_| "the picture is too large for a GIF".to_owned());
    let (width, height) = (side(first.width())?, side(first.height())?);
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, &[]).map_err(|error| error.to_string())?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(|error| error.to_string())?;
    for (number, picture) in frames.iter().enumerate() {
        let mut frame = gif::Frame::from_rgb_speed(width, height, picture.as_raw(), 10);
        frame.delay = if number + 1 == frames.len() { LAST_FRAME } else { FRAME };
        encoder.write_frame(&frame).map_err(|error| error.to_string())?;
    }
    drop(encoder);
    Ok(bytes)
}

/// Writes a file, replacing one that is there only when all is on the disk.
fn write(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    atomic_file::write(path, bytes).map_err(|error| cannot_write(path, &plain_reason(&error)))
}

fn cannot_write(path: &Path, reason: &str) -> EngineError {
    EngineError::Internal(format!("{}: cannot be written ({reason}); nothing was changed", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_animation_has_every_picture() {
        let frames: Vec<_> =
            (0..3u8).map(|i| image::RgbImage::from_pixel(5, 4, image::Rgb([i * 100, 0, 255 - i * 100]))).collect();
        let bytes = animation(&frames).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(bytes.as_slice()).unwrap();
        let mut seen = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            seen.push((frame.width, frame.height, frame.delay, frame.buffer[0] / 50));
        }
        assert_eq!(seen, [(5, 4, FRAME, 0), (5, 4, FRAME, 2), (5, 4, LAST_FRAME, 4)]);
        assert!(animation(&[]).is_err());
    }
}
