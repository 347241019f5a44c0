//! The models that come with the program.

use std::path::PathBuf;

/// The model that is opened if none is named.
pub fn bundled_model() -> Option<PathBuf> {
    bundled("assets/models/avatars-64.safetensors")
}

/// The masked autoencoder of drawn faces; the faces it completes are drawn when it is opened.
pub fn bundled_completion() -> Option<PathBuf> {
    bundled("assets/models/avatars-mae-64.safetensors")
}

/// From the program's installation, else from its source folder.
fn bundled(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(|path| path.parent());
    let installed = beside.map(|folder| folder.join("../share/unlearn-studio").join(name));
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    [beside.map(|folder| folder.join(name)), installed, Some(source)].into_iter().flatten().find(|path| path.is_file())
}
