//! Asking for a device of another machine: where it is, and the token that is known there.

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use eframe::egui::{Context, Key, RichText, TextEdit, Ui};

use super::{format::with_capital, theme::palette, widgets};
use crate::{
    app::state::studio::Studio,
    remote::{Remote, RemoteError, Token},
};

/// The address that nobody has changed: what `serve` listens at, through a tunnel.
const USUAL: &str = "127.0.0.1:7447";

/// What is asked, while it is.
#[derive(Default)]
pub(crate) struct RemoteDialog {
    form: Option<Form>,
}

#[derive(Default)]
struct Form {
    address: String,
    token: String,
    /// The answer of whoever is there.
    waiting: Option<Receiver<Result<Remote, RemoteError>>>,
    /// Why the last try failed.
    failed: Option<String>,
}

/// What the user wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Connect,
    Cancel,
}

impl RemoteDialog {
    /// Asks, and offers the address that was typed last.
    pub(crate) fn ask(&mut self, studio: &Studio) {
        let address = studio.prefs.remote.clone().unwrap_or_else(|| USUAL.to_owned());
        self.form = Some(Form { address, ..Form::default() });
    }

    /// Shows the question if there is one, and acts on the answer.
    pub(crate) fn ui(&mut self, ctx: &Context, studio: &mut Studio) {
        let Some(form) = &mut self.form else { return };
        if let Some(remote) = form.connected() {
            self.form = None;
            studio.use_remote(remote);
            return;
        }
        let response = widgets::question(ctx, "remote").show(ctx, |ui| form.ui(ui));
        match response.inner {
            Some(Answer::Connect) => form.connect(ctx),
            Some(Answer::Cancel) => self.form = None,
            None if response.should_close() => self.form = None,
            None => {}
        }
    }
}

impl Form {
    /// Asks whoever is there, on a thread of its own.
    fn connect(&mut self, ctx: &Context) {
        let token = match Token::parse(&self.token) {
            Ok(token) => token,
            Err(error) => {
                self.failed = Some(error.to_string());
                return;
            }
        };
        let (answer, waiting) = bounded(1);
        let (address, wake) = (self.address.trim().to_owned(), ctx.clone());
        std::thread::spawn(move || {
            let _ = answer.send(Remote::connect(&address, token));
            wake.request_repaint();
        });
        (self.waiting, self.failed) = (Some(waiting), None);
    }

    /// Whoever answered.
    fn connected(&mut self) -> Option<Remote> {
        let answer = match self.waiting.as_ref()?.try_recv() {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Err("the attempt to connect ended unexpectedly".to_owned()),
        };
        self.waiting = None;
        answer.map_err(|sentence| self.failed = Some(sentence)).ok()
    }

    fn ui(&mut self, ui: &mut Ui) -> Option<Answer> {
        ui.set_width(460.0);
        ui.label(RichText::new("Use a device of another machine").heading());
        widgets::explain(
            ui,
            "Start unlearn-studio serve on that machine: it prints the token. Reach it through an SSH tunnel: \
             ssh -L 7447:127.0.0.1:7447 MACHINE",
        );
        ui.add_space(6.0);
        let is_waiting = self.waiting.is_some();
        let mut entered = false;
        ui.add_enabled_ui(!is_waiting, |ui| {
            let fields = [("Address", &mut self.address, false), ("Token", &mut self.token, true)];
            for (name, text, secret) in fields {
                let label = ui.label(name);
                let line = TextEdit::singleline(text).password(secret).desired_width(f32::INFINITY);
                let line = ui.add(line).labelled_by(label.id).accessible_name(name);
                entered |= line.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
                if secret && !ui.memory(|memory| memory.focused().is_some()) {
                    line.request_focus();
                }
                ui.add_space(4.0);
            }
        });
        if let Some(sentence) = &self.failed {
            let text = RichText::new(with_capital(sentence)).small().color(ui.visuals().error_fg_color);
            ui.add(eframe::egui::Label::new(text).wrap());
        }
        ui.add_space(8.0);
        let usable = !is_waiting && !self.address.trim().is_empty() && !self.token.trim().is_empty();
        let mut answer = (entered && usable).then_some(Answer::Connect);
        ui.horizontal(|ui| {
            let colour = palette(ui.style()).after;
            ui.add_enabled_ui(usable, |ui| {
                if widgets::wide_button(ui, "Connect", colour, 120.0).clicked() {
                    answer = Some(Answer::Connect);
                }
            });
            if widgets::side_button(ui, "Cancel").clicked() {
                answer = Some(Answer::Cancel);
            }
            if is_waiting {
                widgets::busy(ui, 18.0);
            }
        });
        answer
    }
}
