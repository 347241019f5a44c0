//! Waiting for what an engine says.

use std::time::{Duration, Instant};

use unlearn_studio::engine::{Engine, Event};

const PATIENCE: Duration = Duration::from_secs(60);

/// The first event that `pick` takes; a failure that it does not take ends the test.
#[track_caller]
pub fn wait<T>(engine: &Engine, mut pick: impl FnMut(Event) -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        let event = engine.events.recv_deadline(until).expect("an answer in time");
        let failure = if let Event::Failed(sentence) = &event { Some(sentence.clone()) } else { None };
        match (pick(event), failure) {
            (Some(found), _) => return found,
            (None, Some(sentence)) => panic!("{sentence}"),
            (None, None) => {}
        }
    }
}

/// The next failure's sentence.
#[track_caller]
pub fn failure(engine: &Engine) -> String {
    wait(engine, |event| if let Event::Failed(sentence) = event { Some(sentence) } else { None })
}

/// Until nothing is in progress.
#[track_caller]
pub fn idle(engine: &Engine) {
    wait(engine, |event| matches!(event, Event::Idle).then_some(()));
}
