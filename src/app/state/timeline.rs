//! The snapshots of all runs, and which weights the window shows as "after".

use super::tiles::Source;
use crate::unlearn::Slider;

/// Snapshots that a run takes by itself, if memory allows.
pub const AUTO_SNAPSHOTS: usize = 12;
/// Seconds that a stop is shown while the timeline plays.
const STOP_SECONDS: f64 = 1.0 / 6.0;

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

/// Whether the timeline plays by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Playback {
    Stopped,
    /// The pictures of the stop that is shown are still to come.
    Waiting,
    /// The stop is shown until then, in the window's seconds.
    Until(f64),
}

/// What happened so far.
#[derive(Clone, Debug)]
pub struct Timeline {
    snapshots: Vec<TimelineSnapshot>,
    shown: Source,
    playback: Playback,
    runs: usize,
    sliders: &'static [Slider],
}

impl Default for Timeline {
    fn default() -> Self {
        Self { snapshots: Vec::new(), shown: Source::Current, playback: Playback::Stopped, runs: 0, sliders: &[] }
    }
}

impl Timeline {
    /// All snapshots, oldest first.
    pub fn snapshots(&self) -> &[TimelineSnapshot] {
        &self.snapshots
    }

    /// The snapshots of each run that has any, oldest first.
    pub fn snapshots_by_run(&self) -> impl Iterator<Item = &[TimelineSnapshot]> {
        self.snapshots.chunk_by(|a, b| a.run == b.run)
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
        (self.shown, self.playback) = (Source::Current, Playback::Stopped);
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

    /// Shows other weights, if there are such; it no longer plays.
    pub fn show(&mut self, source: Source) {
        let exists = match source {
            Source::Original | Source::Current => true,
            Source::Snapshot(number) => self.snapshots.iter().any(|snapshot| snapshot.number == number),
            Source::Slider(_) => !self.sliders.is_empty(),
            Source::Node(_) | Source::Picture | Source::Masked => false,
        };
        if exists {
            (self.shown, self.playback) = (source, Playback::Stopped);
        }
    }

    /// Shows the snapshot before or after the one shown; it no longer plays.
    pub fn step(&mut self, by: isize) {
        self.playback = Playback::Stopped;
        self.go(by);
    }

    fn go(&mut self, by: isize) {
        let stops: Vec<Source> = std::iter::once(Source::Original)
            .chain(self.snapshots.iter().map(|snapshot| Source::Snapshot(snapshot.number)))
            .chain([Source::Current])
            .collect();
        let here = stops.iter().position(|&stop| stop == self.shown).unwrap_or(stops.len() - 1);
        let there = here.saturating_add_signed(by).min(stops.len() - 1);
        self.shown = stops[there];
    }

    /// Whether it plays.
    pub fn is_playing(&self) -> bool {
        self.playback != Playback::Stopped
    }

    /// Shows one stop after the other from the one shown on; from the original, where nothing comes after that.
    pub fn play(&mut self) {
        if self.snapshots.is_empty() {
            return;
        }
        if !matches!(self.shown, Source::Original | Source::Snapshot(_)) {
            self.shown = Source::Original;
        }
        self.playback = Playback::Waiting;
    }

    /// Stays at the stop that is shown.
    pub fn pause(&mut self) {
        self.playback = Playback::Stopped;
    }

    /// While it plays, goes on to the next stop once the pictures of the one shown were there (`is_ready`) for long enough,
    /// and stops at the last. Gives the seconds after which to ask again; `None` where nothing happens before pictures come.
    pub fn advance(&mut self, now: f64, is_ready: bool) -> Option<f64> {
        match self.playback {
            Playback::Stopped => None,
            _ if !is_ready => {
                self.playback = Playback::Waiting;
                None
            }
            Playback::Waiting => {
                self.playback = Playback::Until(now + STOP_SECONDS);
                Some(STOP_SECONDS)
            }
            Playback::Until(end) if now < end => Some(end - now),
            Playback::Until(_) => {
                self.go(1);
                let is_last = self.shown == Source::Current;
                self.playback = if is_last { Playback::Stopped } else { Playback::Waiting };
                Some(0.0)
            }
        }
    }

    /// What the weights shown are called.
    pub fn caption(&self) -> String {
        self.caption_of(self.shown)
    }

    /// What weights are called.
    pub fn caption_of(&self, source: Source) -> String {
        match source {
            Source::Original => "the original".to_owned(),
            Source::Current if self.runs == 0 => "nothing unlearned yet".to_owned(),
            Source::Current => "now".to_owned(),
            Source::Snapshot(number) => self.snapshot_caption(number),
            Source::Node(_) | Source::Picture | Source::Masked => String::new(),
            Source::Slider(places) => {
                let caption = self.sliders.first().map_or("", |slider| slider.caption);
                let places = self.sliders.iter().zip(places);
                let places: String = places.map(|(_, place)| format!(", {:.2}", f64::from(place) / 1000.0)).collect();
                format!("{caption}{places}")
            }
        }
    }

    fn snapshot_caption(&self, number: usize) -> String {
        let runs: Vec<_> = self.snapshots_by_run().collect();
        let find = |(run, snapshots): (usize, &&[TimelineSnapshot])| {
            let snapshot = snapshots.iter().find(|snapshot| snapshot.number == number)?;
            let run = if runs.len() > 1 { format!("run {}, ", run + 1) } else { String::new() };
            Some(format!("{run}after {} steps", snapshot.iteration))
        };
        runs.iter().enumerate().find_map(find).unwrap_or_default()
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

    /// A timeline of two runs between which nothing but a preview happened, which takes no snapshots.
    fn two_runs() -> Timeline {
        let mut timeline = Timeline::default();
        for (run, snapshots) in [vec![(0, 10), (1, 20)], vec![], vec![(2, 3)]].into_iter().enumerate() {
            timeline.begin_run();
            for (number, iteration) in snapshots {
                timeline.add(number, iteration);
            }
            assert_eq!(timeline.runs, run + 1);
        }
        timeline
    }

    #[test]
    fn it_plays_from_the_original_to_the_result_and_stops() {
        let mut timeline = two_runs();
        assert_eq!((timeline.advance(0.0, true), timeline.is_playing()), (None, false));
        timeline.play();
        let (mut now, mut seen) = (5.0, Vec::new());
        while timeline.is_playing() {
            if seen.last() != Some(&timeline.shown()) {
                seen.push(timeline.shown());
            }
            now += timeline.advance(now, true).expect("it asks again while it plays");
        }
        assert_eq!(seen, [Source::Original, Source::Snapshot(0), Source::Snapshot(1), Source::Snapshot(2)]);
        assert_eq!((timeline.shown(), timeline.advance(now, true)), (Source::Current, None));
        assert!((now - 5.0 - 4.0 / 6.0).abs() < 1e-9, "{now}");
        // Once more from the start; from the middle, on from there.
        timeline.play();
        assert_eq!(timeline.shown(), Source::Original);
        timeline.show(Source::Snapshot(1));
        assert!(!timeline.is_playing(), "a choice ends it");
        timeline.play();
        assert_eq!(timeline.shown(), Source::Snapshot(1));
        timeline.pause();
        assert_eq!((timeline.advance(now + 9.0, true), timeline.shown()), (None, Source::Snapshot(1)));
        timeline.play();
        timeline.step(-1);
        assert!(!timeline.is_playing(), "an arrow key ends it");
        timeline.play();
        timeline.begin_run();
        assert_eq!((timeline.is_playing(), timeline.shown()), (false, Source::Current));
    }

    #[test]
    fn a_stop_is_shown_until_its_pictures_were_seen() {
        let mut timeline = two_runs();
        timeline.play();
        assert_eq!((timeline.advance(1.0, false), timeline.advance(60.0, false)), (None, None));
        assert_eq!(timeline.shown(), Source::Original);
        let wait = timeline.advance(61.0, true).expect("they are there");
        assert!(timeline.advance(61.0 + wait / 2.0, true).is_some_and(|rest| rest > 0.0));
        assert_eq!(timeline.shown(), Source::Original);
        assert_eq!(timeline.advance(61.0 + wait, true), Some(0.0));
        assert_eq!(timeline.shown(), Source::Snapshot(0));
        let mut empty = Timeline::default();
        empty.play();
        assert!(!empty.is_playing(), "there is nothing to play");
    }

    #[test]
    fn runs_are_told_apart() {
        let mut timeline = two_runs();
        let iterations = |snapshots: &[TimelineSnapshot]| snapshots.iter().map(|s| s.iteration).collect::<Vec<_>>();
        assert_eq!(timeline.snapshots_by_run().map(iterations).collect::<Vec<_>>(), [vec![10, 20], vec![3]]);
        timeline.show(Source::Snapshot(1));
        assert_eq!(timeline.caption(), "run 1, after 20 steps");
        timeline.show(Source::Snapshot(2));
        assert_eq!(timeline.caption(), "run 2, after 3 steps");
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
