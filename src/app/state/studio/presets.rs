//! Choosing, keeping and forgetting settings to start from.

use super::data::Studio;
use crate::{app::state::preset::PresetChoice, unlearn::Settings};

impl Studio {
    /// The settings of a preset, for the open model; `None` if there is no such preset.
    fn preset_settings(&self, choice: &PresetChoice) -> Option<Settings> {
        match choice {
            PresetChoice::BuiltIn(preset) => {
                let mut settings = Settings::preset(self.settings.method(), preset)?;
                if let Some(card) = &self.model {
                    settings.follow(preset, &card.args);
                }
                Some(settings)
            }
            PresetChoice::Custom(name) => self.prefs.presets.get(name).cloned(),
        }
    }

    /// Takes settings from a preset.
    pub fn choose_preset(&mut self, choice: PresetChoice) {
        if let Some(settings) = self.preset_settings(&choice) {
            self.settings = settings;
            self.preset = choice;
        }
    }

    /// Whether the settings differ from the preset they started from.
    pub fn is_preset_modified(&self) -> bool {
        self.preset_settings(&self.preset).as_ref() != Some(&self.settings)
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
            self.preset = PresetChoice::BuiltIn(self.settings.method().default_preset());
        }
    }
}
