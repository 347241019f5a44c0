//! Arguments; opens the window or runs a headless verb.

use std::process::ExitCode;

fn main() -> ExitCode {
    unlearn_studio::cli::main()
}
