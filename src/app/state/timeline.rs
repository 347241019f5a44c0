//! The snapshots of all runs, and which weights the window shows as "after".

use super::tiles::Source;
use crate::unlearn::Slider;

/// Snapshots that a run takes by itself, if memory allows.
pub const AUTO_SNAPSHOTS: usize = 12;

/// A state of a run that can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineSnapshot {
    /// Its number in the engine.
    pub number: usize,
    /// Iterations that led to it.
    pub iteration: usize,
    /// Which run it belongs to, from 0.
    pub run: usize,
}

/// What happened so far.
#[derive(Clone, Debug)]
pub struct Timeline {
    snapshots: Vec<TimelineSnapshot>,
    shown: Source,
    runs: usize,
    sliders: &'static [Slider],
}

impl Default for Timeline {
    fn default() -> Self {
        Self { snapshots: Vec::new(), shown: Source::Current, runs: 0, sliders: &[] }
    }
}

impl Timeline {
    /// All snapshots, oldest first.
    pub fn snapshots(&self) -> &[TimelineSnapshot] {
        &self.snapshots
    }

    /// The weights shown as "after".
    pub fn shown(&self) -> Source {
        self.shown
    }

    /// The sliders through weights that need no training, two at most.
    pub fn sliders(&self) -> &'static [Slider] {
        self.sliders
    }

    /// A run begins: the latest state is what one wants to see.
    pub fn begin_run(&mut self) {
        self.runs += 1;
        self.shown = Source::Current;
        self.sliders = &[];
    }

    /// A snapshot was taken.
    pub fn add(&mut self, number: usize, iteration: usize) {
        self.snapshots.push(TimelineSnapshot { number, iteration, run: self.runs.saturating_sub(1) });
    }

    /// There are such sliders from now on.
    pub fn set_sliders(&mut self, sliders: &'static [Slider]) {
        self.sliders = sliders;
    }

    /// Shows other weights, if there are such.
    pub fn show(&mut self, source: Source) {
        let exists = match source {
            Source::Original | Source::Current => true,
            Source::Snapshot(number) => self.snapshots.iter().any(|snapshot| snapshot.number == number),
            Source::Slider(_) => !self.sliders.is_empty(),
            Source::Node(_) | Source::Picture | Source::Masked => false,
        };
        if exists {
            self.shown = source;
        }
    }

    /// Shows the snapshot before or after the one shown.
    pub fn step(&mut self, by: isize) {
        let stops: Vec<Source> = std::iter::once(Source::Original)
            .chain(self.snapshots.iter().map(|snapshot| Source::Snapshot(snapshot.number)))
            .chain([Source::Current])
            .collect();
        let here = stops.iter().position(|&stop| stop == self.shown).unwrap_or(stops.len() - 1);
        let there = here.saturating_add_signed(by).min(stops.len() - 1);
        self.shown = stops[there];
    }

    /// What the weights shown are called.
    pub fn caption(&self) -> String {
        match self.shown {
            Source::Original => "the original".to_owned(),
            Source::Current if self.runs == 0 => "nothing unlearned yet".to_owned(),
            Source::Current => "now".to_owned(),
            Source::Snapshot(number) => {
                let snapshot = self.snapshots.iter().find(|snapshot| snapshot.number == number);
                snapshot.map_or_else(String::new, |snapshot| format!("after {} steps", snapshot.iteration))
            }
            Source::Node(_) | Source::Picture | Source::Masked => String::new(),
            Source::Slider(places) => {
                let caption = self.sliders.first().map_or("", |slider| slider.caption);
                let places = self.sliders.iter().zip(places);
                let places: String = places.map(|(_, place)| format!(", {:.2}", f64::from(place) / 1000.0)).collect();
                format!("{caption}{places}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unlearn::method;

    #[test]
    fn one_walks_from_before_to_now_and_no_further() {
        let mut timeline = Timeline::default();
        timeline.begin_run();
        for (number, iteration) in [(0, 75), (1, 150)] {
            timeline.add(number, iteration);
        }
        let mut seen = Vec::new();
        for _ in 0..5 {
            timeline.step(-1);
            seen.push(timeline.shown());
        }
        let snapshot = Source::Snapshot;
        assert_eq!(seen, [snapshot(1), snapshot(0), Source::Original, Source::Original, Source::Original]);
        timeline.step(99);
        assert_eq!(timeline.shown(), Source::Current);
    }

    #[test]
    fn only_what_exists_is_shown() {
        let mut timeline = Timeline::default();
        timeline.show(Source::Snapshot(0));
        timeline.show(Source::Slider([1500, 0]));
        assert_eq!((timeline.shown(), timeline.caption().as_str()), (Source::Current, "nothing unlearned yet"));
        timeline.begin_run();
        timeline.set_sliders(method("adapt").unwrap().sliders());
        timeline.show(Source::Slider([1500, 0]));
        assert_eq!(timeline.caption(), "pushed further, 1.50");
        timeline.add(4, 30);
        timeline.show(Source::Snapshot(4));
        assert_eq!(timeline.caption(), "after 30 steps");
        timeline.begin_run();
        assert_eq!((timeline.shown(), timeline.sliders().len()), (Source::Current, 0));
    }
}
