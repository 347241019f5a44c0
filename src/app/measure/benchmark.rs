//! The window drives itself, for measurements: it rests, scrolls through thousands of samples, and trains.

use crate::{
    app::{
        state::{studio::Studio, view::View},
        views::grid_view::GridView,
    },
    unlearn::feedback::Mark,
};

/// Samples that are scrolled through.
const SAMPLES: usize = 4096;
/// Width of their tiles, in points, and how far a frame scrolls.
const TILE: f32 = 40.0;
const STEP: f32 = 60.0;
/// Seconds of rest, and of training once it has begun.
const IDLE: f64 = 5.0;
const TRAIN: f64 = 40.0;
/// Samples of each kind that it trains on.
const MARKED: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BenchmarkStep {
    Open,
    Idle,
    Fill,
    Scroll,
    Train,
    Done,
}

/// Where it stands.
#[derive(Debug)]
pub(crate) struct Benchmark {
    step: BenchmarkStep,
    /// When the step began, in the window's seconds.
    since: f64,
    /// Where the grid is scrolled to.
    offset: f32,
}

impl Benchmark {
    pub(crate) fn new() -> Self {
        Self { step: BenchmarkStep::Open, since: 0.0, offset: 0.0 }
    }

    /// What goes on, in a word.
    pub(crate) fn name(&self) -> &'static str {
        match self.step {
            BenchmarkStep::Open => "opening",
            BenchmarkStep::Idle => "resting",
            BenchmarkStep::Fill => "drawing 4096 samples",
            BenchmarkStep::Scroll => "scrolling through 4096 samples",
            BenchmarkStep::Train => "training",
            BenchmarkStep::Done => "over",
        }
    }

    /// Goes on; called in every frame. Whether everything was seen.
    pub(crate) fn advance(&mut self, studio: &mut Studio, grid: &mut GridView) -> bool {
        let seconds = studio.now - self.since;
        match self.step {
            BenchmarkStep::Open if grid.filled => self.begin(BenchmarkStep::Idle, studio),
            BenchmarkStep::Idle if seconds > IDLE => {
                studio.view.tile = TILE;
                self.begin(BenchmarkStep::Fill, studio);
            }
            BenchmarkStep::Fill if grid.filled && seconds > 0.5 => {
                if grid.first() + grid.drawn >= SAMPLES {
                    self.offset = 0.0;
                    self.begin(BenchmarkStep::Scroll, studio);
                } else {
                    self.offset += grid.height() * 0.9;
                }
                grid.scroll_to(self.offset);
            }
            BenchmarkStep::Scroll => {
                self.offset += STEP;
                grid.scroll_to(self.offset);
                if grid.first() + grid.drawn >= SAMPLES {
                    studio.view = View::default();
                    grid.scroll_to(0.0);
                    self.train(studio);
                }
            }
            // A run that is over, or cannot begin, is not waited for.
            BenchmarkStep::Train if seconds > TRAIN || studio.run.in_progress().is_none() => {
                studio.stop();
                self.begin(BenchmarkStep::Done, studio);
            }
            _ => {}
        }
        self.step == BenchmarkStep::Done
    }

    fn begin(&mut self, step: BenchmarkStep, studio: &Studio) {
        (self.step, self.since) = (step, studio.now);
    }

    fn train(&mut self, studio: &mut Studio) {
        for (range, mark) in [(0..MARKED, Mark::Negative), (MARKED..2 * MARKED, Mark::Positive)] {
            let samples: Vec<_> = range.filter_map(|index| studio.sample(index)).collect();
            studio.marks.set(samples, Some(mark));
        }
        // The marks themselves are trained on: nobody looked at what they show.
        studio.settings.few_marks = 0;
        studio.start();
        self.begin(BenchmarkStep::Train, studio);
    }
}
