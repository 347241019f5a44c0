//! Asking for a file, through the system's own dialogs; where there are none, through a line to type a path into.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use eframe::egui::{Context, RichText, TextEdit, Ui};

use super::{captions, theme::palette, widgets};
use crate::{app::state::studio::Studio, engine::ImageSource, project::NodeId};

/// What a file is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    OpenModel,
    SaveModel,
    SaveFolder,
    SaveProject,
    OpenFeedback,
    SaveFeedback,
    OpenLabeler,
    OpenPictures,
    OpenRetained,
    /// A retrained model for audits of a node.
    OpenRetrainedModel(NodeId),
    SaveGrid,
    SaveAnimation,
    SaveWalk,
    SaveCharts,
}

impl Purpose {
    /// Title, kind of file, extensions, and the name a new file is offered under, if one is written.
    fn describe(self) -> (&'static str, &'static str, &'static [&'static str], Option<&'static str>) {
        match self {
            Self::OpenModel => {
                ("Open a model or a project", "Models", &["safetensors", "pt", "pth", "pkl", "tar", "json"], None)
            }
            Self::OpenRetrainedModel(_) => (
                "Choose a model that never saw it",
                "Models",
                &["safetensors", "pt", "pth", "pkl", "tar", "json"],
                None,
            ),
            Self::SaveModel => {
                ("Save the model", "Models", &["safetensors", "pt", "pkl"], Some("-unlearned.safetensors"))
            }
            Self::SaveFolder => ("Save as a Hugging Face folder", "Folders", &[], Some("-unlearned")),
            Self::SaveProject => ("Save the project", "Projects", &["unlearn"], Some(".unlearn")),
            Self::OpenFeedback => ("Load marks", "Marks", &["json"], None),
            Self::SaveFeedback => ("Save marks", "Marks", &["json"], Some("-marks.json")),
            Self::OpenLabeler => ("Choose a labeler", "Classifiers", &["onnx"], None),
            Self::OpenPictures => ("Choose a folder of pictures", "Folders", &[], None),
            Self::OpenRetained => ("Choose a folder of pictures that may stay", "Folders", &[], None),
            Self::SaveGrid => ("Save an image of the samples", "Images", &["png"], Some("-samples.png")),
            Self::SaveAnimation => ("Save an animation of the run", "Animations", &["gif"], Some("-run.gif")),
            Self::SaveWalk => ("Save an animation of the walk", "Animations", &["gif"], Some("-walk.gif")),
            Self::SaveCharts => ("Save the charts", "Tables", &["csv"], Some("-charts.csv")),
        }
    }
}

impl Purpose {
    /// Under which name the folder used last is remembered.
    fn key(self) -> &'static str {
        match self {
            Self::OpenModel => "open model",
            Self::SaveModel => "save model",
            Self::SaveFolder => "save folder",
            Self::SaveProject => "save project",
            Self::OpenFeedback => "open marks",
            Self::SaveFeedback => "save marks",
            Self::OpenLabeler => "open labeler",
            Self::OpenPictures => "open pictures",
            Self::OpenRetained => "open retained pictures",
            Self::OpenRetrainedModel(_) => "open retrained model",
            Self::SaveGrid => "save image",
            Self::SaveAnimation => "save animation",
            Self::SaveCharts => "save charts",
            Self::SaveWalk => "save walk",
        }
    }

    /// The folder used last for this, if it is still there; else that of the open model.
    fn folder(self, studio: &Studio) -> Option<&Path> {
        let last = studio.prefs.folders.get(self.key()).map(PathBuf::as_path);
        last.filter(|folder| folder.is_dir()).or_else(|| studio.folder())
    }

    fn remember_folder(self, path: &Path, studio: &mut Studio) {
        let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return };
        if studio.prefs.folders.get(self.key()).is_none_or(|last| last != folder) {
            studio.prefs.folders.insert(self.key().to_owned(), folder.to_owned());
            studio.prefs.save();
        }
    }
}

/// What a dialog of the system will answer.
type BoxedAnswer = std::pin::Pin<Box<dyn Future<Output = Option<rfd::FileHandle>> + Send>>;

/// A dialog that ends without an answer so soon was never seen: nobody cancels so quickly. Where the window was in front all the while,
/// it was not either, though a busy machine took longer to find that there are no dialogs.
const UNSEEN: Duration = Duration::from_millis(300);
const UNSEEN_IN_FRONT: Duration = Duration::from_secs(5);

/// A dialog of the system that is open.
struct Waiting {
    purpose: Purpose,
    /// The path, if there is one, and how long it took.
    answer: Receiver<(Option<PathBuf>, Duration)>,
    /// Whether the window was not in front since then, as when a dialog is.
    was_behind: bool,
}

/// Questions that are open.
#[derive(Default)]
pub(crate) struct Dialogs {
    waiting: Vec<Waiting>,
    prompt: Option<(Purpose, String)>,
    /// What was answered last to each purpose.
    answered: Vec<(Purpose, PathBuf)>,
    /// Never use the system's dialogs: there is nobody to answer them.
    pub(crate) in_window: bool,
}

impl Dialogs {
    /// Asks for a file.
    pub(crate) fn ask(&mut self, purpose: Purpose, studio: &Studio) {
        if self.in_window || !system_has_dialogs() {
            self.ask_in_window(purpose, studio);
            return;
        }
        let (title, kind, extensions, _) = purpose.describe();
        let (folder, name) = self.proposal(purpose, studio);
        let mut dialog = rfd::AsyncFileDialog::new().set_title(title).add_filter(kind, extensions);
        if let Some(folder) = folder {
            dialog = dialog.set_directory(folder);
        }
        let (send, answer) = bounded(1);
        let since = Instant::now();
        let done = move |file: Option<rfd::FileHandle>| (file.map(|file| file.path().to_owned()), since.elapsed());
        // The dialog is made here, as some systems demand, and waited for elsewhere.
        match name {
            Some(name) => {
                let question = dialog.set_file_name(name).save_file();
                std::thread::spawn(move || send.send(done(pollster::block_on(question))));
            }
            None => {
                // Pictures are a folder.
                let folder = extensions.is_empty();
                let question: BoxedAnswer =
                    if folder { Box::pin(dialog.pick_folder()) } else { Box::pin(dialog.pick_file()) };
                std::thread::spawn(move || send.send(done(pollster::block_on(question))));
            }
        }
        self.waiting.push(Waiting { purpose, answer, was_behind: false });
    }

    /// Asks for a path in a line to type into.
    fn ask_in_window(&mut self, purpose: Purpose, studio: &Studio) {
        let (folder, name) = self.proposal(purpose, studio);
        let folder = folder.map(Path::to_owned).unwrap_or_default();
        let path = name.map_or_else(|| folder.clone(), |name| folder.join(name));
        self.prompt = Some((purpose, path.display().to_string()));
    }

    /// The folder to begin in, and the name that a file which is written is offered under.
    fn proposal<'a>(&'a self, purpose: Purpose, studio: &'a Studio) -> (Option<&'a Path>, Option<String>) {
        let (.., suffix) = purpose.describe();
        let failed = self.failed(purpose, studio);
        let folder = failed.and_then(Path::parent).or_else(|| purpose.folder(studio));
        let failed_name = failed.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        (folder, suffix.map(|suffix| failed_name.unwrap_or_else(|| studio.suggested_name(suffix))))
    }

    /// What the system's dialogs have answered, and what was asked for in a dialog that never showed.
    fn take_answers(&mut self) -> (Vec<(Purpose, PathBuf)>, Option<Purpose>) {
        let (mut answers, mut unseen) = (Vec::new(), None);
        self.waiting.retain(|Waiting { purpose, answer, was_behind }| {
            // Only there a dialog can be missing.
            let in_front = !*was_behind && cfg!(target_os = "linux");
            let soon = if in_front { UNSEEN_IN_FRONT } else { UNSEEN };
            match answer.try_recv() {
                Err(TryRecvError::Empty) => return true,
                Ok((Some(path), _)) => answers.push((*purpose, path)),
                Ok((None, after)) if after < soon => unseen = Some(*purpose),
                Ok((None, _)) | Err(TryRecvError::Disconnected) => {}
            }
            false
        });
        (answers, unseen)
    }

    /// The file that was asked for last and could not be written: it is offered again, so that nobody types it twice.
    fn failed<'a>(&'a self, purpose: Purpose, studio: &Studio) -> Option<&'a Path> {
        let (_, path) = self.answered.iter().find(|(answered, _)| *answered == purpose)?;
        studio.not_saved.as_ref().filter(|failed| *failed == path).map(|_| path.as_path())
    }

    /// Whether any question waits for its answer.
    pub(crate) fn is_busy(&self) -> bool {
        self.prompt.is_some() || !self.waiting.is_empty()
    }

    /// Whether the line to type into is there.
    pub(crate) fn is_open(&self) -> bool {
        self.prompt.is_some()
    }

    /// Acts on answers, and shows the line to type into if there is one.
    pub(crate) fn ui(&mut self, ctx: &Context, studio: &mut Studio, first: usize) {
        let is_behind = ctx.input(|input| !input.focused);
        self.waiting.iter_mut().for_each(|waiting| waiting.was_behind |= is_behind);
        let (mut answers, unseen) = self.take_answers();
        if let Some(purpose) = unseen {
            // There is a bus, but nothing on it that shows dialogs.
            self.in_window = true;
            self.ask_in_window(purpose, studio);
        }
        if !self.waiting.is_empty() {
            // Nothing else wakes the window when a dialog is answered.
            ctx.request_repaint_after(std::time::Duration::from_millis(100));
        }
        if let Some((purpose, mut path)) = self.prompt.take() {
            let response = widgets::question(ctx, "path").show(ctx, |ui| prompt(ui, purpose, &mut path));
            match response.inner {
                Some(true) => answers.push((purpose, PathBuf::from(path.trim()))),
                Some(false) => {}
                None if response.should_close() => {}
                None => self.prompt = Some((purpose, path)),
            }
        }
        for (purpose, path) in answers {
            let path = with_extension(purpose, path);
            purpose.remember_folder(&path, studio);
            self.answered.retain(|(answered, _)| *answered != purpose);
            self.answered.push((purpose, path.clone()));
            act(purpose, path, studio, first);
        }
    }
}

/// The answer, once there is one: whether to go on.
fn prompt(ui: &mut Ui, purpose: Purpose, path: &mut String) -> Option<bool> {
    let (title, _, extensions, suffix) = purpose.describe();
    ui.set_width(460.0);
    ui.label(RichText::new(title).heading());
    let known: Vec<String> = extensions.iter().map(|extension| format!(".{extension}")).collect();
    widgets::explain(
        ui,
        match known.is_empty() {
            true if suffix.is_some() => "A folder, which is made".to_owned(),
            true => "A folder of pictures, or an IDX file".to_owned(),
            false => format!("A path ending in {}", known.join(" or ")),
        },
    );
    ui.add_space(4.0);
    let line = ui.add(TextEdit::singleline(path).desired_width(f32::INFINITY)).accessible_name("Path");
    // Before the line is given the keyboard back, which would hide that it was lost.
    let entered = line.lost_focus() && ui.input(|input| input.key_pressed(eframe::egui::Key::Enter));
    if !ui.memory(|memory| memory.focused().is_some()) {
        line.request_focus();
    }
    ui.add_space(8.0);
    let usable = !path.trim().is_empty();
    let mut answer = (entered && usable).then_some(true);
    ui.horizontal(|ui| {
        let go = if suffix.is_some() { "Save file" } else { "Open file" };
        let colour = palette(ui.style()).after;
        ui.add_enabled_ui(usable, |ui| {
            if widgets::wide_button(ui, go, colour, 120.0).clicked() {
                answer = Some(true);
            }
        });
        if widgets::side_button(ui, "Cancel").clicked() {
            answer = Some(false);
        }
    });
    answer
}

/// A name without an extension gets the usual one.
fn with_extension(purpose: Purpose, path: PathBuf) -> PathBuf {
    let (_, _, extensions, suffix) = purpose.describe();
    match (suffix, path.extension(), extensions.first()) {
        (Some(_), None, Some(extension)) => path.with_extension(extension),
        _ => path,
    }
}

fn act(purpose: Purpose, path: PathBuf, studio: &mut Studio, first: usize) {
    match purpose {
        Purpose::OpenModel | Purpose::OpenFeedback | Purpose::OpenLabeler => studio.open(path),
        Purpose::SaveModel => studio.save_model(path),
        Purpose::SaveProject => studio.save_project(path),
        Purpose::SaveFeedback => studio.save_feedback(path),
        Purpose::SaveGrid => studio.save_grid(path, first, captions::draw),
        Purpose::SaveAnimation => studio.save_animation(path, first, captions::draw),
        Purpose::SaveWalk => studio.save_walk(path),
        Purpose::SaveCharts => studio.save_charts(path),
        Purpose::SaveFolder => studio.save_model(path),
        Purpose::OpenPictures => studio.open_pictures(ImageSource::of(path)),
        Purpose::OpenRetrainedModel(node) => studio.choose_retrained(node, path),
        Purpose::OpenRetained => studio.retained = Some(ImageSource::of(path)),
    }
}

/// Whether the system can show a dialog. On Linux that takes a desktop portal on the session's bus, or `zenity`.
fn system_has_dialogs() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let has = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let bus = has("XDG_RUNTIME_DIR").is_some_and(|folder| Path::new(&folder).join("bus").exists());
    let zenity =
        has("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("zenity").is_file()));
    has("DBUS_SESSION_BUS_ADDRESS").is_some() || bus || zenity
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dialog that has ended after so many seconds, in which the window may have been behind it.
    fn ended(answer: Option<&str>, seconds: u64, was_behind: bool) -> Dialogs {
        let (send, answers) = bounded(1);
        send.send((answer.map(PathBuf::from), Duration::from_secs(seconds))).expect("room for an answer");
        let waiting = vec![Waiting { purpose: Purpose::OpenModel, answer: answers, was_behind }];
        Dialogs { waiting, ..Dialogs::default() }
    }

    #[test]
    fn a_dialog_that_never_showed_is_not_one_that_was_cancelled() {
        assert_eq!(ended(None, 0, true).take_answers(), (Vec::new(), Some(Purpose::OpenModel)));
        assert_eq!(ended(None, 2, true).take_answers(), (Vec::new(), None));
        // A busy machine is slow to find that there are none.
        let missing = cfg!(target_os = "linux").then_some(Purpose::OpenModel);
        assert_eq!(ended(None, 2, false).take_answers(), (Vec::new(), missing));
        assert_eq!(ended(None, 9, false).take_answers(), (Vec::new(), None));
        let mut answered = ended(Some("faces.pt"), 0, true);
        assert_eq!(answered.take_answers(), (vec![(Purpose::OpenModel, "faces.pt".into())], None));
        assert!(!answered.is_busy());
    }
}
