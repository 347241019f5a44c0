//! The menu of compute devices.

use eframe::egui::{Align, Button, Frame, Layout, Margin, Ui, containers::menu::MenuButton, vec2};

use super::{format::format_bytes, remote_dialog::RemoteDialog, widgets};
use crate::{
    app::{link::list_gpus, state::studio::Studio},
    device::{DeviceCard, DeviceChoice, Kind},
};

/// The GPUs of this machine, once the menu was opened.
#[derive(Default)]
pub(super) struct DeviceMenu {
    waiting: Option<crossbeam_channel::Receiver<Vec<DeviceCard>>>,
    gpus: Option<Vec<DeviceCard>>,
}

impl DeviceMenu {
    pub(super) fn ui(&mut self, ui: &mut Ui, studio: &mut Studio, dialog: &mut RemoteDialog) {
        let name = match &studio.device {
            Some(card) if card.kind == Kind::Software => format!("{} (software)", card.name),
            Some(card) => card.name.clone(),
            None => "Looking for a device\u{2026}".to_owned(),
        };
        // Names of GPUs are long, and the bar may be short.
        let button = MenuButton::from_button(Button::new(name.as_str()).truncate());
        let (response, _) = button.ui(ui, |ui| {
            ui.set_width(300.0);
            self.find_gpus(ui);
            self.choices(ui, studio, dialog);
        });
        response.on_hover_text(format!("Compute device: {name}. Click to choose another one"));
    }

    /// Looks for GPUs, once.
    fn find_gpus(&mut self, ui: &Ui) {
        if let Some(found) = self.waiting.as_ref().and_then(|waiting| waiting.try_recv().ok()) {
            self.gpus = Some(found);
        }
        if self.waiting.is_none() {
            let wake = ui.ctx().clone();
            let (answer, waiting) = crossbeam_channel::bounded(1);
            list_gpus(move |gpus| {
                let _ = answer.send(gpus);
                wake.request_repaint();
            });
            self.waiting = Some(waiting);
        }
    }

    fn choices(&self, ui: &mut Ui, studio: &mut Studio, dialog: &mut RemoteDialog) {
        ui.spacing_mut().item_spacing.y = 1.0;
        ui.spacing_mut().button_padding = vec2(8.0, 4.0);
        let (wanted, gpu) = studio.requested_device.clone();
        let mut choice = None;
        let busy = studio.run.in_progress().is_some();
        let mut entry = |ui: &mut Ui, this: (DeviceChoice, Option<String>), chosen: bool, name: &str, facts: String| {
            if entry(ui, (chosen, busy), name, facts) && !chosen {
                choice = Some(this);
            }
        };
        let here = studio.remote.is_none();
        let auto = here && wanted == DeviceChoice::Auto;
        let facts = "a hardware GPU if there is one, otherwise the CPU".to_owned();
        entry(ui, (DeviceChoice::Auto, None), auto, "Best available", facts);
        let cpu = here && wanted == DeviceChoice::Cpu;
        entry(ui, (DeviceChoice::Cpu, None), cpu, "CPU", cpu_facts(studio));
        if remote_entry(ui, studio, busy) {
            dialog.ask(studio);
            ui.close();
        }
        // GPUs are found while the menu is open: nothing that was there before moves.
        let gpus = self.gpus.as_deref().unwrap_or_default();
        for (number, card) in gpus.iter().enumerate() {
            let named = gpu.as_deref().is_some_and(|name| gpus.iter().any(|card| card.name == name));
            let this = if named { gpu.as_deref() == Some(card.name.as_str()) } else { number == 0 };
            let chosen = here && wanted == DeviceChoice::Gpu && this;
            entry(ui, (DeviceChoice::Gpu, Some(card.name.clone())), chosen, &card.name, gpu_facts(card));
        }
        ui.separator();
        match &self.gpus {
            None => drop(widgets::explain(ui, "Looking for GPUs\u{2026}")),
            Some(gpus) if gpus.is_empty() => drop(widgets::explain(ui, "This machine has no usable GPU.")),
            Some(_) => {}
        }
        if let Some(cost) = studio.cost() {
            widgets::explain(
                ui,
                format!("A run with these settings needs about {} of memory.", format_bytes(cost.bytes)),
            );
        }
        if studio.model.is_some() {
            widgets::explain(ui, "Your marks are kept when the device changes.");
        }
        if let Some((device, gpu)) = choice {
            studio.use_device(device, gpu);
            ui.close();
        }
        widgets::close_after_key(ui);
    }
}

/// One device and what is to be said of it; whether it was clicked.
fn entry(ui: &mut Ui, (chosen, busy): (bool, bool), name: &str, facts: String) -> bool {
    let button = Button::selectable(chosen, name).min_size(vec2(284.0, 0.0));
    let response = ui.add_enabled(!busy, button).on_disabled_hover_text("Stop the run first.");
    // A menu would stretch the lines to its width.
    ui.with_layout(Layout::top_down(Align::Min), |ui| {
        let margin = Margin { left: 8, right: 0, top: 0, bottom: 5 };
        Frame::new().inner_margin(margin).show(ui, |ui| widgets::explain(ui, facts));
    });
    response.clicked()
}

/// The device of another machine, chosen or not.
fn remote_entry(ui: &mut Ui, studio: &Studio, busy: bool) -> bool {
    let facts = match &studio.remote {
        Some(remote) => format!("at {}; samples are drawn here, by the CPU", remote.address()),
        None => "another machine's, for runs; `unlearn-studio serve` lends it".to_owned(),
    };
    entry(ui, (studio.remote.is_some(), busy), "Remote\u{2026}", facts)
}

fn gpu_facts(card: &DeviceCard) -> String {
    let memory = match (card.memory, card.kind) {
        (Some(bytes), _) => format!("{} of memory", format_bytes(bytes as f64)),
        (None, Kind::Integrated | Kind::Software) => "shares the machine's memory".to_owned(),
        (None, _) => "memory size unknown".to_owned(),
    };
    let mut facts = vec![card.kind.words().to_owned()];
    facts.extend(card.api.map(str::to_owned));
    facts.push(memory);
    facts.join("  \u{b7}  ")
}

fn cpu_facts(studio: &Studio) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = if cores == 1 { "1 core".to_owned() } else { format!("{cores} cores") };
    let free = studio.free_memory.map(|bytes| format!("  \u{b7}  {} of memory free", format_bytes(bytes as f64)));
    format!("{cores}, at low priority{}", free.unwrap_or_default())
}
