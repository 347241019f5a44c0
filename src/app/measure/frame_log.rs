//! The time of every frame and of the start, for measurements.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::Instant,
};

/// Frames after which what was noted goes to the file: a window that is killed loses no more.
const FLUSH: usize = 16;
/// First frames of a step that are not counted: they still show the one before.
const SETTLE: usize = 3;

/// Notes every frame, in a file if there is one.
pub(crate) struct FrameLog {
    out: Option<BufWriter<File>>,
    start: Instant,
    last: Option<Instant>,
    frames: usize,
    /// Seconds after which the window was there, and the samples in it.
    window: Option<f64>,
    filled: Option<(usize, f64)>,
    /// Milliseconds between frames, and of processor time in a frame, by what went on.
    steps: Vec<(&'static str, Vec<[f64; 2]>)>,
}

/// What a frame is noted with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameRecord {
    /// Seconds of processor time that the frame before took, with its painting, as far as the window's thread knows.
    pub(crate) cpu: Option<f32>,
    /// What goes on.
    pub(crate) step: &'static str,
    /// Whether training goes on.
    pub(crate) training: bool,
    /// Tiles in view.
    pub(crate) tiles: usize,
    /// Whether all of them are there.
    pub(crate) filled: bool,
}

impl FrameLog {
    /// A log of a program that began at `start`, written to a file if one is named.
    pub(crate) fn create(path: Option<&Path>, start: Instant) -> std::io::Result<Self> {
        let mut out = path.map(File::create).transpose()?.map(BufWriter::new);
        if let Some(out) = &mut out {
            writeln!(out, "seconds,interval_ms,previous_cpu_ms,step,training,tiles")?;
        }
        Ok(Self { out, start, last: None, frames: 0, window: None, filled: None, steps: Vec::new() })
    }

    /// A frame begins.
    pub(crate) fn record(&mut self, frame: FrameRecord) {
        let now = Instant::now();
        let seconds = (now - self.start).as_secs_f64();
        // A frame is on the screen when the next one begins.
        if self.frames == 1 {
            self.window = Some(seconds);
        }
        if frame.filled {
            self.filled.get_or_insert((frame.tiles, seconds));
        }
        let interval = self.last.replace(now).map_or(f64::NAN, |last| (now - last).as_secs_f64() * 1e3);
        let cpu = frame.cpu.map_or(f64::NAN, |seconds| f64::from(seconds) * 1e3);
        if self.steps.last().is_none_or(|(step, _)| *step != frame.step) {
            self.steps.push((frame.step, Vec::new()));
        }
        if let Some((_, frames)) = self.steps.last_mut() {
            frames.push([interval, cpu]);
        }
        self.frames += 1;
        let Some(out) = &mut self.out else { return };
        let FrameRecord { step, training, tiles, .. } = frame;
        let training = u8::from(training);
        // A disk that is full costs the measurement, not the window.
        let _ = writeln!(out, "{seconds:.4},{interval:.3},{cpu:.3},{step},{training},{tiles}");
        if self.frames.is_multiple_of(FLUSH) {
            let _ = out.flush();
        }
    }

    /// What was measured, in lines for a reader.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        if let Some(seconds) = self.window {
            text.push_str(&format!("window after {seconds:.2} s\n"));
        }
        if let Some((tiles, seconds)) = self.filled {
            text.push_str(&format!("{tiles} samples after {seconds:.2} s\n"));
        }
        for (step, frames) in &self.steps {
            let frames = frames.get(SETTLE..).unwrap_or_default();
            if frames.is_empty() {
                continue;
            }
            let column = |i: usize| quantiles(frames.iter().filter_map(|frame| frame.get(i).copied()).collect());
            text.push_str(&format!(
                "{step}: {} frames; between two {} ms; in the program {} ms (median, 99 %, worst)\n",
                frames.len(),
                column(0),
                column(1),
            ));
        }
        text
    }
}

/// Median, 99th percentile and largest.
fn quantiles(mut values: Vec<f64>) -> String {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values.get(((values.len() as f64 * part) as usize).min(values.len().saturating_sub(1)));
    let shown = |part: f64| at(part).map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    format!("{}, {}, {}", shown(0.5), shown(0.99), shown(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_separated_and_counted_from_the_fourth_frame() {
        let mut log = FrameLog::create(None, Instant::now()).unwrap();
        let frame = |step, filled| FrameRecord { cpu: Some(0.002), step, training: false, tiles: 7, filled };
        for _ in 0..5 {
            log.record(frame("rest", false));
        }
        for _ in 0..10 {
            log.record(frame("train", true));
        }
        let text = log.summary();
        for part in ["window after ", "7 samples after ", "rest: 2 frames", "train: 7 frames", "2.0, 2.0, 2.0 ms"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(quantiles((0..=100).map(f64::from).chain([f64::NAN]).collect()), "50.0, 99.0, 100.0");
    }
}
