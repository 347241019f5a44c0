//! Which samples are asked for, so that what is looked at is there first.

use super::data::{PendingTiles, Row, Studio};
use crate::{
    app::state::{
        notices::{Level, Topic},
        tiles::{Source, next_tile_request, sample_at},
        view::{Beside, Compare, Detail},
        walk::OpenWalk,
    },
    engine::{Command, ImageSource, SampleKind, SampleRequest, SuggestRequest},
    feedback::{Feedback, Mark, Sample, probe::FEWEST},
    networks::{Masking, Motion, latents::class_at},
};

/// Samples that one seed shows.
pub const SAMPLES: usize = 10_000;
/// Seconds of work that are asked for at once, so that what left the view is not computed.
const REQUEST_SECONDS: f64 = 0.12;
/// Samples that are suggested at once.
const SUGGESTED: usize = 16;
/// Samples that must go of which the timeline shows the one that changed most: few enough for every frame.
const CONSIDERED: usize = 64;
/// Seconds after which a GPU that has drawn nothing yet is tuning its kernels.
const TUNING_AFTER: f64 = 1.0;

impl Studio {
    /// The sample of this number, wherever the grid shows it.
    pub fn sample_of_number(&self, number: u64) -> Option<Sample> {
        Some(sample_at(self.view.seed, number, self.view.psi)?.with_class(self.view.class))
    }

    /// Draws samples of one class only, or (`None`) each with the class of its address.
    pub fn choose_class(&mut self, class: Option<u32>) {
        if self.view.class != class {
            self.view.class = class;
            self.send(Command::Class(class.map(|class| class as usize)));
        }
    }

    /// Shows samples moved and turned. What is on its way as it was before is not shown.
    pub fn move_samples(&mut self, motion: Motion) {
        if self.view.motion != motion {
            self.view.motion = motion;
            self.send(Command::Move(motion));
            self.show_anew();
        }
    }

    /// Number of samples that there are to show: as many as there are pictures, where pictures are completed.
    pub fn sample_count(&self) -> usize {
        let completes = self.model.as_ref().and_then(|card| card.completes);
        completes.map_or(SAMPLES, |completes| completes.pictures.min(SAMPLES))
    }

    /// Whether the open model completes pictures.
    pub fn completes_pictures(&self) -> bool {
        self.model.as_ref().is_some_and(|card| card.completes.is_some())
    }

    /// Hides something else of the pictures that are shown. What is on its way as it was before is not shown.
    pub fn mask_samples(&mut self, masking: Masking) {
        if self.view.masking != masking {
            self.view.masking = masking;
            self.send(Command::Mask(masking));
            self.show_anew();
        }
    }

    /// Every sample has to be drawn again.
    pub(super) fn show_anew(&mut self) {
        self.tiles.forget(|_| true);
        if let Some(detail) = &mut self.detail {
            detail.tiles = [None, None];
            self.request_detail(self.before());
        }
    }

    /// Opens pictures for a model that completes pictures.
    pub fn open_pictures(&mut self, source: ImageSource) {
        if self.run.in_progress().is_some() {
            self.notify(Level::Warning, "Stop the run first, then open other pictures.");
            return;
        }
        if !self.completes_pictures() {
            let text =
                "A folder of pictures is for a model that completes pictures (a masked autoencoder); open one first.";
            self.notify(Level::Warning, text);
            return;
        }
        self.asked.push_back(Topic::Pictures);
        self.send(Command::Pictures(source));
    }

    /// The marks as the engine takes them. While it draws one class only, it would take a mark without a class for one of
    /// that class, although the user saw the address's.
    pub(super) fn feedback(&self) -> Feedback {
        let marks = self.marks.feedback();
        let classes = self.model.as_ref().map_or(0, |card| card.classes);
        if classes == 0 || self.view.class.is_none() {
            return marks.clone();
        }
        let mut feedback = Feedback::new(marks.model_sha256());
        for (sample, mark) in marks.iter() {
            let address = sample.address();
            let own = || u32::try_from(class_at(address.seed, address.index, classes)).ok();
            let own = sample.with_class(sample.class().or_else(own));
            feedback.mark(own, mark);
            feedback.set_region(own, marks.region(sample).cloned());
        }
        feedback
    }

    /// The weights that the grid needs, most wanted first.
    pub fn needed_sources(&self) -> Vec<Source> {
        // Until something was trained, after is before.
        let after = match self.timeline.shown() {
            Source::Current if self.epoch == 0 => Source::Original,
            shown => shown,
        };
        let before = self.before();
        match self.view.compare {
            Compare::Before => vec![before],
            Compare::After => vec![after],
            _ if after == before => vec![after],
            _ => vec![after, before],
        }
    }

    /// What is shown as "before": the parent, or what was chosen to compare with.
    pub(super) fn before(&self) -> Source {
        if let Some(node) = self.compared_node {
            return Source::Node(node);
        }
        match self.view.beside {
            Beside::Original => Source::Original,
            Beside::Picture => Source::Picture,
            Beside::Masked => Source::Masked,
        }
    }

    /// The two weights that are compared: before, after.
    pub fn compared_sources(&self) -> [Source; 2] {
        let after = self.timeline.shown();
        [self.before(), if after == Source::Current && self.epoch == 0 { Source::Original } else { after }]
    }

    /// The sample whose change the timeline shows: of those that must go the one that changed most, or the first.
    pub fn preview_sample(&self) -> Option<Sample> {
        let most = self.most_changed.sample().filter(|&sample| self.marks.get(sample) == Some(Mark::Negative));
        let negative = most.or_else(|| self.marks.feedback().negatives().next());
        // A filter may leave nothing in the grid.
        negative.or_else(|| self.sample(self.view.cursor)).or_else(|| self.sample_of_number(0))
    }

    /// Sees how much what must go has changed, now that new pictures of these samples are there.
    pub(super) fn note_changes(&mut self, source: Source, samples: &[Sample]) {
        let both = [Source::Original, Source::Current];
        let must_go = |sample: &Sample| self.marks.get(*sample) == Some(Mark::Negative);
        if !both.contains(&source) || !samples.iter().any(must_go) {
            return;
        }
        let negatives = self.marks.feedback().negatives().take(CONSIDERED);
        let changes: Vec<_> = negatives.filter_map(|sample| Some((sample, self.tiles.change(sample, both)?))).collect();
        self.most_changed.update(&changes);
    }

    /// Plays the timeline, which shows in the grid.
    pub fn play_timeline(&mut self) {
        self.timeline.play();
        if self.view.compare == Compare::Before {
            self.view.compare = Compare::After;
        }
    }

    /// Goes on with the timeline while it plays; called in every frame, after the grid has asked for what it misses. Gives
    /// the seconds after which the next frame is due.
    pub fn advance_timeline(&mut self) -> Option<f64> {
        self.timeline.advance(self.now, self.pending_tiles.is_none())
    }

    /// Seconds that a sample is taken to need until one was drawn: a large one is better asked for alone than waited for with others.
    fn assumed_per_sample(&self) -> f64 {
        let pixels = self.model.as_ref().map_or(0, |card| card.resolution * card.resolution);
        REQUEST_SECONDS / 4.0 * (pixels as f64 / (64.0 * 64.0)).max(1.0)
    }

    /// Asks for the tiles that are looked at and not there yet, best first. Called in every frame.
    pub fn request_tiles(&mut self, visible: &[Sample]) {
        let Some(row) = visible.first().map(row) else { return };
        // What nobody looks at any more is dropped by the engine, which answers the latest request only.
        let superseded = self.pending_tiles.filter(|pending| pending.row != row);
        let is_busy = self.pending_tiles.is_some() && superseded.is_none();
        if self.sample_count() == 0 || self.model.is_none() || is_busy {
            return;
        }
        let per_sample = self.per_sample.unwrap_or_else(|| self.assumed_per_sample());
        let limit = (REQUEST_SECONDS / per_sample).clamp(1.0, 64.0) as usize;
        let Some(wanted) = next_tile_request(&self.tiles, visible, &self.needed_sources(), self.epoch, limit) else {
            return;
        };
        if wanted.refresh && self.is_training() && self.now < self.next_refresh {
            return;
        }
        let (seed, psi, class) = row;
        let request = SampleRequest {
            kind: SampleKind::Grid,
            weights: wanted.source.weights(),
            seed,
            indices: wanted.samples.iter().map(|sample| sample.address().index).collect(),
            psi,
            class,
        };
        // The request before may have been begun and be answered yet.
        let epoch = superseded.map_or(self.epoch, |pending| pending.epoch.min(self.epoch));
        self.pending_tiles = Some(PendingTiles { epoch, refresh: wanted.refresh, row, at: self.now });
        self.send(Command::Sample(request));
    }

    /// Whether any samples that were asked for are still to come: tiles, thumbnails, an enlarged sample, a place of a walk.
    pub fn is_waiting_for_samples(&self) -> bool {
        let detail = self.detail.as_ref().is_some_and(|detail| detail.tiles.iter().any(Option::is_none));
        let walk = self.walk.open().is_some_and(OpenWalk::is_waiting);
        self.pending_tiles.is_some() || self.thumbnails_pending.contains(&true) || detail || walk
    }

    /// Whether tiles that are looked at are still to come.
    pub fn is_filling(&self) -> bool {
        self.pending_tiles.is_some_and(|asked| !asked.refresh)
    }

    /// Whether a GPU is busy with its kernels rather than with samples: none has come since the model was opened.
    pub fn is_tuning_for_samples(&self) -> bool {
        // Samples are drawn here, whatever runs compute on.
        let gpu = self.remote.is_none() && self.device.as_ref().is_some_and(|card| card.is_gpu());
        gpu && self.per_sample.is_none() && self.pending_tiles.is_some_and(|asked| self.now > asked.at + TUNING_AFTER)
    }

    /// Asks for thumbnails of one kind, unless some are being made.
    pub fn request_thumbnails(&mut self, kind: SampleKind, source: Source, samples: &[Sample]) {
        let slot = usize::from(kind == SampleKind::Timeline);
        let Some(first) = samples.first() else { return };
        if self.model.is_none() || self.thumbnails_pending[slot] {
            return;
        }
        self.thumbnails_pending[slot] = true;
        let (seed, psi, class) = row(first);
        let alike = samples.iter().filter(|sample| row(sample) == row(first));
        let indices = alike.take(16).map(|sample| sample.address().index).collect();
        self.send(Command::Sample(SampleRequest { kind, weights: source.weights(), seed, indices, psi, class }));
    }

    /// Looks closely at a sample.
    pub fn open_detail(&mut self, sample: Sample) {
        self.detail = Some(Detail { sample, tiles: [None, None], entry: None });
        self.request_detail(self.before());
    }

    pub(super) fn request_detail(&self, source: Source) {
        let Some(detail) = &self.detail else { return };
        let address = detail.sample.address();
        self.send(Command::Sample(SampleRequest {
            kind: SampleKind::Detail,
            weights: source.weights(),
            seed: address.seed,
            indices: vec![address.index],
            psi: detail.sample.psi(),
            class: detail.sample.class(),
        }));
    }

    /// What keeps suggestions from being made, in one sentence.
    pub fn suggestion_obstacle(&self) -> Option<String> {
        let (negatives, positives) = self.marks.counts();
        if self.run.in_progress().is_some() {
            return Some("A run is in progress.".to_owned());
        }
        let few = negatives < FEWEST || positives < FEWEST;
        few.then(|| format!("Mark at least {FEWEST} of each kind first."))
    }

    /// Learns from the marks and asks what to look at next.
    pub fn suggest(&mut self) {
        if self.suggesting || self.suggestion_obstacle().is_some() {
            return;
        }
        (self.suggesting, self.learning_from) = (true, self.marks.revision());
        self.send(Command::Suggest(Box::new(SuggestRequest {
            feedback: self.feedback(),
            seed: self.view.seed,
            psi: self.view.psi,
            labeler: self.labeler.as_ref().map(|labeler| labeler.card.spec.clone()),
            count: SUGGESTED,
        })));
    }
}

fn row(sample: &Sample) -> Row {
    (sample.address().seed, sample.psi(), sample.class())
}
