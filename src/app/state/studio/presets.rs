//! Choosing, keeping and forgetting settings to start from.

use super::data::Studio;
use crate::{
    app::state::preset::PresetChoice,
    unlearn::{Preset, Settings},
};

impl Studio {
    /// Takes settings from a preset.
    pub fn choose_preset(&mut self, choice: PresetChoice) {
        let settings = match &choice {
            PresetChoice::BuiltIn(preset) => {
                let mut settings = Settings::preset(*preset);
                if let (Preset::Quick, Some(card)) = (preset, &self.model) {
                    settings.follow(&card.args);
                }
                settings
            }
            PresetChoice::Custom(name) => match self.prefs.presets.get(name) {
                Some(settings) => settings.clone(),
                None => return,
            },
        };
        self.settings = settings;
        self.preset = choice;
    }

    /// Whether the settings differ from the preset they started from.
    pub fn is_preset_modified(&self) -> bool {
        match &self.preset {
            PresetChoice::Custom(name) => self.prefs.presets.get(name) != Some(&self.settings),
            PresetChoice::BuiltIn(preset) => {
                let mut settings = Settings::preset(*preset);
                if let (Preset::Quick, Some(card)) = (preset, &self.model) {
                    settings.follow(&card.args);
                }
                settings != self.settings
            }
        }
    }

    /// Keeps the settings as a preset of the user's own.
    pub fn save_preset(&mut self, name: &str) {
        let name = name.trim().to_owned();
        if !name.is_empty() {
            self.prefs.presets.insert(name.clone(), self.settings.clone());
            self.prefs.save();
            self.preset = PresetChoice::Custom(name);
        }
    }

    /// Forgets a preset of the user's own; its settings stay for the next run.
    pub fn delete_preset(&mut self, name: &str) {
        self.prefs.presets.remove(name);
        self.prefs.save();
        if self.preset == PresetChoice::Custom(name.to_owned()) {
            self.preset = PresetChoice::BuiltIn(Preset::Quick);
        }
    }
}
