//! How long a run will still take: every part of it, by what its steps were measured to take, or are likely to.

use std::collections::VecDeque;

use super::{cost::BATCHES_PER_ITERATION, phase::Phase, request::RunRequest, warm_up};
use crate::{
    model::Model,
    train::TrainConfig,
    unlearn::{Plan, Stage},
};

/// Whole periods that a rate is the mean of: enough to be steady, few enough to follow a machine that becomes busy.
const PERIODS: usize = 4;
/// A step of a discriminator's warm-up, as a part of an iteration that trains both networks with all their terms.
const WARM_UP_SHARE: f64 = 0.5;
/// Copies of the networks in a model file (trained, averaged, optimizers), and bytes that are written and hashed in a second.
const WRITTEN_COPIES: f64 = 4.0;
const BYTES_PER_SECOND: f64 = 150e6;

/// A part of a run whose steps take about equally long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Samples are sorted.
    Label,
    /// A discriminator is warmed up.
    WarmUp,
    /// A stage of the method, all its rounds, by its id.
    Stage(&'static str),
    /// The result is written.
    Write,
    /// The result is measured.
    Evaluate,
}

impl Part {
    /// The part that a phase of a run belongs to.
    pub(super) fn of(phase: Phase) -> Option<Self> {
        Some(match phase {
            Phase::Label => Self::Label,
            Phase::WarmUp => Self::WarmUp,
            Phase::Method(at) => Self::Stage(at.stage.id),
            Phase::Evaluate => Self::Evaluate,
            Phase::Train | Phase::Audit(_) => return None,
        })
    }
}

/// What one step is likely to take, before any was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Work {
    /// As long as drawing so many samples.
    Draw(f64),
    /// As long as an iteration with so many samples.
    Train(f64),
    /// So many seconds.
    Seconds(f64),
}

impl Work {
    /// In samples drawn; `None` of what does not depend on them.
    fn draws(self) -> Option<f64> {
        match self {
            Self::Draw(samples) => Some(samples),
            Self::Train(samples) => Some(samples * BATCHES_PER_ITERATION),
            Self::Seconds(_) => None,
        }
    }

    fn is_alike(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

/// A part of a run, and what is known of its speed.
#[derive(Clone, Debug)]
pub(super) struct PartTime {
    part: Part,
    steps: usize,
    work: Work,
    /// Steps after which dear ones come again, as regularisers do.
    period: usize,
    /// Whether its steps are counted together with those of its neighbours of which the same is said.
    makes_result: Option<bool>,
    done: usize,
    /// When the latest steps were done, and how many that were. The first step is where counting begins: it warms caches (and, on a
    /// GPU, tunes kernels), and says nothing about the others.
    times: VecDeque<(usize, f64)>,
}

impl PartTime {
    /// A part of so many steps.
    pub(super) fn new(part: Part, steps: usize, work: Work) -> Self {
        Self { part, steps, work, period: 1, makes_result: None, done: 0, times: VecDeque::new() }
    }

    /// Seconds of a step, once two were seen: the mean over whole periods as soon as one has passed.
    fn rate(&self) -> Option<f64> {
        let &(done, now) = self.times.back()?;
        let earlier = || self.times.iter().filter(|(before, _)| *before < done);
        let whole = earlier().find(|(before, _)| (done - before).is_multiple_of(self.period));
        let &(before, then) = whole.or(earlier().next())?;
        Some((now - then).max(0.0) / (done - before) as f64)
    }

    fn note(&mut self, done: usize, now: f64) {
        self.done = done;
        // Told of no further step, it had something else to do: the next one begins now.
        self.times.pop_back_if(|(before, _)| *before == done);
        self.times.push_back((done, now));
        let most = PERIODS * self.period.max(16) + 1;
        if self.times.len() > most {
            self.times.pop_front();
        }
    }
}

/// What is left of a job that goes through its parts one after the other. It has no clock of its own: whoever tells it of a step
/// says when that was.
#[derive(Clone, Debug, Default)]
pub(super) struct TimeLeft {
    parts: Vec<PartTime>,
    here: usize,
}

impl TimeLeft {
    /// Of a job with these parts, in their order.
    pub(super) fn new(parts: Vec<PartTime>) -> Self {
        Self { parts, here: 0 }
    }

    /// Of a run; `measured` is how many samples are drawn in the end to see what came of it.
    pub(super) fn of_run(request: &RunRequest, plan: Plan, model: &Model, measured: usize) -> Self {
        let method = request.settings.method();
        let labelled = request.settings.collect().map_or(0, |collect| collect.labelled);
        let mut parts = vec![PartTime::new(Part::Label, labelled, Work::Draw(1.0))];
        if method.needs(request.settings.values()).discriminator && model.gan.is_none() {
            let work = Work::Train(WARM_UP_SHARE * plan.batch as f64);
            parts.push(PartTime { period: period(), ..PartTime::new(Part::WarmUp, warm_up::ITERATIONS, work) });
        }
        parts.extend(stages(method.stages(), plan));
        let discriminator = model.gan.as_ref().map_or(0, |gan| gan.d.layout.total());
        let bytes = 4.0 * WRITTEN_COPIES * (model.g_ema.layout.total() + discriminator) as f64;
        let files = 1 + usize::from(request.out.is_some());
        parts.push(PartTime::new(Part::Write, files, Work::Seconds(bytes / BYTES_PER_SECOND)));
        parts.push(PartTime::new(Part::Evaluate, measured, Work::Draw(1.0)));
        Self::new(parts)
    }

    /// So many steps of a part, of so many, were done at `now`: in seconds since the job began, pauses left out. Everything before this
    /// part is over.
    pub(super) fn advance(&mut self, part: Part, done: usize, of: usize, now: f64) {
        let Some(here) = self.parts.iter().position(|known| known.part == part) else { return };
        self.here = self.here.max(here);
        let (before, after) = self.parts.split_at_mut(here + 1);
        let Some(present) = before.last_mut() else { return };
        let planned = std::mem::replace(&mut present.steps, of);
        present.note(done, now);
        // A plan does not say how iterations that make the result are shared by stages.
        let shares = |next: &&mut PartTime| next.makes_result.is_some() && next.makes_result == present.makes_result;
        if let Some(next) = after.iter_mut().find(shares) {
            next.steps = (next.steps + planned).saturating_sub(of);
        }
    }

    /// Seconds left for all of it; `None` until anything was measured.
    pub(super) fn seconds(&self) -> Option<f64> {
        let left = self.parts.iter().skip(self.here).map(|part| {
            let steps = part.steps.saturating_sub(part.done);
            if steps == 0 {
                return Some(0.0);
            }
            Some(steps as f64 * self.step(part)?)
        });
        let measured = self.parts.iter().any(|part| part.rate().is_some());
        left.sum::<Option<f64>>().filter(|_| measured)
    }

    /// Seconds of a step of a part: as measured, or as what was measured says of it, the latest of its own kind first.
    fn step(&self, part: &PartTime) -> Option<f64> {
        if let Some(rate) = part.rate() {
            return Some(rate);
        }
        let draws = match (part.work, part.work.draws()) {
            (Work::Seconds(seconds), _) => return Some(seconds),
            (_, draws) => draws?,
        };
        let measured = || {
            let known = self.parts.iter().rev().filter(|known| known.work.draws().is_some_and(|draws| draws > 0.0));
            known.filter_map(|known| Some((known.work, known.rate()? / known.work.draws()?)))
        };
        let alike = measured().find(|(work, _)| work.is_alike(part.work));
        alike.or(measured().next()).map(|(_, per_draw)| per_draw * draws)
    }
}

/// The stages of a method, with as much as its plan says of each.
fn stages(stages: &[Stage], plan: Plan) -> Vec<PartTime> {
    let before = plan.iterations.saturating_sub(plan.result_iterations);
    let samples = plan.samples.saturating_sub(plan.result_iterations * plan.batch);
    let mut seen = Vec::new();
    let mut part = |stage: &Stage| {
        let (all, batch) = match stage.is_result {
            true => (plan.result_iterations, plan.batch as f64),
            false => (before, samples as f64 / before.max(1) as f64),
        };
        // The first of them has all until it begins and says otherwise.
        let steps = if seen.contains(&stage.is_result) { 0 } else { all };
        seen.push(stage.is_result);
        let makes_result = Some(stage.is_result);
        PartTime { period: period(), makes_result, ..PartTime::new(Part::Stage(stage.id), steps, Work::Train(batch)) }
    };
    stages.iter().map(&mut part).collect()
}

/// Iterations after which R1 and the path length penalty have both come again.
fn period() -> usize {
    let config = TrainConfig::default();
    config.d_reg_every.max(config.g_reg_every)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unlearn::{FIRST, Settings, method};

    /// What a part really takes: steps that are told of together, and seconds of each by its number.
    struct Script {
        part: Part,
        steps: usize,
        told: usize,
        seconds: fn(usize) -> f64,
    }

    /// One with regularisers: a path length penalty in every 4th iteration, R1 in every 16th, and a slow first one.
    fn regularised(base: f64, index: usize) -> f64 {
        let path = if index.is_multiple_of(4) { 0.6 * base } else { 0.0 };
        let r1 = if index.is_multiple_of(16) { 0.8 * base } else { 0.0 };
        base + path + r1 + if index == 0 { 10.0 * base } else { 0.0 }
    }

    /// Goes through all of it on a simulated clock; `check` is told the part, the steps done in it, what is said to be left, and what is.
    fn play(time_left: &mut TimeLeft, scripts: &[Script], mut check: impl FnMut(Part, usize, Option<f64>, f64)) {
        let mut left: f64 = scripts.iter().map(|s| (0..s.steps).map(s.seconds).sum::<f64>()).sum();
        let mut now = 0.0;
        for script in scripts {
            for done in 1..=script.steps {
                let seconds = (script.seconds)(done - 1);
                (now, left) = (now + seconds, left - seconds);
                if done.is_multiple_of(script.told) || done == script.steps {
                    time_left.advance(script.part, done, script.steps, now);
                    check(script.part, done, time_left.seconds(), left);
                }
            }
        }
    }

    fn run(settings: &Settings, labelled: usize, warm_up: bool, measured: usize) -> TimeLeft {
        let plan = settings.plan().expect("a plan");
        let mut parts = vec![PartTime::new(Part::Label, labelled, Work::Draw(1.0))];
        if warm_up {
            let work = Work::Train(WARM_UP_SHARE * plan.batch as f64);
            parts.push(PartTime { period: period(), ..PartTime::new(Part::WarmUp, warm_up::ITERATIONS, work) });
        }
        parts.extend(stages(settings.method().stages(), plan));
        parts.push(PartTime::new(Part::Write, 1, Work::Seconds(0.5)));
        parts.push(PartTime::new(Part::Evaluate, measured, Work::Draw(1.0)));
        TimeLeft::new(parts)
    }

    fn settings(change: &[(&str, usize)]) -> Settings {
        let mut settings = Settings::of(FIRST);
        change.iter().for_each(|(key, value)| settings.set(key, *value).expect(key));
        settings
    }

    #[test]
    fn after_ten_iterations_it_is_right_within_a_factor_of_one_and_a_half() {
        let settings = settings(&[("adapted", 3), ("adapt-iters", 60), ("iters", 400), ("batch", 16)]);
        for warm_up in [false, true] {
            let mut time_left = run(&settings, 5000, warm_up, 4000);
            // Drawing is a good deal faster than iterations say, stage 2 slower than stage 1, measuring slower than sorting.
            let mut scripts = vec![Script { part: Part::Label, steps: 5000, told: 512, seconds: |_| 0.0004 }];
            if warm_up {
                let seconds = |index| regularised(0.02, index);
                scripts.push(Script { part: Part::WarmUp, steps: warm_up::ITERATIONS, told: 1, seconds });
            }
            let [adapt, unlearn] = ["adapt", "unlearn"].map(Part::Stage);
            scripts.extend([
                Script { part: adapt, steps: 180, told: 1, seconds: |index| regularised(0.04, index) },
                Script { part: unlearn, steps: 400, told: 1, seconds: |index| regularised(0.05, index) },
                Script { part: Part::Evaluate, steps: 4000, told: 512, seconds: |_| 0.0006 },
            ]);
            let mut told = 0;
            play(&mut time_left, &scripts, |part, done, said, left| {
                told += 1;
                assert!(said.is_some() || told < 2, "{part:?}, {done}: something was measured");
                // Half a second: of a few steps more or less at the end nobody makes much.
                let trains = matches!(part, Part::WarmUp | Part::Stage(_));
                if let Some(said) = said.filter(|_| trains && done >= 10) {
                    let within = said < 1.5 * left + 0.5 && left < 1.5 * said + 0.5;
                    assert!(within, "{part:?}, {done}: {said} said, {left} left");
                }
            });
            assert_eq!(time_left.seconds(), Some(0.0));
        }
    }

    #[test]
    fn a_whole_period_says_what_a_part_of_one_does_not() {
        let mut time_left = TimeLeft::new(vec![PartTime {
            period: 16,
            ..PartTime::new(Part::Stage("unlearn"), 1600, Work::Train(16.0))
        }]);
        let script = [Script { part: Part::Stage("unlearn"), steps: 1600, told: 1, seconds: |i| regularised(1.0, i) }];
        play(&mut time_left, &script, |_, done, said, left| {
            if done > 17 {
                let said = said.expect("it was measured");
                // What is left need not be whole periods: two iterations' penalties at most.
                assert!((said - left).abs() < 3.0, "{done}: {said} said, {left} left");
            }
        });
    }

    #[test]
    fn a_machine_that_becomes_busy_is_noticed() {
        let mut time_left = TimeLeft::new(vec![PartTime::new(Part::Stage("unlearn"), 300, Work::Train(1.0))]);
        let seconds = |index| if index < 100 { 0.1 } else { 0.4 };
        let script = [Script { part: Part::Stage("unlearn"), steps: 300, told: 1, seconds }];
        play(&mut time_left, &script, |_, done, said, left| {
            if done == 170 {
                assert!((said.expect("measured") / left - 1.0).abs() < 0.01);
            }
        });
    }

    #[test]
    fn what_comes_before_the_first_step_is_no_part_of_its_time() {
        let mut time_left = TimeLeft::new(vec![PartTime::new(Part::Evaluate, 100, Work::Draw(1.0))]);
        for (done, now) in [(0, 1.0), (0, 50.0), (0, 90.0), (20, 92.0)] {
            time_left.advance(Part::Evaluate, done, 100, now);
        }
        assert!((time_left.seconds().expect("measured") - 8.0).abs() < 1e-9, "{:?}", time_left.seconds());
    }

    #[test]
    fn a_part_that_has_not_begun_is_judged_by_its_own_kind() {
        let stage = Part::Stage("unlearn");
        let parts = || {
            vec![
                PartTime::new(Part::Label, 100, Work::Draw(1.0)),
                PartTime::new(stage, 10, Work::Train(4.0)),
                PartTime::new(Part::Write, 2, Work::Seconds(3.0)),
                PartTime::new(Part::Evaluate, 50, Work::Draw(1.0)),
            ]
        };
        let mut time_left = TimeLeft::new(parts());
        assert_eq!(time_left.seconds(), None);
        time_left.advance(Part::Label, 20, 100, 2.0);
        assert_eq!(time_left.seconds(), None, "the first says nothing");
        time_left.advance(Part::Label, 40, 100, 4.0);
        let iteration = 0.1 * 4.0 * BATCHES_PER_ITERATION;
        let close = |said: Option<f64>, expected: f64| assert!((said.unwrap() - expected).abs() < 1e-9, "{said:?}");
        close(time_left.seconds(), 60.0 * 0.1 + 10.0 * iteration + 6.0 + 50.0 * 0.1);
        time_left.advance(stage, 1, 10, 30.0);
        close(time_left.seconds(), 9.0 * iteration + 6.0 + 50.0 * 0.1);
        time_left.advance(stage, 2, 10, 31.0);
        close(time_left.seconds(), 8.0 + 6.0 + 50.0 * 0.1);
        time_left.advance(Part::Evaluate, 10, 50, 40.0);
        close(time_left.seconds(), 40.0 * 0.1);
        time_left.advance(Part::Evaluate, 20, 50, 50.0);
        close(time_left.seconds(), 30.0);
    }

    #[test]
    fn stages_that_share_their_iterations_say_how_when_they_begin() {
        let settings = Settings::of(method("redirect").expect("redirect"));
        let plan = settings.plan().expect("a plan");
        let mut time_left = TimeLeft::new(stages(settings.method().stages(), plan));
        let steps = |time_left: &TimeLeft| time_left.parts.iter().map(|part| part.steps).collect::<Vec<_>>();
        assert_eq!(steps(&time_left), [plan.result_iterations, 0]);
        for done in 1..4 {
            time_left.advance(Part::Stage("redirect"), done, 7, done as f64);
            assert_eq!(steps(&time_left), [7, plan.result_iterations - 7]);
        }
    }
}
