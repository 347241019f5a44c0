//! A run that ran out of memory goes on in smaller parts, and then with blocks computed again for their gradients.

use super::{
    event::Event,
    fit::{Way, smaller},
    history,
    request::RunRequest,
    run::{Job, is_in_memory},
    session::Session,
};

/// How a run goes on.
pub(super) struct SmallerParts {
    /// What is to be run.
    pub(super) job: Job,
    /// What it is to be told with, after which what the run told before does not count.
    pub(super) events: [Event; 2],
}

/// The run that broke off, with fewer samples at a time than in the `last` way, or with checkpointing: from where it was saved or stopped, else from its beginning,
/// where that is known (`asked`). `None` if there are no smaller parts.
pub(super) fn in_smaller_parts(
    session: &mut Session,
    asked: Option<Box<RunRequest>>,
    last: Way,
) -> Option<SmallerParts> {
    let card = session.model().ok()?.card();
    let is_saved = session.project.as_ref().is_some_and(|project| project.unfinished().is_some());
    let (job, way, how) = match (is_saved, asked) {
        (true, _) | (false, None) => {
            let stopped = session.stopped.as_ref().filter(|_| is_in_memory(session));
            let settings = match stopped {
                Some(stopped) => stopped.request.settings.clone(),
                None => history::interrupted(session).ok()?.1.request.settings,
            };
            let way = smaller(&card, &settings, last)?;
            (Job::Continue(Some(way)), way, "goes on from where it was saved")
        }
        (false, Some(mut request)) => {
            let way = smaller(&card, &request.settings, last)?;
            way.apply(&mut request.settings).ok()?;
            (Job::New(request), way, "begins again")
        }
    };
    let Way { samples, checkpointing } = way;
    let computing = if samples == 1 { "1 sample".to_owned() } else { format!("{samples} samples") };
    let mut sentence = format!("the device's memory was too small: the run {how}, computing {computing} at a time");
    if checkpointing {
        sentence += ", and blocks again for their gradients";
    }
    Some(SmallerParts { job, events: [Event::Warning(sentence), Event::Restarted] })
}

#[cfg(test)]
mod tests {
    use std::{
        path::{Path, PathBuf},
        time::{Duration, Instant},
    };

    use crate::{
        checkpoint, device,
        device::{ComputeDevice, Kind},
        engine::{
            Command, Engine, Event, ProjectRequest, RunReport, RunRequest, memory_estimate::MemoryEstimate,
            small_device,
        },
        feedback::{Feedback, FeedbackSource, Mark, Sample},
        model::Model,
        networks::LatentAddress,
        unlearn::{Settings, method},
    };

    /// A model file of its own, so that what fits of it concerns nobody else.
    fn model(folder: &Path) -> PathBuf {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/stylegan2-16.pt");
        let path = folder.join("model.pt");
        std::fs::copy(fixture, &path).unwrap();
        path
    }

    fn run(model: &Path, iterations: usize, batch: usize) -> Command {
        let mut feedback = Feedback::new(&checkpoint::sha256(model).unwrap());
        for index in 0..16 {
            let sample = Sample::new(LatentAddress { seed: 2, index }, 1.0).unwrap();
            feedback.mark(sample, if index < 8 { Mark::Negative } else { Mark::Positive });
        }
        let mut settings = Settings::of(method("reject").unwrap());
        for (key, value) in [("iters", iterations), ("batch", batch), ("few-marks", 0)] {
            settings.set(key, value).unwrap();
        }
        let feedback = FeedbackSource::Marks(Box::new(feedback));
        let request = RunRequest { feedback, settings, evaluation: None, out: None, retain: None, preview: false };
        Command::Start(Box::new(request))
    }

    /// What a run told: warnings, numbers of iterations since it was restarted, its report or why it failed.
    fn told(engine: &Engine) -> (Vec<String>, Vec<usize>, Result<Box<RunReport>, String>) {
        let until = Instant::now() + Duration::from_secs(60);
        let (mut warnings, mut iterations) = (Vec::new(), Vec::new());
        loop {
            match engine.events.recv_deadline(until).expect("an answer in time") {
                Event::Warning(sentence) => warnings.push(sentence),
                Event::Restarted => iterations.clear(),
                Event::Iteration(iteration) => iterations.push(iteration.index),
                Event::Done(report) => return (warnings, iterations, Ok(report)),
                Event::Failed(sentence) => return (warnings, iterations, Err(sentence)),
                _ => {}
            }
        }
    }

    #[test]
    fn what_was_not_saved_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let model = model(folder.path());
        small_device::fits(&model, 4, 0);
        let engine = Engine::start(device::cpu()).unwrap();
        engine.send(Command::Load(model.clone().into()));
        engine.send(run(&model, 2, 16));
        let (warnings, iterations, report) = told(&engine);
        let report = report.unwrap();
        let expected = [8, 4].map(|n| {
            format!("the device's memory was too small: the run begins again, computing {n} samples at a time")
        });
        assert_eq!(warnings, expected);
        assert_eq!((iterations, report.iterations), (vec![0, 1], 2));
        assert_eq!(report.settings.get("micro-batch"), Some(&4.into()));
    }

    #[test]
    fn what_was_saved_goes_on_from_there() {
        let folder = tempfile::tempdir().unwrap();
        let model = model(folder.path());
        small_device::fits(&model, 4, 4);
        let engine = Engine::start(device::cpu()).unwrap();
        engine.send(Command::Load(model.clone().into()));
        engine.send(Command::Project(Box::new(ProjectRequest::KeepIn(folder.path().join("p.unlearn")))));
        engine.send(Command::SaveEvery(Duration::ZERO));
        engine.send(run(&model, 6, 8));
        let (warnings, iterations, report) = told(&engine);
        let report = report.unwrap();
        let expected =
            "the device's memory was too small: the run goes on from where it was saved, computing 4 samples at a time";
        assert!(warnings.iter().any(|warning| warning == expected), "{warnings:?}");
        assert!(iterations[0] > 0 && iterations.last() == Some(&5), "{iterations:?}");
        assert_eq!((report.iterations, report.settings.get("micro-batch")), (6, Some(&4.into())));
    }

    /// A device that says how much memory it has, which is next to none.
    fn tight() -> ComputeDevice {
        ComputeDevice { kind: Kind::Integrated, memory: Some(1), ..device::cpu() }
    }

    #[test]
    fn a_micro_batch_chosen_by_memory_is_what_is_computed_and_what_is_made_smaller() {
        // Of a discriminator's groups of four the smallest part is chosen at once.
        for (fits, ends_well) in [(4, true), (1, false)] {
            let folder = tempfile::tempdir().unwrap();
            let model = model(folder.path());
            small_device::fits(&model, fits, 0);
            let engine = Engine::start(tight()).unwrap();
            engine.send(Command::Load(model.clone().into()));
            engine.send(run(&model, 2, 16));
            let (warnings, _, report) = told(&engine);
            assert!(warnings.len() == 1 && warnings[0].contains("4 samples are computed at a time"), "{warnings:?}");
            assert_eq!(report.is_ok(), ends_well, "{fits}");
        }
    }

    #[test]
    fn what_a_model_takes_of_a_graphics_card_is_not_free() {
        let folder = tempfile::tempdir().unwrap();
        let model = model(folder.path());
        let command = run(&model, 1, 16);
        let Command::Start(request) = &command else { unreachable!() };
        let card = Model::load_with_classes(&model, None, &device::cpu().device, &mut |_, _| {}).unwrap().card();
        let needed = MemoryEstimate::of(&card, &request.settings, 0).unwrap().beside_the_model();
        // Nine tenths of this are enough, were all of it free.
        let memory = Some((needed / 0.9) as u64 + 2);
        let engine = Engine::start(ComputeDevice { memory, ..tight() }).unwrap();
        engine.send(Command::Load(model.into()));
        engine.send(command);
        let (warnings, _, report) = told(&engine);
        assert!(warnings.len() == 1 && warnings[0].contains("computed at a time"), "{warnings:?}");
        report.unwrap();
    }

    #[test]
    fn what_was_stopped_goes_on_in_smaller_parts() {
        for keeps_history in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let model = model(folder.path());
            let engine = Engine::start(device::cpu()).unwrap();
            engine.send(Command::Load(model.clone().into()));
            if keeps_history {
                engine.send(Command::Project(Box::new(ProjectRequest::KeepIn(folder.path().join("p.unlearn")))));
            }
            engine.send(run(&model, 60, 8));
            let until = Instant::now() + Duration::from_secs(60);
            while !matches!(engine.events.recv_deadline(until).expect("an iteration"), Event::Iteration(_)) {}
            engine.send(Command::Stop);
            let stopped = told(&engine).2.unwrap();
            assert!(stopped.stopped && (1..60).contains(&stopped.iterations), "{}", stopped.iterations);
            small_device::fits(&model, 4, 0);
            engine.send(Command::Project(Box::new(ProjectRequest::Continue { micro_batch: None })));
            let (warnings, iterations, report) = told(&engine);
            assert!(warnings.iter().any(|told| told.ends_with("computing 4 samples at a time")), "{warnings:?}");
            assert_eq!((iterations[0], iterations.last()), (stopped.iterations, Some(&59)));
            assert_eq!(report.unwrap().settings.get("micro-batch"), Some(&4.into()));
        }
    }

    #[test]
    fn fewer_samples_than_whoever_goes_on_chose_are_computed() {
        let folder = tempfile::tempdir().unwrap();
        let model = model(folder.path());
        let engine = Engine::start(device::cpu()).unwrap();
        engine.send(Command::Load(model.clone().into()));
        engine.send(run(&model, 60, 16));
        let until = Instant::now() + Duration::from_secs(60);
        while !matches!(engine.events.recv_deadline(until).expect("an iteration"), Event::Iteration(_)) {}
        engine.send(Command::Stop);
        told(&engine).2.unwrap();
        small_device::fits(&model, 4, 0);
        engine.send(Command::Project(Box::new(ProjectRequest::Continue { micro_batch: Some(8) })));
        let (warnings, ..) = told(&engine);
        let smaller: Vec<_> = warnings.iter().filter(|told| told.contains("at a time")).collect();
        assert!(smaller.len() == 1 && smaller[0].ends_with("computing 4 samples at a time"), "{warnings:?}");
    }

    #[test]
    fn where_nothing_fits_it_fails_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let model = model(folder.path());
        small_device::fits(&model, 1, 0);
        let engine = Engine::start(device::cpu()).unwrap();
        engine.send(Command::Load(model.clone().into()));
        engine.send(run(&model, 2, 8));
        let (warnings, _, report) = told(&engine);
        let sentence = report.unwrap_err();
        // A discriminator looks at four at a time at least; then blocks are computed again.
        let expected = ["computing 4 samples at a time", "at a time, and blocks again for their gradients"];
        assert!(warnings.iter().zip(expected).all(|(told, end)| told.ends_with(end)), "{warnings:?}");
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        assert!(sentence.contains("memory is too small"), "{sentence}");
    }
}
