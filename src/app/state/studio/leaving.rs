//! What would lose weights that are in no file yet waits until the person has answered.

use super::data::Studio;
use crate::{app::state::leaving::Leaving, device::DeviceChoice};

impl Studio {
    /// Computes on another device from now on; of several GPUs, on the one of this name. The open model is opened again and
    /// keeps its marks. While a result is in no file, this waits for the person's word.
    pub fn use_device(&mut self, choice: DeviceChoice, gpu: Option<String>) {
        self.leave(Leaving::Device(choice, gpu));
    }

    /// Does it, or asks first if something would be lost.
    pub(super) fn leave(&mut self, leaving: Leaving) {
        if self.unsaved {
            self.leaving = Some(leaving);
        } else {
            self.go(leaving);
        }
    }

    /// The person agrees, or has saved.
    pub fn agree(&mut self) {
        if let Some(leaving) = self.leaving.take() {
            self.unsaved = false;
            self.go(leaving);
        }
    }

    fn go(&mut self, leaving: Leaving) {
        match leaving {
            Leaving::Open(path) => self.load(path),
            Leaving::Device(choice, gpu) => {
                (self.prefs.device, self.prefs.gpu) = (choice, gpu.clone());
                self.prefs.save();
                self.wanted = (choice, gpu);
                self.restart();
            }
        }
    }
}
