//! Writing a file so that a failure at any moment leaves the old one, or none, and nothing else.
//!
//! Every file that the program makes goes through here. Imports nothing of the crate.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Temporary files of writes in progress, for [`remove_unfinished`].
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Writes `bytes` as the whole file at `path`; see [`write_with`].
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Writes what `write` writes as the whole file at `path`, replacing one that is there.
///
/// It goes into a temporary file beside `path`, which takes the place of `path` once it is on the disk. On an error,
/// of `write` or of the system, the temporary file is gone and `path` is what it was.
pub fn write_with(path: &Path, write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = temporary_file(folder)?;
    let _unfinished = Unfinished::new(temporary.path());
    let mut buffered = BufWriter::new(temporary.as_file_mut());
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|failed| failed.error)?;
    sync_folder(folder);
    Ok(())
}

/// Removes the temporary files of all writes in progress, for a process that is about to end in the middle of them.
pub fn remove_unfinished() {
    for path in unfinished().drain(..) {
        let _ = std::fs::remove_file(path);
    }
}

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary file that is on the list.
struct Unfinished(PathBuf);

impl Unfinished {
    fn new(path: &Path) -> Self {
        unfinished().push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        unfinished().retain(|path| *path != self.0);
    }
}

/// The system's reason as a clause: without Rust's trailing `(os error N)`, which means nothing to most people, and
/// without the name of a temporary file that may follow it.
pub fn plain_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Temporary files are private by default; this one is to become an ordinary file, so the umask decides.
fn temporary_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(permissions);
    builder.prefix(".").suffix(".partial").tempfile_in(folder)
}

/// Puts the new name on the disk too. Some file systems and systems cannot; the file is whole all the same, under its
/// old or its new content, so that is no failure.
fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_file_is_replaced_when_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.txt");
        write(&path, b"one").unwrap();
        // Whoever has the old file open goes on reading it: the new one is another file, and not written over it.
        let old = File::open(&path).unwrap();
        write_with(&path, |file| {
            file.write_all(b"two, ")?;
            file.flush()?;
            assert_eq!(std::fs::read(&path)?, b"one", "the old file stands until the new one is whole");
            assert_eq!(names(folder.path()).len(), 2);
            file.write_all(b"which is longer")
        })
        .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two, which is longer");
        assert_eq!(io::read_to_string(old).unwrap(), "one");
        assert_eq!(names(folder.path()), ["file.txt"]);
    }

    #[test]
    fn a_failure_leaves_what_was_there_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.txt");
        let fail = |path: &Path| {
            write_with(path, |file| {
                file.write_all(&[b'x'; 100_000])?;
                Err(io::Error::from(io::ErrorKind::StorageFull))
            })
        };
        assert_eq!(fail(&path).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(names(folder.path()).is_empty());
        write(&path, b"old").unwrap();
        assert!(fail(&path).is_err());
        assert_eq!(
            (std::fs::read(&path).unwrap(), names(folder.path())),
            (b"old".to_vec(), vec!["file.txt".to_owned()])
        );
        // A panic is a failure as well.
        let panicked = std::panic::catch_unwind(|| write_with(&path, |_| std::panic::resume_unwind(Box::new(()))));
        assert!(panicked.is_err());
        assert_eq!(
            (std::fs::read(&path).unwrap(), names(folder.path())),
            (b"old".to_vec(), vec!["file.txt".to_owned()])
        );
    }

    #[test]
    fn a_process_that_ends_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.txt");
        write(&path, b"old").unwrap();
        let ended = write_with(&path, |file| {
            file.write_all(b"new")?;
            // Only this write's: others go on in other tests.
            let own = unfinished().iter().find(|path| path.starts_with(folder.path())).cloned();
            assert_eq!(own.as_deref().map(Path::exists), Some(true));
            let others: Vec<_> = unfinished().extract_if(.., |path| !path.starts_with(folder.path())).collect();
            remove_unfinished();
            unfinished().extend(others);
            assert_eq!(names(folder.path()), ["file.txt"]);
            Ok(())
        });
        assert!(ended.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert!(unfinished().iter().all(|path| !path.starts_with(folder.path())));
    }

    #[test]
    fn a_folder_and_a_missing_folder_are_refused_in_plain_words() {
        let folder = tempfile::tempdir().unwrap();
        let reason = |path: &Path| plain_reason(&write(path, b"text").unwrap_err());
        assert_eq!(reason(folder.path()), "is a directory");
        assert!(names(folder.path()).is_empty());
        if cfg!(unix) {
            assert_eq!(reason(&folder.path().join("absent/file.txt")), "no such file or directory");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_as_readable_as_any_other() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [ours, ordinary] = ["ours", "ordinary"].map(|name| folder.path().join(name));
        write(&ours, b"text").unwrap();
        std::fs::write(&ordinary, b"text").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&ordinary));
    }
}
