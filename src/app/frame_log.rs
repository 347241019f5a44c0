//! The time of every frame, for measurements.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::Instant,
};

/// Writes a line for every frame.
pub(super) struct FrameLog {
    out: BufWriter<File>,
    start: Instant,
    last: Option<Instant>,
}

impl FrameLog {
    pub(super) fn create(path: &Path) -> std::io::Result<Self> {
        let mut out = BufWriter::new(File::create(path)?);
        writeln!(out, "seconds,interval_ms,previous_cpu_ms,training,tiles")?;
        Ok(Self { out, start: Instant::now(), last: None })
    }

    /// A frame begins. `cpu` are the seconds of processor time that the frame before took, with its painting.
    pub(super) fn frame(&mut self, cpu: Option<f32>, training: bool, tiles: usize) {
        let now = Instant::now();
        let interval = self.last.replace(now).map_or(f64::NAN, |last| (now - last).as_secs_f64() * 1e3);
        let cpu = cpu.map_or(f64::NAN, |seconds| f64::from(seconds) * 1e3);
        let seconds = (now - self.start).as_secs_f64();
        let training = u8::from(training);
        // A disk that is full costs the measurement, not the window.
        let _ = writeln!(self.out, "{seconds:.4},{interval:.3},{cpu:.3},{training},{tiles}");
    }
}
