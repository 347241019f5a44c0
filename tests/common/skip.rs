//! A test that cannot run here says so, where everybody sees it, and is counted.
//!
//! `make test` lists what was skipped. `UNLEARN_SKIPPED=FILE` names a file that gets a line for each; `UNLEARN_NO_SKIP=1` makes
//! each a failure, for machines that are meant to have everything.

use std::{env::var_os, fs::OpenOptions, io::Write};

/// Ends the test it stands in, which cannot run here for the reason given, as `format!` takes it.
macro_rules! skip {
    ($($reason:tt)+) => {{
        fn here() {}
        $crate::skip::note(std::any::type_name_of_val(&here).trim_end_matches("::here"), &format!($($reason)+));
        return;
    }};
}
pub(crate) use skip;

/// Says that a test, or a part of one, was not run.
#[track_caller]
pub fn note(test: &str, reason: &str) {
    assert!(var_os("UNLEARN_NO_SKIP").is_none(), "{test} cannot run here: {reason}");
    let line = format!("skipped: {test}: {reason}\n");
    // Not by `eprintln`: what that prints is shown for tests that fail.
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(path) = var_os("UNLEARN_SKIPPED") {
        let file = OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("UNLEARN_SKIPPED names a file to write");
    }
}
