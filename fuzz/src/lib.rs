//! What every fuzz target shares: it opens bytes as the program opens a file, and aborts, so that libFuzzer keeps the
//! bytes, if that panics, takes 2 seconds or 1 GB, or starts a program.

#[path = "../../tests/hostile/allocation.rs"]
mod allocation;
mod sandbox;

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use tempfile::TempDir;
use unlearn_studio::{
    device,
    model::{Model, Sampler},
};

const LONGEST: Duration = Duration::from_secs(2);
const LARGEST: usize = 1 << 30;
/// Models of at most this many parameters and pixels a side are also sampled; larger ones would only take time.
const TINY: (usize, usize) = (20_000, 16);

/// Where files are put: in memory, where the system has such a folder.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    made.expect("a temporary folder")
});
/// The last panic, wherever it was caught.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// Runs `read` under the limits that hold for any file.
///
/// A panic that a reader catches itself, because it comes from a library, is no finding; one that comes out is.
pub fn limited<T>(read: impl FnOnce() -> T) -> T {
    sandbox::close();
    static HOOK: LazyLock<()> = LazyLock::new(|| {
        panic::set_hook(Box::new(|panic| *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string()));
    });
    LazyLock::force(&HOOK);
    let held = allocation::restart();
    let clock = sandbox::processor_time();
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    let (time, used) = (sandbox::processor_time() - clock, allocation::peak().saturating_sub(held));
    match result {
        Ok(_) if time > LONGEST => fail(&format!("took {time:?}")),
        Ok(_) if used > LARGEST => fail(&format!("took {used} bytes")),
        Ok(result) => result,
        Err(_) => fail(&PANIC.lock().unwrap_or_else(PoisonError::into_inner)),
    }
}

fn fail(why: &str) -> ! {
    eprintln!("{why}");
    std::process::abort();
}

/// A file of this name with these bytes.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = FOLDER.path().join(name);
    fs::write(&path, bytes).expect("a file in the temporary folder");
    path
}

/// Opens a model file as the program does; what opens, and is tiny, must also give finite or infinite numbers for a
/// sample: the right number of them.
pub fn open_model(name: &str, bytes: &[u8]) {
    open_model_at(&file(name, bytes));
}

/// The same of a file or folder that is there already.
pub fn open_model_at(path: &Path) {
    limited(|| match Model::load(path, &device::cpu().device) {
        Ok(model) => sample(&model),
        Err(error) => assert!(!error.to_string().contains(char::is_control), "not one plain sentence: {error}"),
    });
}

fn sample(model: &Model) {
    // What completes pictures has none here.
    if model.generator.completion().is_some() {
        return;
    }
    if model.g_ema.layout.total() > TINY.0 || model.generator.resolution() > TINY.1 {
        return;
    }
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let images = sampler.render_at(1, 0..1, 1.0);
    assert_eq!(images.len(), sampler.image_shape().iter().product::<usize>());
}
