//! The open project: which of its nodes is open, what is shown beside it, and every change of its history.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    error::EngineError,
    project_card::{AskedLabeler, AskedRun, InterruptedRun, NodeReport, ProjectCard},
    request::{OpenRequest, ProjectRequest, RunRequest},
    results::Snapshot,
    session::Session,
};
use crate::{
    checkpoint,
    data::ImageSource,
    feedback::{Feedback, FeedbackSource},
    model::{Model, program},
    networks::FlatParams,
    project::{Asked, Node, NodeId, Numbers, Original, Project, ProjectError, Status, is_project},
    train::TrainConfig,
    unlearn::State,
};

/// What a project is called that the user has not saved anywhere.
const UNNAMED: &str = "unlearn";

/// A request as its node keeps it: everything it takes to make it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct KeptRequest {
    #[serde(flatten)]
    pub(super) request: RunRequest,
    /// The class that the model draws, if only one.
    #[serde(default)]
    pub(super) class: Option<usize>,
    /// SHA-256 of the model it was made on.
    pub(super) parent_sha256: String,
    /// The pictures that the model completes, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pictures: Option<ImageSource>,
}

impl KeptRequest {
    /// What was asked for a node; `None` where nothing was, or where that cannot be read any more.
    pub(super) fn of(project: &Project, id: NodeId) -> Option<Self> {
        serde_json::from_value(project.request(id).ok()?).ok()
    }
}

/// Opens a model file or a project and puts it in place of everything that was open. Gives what the person should know.
pub(super) fn load(
    session: &mut Session,
    request: &OpenRequest,
    mut report: impl FnMut(u64, u64),
) -> Result<Option<String>, EngineError> {
    if is_project(&request.path) {
        let project = Project::open(&request.path, &program())?;
        if session.project.as_ref().is_some_and(|open| open.folder() != project.folder()) {
            forget_if_empty(session);
        }
        return open_project(session, project, &mut report).map(|()| None);
    }
    let model = super::open::open(request, session.device(), &mut report)?;
    forget_if_empty(session);
    let original = Original { path: request.path.clone(), sha256: model.sha256.clone(), classes: request.classes };
    session.replace(model);
    let Some(folder) = session.projects_folder.clone() else { return Ok(None) };
    // Without a project everything works, but nothing is remembered.
    match unnamed(&folder, &original) {
        Ok(mut project) => {
            let note = project.read_only().map(|reason| format!("nothing is remembered: {reason}"));
            // The file was asked for, not what was made of it.
            project.select(0, None)?;
            session.project = Some(project);
            Ok(note)
        }
        Err(error) => Ok(Some(format!("no history is kept: {error}"))),
    }
}

/// A model that was only looked at leaves nothing behind.
pub(super) fn forget_if_empty(session: &mut Session) {
    let Some(folder) = &session.projects_folder else { return };
    if let Some(project) = session.project.take_if(|project| project.folder().starts_with(folder)) {
        project.remove_if_empty();
    }
}

/// The project that opening this model made before, or a new one; one that another window has open is left to it.
fn unnamed(folder: &Path, original: &Original) -> Result<Project, ProjectError> {
    let name = original.path.file_stem().unwrap_or_default().to_string_lossy();
    let short = original.sha256.get(..12).unwrap_or(&original.sha256);
    let classes = original.classes.map_or_else(String::new, |classes| format!("-{classes}-classes"));
    for number in 1.. {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let path = folder.join(format!("{name}-{short}{classes}{number}.{UNNAMED}"));
        if !is_project(&path) {
            return Project::create(&path, original, &program());
        }
        let mut project = Project::open(&path, &program())?;
        if project.read_only().is_none() {
            project.set_original(&original.path)?;
            return Ok(project);
        }
    }
    unreachable!("there is always another number")
}

fn open_project(
    session: &mut Session,
    mut project: Project,
    report: &mut dyn FnMut(u64, u64),
) -> Result<(), EngineError> {
    let (base, shown) = (project.manifest().base, project.manifest().shown);
    let mut model = open_node(session, &project, base, report)?;
    share_first_pickle(&project, &mut model);
    // A result that cannot be read must not keep the rest from being opened.
    let result = shown.and_then(|shown| Some((shown, open_node(session, &project, shown, report).ok()?)));
    project.select(base, result.as_ref().map(|(shown, _)| *shown))?;
    session.replace(model);
    session.project = Some(project);
    if let Some((shown, model)) = result {
        show_result(session, shown, model)?;
    }
    Ok(())
}

fn open_node(
    session: &Session,
    project: &Project,
    id: NodeId,
    report: &mut dyn FnMut(u64, u64),
) -> Result<Model, EngineError> {
    let node = project.node(id)?;
    let request = OpenRequest { path: project.model_file(id)?, classes: node.classes, pictures: None };
    let model = super::open::open(&request, session.device(), report)?;
    match node.sha256.as_ref().is_some_and(|sha256| *sha256 != model.sha256) {
        true => Err(ProjectError::Changed { path: request.path }.into()),
        false => Ok(model),
    }
}

/// Lets a node's model be written into the pickle that the history began with, if it began with one. Without that it is
/// merely not written so: the first model may have been moved or changed since.
fn share_first_pickle(project: &Project, model: &mut Model) {
    let Some(first) = project.manifest().nodes.first() else { return };
    let Ok(file) = project.model_file(first.id) else { return };
    if !model.has_pickle() && checkpoint::sha256(&file).ok() == first.sha256 {
        let _ = model.share_pickle_file(&file);
    }
}

/// Whether the history has this node.
pub(super) fn has_node(session: &Session, id: NodeId) -> bool {
    session.project.as_ref().is_some_and(|project| project.manifest().node(id).is_some())
}

/// The averaged generator of a node, beside the model that is open.
pub(super) fn weights_of(session: &mut Session, id: NodeId) -> Result<FlatParams, EngineError> {
    if let Some((_, weights)) = session.looked_at.as_ref().filter(|(known, _)| *known == id) {
        return Ok(weights.clone());
    }
    let base = session.model()?;
    let node = open_node(session, project(session)?, id, &mut |_, _| {})?;
    if *node.g_ema.layout != *base.g_ema.layout {
        return Err(EngineError::State("these two models are of different shapes and cannot be compared"));
    }
    session.looked_at = Some((id, node.g_ema.clone()));
    Ok(node.g_ema)
}

/// Puts a node's model in the place of a run's result.
fn show_result(session: &mut Session, id: NodeId, model: Model) -> Result<(), EngineError> {
    let state = match &model.gan {
        Some(gan) => {
            let g = gan.g.clone();
            State::Trained(Box::new(gan.trainer(TrainConfig::default(), g)))
        }
        None => State::Generator(Box::new(model.g_ema.clone())),
    };
    let project = session.project.as_ref().ok_or(NO_PROJECT)?;
    let snapshots = project.node(id)?.snapshots.iter().enumerate();
    let snapshots = snapshots.map(|(place, &iteration)| Snapshot::on_disk(project.snapshot_file(id, place), iteration));
    let snapshots = snapshots.collect();
    let provenance = model.metadata().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let mut results = session.results.cleared();
    (results.state, results.provenance, results.snapshots) = (Some(state), provenance, snapshots);
    session.results = results;
    Ok(())
}

/// Carries out a request; gives whether another model is open now.
pub(super) fn change(session: &mut Session, request: ProjectRequest) -> Result<bool, EngineError> {
    match request {
        ProjectRequest::KeepIn(folder) => {
            let model = session.model()?;
            let original =
                Original { path: model.path.clone(), sha256: model.sha256.clone(), classes: session.classes };
            let project = match is_project(&folder) {
                false => Project::create(&folder, &original, &program())?,
                true => {
                    let mut project = Project::open(&folder, &program())?;
                    let same = project.manifest().nodes.iter().find(|node| node.sha256.as_ref() == Some(&model.sha256));
                    let id = same.map(|node| node.id).ok_or(ProjectError::Exists { path: folder })?;
                    project.select(id, None)?;
                    project
                }
            };
            session.project = Some(project);
        }
        ProjectRequest::Show(id) => {
            let parent = project(session)?.node(id)?.parent;
            let base = parent.unwrap_or(id);
            let replaced = start_from(session, base)?;
            let shown = parent.is_some().then_some(id);
            session.results = session.results.cleared();
            if let Some(id) = shown {
                let model = open_node(session, project(session)?, id, &mut |_, _| {})?;
                show_result(session, id, model)?;
            }
            project_mut(session)?.select(base, shown)?;
            return Ok(replaced);
        }
        ProjectRequest::StartFrom(id) => {
            let replaced = start_from(session, id)?;
            session.results = session.results.cleared();
            project_mut(session)?.select(id, None)?;
            return Ok(replaced);
        }
        ProjectRequest::StartFromSnapshot(number) => {
            let model = session.model()?;
            let snapshot = session.results.snapshot(number)?.load(&model)?;
            let mut out = model.with_networks(&snapshot.g_ema, snapshot.trained.as_ref());
            out.metadata.extend(session.results.provenance.iter().cloned());
            let name = format!("after {} steps", snapshot.iteration);
            out.metadata.insert("weights".to_owned(), format!("snapshot after iteration {}", snapshot.iteration));
            let extension = extension(&model);
            let project = project_mut(session)?;
            let base = project.manifest().base;
            let write = |path: &Path| Ok::<_, EngineError>(checkpoint::save(path, &out)?);
            let id = project.add_snapshot(base, (&name, snapshot.iteration), extension, write)?;
            drop(model);
            return change(session, ProjectRequest::StartFrom(id));
        }
        ProjectRequest::Rename(id, name) => project_mut(session)?.rename(id, &name)?,
        ProjectRequest::Delete(id) => {
            let project = project_mut(session)?;
            let (base, shown) = (project.manifest().base, project.manifest().shown);
            let gone = project.manifest().subtree(id);
            // Nothing that is open is deleted: its parent is opened first.
            if gone.contains(&base) {
                let parent = project
                    .node(id)?
                    .parent
                    .ok_or_else(|| ProjectError::Needed(format!("node {id}"), "everything else was made from it"))?;
                change(session, ProjectRequest::StartFrom(parent))?;
            } else if shown.is_some_and(|shown| gone.contains(&shown)) {
                session.results = session.results.cleared();
            }
            project_mut(session)?.delete(id)?;
            session.looked_at = None;
            return Ok(gone.contains(&base));
        }
        ProjectRequest::GiveUp(id) => {
            let node = project(session)?.node(id)?;
            match (node.status, &node.file) {
                (Status::Unfinished, None) => return change(session, ProjectRequest::Delete(id)),
                (Status::Unfinished, Some(_)) => project_mut(session)?.set_status(id, Status::Stopped)?,
                _ => {}
            }
        }
        ProjectRequest::SaveAs(folder) => {
            project_mut(session)?.save_as(&folder)?;
            // Snapshots of the run that is shown have moved along.
            let project = project(session)?;
            if let Some(shown) = project.manifest().shown {
                let files: Vec<PathBuf> =
                    (0..session.results.snapshots.len()).map(|place| project.snapshot_file(shown, place)).collect();
                session.results.move_snapshots(files);
            }
        }
        ProjectRequest::Marks(marks) => {
            let base = project(session)?.manifest().base;
            let marks = marks.named(&*session.model()?);
            project_mut(session)?.save_marks(base, &marks)?;
        }
        // The worker's own business: it is a run.
        ProjectRequest::Continue { .. } => {}
    }
    Ok(false)
}

/// Opens the model of a node; gives whether another one was open.
fn start_from(session: &mut Session, id: NodeId) -> Result<bool, EngineError> {
    let project = project(session)?;
    let node = project.node(id)?;
    if node.sha256.as_ref() == session.model().ok().map(|model| model.sha256.clone()).as_ref() {
        return Ok(false);
    }
    let mut model = open_node(session, project, id, &mut |_, _| {})?;
    match session.model() {
        Ok(before) if before.has_pickle() => model.share_pickle(&before),
        _ => share_first_pickle(project, &mut model),
    }
    let project = session.project.take();
    session.replace(model);
    session.project = project;
    Ok(true)
}

/// The marks that were made on the open model.
pub(super) fn marks(session: &Session) -> Result<Option<Feedback>, EngineError> {
    let Some(project) = &session.project else { return Ok(None) };
    let marks = project.marks(project.manifest().base)?;
    Ok(Some(match session.model() {
        Ok(model) => marks.located(&model),
        Err(_) => marks,
    }))
}

/// The history as it is now; `running` is the node whose run is in progress.
pub(super) fn card(session: &Session, running: Option<NodeId>) -> Option<Box<ProjectCard>> {
    let project = session.project.as_ref()?;
    let manifest = project.manifest().clone();
    let is_unnamed = session.projects_folder.as_deref().is_some_and(|folder| project.folder().starts_with(folder));
    let waiting = |node: &Node| {
        let asked = kept_request(project, node.id).ok().map(|kept| Box::new(AskedRun::from(kept.request)));
        (Some(node.id) != running).then_some(InterruptedRun { node: node.id, asked })
    };
    Some(Box::new(ProjectCard {
        folder: project.folder().to_owned(),
        is_unnamed,
        read_only: project.read_only().map(str::to_owned),
        sizes: manifest.nodes.iter().map(|node| project.size(node.id)).collect(),
        interrupted: project.unfinished().and_then(waiting),
        stopped: project.stopped().and_then(waiting),
        labeler: asked_labeler(project),
        reports: manifest.nodes.iter().filter_map(|node| NodeReport::find(project.folder(), node.id)).collect(),
        manifest,
    }))
}

/// The labeler of the latest run that was measured with one, if its file is still there.
fn asked_labeler(project: &Project) -> Option<AskedLabeler> {
    let is_there = |node: &&Node| node.labeler.as_ref().is_some_and(|file| file.is_file());
    let node = project.manifest().nodes.iter().rev().find(is_there)?;
    let request = kept_request(project, node.id).ok()?.request;
    let (spec, forget) = request.labeler()?;
    let gives_feedback = matches!(request.feedback, FeedbackSource::Labeler { .. });
    Some(AskedLabeler { spec: spec.clone(), forget: forget.to_owned(), gives_feedback })
}

/// What was asked for a node.
fn kept_request(project: &Project, id: NodeId) -> Result<KeptRequest, EngineError> {
    serde_json::from_value(project.request(id)?).map_err(|error| {
        EngineError::Internal(format!(
            "what was asked of the interrupted run cannot be read ({error}); delete its node"
        ))
    })
}

/// Notes a request in the history; gives its node, or `None` where no history is kept.
pub(super) fn begin(session: &mut Session, request: &mut RunRequest) -> Result<Option<NodeId>, EngineError> {
    let model = session.model()?;
    let pictures = session.pictures().map(|pictures| pictures.source().clone());
    let pictures = pictures.filter(|_| model.generator.completion().is_some());
    let Some(project) = &mut session.project else { return Ok(None) };
    if let FeedbackSource::File(path) = &request.feedback {
        // The file may be gone when the run is resumed.
        request.feedback = FeedbackSource::Marks(Box::new(Feedback::load(path, &model.sha256)?.located(&model)));
    }
    if let FeedbackSource::Marks(marks) = &mut request.feedback {
        **marks = marks.named(&model);
    }
    if let FeedbackSource::Marks(marks) = &request.feedback
        && marks.model_sha256() == model.sha256
        && project.marks(project.manifest().base).is_ok_and(|kept| kept.is_empty())
    {
        project.save_marks(project.manifest().base, marks)?;
    }
    let class = model.generator.class();
    let asked = describe(request, &model.card().args);
    let kept = KeptRequest { request: request.clone(), class, parent_sha256: model.sha256.clone(), pictures };
    let kept = serde_json::to_value(kept).map_err(|error| EngineError::Internal(error.to_string()))?;
    Ok(Some(project.begin(project.manifest().base, asked, &kept)?))
}

/// What a request says of itself in the history; `args` are the checkpoint's, which some presets follow.
fn describe(request: &RunRequest, args: &Map<String, Value>) -> Asked {
    let method = request.settings.method().name();
    let (name, line) = match &request.feedback {
        FeedbackSource::Labeler { forget, .. } => {
            (format!("without {forget}"), format!("forget {forget}, as a labeler sees it; {method}"))
        }
        FeedbackSource::Clicks { forget, clicks, .. } => {
            (format!("without {forget}"), format!("forget {forget}, by {clicks} clicks; {method}"))
        }
        FeedbackSource::Marks(marks) => {
            let negatives = marks.negatives().count();
            let positives = marks.len() - negatives;
            (
                format!("{negatives} marked samples gone"),
                format!("forget what {negatives} marks show and {positives} do not; {method}"),
            )
        }
        FeedbackSource::File(path) => ("marks of a file".to_owned(), format!("forget the marks of {}", path.display())),
    };
    Asked {
        name,
        line,
        method: request.settings.summary(args),
        labeler: request.evaluation.as_ref().map(|evaluation| evaluation.labeler.path.clone()),
        iterations: request.settings.plan().map_or(0, |plan| plan.result_iterations),
    }
}

/// The run that was interrupted, or else stopped.
fn unended(session: &Session) -> Result<&Node, EngineError> {
    let open = session.project.as_ref().ok_or(NOTHING_TO_GO_ON_WITH)?;
    open.unfinished().or_else(|| open.stopped()).ok_or(NOTHING_TO_GO_ON_WITH)
}

/// Opens the model that the run which [`interrupted`] gives was made on; gives whether another one was open.
pub(super) fn open_parent(session: &mut Session) -> Result<bool, EngineError> {
    let parent = unended(session)?.parent.unwrap_or_default();
    let replaced = start_from(session, parent)?;
    if replaced {
        project_mut(session)?.select(parent, None)?;
    }
    Ok(replaced)
}

/// The run that was interrupted, or else stopped: its node and what was asked; everything it started from is open afterwards.
pub(super) fn interrupted(session: &mut Session) -> Result<(NodeId, KeptRequest), EngineError> {
    let node = unended(session)?;
    let (id, parent) = (node.id, node.parent.unwrap_or_default());
    let mut kept = kept_request(project(session)?, id)?;
    open_parent(session)?;
    if session.model()?.sha256 != kept.parent_sha256 {
        return Err(EngineError::State("the model has changed since this run began; delete its node and start again"));
    }
    if session.model()?.generator.class() != kept.class {
        session.set_class(kept.class)?;
    }
    if let Some(source) = &kept.pictures
        && session.pictures().is_none_or(|pictures| pictures.source() != source)
    {
        super::pictures::open_pictures(session, source)?;
    }
    if let FeedbackSource::Marks(marks) = &mut kept.request.feedback {
        **marks = marks.clone().located(&*session.model()?);
    }
    // A stopped run's result is looked at until there is a newer one.
    if project(session)?.manifest().shown != Some(id) {
        project_mut(session)?.select(parent, None)?;
        session.results = session.results.cleared();
    }
    Ok((id, kept))
}

/// What a report says in numbers.
pub(super) fn numbers(report: &super::report::RunReport) -> Option<Numbers> {
    let Some(seen) = &report.evaluation else {
        let estimated = Some(report.estimated?.percentage());
        return Some(Numbers { estimated, ..Numbers::default() });
    };
    let pul = seen.pul.map(|pul| pul * 100.0);
    Some(Numbers { pul, frechet: seen.frechet, frechet_floor: seen.frechet_floor, estimated: None })
}

/// How a run's node came about.
pub(super) fn status(report: &super::report::RunReport) -> Status {
    match (&report.failed, report.stopped) {
        (Some(_), _) => Status::Failed,
        (None, true) => Status::Stopped,
        (None, false) => Status::Done,
    }
}

/// The extension of a node's model file: the original's layout where only that can be written back.
pub(super) fn extension(model: &Model) -> &'static str {
    if model.is_written_in_place() { "pth" } else { "safetensors" }
}

pub(super) fn project(session: &Session) -> Result<&Project, EngineError> {
    session.project.as_ref().ok_or(NO_PROJECT)
}

pub(super) fn project_mut(session: &mut Session) -> Result<&mut Project, EngineError> {
    session.project.as_mut().ok_or(NO_PROJECT)
}

const NOTHING_TO_GO_ON_WITH: EngineError =
    EngineError::State("there is no run that was stopped or interrupted to go on with");
const NO_PROJECT: EngineError = EngineError::State("no history is kept of this model");
