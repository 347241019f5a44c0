//! The program itself, run as a person would.

use std::process::{Command, Output};

/// Runs the program.
pub fn studio(args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_unlearn-studio");
    Command::new(program).args(args).env_remove("RUST_BACKTRACE").output().expect("the program starts")
}

/// Runs the program, which must succeed, and gives what it printed.
pub fn done(args: &[&str]) -> String {
    let output = studio(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
