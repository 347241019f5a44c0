//! The models that come with the program.

use std::path::{Path, PathBuf};

/// The model that is opened if none is named.
pub fn bundled_model() -> Option<PathBuf> {
    bundled("assets/models/avatars-64.safetensors")
}

/// The masked autoencoder of drawn faces; the faces it completes are drawn when it is opened.
pub fn bundled_completion() -> Option<PathBuf> {
    bundled("assets/models/avatars-mae-64.safetensors")
}

/// The folder of all of them.
pub fn bundled_models() -> Option<PathBuf> {
    bundled_model()?.parent().map(Path::to_owned)
}

/// From the program's installation, else from its source folder.
fn bundled(name: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent);
    let installed = beside.and_then(|folder| installed(folder, name));
    installed.or_else(|| Some(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)).filter(|path| path.is_file()))
}

/// The file as it is installed with a program in `folder`: beside it (Windows), in `Contents/Resources` (macOS), or where
/// systems keep what programs share (Linux).
fn installed(folder: &Path, name: &str) -> Option<PathBuf> {
    let places = [folder.to_owned(), folder.join("../Resources"), folder.join("../share/unlearn-studio")];
    places.into_iter().map(|place| place.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_found_on_every_system() {
        let packages = [
            ("unlearn-studio", "unlearn-studio/assets/models"),
            ("Unlearn Studio.app/Contents/MacOS", "Unlearn Studio.app/Contents/Resources/assets/models"),
            ("usr/bin", "usr/share/unlearn-studio/assets/models"),
        ];
        for (program, models) in packages {
            let root = tempfile::tempdir().expect("a temporary folder");
            let (program, models) = (root.path().join(program), root.path().join(models));
            for folder in [&program, &models] {
                std::fs::create_dir_all(folder).expect("a folder");
            }
            assert_eq!(installed(&program, "assets/models/a.safetensors"), None);
            std::fs::write(models.join("a.safetensors"), b"").expect("a file");
            let found = installed(&program, "assets/models/a.safetensors").expect("the model");
            assert_eq!(found.canonicalize().ok(), models.join("a.safetensors").canonicalize().ok());
        }
    }
}
