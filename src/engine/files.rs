//! Files that are no models: feedback, labelers, pictures. Read and written on the worker's thread, so that whoever asks
//! never waits.

use std::path::{Path, PathBuf};

use super::{
    command::{Event, SampleKind, SampleRequest, Weights},
    error::EngineError,
    feedback_source::LabelerSpec,
    session::Session,
};
use crate::{
    atomic_file::{self, plain_reason},
    metrics::{Head, Tiles, grid},
    networks::FlatParams,
    unlearn::feedback::Feedback,
};

/// Hundredths of a second that a picture of an animation stands; the last one stands longer.
const FRAME: u16 = 25;
const LAST_FRAME: u16 = 150;

/// A file to read or to write.
#[derive(Clone, Debug)]
pub enum FileJob {
    /// Read feedback for the open model; the answer is [`Event::Feedback`].
    OpenFeedback(PathBuf),
    /// Write feedback.
    SaveFeedback(PathBuf, Feedback),
    /// Open a labeler to see whether it can be used; the answer is [`Event::Labeler`].
    OpenLabeler(LabelerSpec),
    /// Write one picture of samples as PNG.
    Grid(PathBuf, PictureRequest),
    /// Write a GIF that shows the same samples with one set of weights after the other.
    Animation(PathBuf, PictureRequest),
    /// Write text, such as a table of numbers.
    Text(PathBuf, String),
}

/// What is in a picture.
#[derive(Clone, Debug)]
pub struct PictureRequest {
    /// Sets of weights. A PNG shows the first, or the first two side by side; a GIF shows all in turn.
    pub weights: Vec<Weights>,
    /// Seed of the latents.
    pub seed: u64,
    /// Indices of the latents.
    pub indices: Vec<u64>,
    /// Truncation.
    pub psi: f32,
    /// The class of all of them, see [`SampleRequest::class`].
    pub class: Option<u32>,
    /// Samples in a row.
    pub columns: usize,
    /// Which samples get a red frame, by position.
    pub negatives: Vec<bool>,
}

/// A labeler that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelerCard {
    /// The classifier.
    pub spec: LabelerSpec,
    /// What it can say, with names.
    pub heads: Vec<Head>,
    /// Whether it has features for a Fréchet distance.
    pub features: bool,
    /// Its input: channels, height, width.
    pub input: [usize; 3],
}

impl Session {
    /// Does a job; `current` are the weights of a run in progress.
    pub(super) fn file(&mut self, job: FileJob, current: Option<&FlatParams>) -> Result<Event, EngineError> {
        match job {
            FileJob::OpenFeedback(path) => {
                let model = self.model()?;
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
                let tiles = self.pictures(&picture, current)?;
                let drawn = match tiles.as_slice() {
                    [before, after, ..] => grid::draw_before_after(before, after, picture.columns, &picture.negatives),
                    [tiles] => grid::draw_grid(tiles, picture.columns, &picture.negatives),
                    [] => return Err(EngineError::State("there is nothing to draw")),
                };
                let drawn = drawn.map_err(|error| EngineError::Internal(error.to_string()))?;
                grid::write_png(&path, &drawn).map_err(|error| EngineError::Internal(error.to_string()))?;
                Ok(Event::Exported(path))
            }
            FileJob::Animation(path, picture) => {
                let frames: Result<Vec<_>, _> = self
                    .pictures(&picture, current)?
                    .iter()
                    .map(|tiles| grid::draw_grid(tiles, picture.columns, &picture.negatives))
                    .collect();
                let frames = frames.map_err(|error| EngineError::Internal(error.to_string()))?;
                write(&path, &animation(&frames).map_err(|reason| cannot_write(&path, &reason))?)?;
                Ok(Event::Exported(path))
            }
            FileJob::Text(path, text) => {
                write(&path, text.as_bytes())?;
                Ok(Event::Exported(path))
            }
        }
    }

    fn pictures(&mut self, picture: &PictureRequest, current: Option<&FlatParams>) -> Result<Vec<Tiles>, EngineError> {
        let PictureRequest { weights, seed, indices, psi, class, .. } = picture;
        let mut pictures = Vec::with_capacity(weights.len());
        for &weights in weights {
            let (kind, indices) = (SampleKind::Picture, indices.clone());
            let request = SampleRequest { kind, weights, seed: *seed, indices, psi: *psi, class: *class };
            let tiles = self.tiles(request, current)?;
            pictures.push(Tiles { rgb: tiles.rgb, width: tiles.side as u32, height: tiles.side as u32 });
        }
        Ok(pictures)
    }
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
