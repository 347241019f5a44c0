//! The model that comes with the program.

use std::path::PathBuf;

/// The model that is opened if none is named: from the program's installation, else from its source folder.
pub fn bundled_model() -> Option<PathBuf> {
    const NAME: &str = "assets/models/avatars-64.safetensors";
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(|path| path.parent());
    let installed = beside.map(|folder| folder.join("../share/unlearn-studio").join(NAME));
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(NAME);
    [beside.map(|folder| folder.join(NAME)), installed, Some(source)].into_iter().flatten().find(|path| path.is_file())
}
