//! The models and labelers that come with the program.

use std::path::{Path, PathBuf};

/// A model that comes with the program.
#[derive(Clone, Copy, Debug)]
pub struct BundledModel {
    /// As menus call it.
    pub name: &'static str,
    /// What it draws.
    pub help: &'static str,
    /// Whether it completes pictures: faces that are drawn when it is opened.
    pub completes: bool,
    file: &'static str,
}

/// In the order of menus.
pub const BUNDLED_MODELS: [BundledModel; 4] = [
    BundledModel {
        name: "Bundled faces",
        help: "A StyleGAN2 of faces that the program draws: hats, glasses, beards.",
        completes: false,
        file: "assets/models/avatars-64.safetensors",
    },
    BundledModel {
        name: "Bundled faces, completed",
        help: "A masked autoencoder: it completes drawn faces of which it sees a quarter.",
        completes: true,
        file: "assets/models/avatars-mae-64.safetensors",
    },
    BundledModel {
        name: "Bundled digits",
        help: "A StyleGAN2 of handwritten digits (MNIST).",
        completes: false,
        file: "assets/models/digits-32.safetensors",
    },
    BundledModel {
        name: "Bundled clothes",
        help: "A StyleGAN2 of real pictures of clothes and shoes (Fashion-MNIST).",
        completes: false,
        file: "assets/models/clothes-32.safetensors",
    },
];

impl BundledModel {
    /// Where it lies, if it does.
    pub fn path(&self) -> Option<PathBuf> {
        bundled(self.file)
    }
}

/// The model that is opened if none is named.
pub fn bundled_model() -> Option<PathBuf> {
    BUNDLED_MODELS[0].path()
}

/// The labeler that comes with the program for a model that does. Its file is named after the same data.
pub fn bundled_labeler(model: &Path) -> Option<PathBuf> {
    let folders = [model.parent()?.canonicalize().ok()?, bundled_models()?.canonicalize().ok()?];
    let data = model.file_name()?.to_str()?.split('-').next()?;
    (folders[0] == folders[1]).then(|| bundled(&format!("assets/labelers/{data}.onnx")))?
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
    // Paths are shown to the user, so none has `..` in it.
    let above = folder.parent().unwrap_or(folder);
    let places = [folder.to_owned(), above.join("Resources"), above.join("share/unlearn-studio")];
    places.into_iter().map(|place| place.join(name)).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_model_is_there_with_its_labeler() {
        for model in BUNDLED_MODELS {
            let path = model.path().expect(model.name);
            assert!(bundled_labeler(&path).is_some_and(|labeler| labeler.is_file()), "{}", model.name);
        }
        let elsewhere = tempfile::tempdir().expect("a temporary folder").path().join("digits-32.safetensors");
        assert_eq!(bundled_labeler(&elsewhere), None, "a name alone says nothing");
    }

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
