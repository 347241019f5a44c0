//! Files that are no models: feedback, labelers, pictures. Read and written on the worker's thread, so that whoever asks
//! never waits.

use std::{
    io::{self, Write},
    path::Path,
};

use super::{
    error::EngineError,
    event::{Event, LabelerCard},
    halve::{halve, halved_side},
    request::{FileJob, PictureRequest, SampleKind, SampleRequest, Walk, WalkRequest},
    session::Session,
    tiles::{draw_place, tiles},
    weights::Weights,
};
use crate::{
    atomic_file::{self, plain_reason},
    feedback::Feedback,
    metrics::{
        Caption, Tiles, add_caption,
        grid::{self, Layout},
    },
    networks::Motion,
    unlearn::StateRef,
};

/// Hundredths of a second that a picture of an animation stands; the last one stands longer.
const FRAME: u16 = 25;
const LAST_FRAME: u16 = 150;
/// Pictures of a walk, and the hundredths of a second that one of them stands.
const WALK_FRAMES: usize = 24;
const WALK_FRAME: u16 = 10;
/// Pixels of samples that are rendered at a time: 64 of 256x256.
const HELD_PIXELS: usize = 1 << 22;

/// Does a job; `current` is the state of a run in progress.
pub(super) fn do_file_job(
    session: &mut Session,
    job: FileJob,
    current: Option<StateRef<'_>>,
) -> Result<Event, EngineError> {
    match job {
        FileJob::OpenFeedback(path) => {
            let model = session.model()?;
            let feedback = Feedback::load(&path, &model.sha256)?.located(&model);
            Ok(Event::Feedback(path, Box::new(feedback)))
        }
        FileJob::SaveFeedback(path, feedback) => {
            match session.model() {
                Ok(model) => feedback.named(&model).save(&path)?,
                Err(_) => feedback.save(&path)?,
            }
            Ok(Event::Exported(path))
        }
        FileJob::OpenLabeler(spec) => {
            let labeler = spec.open()?;
            let (heads, features) = (labeler.heads().to_vec(), labeler.has_features());
            let input = labeler.input_shape();
            Ok(Event::Labeler(Box::new(LabelerCard { spec, heads, features, input })))
        }
        FileJob::Grid(path, picture) => {
            write_grids(session, &path, &picture, current)?;
            Ok(Event::Exported(path))
        }
        FileJob::Animation(path, picture) => {
            write_animation(session, &path, &picture, current)?;
            Ok(Event::Exported(path))
        }
        FileJob::Walk(path, walk) => {
            write_walk(session, &path, &walk, current)?;
            Ok(Event::Exported(path))
        }
        FileJob::Text(path, text) => {
            write(&path, text.as_bytes())?;
            Ok(Event::Exported(path))
        }
    }
}

/// Writes one grid, or those of the first two sets of weights side by side, some rows at a time.
fn write_grids(
    session: &mut Session,
    path: &Path,
    picture: &PictureRequest,
    current: Option<StateRef<'_>>,
) -> Result<(), EngineError> {
    let side = session.model()?.generator.resolution();
    let weights = &picture.weights[..picture.weights.len().min(2)];
    if weights.is_empty() {
        return Err(EngineError::State("there is nothing to draw"));
    }
    let layout = Layout::png(picture.indices.len(), [pixels(side); 2], picture.columns, weights.len() as u32)?;
    let some_rows = (HELD_PIXELS / (side * side).max(1)).next_multiple_of(layout.columns());
    let captions = &picture.captions[..picture.captions.len().min(weights.len())];
    grid::write_png(path, layout, &picture.negatives, captions, |grids| {
        for indices in picture.indices.chunks(some_rows) {
            for (grid, &weights) in weights.iter().enumerate() {
                let request = sample_request(picture, SampleKind::Picture, weights, indices);
                grids.push(grid, &tiles(session, request, current)?.rgb)?;
            }
        }
        Ok(())
    })
}

/// Writes an endless GIF with one picture for each set of weights. Samples are no larger than in the window's grid: each of
/// the pictures must be held whole to find its 256 colours.
fn write_animation(
    session: &mut Session,
    path: &Path,
    picture: &PictureRequest,
    current: Option<StateRef<'_>>,
) -> Result<(), EngineError> {
    let side = session.model()?.generator.resolution();
    let shown = SampleKind::Grid.max_side().map_or(side, |most| halved_side(side, most));
    // Before anything is drawn.
    Layout::held(picture.indices.len(), [pixels(shown); 2], picture.columns)?;
    let height = Caption::highest(&picture.captions);
    let frames = picture.weights.iter().enumerate().map(|(number, &weights)| {
        let mut shown = Tiles { rgb: Vec::new(), width: 0, height: 0 };
        for indices in picture.indices.chunks((HELD_PIXELS / (side * side).max(1)).max(1)) {
            let drawn = tiles(session, sample_request(picture, SampleKind::Grid, weights, indices), current)?;
            (shown.width, shown.height) = (pixels(drawn.side), pixels(drawn.side));
            shown.rgb.extend(drawn.rgb);
        }
        let drawn = grid::draw_grid(&shown, picture.columns, &picture.negatives)?;
        Ok(add_caption(&drawn, picture.captions.get(number), height, grid::BACKGROUND))
    });
    write_frames(path, picture.weights.len(), [FRAME, LAST_FRAME], frames)
}

/// Writes an endless GIF that walks from one sample to another, the sets of weights side by side.
fn write_walk(
    session: &mut Session,
    path: &Path,
    walk: &Walk,
    current: Option<StateRef<'_>>,
) -> Result<(), EngineError> {
    let most = SampleKind::Grid.max_side().unwrap_or(usize::MAX);
    let frames = (0..WALK_FRAMES).map(|frame| {
        let t = frame as f32 / (WALK_FRAMES - 1) as f32;
        // As pictures that are saved: not moved.
        let request = WalkRequest { walk: walk.clone(), t };
        let (rgb, side) = draw_place(session, &request, Motion::default(), current)?;
        let (rgb, side) = halve(rgb, side, most);
        Ok(grid::draw_grid(&Tiles { rgb, width: pixels(side), height: pixels(side) }, walk.weights.len(), &[])?)
    });
    write_frames(path, WALK_FRAMES, [WALK_FRAME, LAST_FRAME], frames)
}

/// Writes an endless GIF of so many pictures, each of which may fail to be made. `times` are the hundredths of a second that
/// a picture and the last one stand.
fn write_frames(
    path: &Path,
    count: usize,
    times: [u16; 2],
    frames: impl Iterator<Item = Result<image::RgbImage, EngineError>>,
) -> Result<(), EngineError> {
    let mut failure = None;
    let written = atomic_file::write_with(path, |file| {
        let frames = frames.map(|frame| {
            frame.map_err(|error| {
                failure = Some(error);
                io::Error::other("a picture could not be made")
            })
        });
        write_gif(file, count, times, frames)
    });
    match (failure, written) {
        (Some(error), _) => Err(error),
        (None, written) => written.map_err(|error| cannot_write(path, &plain_reason(&error))),
    }
}

fn pixels(side: usize) -> u32 {
    u32::try_from(side).unwrap_or(u32::MAX)
}

fn sample_request(picture: &PictureRequest, kind: SampleKind, weights: Weights, indices: &[u64]) -> SampleRequest {
    let PictureRequest { seed, psi, class, .. } = *picture;
    SampleRequest { kind, weights, seed, indices: indices.to_vec(), psi, class }
}

/// An endless GIF of pictures of one size, of which one is held at a time; `times` as in [`write_frames`].
fn write_gif(
    to: impl Write,
    count: usize,
    [time, last]: [u16; 2],
    mut frames: impl Iterator<Item = io::Result<image::RgbImage>>,
) -> io::Result<()> {
    let nothing = || io::Error::other("there is nothing to show");
    let side = |pixels: u32| u16::try_from(pixels).map_err(|_| io::Error::other("the picture is too large for a GIF"));
    let first = frames.next().ok_or_else(nothing)??;
    let (width, height) = (side(first.width())?, side(first.height())?);
    let mut encoder = gif::Encoder::new(to, width, height, &[]).map_err(io::Error::other)?;
    encoder.set_repeat(gif::Repeat::Infinite).map_err(io::Error::other)?;
    for (number, picture) in std::iter::once(Ok(first)).chain(frames).enumerate() {
        let mut frame = gif::Frame::from_rgb_speed(width, height, picture?.as_raw(), 10);
        frame.delay = if number + 1 == count { last } else { time };
        encoder.write_frame(&frame).map_err(io::Error::other)?;
    }
    encoder.into_inner().map(drop).map_err(io::Error::other)
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
        let mut bytes = Vec::new();
        write_gif(&mut bytes, 3, [FRAME, LAST_FRAME], frames.into_iter().map(Ok)).unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(bytes.as_slice()).unwrap();
        let mut seen = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            seen.push((frame.width, frame.height, frame.delay, frame.buffer[0] / 50));
        }
        assert_eq!(seen, [(5, 4, FRAME, 0), (5, 4, FRAME, 2), (5, 4, LAST_FRAME, 4)]);
        assert!(write_gif(Vec::new(), 0, [FRAME; 2], std::iter::empty()).is_err());
        let wide = image::RgbImage::new(1 << 16, 1);
        let error = write_gif(Vec::new(), 1, [FRAME; 2], std::iter::once(Ok(wide))).unwrap_err().to_string();
        assert_eq!(error, "the picture is too large for a GIF");
    }
}
