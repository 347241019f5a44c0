//! The time of every frame and of the start, for measurements.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::Instant,
};

/// Frames after which what was noted goes to the file: a window that is killed loses no more.
const FLUSH: usize = 16;

/// Writes a line for every frame. Lines that begin with `#` say when the window was there and when it was filled, in
/// seconds since the program began.
pub(super) struct FrameLog {
    out: BufWriter<File>,
    start: Instant,
    last: Option<Instant>,
    frames: usize,
    filled: bool,
}

/// What a frame is noted with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Seconds of processor time that the frame before took, with its painting, as far as the window's thread knows.
    pub(super) cpu: Option<f32>,
    /// Whether training goes on.
    pub(super) training: bool,
    /// Tiles in view.
    pub(super) tiles: usize,
    /// Whether all of them are there.
    pub(super) filled: bool,
}

impl FrameLog {
    /// A log of a program that began at `start`.
    pub(super) fn create(path: &Path, start: Instant) -> std::io::Result<Self> {
        let mut out = BufWriter::new(File::create(path)?);
        writeln!(out, "seconds,interval_ms,previous_cpu_ms,training,tiles")?;
        Ok(Self { out, start, last: None, frames: 0, filled: false })
    }

    /// A frame begins.
    pub(super) fn frame(&mut self, frame: Frame) {
        // A disk that is full costs the measurement, not the window.
        let _ = self.note(frame);
    }

    fn note(&mut self, Frame { cpu, training, tiles, filled }: Frame) -> std::io::Result<()> {
        let now = Instant::now();
        let seconds = (now - self.start).as_secs_f64();
        // A frame is on the screen when the next one begins.
        if self.frames == 1 {
            writeln!(self.out, "# window after {seconds:.3} s")?;
        }
        if filled && !self.filled {
            self.filled = true;
            writeln!(self.out, "# {tiles} samples after {seconds:.3} s")?;
        }
        let interval = self.last.replace(now).map_or(f64::NAN, |last| (now - last).as_secs_f64() * 1e3);
        let cpu = cpu.map_or(f64::NAN, |seconds| f64::from(seconds) * 1e3);
        let training = u8::from(training);
        writeln!(self.out, "{seconds:.4},{interval:.3},{cpu:.3},{training},{tiles}")?;
        self.frames += 1;
        if self.frames.is_multiple_of(FLUSH) {
            self.out.flush()?;
        }
        Ok(())
    }
}
