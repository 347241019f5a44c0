//! What the window remembers from one day to the next.
//!
//! Older and newer versions of the program share one file. What a version does not know, or cannot read, stays in the file
//! as it is, and costs nothing else.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread::JoinHandle,
};

use crossbeam_channel::{Sender, unbounded};
use directories::{BaseDirs, ProjectDirs};
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::window_layout::WindowLayout;
use crate::{atomic_file, device::DeviceChoice, model::ModelCard, unlearn::Settings};

/// Files in the list of recent ones.
const RECENT: usize = 8;
/// The program's name in paths.
const PROGRAM: &str = "unlearn-studio";
/// The file within the folder.
const FILE: &str = "prefs.json";

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
#[derive(Debug, Default, Serialize)]
pub struct Prefs {
    /// Models that were opened, latest first.
    #[serde(serialize_with = "text_paths")]
    pub recent: Vec<PathBuf>,
    /// Light or dark.
    pub theme: Theme,
    /// The compute device.
    pub device: DeviceChoice,
    /// Which GPU, by name, if one was chosen.
    pub gpu: Option<String>,
    /// Where a device of another machine was found last; the token is never remembered.
    pub remote: Option<String>,
    /// The user's own presets.
    pub presets: BTreeMap<String, Settings>,
    /// How many classes the user said a model has, by the SHA-256 of its file, which does not say so.
    pub classes: BTreeMap<String, usize>,
    /// Seconds of an iteration and its batch, by device and networks: what a run will cost.
    pub speeds: BTreeMap<String, (f64, usize)>,
    /// The window as it was left.
    pub window: WindowLayout,
    /// The folder that was used last, by what for.
    #[serde(serialize_with = "text_folders")]
    pub folders: BTreeMap<String, PathBuf>,
    /// Whether a run has ended once: the first steps are known.
    pub first_steps_done: bool,
    /// The file as it was read.
    #[serde(skip)]
    file: Map<String, Value>,
    /// Without one nothing is ever written.
    #[serde(skip)]
    writer: Option<Writer>,
}

impl Prefs {
    /// What this user's preferences are.
    pub fn of_user() -> Self {
        let folder = ProjectDirs::from("", "", PROGRAM).map(|dirs| dirs.config_dir().to_owned());
        // Where earlier versions kept them on Windows; elsewhere it is the same folder.
        let earlier = BaseDirs::new().map(|dirs| dirs.config_dir().join(PROGRAM));
        Self::load_or(folder, earlier.as_deref())
    }

    /// What is remembered in `folder`; nothing if that cannot be read. Without a folder nothing is ever written.
    pub fn load(folder: Option<PathBuf>) -> Self {
        Self::load_or(folder, None)
    }

    /// As [`Prefs::load`]; as long as nothing is in `folder`, what is in `earlier` counts.
    fn load_or(folder: Option<PathBuf>, earlier: Option<&Path>) -> Self {
        let read = |folder: &Path| std::fs::read(folder.join(FILE)).ok();
        let bytes = folder.as_deref().and_then(read).or_else(|| earlier.and_then(read));
        let file = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        Self { writer: folder.and_then(|folder| Writer::start(folder).ok()), ..Self::read(file) }
    }

    /// Every field, and every entry of a list or a map, that can be read; the default for the others.
    fn read(file: Map<String, Value>) -> Self {
        let recent = file.get("recent").and_then(Value::as_array).into_iter().flatten().filter_map(parse).collect();
        Self {
            recent,
            theme: field(&file, "theme"),
            device: field(&file, "device"),
            gpu: field(&file, "gpu"),
            remote: field(&file, "remote"),
            presets: entries(&file, "presets"),
            classes: entries(&file, "classes"),
            speeds: entries(&file, "speeds"),
            window: field(&file, "window"),
            folders: entries(&file, "folders"),
            first_steps_done: field(&file, "first_steps_done"),
            file,
            writer: None,
        }
    }

    /// Writes everything, on a thread of its own. A disk that is full must not trouble anybody here.
    pub fn save(&self) {
        let text = || serde_json::to_vec_pretty(&self.updated_file()?).ok();
        if let Some(writer) = &self.writer
            && let Some(text) = text()
        {
            writer.write(text);
        }
    }

    /// The file with what has changed since it was read.
    fn updated_file(&self) -> Option<Map<String, Value>> {
        let mut file = self.file.clone();
        update(&mut file, &fields(&Self::read(self.file.clone()))?, &fields(self)?);
        Some(file)
    }

    /// Puts a model that was opened first in the list.
    pub fn add_recent(&mut self, path: &Path) {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.recent.retain(|other| *other != path);
        self.recent.insert(0, path);
        self.recent.truncate(RECENT);
        self.save();
    }

    /// The speed of a method's iteration with these networks on this device, if a run has shown it.
    pub fn speed(&self, device_and_method: (&str, &str), card: &ModelCard) -> Option<(f64, usize)> {
        self.speeds.get(&speed_key(device_and_method, card)).copied()
    }

    /// Remembers the speed of an iteration.
    pub fn record_speed(&mut self, device_and_method: (&str, &str), card: &ModelCard, seconds: f64, batch: usize) {
        if seconds.is_finite() && seconds > 0.0 {
            self.speeds.insert(speed_key(device_and_method, card), (seconds, batch));
            self.save();
        }
    }
}

fn speed_key((device, method): (&str, &str), card: &ModelCard) -> String {
    let ModelCard { resolution, generator_parameters: g, discriminator_parameters: d, .. } = card;
    format!("{device}, {method}, {resolution} px, {g}+{}", d.unwrap_or(0))
}

fn parse<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

fn field<T: DeserializeOwned + Default>(file: &Map<String, Value>, name: &str) -> T {
    file.get(name).and_then(parse).unwrap_or_default()
}

fn entries<T: DeserializeOwned>(file: &Map<String, Value>, name: &str) -> BTreeMap<String, T> {
    let entries = file.get(name).and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), parse(value)?))).collect()
}

fn fields(prefs: &Prefs) -> Option<Map<String, Value>> {
    match serde_json::to_value(prefs) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

/// Without the paths that are no text, which JSON cannot hold.
fn text_paths<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().filter_map(|path| path.to_str()))
}

/// The same for folders.
fn text_folders<S: Serializer>(folders: &BTreeMap<String, PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(folders.iter().filter_map(|(purpose, path)| Some((purpose, path.to_str()?))))
}

/// Changes in `file` what differs between `before` and `after`, value by value, adds what it lacks, and leaves the rest.
fn update(file: &mut Map<String, Value>, before: &Map<String, Value>, after: &Map<String, Value>) {
    file.retain(|name, _| after.contains_key(name) || !before.contains_key(name));
    for (name, value) in after {
        match (file.get_mut(name), before.get(name), value) {
            (Some(Value::Object(file)), Some(Value::Object(before)), Value::Object(after)) => {
                update(file, before, after)
            }
            (Some(_), Some(before), after) if before == after => {}
            _ => drop(file.insert(name.clone(), value.clone())),
        }
    }
}

/// A thread that writes the file. Of several texts that wait only the latest is written; dropping it waits for that.
#[derive(Debug)]
struct Writer {
    texts: Option<Sender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(folder: PathBuf) -> std::io::Result<Self> {
        let (texts, waiting) = unbounded();
        let thread = std::thread::Builder::new().name("preferences".to_owned()).spawn(move || {
            while let Ok(text) = waiting.recv() {
                let text: Vec<u8> = waiting.try_iter().last().unwrap_or(text);
                let _ = std::fs::create_dir_all(&folder).and_then(|()| atomic_file::write(&folder.join(FILE), &text));
            }
        })?;
        Ok(Self { texts: Some(texts), thread: Some(thread) })
    }

    fn write(&self, text: Vec<u8>) {
        if let Some(texts) = &self.texts {
            // It can only fail once the thread is gone.
            let _ = texts.send(text);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.texts.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::unlearn::{FIRST, METHODS};

    fn write(folder: &Path, value: &Value) {
        std::fs::write(folder.join(FILE), value.to_string()).unwrap();
    }

    fn read(folder: &Path) -> Value {
        serde_json::from_slice(&std::fs::read(folder.join(FILE)).unwrap()).unwrap()
    }

    /// What the next start of the program finds.
    fn again(prefs: Prefs, folder: &Path) -> Prefs {
        prefs.save();
        drop(prefs);
        Prefs::load(Some(folder.to_owned()))
    }

    #[test]
    fn what_is_remembered_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        let mut prefs = Prefs::load(Some(folder.clone()));
        assert!(prefs.recent.is_empty());
        prefs.theme = Theme::Light;
        let mut settings = Settings::preset(FIRST, "paper").unwrap();
        settings.set("seed", 9).unwrap();
        prefs.presets.insert("mine".to_owned(), settings);
        for i in 0..20 {
            prefs.add_recent(Path::new(&format!("/models/{}.pt", i % 10)));
        }
        assert_eq!((prefs.recent.len(), prefs.recent[0].as_path()), (RECENT, Path::new("/models/9.pt")));
        let expected = fields(&prefs);
        let mut prefs = again(prefs, &folder);
        assert_eq!(fields(&prefs), expected);
        prefs.presets.remove("mine");
        assert!(again(prefs, &folder).presets.is_empty());
    }

    #[test]
    fn the_latest_of_many_saves_is_what_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut prefs = Prefs::load(Some(folder.path().to_owned()));
        for count in 1..=200 {
            prefs.classes.insert("model".to_owned(), count);
            prefs.save();
        }
        drop(prefs);
        assert_eq!(read(folder.path())["classes"]["model"], 200);
    }

    #[test]
    fn one_unreadable_value_costs_no_other_and_stays_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mine = json!({ "method": FIRST.id(), "seed": 7, "later setting": 2 });
        let file = json!({
            "recent": ["/a.pt", 5], "theme": "sepia", "device": "cpu", "gpu": 3, "remote": 5,
            "presets": { "mine": mine, "later": { "method": "magic" } },
            "classes": { "x": 10, "y": "many" }, "speeds": "fast", "later field": { "a": 1 },
            "window": "wide", "folders": { "model": 3 }, "first_steps_done": "nearly",
        });
        write(folder, &file);
        let mut prefs = Prefs::load(Some(folder.to_owned()));
        assert_eq!((prefs.recent.as_slice(), prefs.theme), ([PathBuf::from("/a.pt")].as_slice(), Theme::System));
        assert_eq!((prefs.device, &prefs.gpu, prefs.classes["x"]), (DeviceChoice::Cpu, &None, 10));
        assert_eq!(prefs.presets.keys().collect::<Vec<_>>(), ["mine"]);
        assert_eq!(prefs.presets["mine"].get("seed"), Some(&json!(7)));

        prefs.device = DeviceChoice::Gpu;
        let prefs = again(prefs, folder);
        let mut expected = file.clone();
        expected["device"] = json!("gpu");
        let mut found = read(folder);
        for (name, value) in mine.as_object().unwrap() {
            assert_eq!(&found["presets"]["mine"][name], value, "{name}");
        }
        found["presets"]["mine"] = mine;
        assert_eq!(found, expected);

        // What the user chooses replaces what could not be read.
        let mut prefs = prefs;
        prefs.theme = Theme::Dark;
        prefs.gpu = Some("A card".to_owned());
        prefs.presets.insert("later".to_owned(), Settings::default());
        let prefs = again(prefs, folder);
        assert_eq!((prefs.theme, prefs.gpu.as_deref(), prefs.presets.len()), (Theme::Dark, Some("A card"), 2));
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_text_costs_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &json!({ "theme": "dark" }));
        let mut prefs = Prefs::load(Some(folder.path().to_owned()));
        prefs.add_recent(Path::new("/a.pt"));
        prefs.add_recent(Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"/b\xff.pt")));
        let prefs = again(prefs, folder.path());
        assert_eq!((prefs.theme, prefs.recent), (Theme::Dark, vec![PathBuf::from("/a.pt")]));
    }

    #[test]
    fn the_window_opens_as_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let mut prefs = Prefs::load(Some(folder.path().to_owned()));
        assert_eq!(prefs.window, WindowLayout::default());
        prefs.window = WindowLayout { size: [1100.5, 700.0], maximized: true, left_panel: false, right_panel: true };
        prefs.folders.insert("model".to_owned(), PathBuf::from("/models"));
        let expected = prefs.window;
        let prefs = again(prefs, folder.path());
        assert_eq!((prefs.window, prefs.folders["model"].as_path()), (expected, Path::new("/models")));
    }

    /// Every path of a tree to a value that is no tree.
    fn leaves(value: &Value, path: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
        let Some(map) = value.as_object() else { return all.push(path.clone()) };
        for (name, value) in map {
            path.push(name.clone());
            leaves(value, path, all);
            path.pop();
        }
    }

    #[test]
    fn a_preset_from_before_a_setting_existed_gets_its_default() {
        for method in METHODS {
            let default = serde_json::to_value(Settings::of(*method)).unwrap();
            let mut all = Vec::new();
            leaves(&default, &mut Vec::new(), &mut all);
            assert!(all.len() > 8);
            for path in all.iter().filter(|path| path[0] != "method") {
                let mut without = default.clone();
                let pointer = format!("/{}", path[..path.len() - 1].join("/"));
                let parent = without.pointer_mut(pointer.trim_end_matches('/')).unwrap();
                parent.as_object_mut().unwrap().remove(&path[path.len() - 1]).unwrap();
                let file = json!({ "presets": { "mine": without } });
                let prefs = Prefs::read(file.as_object().unwrap().clone());
                assert_eq!(prefs.presets.get("mine"), Some(&Settings::of(*method)), "without {path:?}");
            }
        }
    }

    #[test]
    fn preferences_of_an_earlier_folder_are_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let [new, old] = ["new", "old"].map(|name| folder.path().join(name));
        std::fs::create_dir(&old).unwrap();
        write(&old, &json!({ "theme": "dark" }));
        let prefs = Prefs::load_or(Some(new.clone()), Some(&old));
        assert_eq!(prefs.theme, Theme::Dark);
        let mut prefs = again(prefs, &new);
        assert_eq!(prefs.theme, Theme::Dark);
        prefs.theme = Theme::Light;
        drop(again(prefs, &new));
        assert_eq!(Prefs::load_or(Some(new), Some(&old)).theme, Theme::Light);
        assert_eq!(read(&old)["theme"], "dark");
    }

    #[test]
    fn broken_preferences_are_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["{\"recent\": 5", "[]", ""] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            assert_eq!(Prefs::load(Some(folder.path().to_owned())).theme, Theme::System, "{text}");
        }
    }
}
