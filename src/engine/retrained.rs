//! The retrained model that audits of a node compare with: looked at before it is kept with the node, or found among the models that come
//! with the program.

use std::path::{Path, PathBuf};

use super::{
    error::EngineError,
    event::Event,
    history::{self, KeptRequest},
    request::{RetrainedQuestion, RetrainedRequest},
    session::Session,
    training::TrainingCard,
};
use crate::{
    checkpoint,
    model::Model,
    project::{NodeId, Retrained},
};

/// Carries out a request; `running` is the node whose run is in progress.
pub(super) fn retrained(
    session: &mut Session,
    request: RetrainedRequest,
    running: Option<NodeId>,
) -> Result<Event, EngineError> {
    match request {
        RetrainedRequest::Choose(node, file) => {
            if let Err(error) = choose(session, node, &file) {
                return Ok(Event::RetrainedRefused(node, error.sentence()));
            }
        }
        RetrainedRequest::Clear(node) => history::project_mut(session)?.set_retrained(node, Retrained::Without)?,
        RetrainedRequest::Find(question) => {
            // What is merely offered is no promise: an audit says what is wrong with its labeler.
            let found = find(session, &question).unwrap_or_default();
            return Ok(Event::RetrainedFound(Box::new(question), found));
        }
    }
    Ok(Event::Project(history::card(session, running)))
}

fn choose(session: &mut Session, node: NodeId, file: &Path) -> Result<(), EngineError> {
    let original = session.model()?;
    let model = Model::load_with_classes(file, session.classes, session.device(), &mut |_, _| {})?;
    check_alike(&original, &model)?;
    let project = history::project_mut(session)?;
    let nodes = &project.manifest().nodes;
    if let Some(same) = nodes.iter().find(|node| node.sha256.as_ref() == Some(&model.sha256)) {
        return Err(has_seen_it(file, &format!("\u{201c}{}\u{201d} of this history", same.name)));
    }
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    Ok(project.set_retrained(node, Retrained::File(file))?)
}

/// Whether two models make pictures that can be compared: the same family, size and channels.
pub(super) fn check_alike(original: &Model, other: &Model) -> Result<(), EngineError> {
    let traits = |model: &Model| {
        let generator = &model.generator;
        (generator.family(), generator.resolution(), generator.image_channels())
    };
    if traits(original) == traits(other) {
        return Ok(());
    }
    let describe = |model: &Model| {
        let (family, side, channels) = traits(model);
        format!("{} ({family}, {side} pixels, {channels} channels)", model.path.display())
    };
    Err(EngineError::Settings(format!(
        "{} and {} cannot be compared: they make different pictures",
        describe(original),
        describe(other)
    )))
}

/// What is said of a model that is given as one that never saw what must go, and is one that did.
pub(super) fn has_seen_it(file: &Path, what: &str) -> EngineError {
    EngineError::Settings(format!("{}: this is {what}, not a model that never saw what must go", file.display()))
}

/// Among the models of a folder the one that was trained like the first model of the history, which is one of them, but without exactly
/// what must go. Their own cards say so.
fn find(session: &Session, question: &RetrainedQuestion) -> Result<Option<PathBuf>, EngineError> {
    let project = history::project(session)?;
    let named = || {
        let kept = KeptRequest::of(project, question.node)?;
        kept.request.labeler().map(|(labeler, forget)| (labeler.clone(), forget.to_owned()))
    };
    let Some((labeler, forget)) = question.labeler.clone().or_else(named) else { return Ok(None) };
    let first = project.manifest().nodes.first().and_then(|node| node.sha256.as_ref());
    let mut files: Vec<PathBuf> = std::fs::read_dir(&question.folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    files.sort();
    let is_first = |file: &&PathBuf| checkpoint::sha256(file).ok().as_ref() == first;
    let Some(original) = files.iter().find(is_first) else { return Ok(None) };
    let open = |file: &Path| -> Option<(Model, TrainingCard)> {
        let model = Model::load(file, session.device()).ok()?;
        let card = TrainingCard::of(&model)?;
        Some((model, card))
    };
    let Some((original, card)) = open(original) else { return Ok(None) };
    let labeler = labeler.open()?;
    let target = labeler.target(&forget)?;
    let never_saw_it = |excluded: &str| {
        let excluded = labeler.target(excluded).ok();
        excluded.is_some_and(|it| it.head_number() == target.head_number() && it.classes() == target.classes())
    };
    let fits = |file: &&PathBuf| {
        open(file).is_some_and(|(model, other)| {
            let excluded = other.card.excluded.as_deref().filter(|_| card.card.excluded.is_none());
            other.card.data == card.card.data
                && excluded.is_some_and(never_saw_it)
                && check_alike(&original, &model).is_ok()
        })
    };
    Ok(files.iter().find(fits).cloned())
}
