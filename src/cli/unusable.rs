//! Arguments that cannot be used, found before any work is done.

use std::path::Path;

/// Arguments that cannot be used: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unusable(pub(super) String);

/// Fails before any work is done if a file could not be written where it is wanted.
pub(super) fn check_writable(path: &Path) -> anyhow::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let unusable = |what: &str| Unusable(format!("{}: {what}; nothing was done", path.display()));
    if folder.exists() && !folder.is_dir() {
        return Err(unusable("its folder is a file").into());
    }
    if !folder.is_dir() {
        return Err(unusable("its folder does not exist").into());
    }
    if path.is_dir() {
        return Err(unusable("is a folder, not a file").into());
    }
    // Permissions can lie (network drives, read-only mounts), so the only honest check is to try.
    tempfile::Builder::new()
        .prefix(".unlearn-studio")
        .tempfile_in(folder)
        .map(drop)
        .map_err(|_| unusable("its folder cannot be written to").into())
}

/// Fails unless the file's extension is one of these.
pub(super) fn check_extension(path: &Path, known: &[&str], what: &str) -> anyhow::Result<()> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_lowercase();
    if known.contains(&extension.as_str()) {
        return Ok(());
    }
    let known: Vec<String> = known.iter().map(|extension| format!(".{extension}")).collect();
    let known = known.join(" or ");
    Err(Unusable(format!("{}: {what} is written as {known}; nothing was done", path.display())).into())
}

/// Fails unless the extension names a model format that can be written.
pub(super) fn check_model_extension(path: &Path, folder: bool) -> anyhow::Result<()> {
    if folder && path.extension().is_none() {
        return Ok(());
    }
    check_extension(path, &["safetensors", "pt", "pth", "pkl"], "a model")
}
