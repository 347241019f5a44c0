//! What the window remembers from one day to the next.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{atomic_file, device::DeviceChoice, model::ModelCard, unlearn::Settings};

/// Files in the list of recent ones.
const RECENT: usize = 8;

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the desktop has it.
    #[default]
    System,
    /// Dark.
    Dark,
    /// Light.
    Light,
}

/// Everything that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prefs {
    /// Models that were opened, latest first.
    pub recent: Vec<PathBuf>,
    /// Light or dark.
    pub theme: Theme,
    /// The compute device.
    pub device: DeviceChoice,
    /// Which GPU, by name, if one was chosen.
    pub gpu: Option<String>,
    /// The user's own presets.
    pub presets: BTreeMap<String, Settings>,
    /// How many classes the user said a model has, by the SHA-256 of its file, which does not say so.
    pub classes: BTreeMap<String, usize>,
    /// Seconds of an iteration and its batch, by device and networks: what a run will cost.
    pub speeds: BTreeMap<String, (f64, usize)>,
    #[serde(skip)]
    folder: Option<PathBuf>,
}

impl Prefs {
    /// Where programs keep such things on this system.
    pub fn folder() -> Option<PathBuf> {
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = if cfg!(target_os = "windows") {
            path("APPDATA")
        } else if cfg!(target_os = "macos") {
            path("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|home| home.join(".config")))
        };
        base.map(|base| base.join("unlearn-studio"))
    }

    /// What is remembered in `folder`; nothing if that cannot be read. Without a folder nothing is ever written.
    pub fn load(folder: Option<PathBuf>) -> Self {
        let text = folder.as_deref().and_then(|folder| std::fs::read_to_string(folder.join("prefs.json")).ok());
        let read: Self = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { folder, ..read }
    }

    /// Writes everything, on a thread of its own. A disk that is full must not trouble anybody here.
    pub fn save(&self) {
        let Some(folder) = self.folder.clone() else { return };
        let Ok(text) = serde_json::to_string_pretty(self) else { return };
        std::thread::spawn(move || {
            let write = || -> std::io::Result<()> {
                std::fs::create_dir_all(&folder)?;
                atomic_file::write(&folder.join("prefs.json"), text.as_bytes())
            };
            let _ = write();
        });
    }

    /// Puts a model that was opened first in the list.
    pub fn add_recent(&mut self, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.recent.retain(|other| *other != path);
        self.recent.insert(0, path);
        self.recent.truncate(RECENT);
        self.save();
    }

    /// The speed of an iteration with these networks on this device, if a run has shown it.
    pub fn speed(&self, device: &str, card: &ModelCard) -> Option<(f64, usize)> {
        self.speeds.get(&speed_key(device, card)).copied()
    }

    /// Remembers the speed of an iteration.
    pub fn record_speed(&mut self, device: &str, card: &ModelCard, seconds: f64, batch: usize) {
        if seconds.is_finite() && seconds > 0.0 {
            self.speeds.insert(speed_key(device, card), (seconds, batch));
            self.save();
        }
    }
}

fn speed_key(device: &str, card: &ModelCard) -> String {
    let ModelCard { resolution, generator_parameters: g, discriminator_parameters: d, .. } = card;
    format!("{device}, {resolution} px, {g}+{}", d.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unlearn::DEFAULT;

    #[test]
    fn what_is_remembered_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut prefs = Prefs::load(Some(folder.path().join("new")));
        assert!(prefs.recent.is_empty());
        prefs.theme = Theme::Light;
        let mut settings = Settings::preset(DEFAULT, "paper").unwrap();
        settings.set("seed", 9).unwrap();
        prefs.presets.insert("mine".to_owned(), settings);
        for i in 0..20 {
            prefs.recent.retain(|_| true);
            prefs.add_recent(Path::new(&format!("/models/{}.pt", i % 10)));
        }
        assert_eq!((prefs.recent.len(), prefs.recent[0].as_path()), (RECENT, Path::new("/models/9.pt")));
        // Written by threads, the last of which may be any: write once more and wait for it.
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while Prefs::load(prefs.folder.clone()) != prefs && std::time::Instant::now() < until {
            prefs.save();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(Prefs::load(prefs.folder.clone()), prefs);
    }

    #[test]
    fn broken_preferences_are_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prefs.json"), "{\"recent\": 5").unwrap();
        assert_eq!(Prefs::load(Some(folder.path().to_owned())).theme, Theme::System);
        std::fs::write(folder.path().join("prefs.json"), "{\"theme\": \"dark\", \"unknown\": 1}").unwrap();
        assert_eq!(Prefs::load(Some(folder.path().to_owned())).theme, Theme::Dark);
    }
}
