//! What is printed.

use std::io::{ErrorKind, Write};

use crate::sanitize::{sanitize, sanitize_lines};

/// A line on stderr. A terminal that is gone must not end a run.
pub(super) fn complain(line: &str) {
    /// Characters of a line.
    const LONGEST: usize = 2000;
    let _ = writeln!(std::io::stderr(), "{}", sanitize(line, LONGEST));
}

/// Prints a result. Whoever closed the pipe has read enough.
pub(super) fn say(text: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", sanitize_lines(&text.to_string())).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            anyhow::bail!("the result cannot be printed: {error}")
        }
        _ => Ok(()),
    }
}
