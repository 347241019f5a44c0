//! What the engine says becomes what is shown.

use super::data::{SHOW_SHARE, Studio, Written};
use crate::{
    app::{
        link::LinkEvent,
        state::{
            audit::RetrainedModels,
            bundled::bundled_labeler,
            charts::Charts,
            marks::Marks,
            most_changed::MostChanged,
            notices::{Level, Topic},
            run_state::{RunInProgress, RunState, RunStatus},
            tiles::{Source, sample_at},
            view::{Beside, Detail, DetailTile},
            walk::WalkState,
        },
    },
    device::Kind,
    engine::{Command, Event, OpenRequest, PicturesCard, RenderedTiles, RunReport, SampleKind, SampleRequest},
    model::ModelCard,
    networks::{Masking, Motion},
    unlearn::{Iteration, default_method},
};

impl Studio {
    /// Takes in everything that has arrived; called in every frame.
    pub fn poll_events(&mut self) {
        while let Some(event) = self.link.next() {
            self.handle_event(event);
        }
    }

    /// Takes in one event of the link.
    pub fn handle_event(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Ready(card) => {
                if card.kind == Kind::Software {
                    self.notify(Level::Warning, format!("{} is a software GPU: the CPU is faster.", card.name));
                }
                self.device = Some(card);
            }
            LinkEvent::Memory(memory) => self.free_memory = Some(memory.available),
            LinkEvent::Engine(event) => self.handle_engine_event(event),
            LinkEvent::Lost(reason) => {
                self.notify(Level::Error, reason);
                let ended = self.device.is_some();
                if ended {
                    self.restart();
                }
            }
        }
    }

    fn handle_engine_event(&mut self, event: Event) {
        match event {
            Event::Opening { read, of } => self.opened = read as f32 / of.max(1) as f32,
            Event::Loaded(card) => self.handle_loaded(card),
            Event::Idle => {
                self.opening = None;
                // What kept it from its end was said.
                if self.running_audit().is_some() {
                    self.audit = None;
                }
                if self.run.in_progress().is_some() {
                    self.run = RunState::Failed;
                }
            }
            Event::Pictures(card) => self.handle_pictures(*card),
            Event::Class(class) => self.view.class = class.and_then(|class| u32::try_from(class).ok()),
            Event::Progress(progress) if self.take_audit_progress(progress) => {}
            Event::Progress(progress) => {
                if let Some(run) = self.run.in_progress_mut() {
                    run.progress = Some(progress);
                }
            }
            Event::Iteration(iteration) => self.handle_iteration(&iteration),
            Event::Layers(shares) => self.layers = shares,
            Event::Auxiliary { .. } => {}
            Event::Estimate { index, pul, frechet } => {
                if let Some(pul) = pul {
                    self.charts.pul.push(index as f64, pul * 100.0);
                }
                if let Some(frechet) = frechet {
                    self.charts.frechet.push(index as f64, frechet);
                }
            }
            Event::Labelled(found) => self.order.add(*found),
            Event::NotLabelled(request) => self.order.fail(&request),
            Event::Tiles(tiles) => self.handle_tiles(*tiles),
            Event::NoTiles(request) => self.handle_no_tiles(&request),
            Event::Walk(tiles) => self.handle_walk(*tiles),
            // Why is said.
            Event::NoWalk(_) => self.walk = WalkState::None,
            Event::Snapshot { number, iteration } => self.timeline.add(number, iteration),
            Event::Exported(path) => {
                self.notices.forget_failures_of(&path.display().to_string());
                self.not_saved = self.not_saved.take().filter(|failed| *failed != path);
                self.notify(Level::Done, format!("Saved {}", path.display()));
                match self.writing.pop_front().map(|(what, _)| what) {
                    Some(Written::Result) => {
                        self.saved_results += 1;
                        // A run in progress goes on changing it.
                        self.unsaved &= self.run.in_progress().is_some();
                    }
                    Some(Written::Marks(revision)) => self.saved_marks = revision,
                    Some(Written::Other) | None => {}
                }
            }
            Event::NotSaved(sentence) => {
                self.not_saved = self.writing.pop_front().map(|(_, path)| path);
                self.notify(Level::Error, sentence);
            }
            // Nothing in the window asks for these.
            Event::Converted { .. } | Event::Compared(_) | Event::Trained(_) => {}
            Event::Feedback(path, feedback) => {
                self.reading = None;
                self.settle(Topic::Marks);
                self.marks.replace(&feedback);
                // They are in the file they came from.
                self.saved_marks = self.marks.revision();
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                let (negatives, positives) = self.marks.counts();
                self.notify(Level::Done, format!("{name}: {negatives} must go, {positives} may stay"));
            }
            Event::Suggested(suggestions) => {
                self.suggesting = false;
                self.note_learned(Ok(suggestions.quality));
                self.suggestions = Some(*suggestions);
                self.resume_marks_check();
            }
            Event::Labeler(card) => {
                self.reading = None;
                self.settle(Topic::Labeler);
                self.set_labeler(*card);
            }
            Event::Project(card) => self.handle_project(card),
            Event::Marks(feedback) => {
                self.marks = Marks::of(*feedback);
                self.kept_marks = (self.marks.revision(), self.now);
                self.forget_marks_check();
            }
            Event::Warning(sentence) => self.notify(Level::Warning, sentence),
            Event::Paused if self.take_audit_status(RunStatus::Paused) => {}
            Event::Restarted => self.show_run_anew(),
            Event::Resumed if self.take_audit_status(RunStatus::Running) => {}
            Event::Audited(report) => self.handle_audited(report),
            Event::RetrainedFound(question, found) => self.handle_retrained_found(&question, found),
            Event::RetrainedRefused(node, reason) => self.handle_retrained_refused(node, reason),
            Event::Paused => {
                if let Some(run) = self.run.in_progress_mut().filter(|run| run.status != RunStatus::Stopping) {
                    run.status = RunStatus::Paused;
                }
            }
            Event::Resumed => {
                if let Some(run) = self.run.in_progress_mut().filter(|run| run.status != RunStatus::Stopping) {
                    run.status = RunStatus::Running;
                }
            }
            Event::Done(report) => self.handle_done(report),
            Event::Failed(sentence) => self.handle_failed(sentence),
        }
    }

    fn handle_failed(&mut self, sentence: String) {
        let of_marks = self.asked.is_empty() && self.suggesting;
        (self.suggesting, self.reading, self.retrained_models.looking_at) = (false, None, None);
        if self.take_retrained_failure(&sentence) {
            return;
        }
        let running = || self.run.in_progress().map(|_| Topic::Run);
        let topic = self.asked.pop_front().or_else(running).unwrap_or_default();
        if of_marks {
            self.note_learned(Err(sentence.clone()));
        }
        // Where a run waits for it, it is part of what the user is asked.
        if self.resume_marks_check() && of_marks {
            return;
        }
        // Without a model it stands where that would be.
        if topic == Topic::Model && self.model.is_none() {
            self.not_opened = Some(sentence);
        } else {
            self.notify_failure(topic, sentence);
        }
    }

    fn handle_loaded(&mut self, card: Box<ModelCard>) {
        let remembered = self.prefs.classes.get(&card.sha256).copied().filter(|_| card.can_be_conditional);
        if let Some(classes) = remembered.filter(|classes| *classes != card.classes) {
            self.send(Command::Load(OpenRequest { path: card.file, classes: Some(classes), pictures: None }));
            return;
        }
        if let Some(path) = self.opening.take() {
            self.prefs.add_recent(&path);
        }
        self.settle(Topic::Model);
        self.not_opened = None;
        // The same model again (on another device) keeps its marks. With other classes an address is another sample.
        let same_classes = self.model.as_ref().is_some_and(|model| model.classes == card.classes);
        if self.marks.feedback().model_sha256() != card.sha256 || !same_classes {
            self.marks = Marks::new(&card.sha256);
            self.kept_marks = (self.marks.revision(), self.now);
            self.view.class = None;
            self.move_samples(Motion::default());
            self.view.cursor = 0;
            self.order.forget();
        }
        self.order.ask_again();
        if let Some(class) = self.view.class {
            self.send(Command::Class(Some(class as usize)));
        }
        if self.view.motion != Motion::default() {
            self.send(Command::Move(self.view.motion));
        }
        let completes = card.completes.is_some();
        if self.view.masking != Masking::default() {
            self.send(Command::Mask(self.view.masking));
        }
        if !completes {
            self.view.beside = Beside::default();
        }
        if !self.settings.method().needs(self.settings.values()).samples.fits(completes) {
            self.choose_method(default_method(completes));
        }
        (self.history, self.audit) = (None, None);
        self.retrained_models = RetrainedModels::default();
        self.compared_node = None;
        self.is_previewing = false;
        self.layers.clear();
        self.bundled_labeler = bundled_labeler(&card.file);
        self.model = Some(card);
        self.tiles.forget(|_| true);
        self.timeline = Default::default();
        self.most_changed = MostChanged::default();
        if self.run.in_progress().is_some() {
            // A run that goes on opened the model that it began with.
            self.charts = Charts::of(self.running_method, self.charts.log);
            self.timeline.begin_run();
        } else {
            self.charts = Charts::of(self.settings.method(), self.charts.log);
            self.run = RunState::None;
        }
        (self.detail, self.unsaved) = (None, false);
        self.walk = WalkState::None;
        (self.suggestions, self.suggesting) = (None, false);
        self.forget_marks_check();
        (self.epoch, self.pending_tiles, self.next_refresh) = (0, None, 0.0);
        (self.per_sample, self.per_sample_at_best) = (None, None);
        self.thumbnails.clear();
        self.choose_preset(self.preset.clone());
    }

    fn handle_pictures(&mut self, pictures: PicturesCard) {
        let Some(completes) = self.model.as_mut().and_then(|card| card.completes.as_mut()) else { return };
        completes.pictures = pictures.count;
        self.settle(Topic::Pictures);
        if self.pictures.as_ref() != Some(&pictures.source) {
            // A number is another picture now; the marks that are kept come with the next event.
            let sha256 = self.model.as_ref().map_or_else(String::new, |card| card.sha256.clone());
            self.marks = Marks::new(&sha256);
            self.kept_marks = (self.marks.revision(), self.now);
            (self.suggestions, self.suggesting, self.detail) = (None, false, None);
            self.forget_marks_check();
            self.view.cursor = 0;
            self.thumbnails.clear();
            self.order.forget();
        }
        self.order.ask_again();
        self.pictures = Some(pictures.source);
        self.pending_tiles = None;
        self.show_anew();
    }

    fn handle_iteration(&mut self, iteration: &Iteration) {
        for (name, value) in &iteration.values {
            self.charts.push(iteration.at.stage.id, name, iteration.place(), *value);
        }
        if !iteration.is_result() {
            return;
        }
        // Everything that the slider starts from is there before the result is worked on.
        self.timeline.set_sliders(self.running_method.sliders());
        self.epoch += 1;
        self.unsaved = !self.is_kept() && !self.is_previewing;
        if let Some(run) = self.run.in_progress_mut() {
            run.count_iteration();
        }
    }

    fn handle_tiles(&mut self, tiles: RenderedTiles) {
        match tiles.request.kind {
            SampleKind::Grid => {
                let pending = self.pending_tiles;
                let SampleRequest { weights, seed, indices, psi, class, .. } = &tiles.request;
                let is_latest = pending.is_some_and(|pending| pending.row == (*seed, *psi, *class));
                if is_latest {
                    self.pending_tiles = None;
                }
                let count = tiles.request.indices.len().max(1) as f64;
                let seconds = tiles.seconds / count;
                self.per_sample = Some(self.per_sample.map_or(seconds, |old| 0.7 * old + 0.3 * seconds));
                self.per_sample_at_best = Some(self.per_sample_at_best.map_or(seconds, |best| best.min(seconds)));
                let refresh = pending.is_some_and(|pending| pending.refresh);
                if refresh && is_latest {
                    self.next_refresh = self.now + (tiles.seconds + tiles.finding) * (1.0 / SHOW_SHARE - 1.0);
                }
                let sample = |&index: &u64| Some(sample_at(*seed, index, *psi)?.with_class(*class));
                let samples: Option<Vec<_>> = indices.iter().map(sample).collect();
                let as_shown = (tiles.motion, tiles.masking) == (self.view.motion, self.view.masking);
                let samples = samples.filter(|_| as_shown);
                if let (Some(source), Some(samples), Some(pending)) = (Source::of(*weights), samples, pending) {
                    // What takes the place of an older picture does not fade in.
                    self.tiles.put(source, &samples, tiles.side, &tiles.rgb, (pending.epoch, self.now));
                    self.note_changes(source, &samples);
                }
            }
            SampleKind::Detail if (tiles.motion, tiles.masking) != (self.view.motion, self.view.masking) => {}
            SampleKind::Detail => {
                let full = DetailTile { side: tiles.side, rgb: tiles.rgb.into() };
                let source = Source::of(tiles.request.weights);
                let [before, after] = self.compared_sources();
                let Some(Detail { sample, tiles: pictures, entry }) = &mut self.detail else { return };
                let SampleRequest { seed, indices, psi, class, .. } = &tiles.request;
                let address = sample.address();
                let wanted = (address.seed, &[address.index][..], sample.psi(), sample.class());
                if (*seed, &indices[..], *psi, *class) != wanted {
                    return;
                }
                entry.clone_from(&tiles.entry);
                if source == Some(before) {
                    pictures[0] = Some(full.clone());
                    match after {
                        after if after == before => pictures[1] = Some(full),
                        after => self.request_detail(after),
                    }
                } else {
                    pictures[1] = Some(full);
                }
            }
            SampleKind::Feedback | SampleKind::Timeline => {
                self.thumbnails_pending[usize::from(tiles.request.kind == SampleKind::Timeline)] = false;
                self.thumbnails.push(tiles);
            }
            SampleKind::Picture => {}
        }
    }

    fn handle_no_tiles(&mut self, request: &SampleRequest) {
        match request.kind {
            SampleKind::Grid => {
                self.pending_tiles = None;
                // What cannot be shown is not pending for again and again.
                self.timeline.show(if request.weights == Source::Original.weights() {
                    self.timeline.shown()
                } else if request.weights == Source::Current.weights() {
                    Source::Original
                } else {
                    Source::Current
                });
                self.next_refresh = self.now + 2.0;
            }
            SampleKind::Feedback => self.thumbnails_pending[0] = false,
            SampleKind::Timeline => self.thumbnails_pending[1] = false,
            SampleKind::Detail => self.detail = None,
            SampleKind::Picture => {}
        }
    }

    fn handle_done(&mut self, report: Box<RunReport>) {
        if let Some(failed) = &report.failed {
            self.notify_failure(Topic::Run, failed.clone());
        }
        let last = report.iterations.saturating_sub(1);
        let seconds = self.run.in_progress().and_then(RunInProgress::seconds_per_iteration);
        if let (Some(seconds), Some(card), Some(device), false) =
            (seconds, &self.model, &self.device, report.failed.is_some())
        {
            let batch = report.settings.plan().map_or(1, |plan| plan.batch);
            self.prefs.record_speed((&device.name, report.settings.method().id()), card, seconds, batch);
        }
        if let Some(evaluation) = &report.evaluation {
            if let Some(pul) = evaluation.pul {
                self.charts.pul.push(last as f64, pul * 100.0);
            }
            if let Some(frechet) = evaluation.frechet {
                self.charts.frechet.push(last as f64, frechet);
            }
        }
        if report.iterations > 0 {
            self.epoch += 1;
        }
        self.next_refresh = 0.0;
        if !report.preview {
            if report.failed.is_none() && !self.prefs.first_steps_done {
                self.prefs.first_steps_done = true;
                self.prefs.save();
            }
            self.run = RunState::Finished(report);
            return;
        }
        self.run = RunState::None;
        let places = self.timeline.sliders().iter().map(|slider| slider.original);
        let mut all = [0.0; 2];
        all.iter_mut().zip(places).for_each(|(place, value)| *place = value);
        if report.failed.is_none() && !report.stopped {
            self.timeline.show(Source::Slider(all.map(|place| (place * 1000.0).round() as i32)));
        }
    }
}
