//! What would lose weights that are in no file yet waits until the user has answered.

use super::data::Studio;
use crate::{app::state::pending_action::PendingAction, device::DeviceChoice, remote::Remote};

impl Studio {
    /// Computes on another device from now on; of several GPUs, on the one of this name. The open model is opened again and
    /// keeps its marks. While a result is in no file, this waits for the user's word.
    pub fn use_device(&mut self, choice: DeviceChoice, gpu: Option<String>) {
        self.perform_or_ask(PendingAction::ChangeDevice(choice, gpu));
    }

    /// Lets runs compute on another machine from now on; otherwise as [`use_device`](Self::use_device).
    pub fn use_remote(&mut self, remote: Remote) {
        self.prefs.remote = Some(remote.address().to_owned());
        self.prefs.save();
        self.perform_or_ask(PendingAction::UseRemote(Box::new(remote)));
    }

    /// Does it, or asks first if something would be lost.
    pub(super) fn perform_or_ask(&mut self, action: PendingAction) {
        if self.unsaved {
            self.pending_action = Some(action);
        } else {
            self.perform(action);
        }
    }

    /// The user agrees, or has saved.
    pub fn confirm_pending_action(&mut self) {
        if let Some(action) = self.pending_action.take() {
            self.unsaved = false;
            self.perform(action);
        }
    }

    fn perform(&mut self, action: PendingAction) {
        match action {
            PendingAction::OpenModel(path) => self.load(path),
            PendingAction::OpenWithAvatars(path) => self.load_with_avatars(path),
            PendingAction::ChangeDevice(choice, gpu) => {
                (self.prefs.device, self.prefs.gpu) = (choice, gpu.clone());
                self.prefs.save();
                (self.requested_device, self.remote) = ((choice, gpu), None);
                self.restart();
            }
            PendingAction::UseRemote(remote) => {
                self.remote = Some(*remote);
                self.restart();
            }
        }
    }
}
