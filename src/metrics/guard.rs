//! Running what an untrusted file asks of a library that panics on some odd input.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use tract_onnx::prelude::TractResult;

/// A message longer than this is cut: it is to be part of one sentence.
const MAX_MESSAGE: usize = 120;

thread_local! {
    /// Whether a panic on this thread is expected and reported as an error.
    static EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; an error or a panic becomes one short line. `work` must not leave anything half done that outlives it.
pub(super) fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    silence_expected_panics();
    let before = EXPECTED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    EXPECTED.set(before);
    let complaint = match outcome {
        Ok(Ok(result)) => return Ok(result),
        Ok(Err(error)) => error.root_cause().to_string(),
        Err(payload) => match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(message), _) => (*message).to_owned(),
            (_, Some(message)) => message.clone(),
            _ => "the ONNX library gave up".to_owned(),
        },
    };
    Err(complaint.lines().next().unwrap_or_default().chars().take(MAX_MESSAGE).collect())
}

/// Keeps the message and the backtrace of a caught panic off the terminal; all other panics are reported as before.
fn silence_expected_panics() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !EXPECTED.get() {
                report(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use tract_onnx::prelude::TractError;

    use super::*;

    #[test]
    fn errors_and_panics_become_a_line() {
        assert_eq!(guarded(|| Ok(5)), Ok(5));
        assert_eq!(guarded(|| Err::<(), _>(TractError::msg("cause\nmore").context("outer"))), Err("cause".to_owned()));
        assert_eq!(guarded(|| -> TractResult<()> { panic!("no {}", "luck") }), Err("no luck".to_owned()));
        assert_eq!(guarded(|| -> TractResult<()> { panic!("plain") }), Err("plain".to_owned()));
        let long = guarded(|| -> TractResult<()> { panic!("{}", "é".repeat(1000)) });
        assert_eq!(long, Err("é".repeat(MAX_MESSAGE)));
        let odd = guarded(|| -> TractResult<()> { panic::panic_any(7) });
        assert_eq!(odd, Err("the ONNX library gave up".to_owned()));
        assert!(!EXPECTED.get());
    }
}
