//! What the engine says becomes what is shown.

use super::data::Studio;
use crate::{
    app::{
        link::News,
        state::{
            charts::Charts,
            marks::Marks,
            notices::Level,
            run_state::{Held, RunState},
            tiles::{Source, sample_at},
            view::{Detail, DetailTile},
        },
    },
    device::Kind,
    engine::{Command, Event, ModelCard, Phase, RunReport, SampleKind, SampleRequest, Tiles},
    unlearn::{Iteration, Stage},
};

/// The part of the time that may go into showing a run while it goes on.
const SHOW_SHARE: f64 = 0.2;

impl Studio {
    /// Takes in everything that has arrived; called in every frame.
    pub fn listen(&mut self) {
        while let Some(news) = self.link.next() {
            self.hear(news);
        }
    }

    /// Takes in one piece of news.
    pub fn hear(&mut self, news: News) {
        match news {
            News::Ready(card) => {
                if card.kind == Kind::Software {
                    self.say(Level::Warning, format!("{} is a GPU in software: the CPU is faster.", card.name));
                }
                self.device = Some(card);
            }
            News::Memory(memory) => self.free_memory = Some(memory.available),
            News::Engine(event) => self.take_in(event),
            News::Lost(reason) => {
                self.say(Level::Error, reason);
                let ended = self.device.is_some();
                if ended {
                    self.restart();
                }
            }
        }
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Opening { read, of } => self.opened = read as f32 / of.max(1) as f32,
            Event::Loaded(card) => self.loaded(card),
            Event::Idle => {
                self.opening = None;
                if self.run.going().is_some() {
                    self.run = RunState::Failed;
                }
            }
            Event::Class(class) => self.view.class = class.and_then(|class| u32::try_from(class).ok()),
            Event::Progress(progress) => {
                let stage_1_done = matches!(progress.phase, Phase::Unlearn | Phase::Evaluate);
                if stage_1_done && !self.timeline.can_extrapolate() {
                    self.timeline.adapted();
                }
                if let Some(going) = self.run.going_mut() {
                    going.progress = Some(progress);
                }
            }
            Event::Iteration(iteration) => self.iterated(&iteration),
            Event::Distances { index, to_adapted, to_original } => {
                self.charts.to_adapted.push(index as f64, f64::from(to_adapted));
                self.charts.to_original.push(index as f64, f64::from(to_original));
            }
            Event::Estimate { index, pul, frechet } => {
                if let Some(pul) = pul {
                    self.charts.pul.push(index as f64, pul * 100.0);
                }
                if let Some(frechet) = frechet {
                    self.charts.frechet.push(index as f64, frechet);
                }
            }
            Event::Tiles(tiles) => self.arrived(*tiles),
            Event::NoTiles(request) => self.refused(&request),
            Event::Snapshot { number, iteration } => self.timeline.add(number, iteration),
            Event::Exported(path) => {
                self.writing = self.writing.saturating_sub(1);
                self.say(Level::Done, format!("Saved {}", path.display()));
                let model = path.extension().and_then(|e| e.to_str()).map(str::to_lowercase);
                if matches!(model.as_deref(), Some("safetensors" | "pt" | "pth")) && self.run.going().is_none() {
                    self.unsaved = false;
                }
            }
            Event::Feedback(path, feedback) => {
                self.reading = None;
                self.marks.replace(&feedback);
                let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                let (negatives, positives) = self.marks.counts();
                self.say(Level::Done, format!("{name}: {negatives} must go, {positives} may stay"));
            }
            Event::Suggested(suggestions) => {
                self.suggesting = false;
                self.suggestions = Some(*suggestions);
            }
            Event::Labeler(card) => {
                self.reading = None;
                self.found_labeler(*card);
            }
            Event::Warning(sentence) => self.say(Level::Warning, sentence),
            Event::Paused => {
                if let Some(going) = self.run.going_mut().filter(|going| going.held != Held::Ending) {
                    going.held = Held::Yes;
                }
            }
            Event::Resumed => {
                if let Some(going) = self.run.going_mut().filter(|going| going.held != Held::Ending) {
                    going.held = Held::No;
                }
            }
            Event::Done(report) => self.done(report),
            Event::Failed(sentence) => {
                (self.writing, self.suggesting, self.reading) = (0, false, None);
                self.say(Level::Error, sentence);
            }
        }
    }

    fn loaded(&mut self, card: Box<ModelCard>) {
        self.prefs.opened(&card.file);
        // The same model again (on another device) keeps its marks.
        if self.marks.feedback().model_sha256() != card.sha256 {
            self.marks = Marks::new(&card.sha256);
            self.view.class = None;
        }
        if let Some(class) = self.view.class {
            self.send(Command::Class(Some(class as usize)));
        }
        self.opening = None;
        self.model = Some(card);
        self.tiles.forget(|_| true);
        self.charts = Charts { log: self.charts.log, ..Charts::default() };
        self.timeline = Default::default();
        (self.run, self.from, self.detail, self.unsaved) = (RunState::None, None, None, false);
        (self.suggestions, self.suggesting) = (None, false);
        (self.epoch, self.asked, self.next_refresh) = (0, None, 0.0);
        (self.per_sample, self.per_sample_at_best) = (None, None);
        self.thumbnails.clear();
        self.choose_preset(self.preset.clone());
    }

    fn iterated(&mut self, iteration: &Iteration) {
        let (x, losses) = (iteration.index as f64, iteration.losses);
        match iteration.stage {
            Stage::Adapt { member } => {
                let before = member * iteration.of;
                self.charts.ewc.push(before as f64 + x, f64::from(losses.term.unwrap_or(0.0)));
            }
            Stage::Unlearn => {
                self.epoch += 1;
                self.unsaved = true;
                self.charts.d.push(x, f64::from(losses.d));
                self.charts.g.push(x, f64::from(losses.g));
                let terms = [(&mut self.charts.repulsion, losses.term), (&mut self.charts.retain, losses.retain)];
                for (series, value) in terms {
                    if let Some(value) = value {
                        series.push(x, f64::from(value));
                    }
                }
                if let Some(going) = self.run.going_mut() {
                    going.pace(iteration.index);
                }
            }
        }
    }

    fn arrived(&mut self, tiles: Tiles) {
        match tiles.request.kind {
            SampleKind::Grid => {
                let asked = self.asked.take();
                let count = tiles.request.indices.len().max(1) as f64;
                let seconds = tiles.seconds / count;
                self.per_sample = Some(self.per_sample.map_or(seconds, |old| 0.7 * old + 0.3 * seconds));
                self.per_sample_at_best = Some(self.per_sample_at_best.map_or(seconds, |best| best.min(seconds)));
                let refresh = asked.is_some_and(|asked| asked.refresh);
                if refresh {
                    self.next_refresh = self.now + tiles.seconds * (1.0 / SHOW_SHARE - 1.0);
                }
                let SampleRequest { weights, seed, indices, psi, class, .. } = &tiles.request;
                let sample = |&index: &u64| Some(sample_at(*seed, index, *psi)?.with_class(*class));
                let samples: Option<Vec<_>> = indices.iter().map(sample).collect();
                if let (Some(source), Some(samples), Some(asked)) = (Source::of(*weights), samples, asked) {
                    // What takes the place of an older picture does not fade in.
                    self.tiles.put(source, &samples, tiles.side, &tiles.rgb, (asked.epoch, self.now));
                }
            }
            SampleKind::Detail => {
                let full = DetailTile { side: tiles.side, rgb: tiles.rgb.into() };
                let source = Source::of(tiles.request.weights);
                let after = self.pair()[1];
                let Some(Detail { sample, tiles: pictures }) = &mut self.detail else { return };
                let SampleRequest { seed, indices, psi, class, .. } = &tiles.request;
                let address = sample.address();
                let wanted = (address.seed, &[address.index][..], sample.psi(), sample.class());
                if (*seed, &indices[..], *psi, *class) != wanted {
                    return;
                }
                if source == Some(Source::Original) {
                    pictures[0] = Some(full.clone());
                    match after {
                        Source::Original => pictures[1] = Some(full),
                        after => self.ask_detail(after),
                    }
                } else {
                    pictures[1] = Some(full);
                }
            }
            SampleKind::Feedback | SampleKind::Timeline => {
                self.thumbnails_asked[usize::from(tiles.request.kind == SampleKind::Timeline)] = false;
                self.thumbnails.push(tiles);
            }
            SampleKind::Picture => {}
        }
    }

    fn refused(&mut self, request: &SampleRequest) {
        match request.kind {
            SampleKind::Grid => {
                self.asked = None;
                // What cannot be shown is not asked for again and again.
                self.timeline.show(if request.weights == Source::Original.weights() {
                    self.timeline.shown()
                } else if request.weights == Source::Current.weights() {
                    Source::Original
                } else {
                    Source::Current
                });
                self.next_refresh = self.now + 2.0;
            }
            SampleKind::Feedback => self.thumbnails_asked[0] = false,
            SampleKind::Timeline => self.thumbnails_asked[1] = false,
            SampleKind::Detail => self.detail = None,
            SampleKind::Picture => {}
        }
    }

    fn done(&mut self, report: Box<RunReport>) {
        if let Some(failed) = &report.failed {
            self.say(Level::Error, failed.clone());
        }
        let last = report.iterations.saturating_sub(1);
        let seconds = self.run.going().and_then(|going| going.seconds_per_iteration(last));
        if let (Some(seconds), Some(card), Some(device), false) =
            (seconds, &self.model, &self.device, report.failed.is_some())
        {
            let batch = report.settings.unlearn.train.batch;
            self.prefs.note_speed(&device.name, card, seconds, batch);
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
        self.run = RunState::Over(report);
    }
}
