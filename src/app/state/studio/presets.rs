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
            PresetChoice::Built(preset) => {
                let mut settings = Settings::preset(*preset);
                if let (Preset::Quick, Some(card)) = (preset, &self.model) {
                    settings.follow(&card.args);
                }
                settings
            }
            PresetChoice::Own(name) => match self.prefs.presets.get(name) {
                Some(settings) => settings.clone(),
                None => return,
            },
        };
        self.settings = settings;
        self.preset = choice;
    }

    /// Whether the settings differ from the preset they started from.
    pub fn is_changed(&self) -> bool {
        match &self.preset {
            PresetChoice::Own(name) => self.prefs.presets.get(name) != Some(&self.settings),
            PresetChoice::Built(preset) => {
                let mut settings = Settings::preset(*preset);
                if let (Preset::Quick, Some(card)) = (preset, &self.model) {
                    settings.follow(&card.args);
                }
                settings != self.settings
            }
        }
    }

    /// Keeps the settings as a preset of the person's own.
    pub fn keep_preset(&mut self, name: &str) {
        let name = name.trim().to_owned();
        if !name.is_empty() {
            self.prefs.presets.insert(name.clone(), self.settings.clone());
            self.prefs.save();
            self.preset = PresetChoice::Own(name);
        }
    }

    /// Forgets a preset of the person's own; its settings stay for the next run.
    pub fn drop_preset(&mut self, name: &str) {
        self.prefs.presets.remove(name);
        self.prefs.save();
        if self.preset == PresetChoice::Own(name.to_owned()) {
            self.preset = PresetChoice::Built(Preset::Quick);
        }
    }
}
