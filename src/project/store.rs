//! A project on disk: what is read, and every change, written at once.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    copy::{copy_file, copy_folder},
    error::ProjectError,
    lock::{LOCK, lock, remove_halves},
    manifest::{Asked, Manifest, Node, NodeId, Numbers, Status, VERSION},
    run_state::RunState,
};
use crate::{atomic_file, checkpoint, feedback::Feedback};

const MANIFEST: &str = "project.json";

/// Whether this path leads to a project: its folder, or the `project.json` in it.
pub fn is_project(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == MANIFEST) || path.join(MANIFEST).is_file()
}

/// The model that a project begins with.
#[derive(Clone, Debug)]
pub struct Original {
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
    /// Classes behind the latent, if the file does not say so.
    pub classes: Option<usize>,
}

/// An open project. It is locked for as long as it is open, unless it is read-only.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    pub(super) manifest: Manifest,
    program: String,
    /// Holds the lock; dropped with the project, by the system too if the program dies.
    lock: Option<File>,
    pub(super) read_only: Option<String>,
}

impl Project {
    /// Makes a project in a folder that is not there yet, or is empty.
    pub fn create(folder: &Path, original: &Original, program: &str) -> Result<Self, ProjectError> {
        let folder = std::path::absolute(folder).map_err(ProjectError::write(folder))?;
        let occupied = || ProjectError::Exists { path: folder.clone() };
        if folder.exists() && fs::read_dir(&folder).map_err(|_| occupied())?.next().is_some() {
            return Err(occupied());
        }
        fs::create_dir_all(&folder).map_err(ProjectError::write(&folder))?;
        let name = original.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let first = Node {
            name: if name.is_empty() { "original".to_owned() } else { name },
            file: Some(weights_of(&original.path)?),
            sha256: Some(original.sha256.clone()),
            classes: original.classes,
            ..Node::default()
        };
        let manifest = Manifest {
            version: VERSION,
            program: program.to_owned(),
            nodes: vec![first],
            base: 0,
            shown: None,
            next: 1,
            pictures: None,
            other: Default::default(),
        };
        let (lock, read_only) = lock(&folder);
        let mut project = Self { folder, manifest, program: program.to_owned(), lock, read_only };
        project.write_manifest()?;
        Ok(project)
    }

    /// Opens a project by its folder or its `project.json`; read-only if another program has it open, or if the folder
    /// cannot be written to.
    pub fn open(path: &Path, program: &str) -> Result<Self, ProjectError> {
        let file = if path.is_dir() { path.join(MANIFEST) } else { path.to_owned() };
        let text = fs::read_to_string(&file).map_err(ProjectError::read(&file))?;
        let damaged = |reason: String| ProjectError::Damaged { path: file.clone(), reason };
        let value: Value = serde_json::from_str(&text).map_err(|error| damaged(format!("it is not JSON ({error})")))?;
        // The version comes first: a file of a later one may look otherwise.
        match value.get("version").and_then(Value::as_u64) {
            None => return Err(damaged("it is not a project: it has no version".to_owned())),
            Some(version) if version > VERSION => return Err(ProjectError::Newer { path: file, version }),
            Some(_) => {}
        }
        let mut manifest: Manifest = serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
        if let Some(problem) = manifest.problem() {
            return Err(damaged(problem));
        }
        let highest = manifest.nodes.iter().map(|node| node.id).max().unwrap_or_default();
        manifest.next = manifest.next.max(highest.saturating_add(1));
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = std::path::absolute(folder).map_err(ProjectError::read(folder))?;
        let (lock, read_only) = lock(&folder);
        if read_only.is_none() {
            remove_halves(&folder);
        }
        Ok(Self { folder, manifest, program: program.to_owned(), lock, read_only })
    }

    /// Its folder, an absolute path.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The history.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Why it may only be looked at, as a clause, if that is so.
    pub fn read_only(&self) -> Option<&str> {
        self.read_only.as_deref()
    }

    /// The node of this number.
    pub fn node(&self, id: NodeId) -> Result<&Node, ProjectError> {
        self.manifest.node(id).ok_or(ProjectError::NoNode(id))
    }

    /// The model file of a node.
    pub fn model_file(&self, id: NodeId) -> Result<PathBuf, ProjectError> {
        let node = self.node(id)?;
        let file = node.file.as_ref().ok_or_else(|| ProjectError::Unfinished(node.name.clone()))?;
        Ok(self.folder.join(file))
    }

    /// The run that was interrupted, if there is one.
    pub fn unfinished(&self) -> Option<&Node> {
        self.manifest.nodes.iter().find(|node| node.status == Status::Unfinished)
    }

    /// The folder of a node.
    pub fn node_folder(&self, id: NodeId) -> PathBuf {
        self.folder.join("nodes").join(id.to_string())
    }

    /// Where the state of a node's run is saved.
    pub fn run_file(&self, id: NodeId) -> PathBuf {
        self.node_folder(id).join("run.safetensors")
    }

    /// Where a discriminator is kept that was warmed up for a node's run.
    pub fn discriminator_file(&self, id: NodeId) -> PathBuf {
        self.node_folder(id).join("discriminator.safetensors")
    }

    /// Where a snapshot of a node's run is kept, by its place among them.
    pub fn snapshot_file(&self, id: NodeId, place: usize) -> PathBuf {
        self.node_folder(id).join("snapshots").join(format!("{place}.safetensors"))
    }

    /// The state of a node's run; `None` if none was saved yet.
    pub fn run_state(&self, id: NodeId) -> Result<Option<RunState>, ProjectError> {
        let file = self.run_file(id);
        file.is_file().then(|| RunState::load(&file)).transpose()
    }

    /// What was asked for a node.
    pub fn request(&self, id: NodeId) -> Result<Value, ProjectError> {
        let file = self.node_folder(id).join("request.json");
        let text = fs::read_to_string(&file).map_err(ProjectError::read(&file))?;
        serde_json::from_str(&text)
            .map_err(|error| ProjectError::Damaged { path: file, reason: format!("it is not JSON ({error})") })
    }

    /// The marks made on a node; none if none were saved.
    pub fn marks(&self, id: NodeId) -> Result<Feedback, ProjectError> {
        let sha256 = self.node(id)?.sha256.clone().unwrap_or_default();
        let file = self.marks_file(id);
        match file.is_file() {
            true => Ok(Feedback::load(&file, &sha256)?),
            false => Ok(Feedback::new(&sha256)),
        }
    }

    /// Keeps the marks made on a node.
    pub fn save_marks(&mut self, id: NodeId, marks: &Feedback) -> Result<(), ProjectError> {
        self.check_writable()?;
        self.node(id)?;
        self.make_folder(&self.node_folder(id))?;
        Ok(marks.save(&self.marks_file(id))?)
    }

    /// A request of a parent begins: keeps it, and a copy of the opened model if there is none yet. Gives its node.
    pub fn begin(&mut self, parent: NodeId, asked: Asked, request: &Value) -> Result<NodeId, ProjectError> {
        self.check_writable()?;
        self.model_file(parent)?;
        self.keep_original()?;
        let id = self.manifest.next;
        let folder = self.node_folder(id);
        self.make_folder(&folder)?;
        write_json(&folder.join("request.json"), request)?;
        let node = Node {
            id,
            parent: Some(parent),
            name: asked.name,
            classes: self.node(parent)?.classes,
            asked: Some(asked.line),
            method: Some(asked.method),
            labeler: asked.labeler,
            status: Status::Unfinished,
            iterations: Some((0, asked.iterations)),
            ..Node::default()
        };
        self.change(|manifest| {
            manifest.next = id + 1;
            manifest.nodes.push(node);
        })?;
        Ok(id)
    }

    /// A node's run has ended: `write` makes its model file, at the path it is given (in its node's folder, with the
    /// extension `extension`). Only then is the run's state given up; that of a stopped run stays, so that it can go on.
    pub fn finish<E: From<ProjectError>>(
        &mut self,
        id: NodeId,
        (status, iterations): (Status, usize),
        extension: &str,
        write: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_writable()?;
        let file = self.node_folder(id).join("model").with_extension(extension);
        self.make_folder(&self.node_folder(id))?;
        write(&file)?;
        let sha256 = checkpoint::sha256(&file).map_err(ProjectError::from)?;
        let relative = file.strip_prefix(&self.folder).unwrap_or(&file).to_owned();
        self.change(|manifest| {
            if let Some(node) = manifest.nodes.iter_mut().find(|node| node.id == id) {
                (node.file, node.sha256, node.status) = (Some(relative), Some(sha256), status);
                node.iterations = node.iterations.map(|(_, of)| (iterations, of)).or(Some((iterations, iterations)));
            }
            manifest.shown = (manifest.node(id).and_then(|node| node.parent) == Some(manifest.base)).then_some(id);
        })?;
        // The result is on the disk; what it takes to go on is not wanted any more.
        if status != Status::Stopped {
            let _ = fs::remove_file(self.run_file(id));
        }
        Ok(())
    }

    /// Adds a node whose model is there at once: a snapshot of another one's run.
    pub fn add_snapshot<E: From<ProjectError>>(
        &mut self,
        parent: NodeId,
        (name, iterations): (&str, usize),
        extension: &str,
        write: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<NodeId, E> {
        self.check_writable()?;
        self.keep_original()?;
        let id = self.manifest.next;
        let node = Node {
            id,
            parent: Some(parent),
            name: name.to_owned(),
            classes: self.node(parent)?.classes,
            status: Status::Unfinished,
            ..Node::default()
        };
        self.manifest.next = id + 1;
        self.manifest.nodes.push(node);
        let added = self.finish(id, (Status::Snapshot, iterations), extension, write);
        if added.is_err() {
            self.manifest.nodes.retain(|node| node.id != id);
        }
        added.map(|()| id)
    }

    /// Keeps a report and the numbers in it.
    pub fn save_report(&mut self, id: NodeId, report: &Value, numbers: Option<Numbers>) -> Result<(), ProjectError> {
        self.check_writable()?;
        write_json(&self.node_folder(id).join("report.json"), report)?;
        self.change(|manifest| {
            if let Some(node) = manifest.nodes.iter_mut().find(|node| node.id == id) {
                node.numbers = numbers.or(node.numbers);
            }
        })
    }

    /// A snapshot of a node's run was written at the next place.
    pub fn note_snapshot(&mut self, id: NodeId, iteration: usize) -> Result<(), ProjectError> {
        self.change(|manifest| {
            if let Some(node) = manifest.nodes.iter_mut().find(|node| node.id == id) {
                node.snapshots.push(iteration);
            }
        })
    }

    /// The opened model was found at this path, with the same content: it may have been moved.
    pub fn set_original(&mut self, path: &Path) -> Result<(), ProjectError> {
        let path = weights_of(path)?;
        let outside =
            self.manifest.nodes.first().and_then(|first| first.file.as_ref()).is_some_and(|f| f.is_absolute());
        if !outside {
            return Ok(());
        }
        self.change(|manifest| {
            if let Some(first) = manifest.nodes.first_mut() {
                first.file = Some(path);
            }
        })
    }

    /// Where the pictures come from that its models complete.
    pub fn set_pictures(&mut self, pictures: Option<Value>) -> Result<(), ProjectError> {
        match self.manifest.pictures == pictures {
            true => Ok(()),
            false => self.change(|manifest| manifest.pictures = pictures),
        }
    }

    /// Forgets the snapshots of a node's run that were taken after so many iterations: the run goes on from before them.
    pub fn drop_snapshots_after(&mut self, id: NodeId, iterations: usize) -> Result<(), ProjectError> {
        self.change(|manifest| {
            if let Some(node) = manifest.nodes.iter_mut().find(|node| node.id == id) {
                let kept = node.snapshots.iter().take_while(|iteration| **iteration <= iterations).count();
                node.snapshots.truncate(kept);
            }
        })
    }

    /// Chooses what the next request starts from and which child is shown beside it.
    pub fn select(&mut self, base: NodeId, shown: Option<NodeId>) -> Result<(), ProjectError> {
        self.model_file(base)?;
        if self.read_only.is_some() {
            (self.manifest.base, self.manifest.shown) = (base, shown);
            return Ok(());
        }
        self.change(|manifest| (manifest.base, manifest.shown) = (base, shown))
    }

    /// Gives a node another name.
    pub fn rename(&mut self, id: NodeId, name: &str) -> Result<(), ProjectError> {
        self.node(id)?;
        self.change(|manifest| {
            if let Some(node) = manifest.nodes.iter_mut().find(|node| node.id == id) {
                node.name = name.trim().to_owned();
            }
        })
    }

    /// Deletes a node and everything that was made from it, and frees the disk. What the next request starts from becomes
    /// its parent if it was among them.
    pub fn delete(&mut self, id: NodeId) -> Result<(), ProjectError> {
        self.check_writable()?;
        let node = self.node(id)?;
        let Some(parent) = node.parent else {
            return Err(ProjectError::Needed(node.name.clone(), "everything else was made from it"));
        };
        let gone = self.manifest.subtree(id);
        self.change(|manifest| {
            manifest.nodes.retain(|node| !gone.contains(&node.id));
            if gone.contains(&manifest.base) {
                (manifest.base, manifest.shown) = (parent, None);
            }
            manifest.shown = manifest.shown.filter(|shown| !gone.contains(shown));
        })?;
        for id in gone {
            // The history knows nothing of it any more; what cannot be removed only takes room.
            let _ = fs::remove_dir_all(self.node_folder(id));
        }
        Ok(())
    }

    /// Bytes that a node's folder takes.
    pub fn size(&self, id: NodeId) -> u64 {
        fn size(folder: &Path) -> u64 {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries
                .map(|entry| match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => size(&entry.path()),
                    Ok(metadata) => metadata.len(),
                    Err(_) => 0,
                })
                .sum()
        }
        size(&self.node_folder(id))
    }

    /// Moves the project to another folder; a read-only one is copied, and the copy can be changed.
    pub fn save_as(&mut self, folder: &Path) -> Result<(), ProjectError> {
        let folder = std::path::absolute(folder).map_err(ProjectError::write(folder))?;
        if folder == self.folder {
            return Ok(());
        }
        if folder.exists() {
            return Err(ProjectError::Exists { path: folder });
        }
        if let Some(parent) = folder.parent() {
            self.make_folder(parent)?;
        }
        let movable = self.read_only.is_none();
        if !(movable && fs::rename(&self.folder, &folder).is_ok()) {
            // Another file system, or not ours to move. Beside the target first, so that a failure leaves no half.
            let parent = folder.parent().unwrap_or(Path::new("."));
            let beside = tempfile::Builder::new()
                .prefix(".")
                .suffix(".partial")
                .tempdir_in(parent)
                .map_err(ProjectError::write(parent))?;
            copy_folder(&self.folder, beside.path(), LOCK)?;
            fs::rename(beside.keep(), &folder).map_err(ProjectError::write(&folder))?;
            // The lock on the old folder ends here; one that moved along holds on.
            (self.lock, self.read_only) = lock(&folder);
            if movable {
                let _ = fs::remove_dir_all(&self.folder);
            }
        }
        self.folder = folder;
        Ok(())
    }

    /// Removes the project if nothing was ever asked or marked in it.
    pub fn remove_if_empty(self) {
        let untouched = self.read_only.is_none() && self.manifest.nodes.len() == 1 && !self.node_folder(0).exists();
        if untouched {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    fn marks_file(&self, id: NodeId) -> PathBuf {
        self.node_folder(id).join("marks.json")
    }

    fn check_writable(&self) -> Result<(), ProjectError> {
        match &self.read_only {
            None => Ok(()),
            Some(reason) => Err(ProjectError::ReadOnly { folder: self.folder.clone(), reason: reason.clone() }),
        }
    }

    fn make_folder(&self, folder: &Path) -> Result<(), ProjectError> {
        fs::create_dir_all(folder).map_err(ProjectError::write(folder))
    }

    /// Copies the opened model into the project: its file may be moved or overwritten later.
    fn keep_original(&mut self) -> Result<(), ProjectError> {
        let Some(first) = self.manifest.nodes.first() else { return Ok(()) };
        let Some(source) = first.file.clone().filter(|file| file.is_absolute()) else { return Ok(()) };
        let (id, sha256) = (first.id, first.sha256.clone());
        let name = source.file_name().unwrap_or(source.as_os_str()).to_owned();
        let folder = self.node_folder(id);
        self.make_folder(&folder)?;
        let copy = folder.join(name);
        copy_file(&source, &copy)?;
        for companion in checkpoint::companions(&source) {
            copy_file(&companion, &folder.join(companion.file_name().unwrap_or_default()))?;
        }
        if sha256.is_some_and(|expected| checkpoint::sha256(&copy).ok().as_ref() != Some(&expected)) {
            let _ = fs::remove_file(&copy);
            return Err(ProjectError::Changed { path: source });
        }
        let relative = copy.strip_prefix(&self.folder).unwrap_or(&copy).to_owned();
        self.change(|manifest| {
            if let Some(first) = manifest.nodes.first_mut() {
                first.file = Some(relative);
            }
        })
    }

    /// Changes the history, on the disk first: if that fails, nothing has changed.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Manifest)) -> Result<(), ProjectError> {
        self.check_writable()?;
        let before = self.manifest.clone();
        change(&mut self.manifest);
        let written = self.write_manifest();
        if written.is_err() {
            self.manifest = before;
        }
        written
    }

    fn write_manifest(&mut self) -> Result<(), ProjectError> {
        self.check_writable()?;
        self.manifest.program.clone_from(&self.program);
        let file = self.folder.join(MANIFEST);
        write_json(&file, &serde_json::to_value(&self.manifest).unwrap_or_default())
    }
}

/// Where the tensors of a model are, absolute.
fn weights_of(model: &Path) -> Result<PathBuf, ProjectError> {
    std::path::absolute(checkpoint::weights_file(model)).map_err(ProjectError::read(model))
}

fn write_json(path: &Path, value: &Value) -> Result<(), ProjectError> {
    // A value always has a text.
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    atomic_file::write(path, &text).map_err(ProjectError::write(path))
}
