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
const REST: f64 = 5.0;
const TRAIN: f64 = 40.0;
/// Samples of each kind that it trains on.
const MARKED: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leg {
    Open,
    Rest,
    Fill,
    Scroll,
    Train,
    Over,
}

/// Where it stands.
#[derive(Debug)]
pub(crate) struct Tour {
    leg: Leg,
    /// When the leg began, in the window's seconds.
    since: f64,
    /// Where the grid is scrolled to.
    offset: f32,
}

impl Tour {
    pub(crate) fn new() -> Self {
        Self { leg: Leg::Open, since: 0.0, offset: 0.0 }
    }

    /// What goes on, in a word.
    pub(crate) fn leg(&self) -> &'static str {
        match self.leg {
            Leg::Open => "opening",
            Leg::Rest => "resting",
            Leg::Fill => "drawing 4096 samples",
            Leg::Scroll => "scrolling through 4096 samples",
            Leg::Train => "training",
            Leg::Over => "over",
        }
    }

    /// Goes on; called in every frame. Whether everything was seen.
    pub(crate) fn step(&mut self, studio: &mut Studio, grid: &mut GridView) -> bool {
        let seconds = studio.now - self.since;
        match self.leg {
            Leg::Open if grid.filled => self.begin(Leg::Rest, studio),
            Leg::Rest if seconds > REST => {
                studio.view.tile = TILE;
                self.begin(Leg::Fill, studio);
            }
            Leg::Fill if grid.filled && seconds > 0.5 => {
                if grid.first() + grid.drawn >= SAMPLES {
                    self.offset = 0.0;
                    self.begin(Leg::Scroll, studio);
                } else {
                    self.offset += grid.height() * 0.9;
                }
                grid.jump(self.offset);
            }
            Leg::Scroll => {
                self.offset += STEP;
                grid.jump(self.offset);
                if grid.first() + grid.drawn >= SAMPLES {
                    studio.view = View::default();
                    grid.jump(0.0);
                    self.train(studio);
                }
            }
            // A run that is over, or cannot begin, is not waited for.
            Leg::Train if seconds > TRAIN || studio.run.going().is_none() => {
                studio.stop();
                self.begin(Leg::Over, studio);
            }
            _ => {}
        }
        self.leg == Leg::Over
    }

    fn begin(&mut self, leg: Leg, studio: &Studio) {
        (self.leg, self.since) = (leg, studio.now);
    }

    fn train(&mut self, studio: &mut Studio) {
        for (range, mark) in [(0..MARKED, Mark::Negative), (MARKED..2 * MARKED, Mark::Positive)] {
            let samples: Vec<_> = range.filter_map(|index| studio.sample(index)).collect();
            studio.marks.set(samples, Some(mark));
        }
        // The marks themselves are trained on: nobody looked at what they show.
        studio.settings.few_marks = 0;
        studio.start();
        self.begin(Leg::Train, studio);
    }
}
