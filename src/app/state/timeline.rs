//! The snapshots of all runs, and which weights the window shows as "after".

use super::tiles::Source;

/// Snapshots that a run takes by itself, if memory allows.
pub const AUTO_SNAPSHOTS: usize = 12;

/// A state of a run that can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineSnapshot {
    /// Its number in the engine.
    pub number: usize,
    /// Iterations of stage 2 that led to it.
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
    can_extrapolate: bool,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { snapshots: Vec::new(), shown: Source::Current, runs: 0, can_extrapolate: false }
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

    /// Whether there are adapted generators to extrapolate from.
    pub fn can_extrapolate(&self) -> bool {
        self.can_extrapolate
    }

    /// A run begins: the latest state is what one wants to see.
    pub fn begin_run(&mut self) {
        self.runs += 1;
        self.shown = Source::Current;
        self.can_extrapolate = false;
    }

    /// A snapshot was taken.
    pub fn add(&mut self, number: usize, iteration: usize) {
        self.snapshots.push(TimelineSnapshot { number, iteration, run: self.runs.saturating_sub(1) });
    }

    /// There are adapted generators from now on.
    pub fn enable_extrapolation(&mut self) {
        self.can_extrapolate = true;
    }

    /// Shows other weights, if there are such.
    pub fn show(&mut self, source: Source) {
        let exists = match source {
            Source::Original | Source::Current => true,
            Source::Snapshot(number) => self.snapshots.iter().any(|snapshot| snapshot.number == number),
            Source::Extrapolated(_) => self.can_extrapolate,
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
            Source::Extrapolated(thousandths) => format!("pushed further, {:.2}", f64::from(thousandths) / 1000.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        timeline.show(Source::Extrapolated(1500));
        assert_eq!((timeline.shown(), timeline.caption().as_str()), (Source::Current, "nothing unlearned yet"));
        timeline.begin_run();
        timeline.enable_extrapolation();
        timeline.show(Source::Extrapolated(1500));
        assert_eq!(timeline.caption(), "pushed further, 1.50");
        timeline.add(4, 30);
        timeline.show(Source::Snapshot(4));
        assert_eq!(timeline.caption(), "after 30 steps");
        timeline.begin_run();
        assert_eq!((timeline.shown(), timeline.can_extrapolate()), (Source::Current, false));
    }
}
