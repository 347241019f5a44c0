//! One program at a time: the lock on a project, and what a program left that was killed while it held it.

use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, Instant},
};

use crate::atomic_file;

/// The file that is locked.
pub(super) const LOCK: &str = "lock";

/// How long a program that is just ending may still hold a lock.
const PATIENCE: Duration = Duration::from_secs(2);

/// Locks a project for this program. If that does not work, gives why, as a clause.
pub(super) fn lock(folder: &Path) -> (Option<File>, Option<String>) {
    let file = folder.join(LOCK);
    // Made by writing, locked by reading: nothing of a project is open for writing while nothing is written.
    let made = File::options().create(true).truncate(false).write(true).open(&file);
    match made.and_then(|_| File::open(&file)) {
        Err(error) => (None, Some(format!("its folder cannot be written to ({})", atomic_file::plain_reason(&error)))),
        Ok(file) => match try_lock(&file) {
            Ok(()) => (Some(file), None),
            Err(fs::TryLockError::WouldBlock) => (None, Some("another window or program has it open".to_owned())),
            // A file system without locks: nobody can be told apart there, and refusing to work would help nobody.
            Err(fs::TryLockError::Error(_)) => (Some(file), None),
        },
    }
}

fn try_lock(file: &File) -> Result<(), fs::TryLockError> {
    let since = Instant::now();
    loop {
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            locked => return locked,
        }
    }
}

/// Removes what was being written when a program was killed: temporary files that never got their names.
pub(super) fn remove_halves(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => remove_halves(&path),
            Ok(_) if name.starts_with('.') && name.ends_with(".partial") => drop(fs::remove_file(&path)),
            _ => {}
        }
    }
}
