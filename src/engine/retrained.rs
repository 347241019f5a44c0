//! The retrained model that audits of a node compare with: looked at before it is kept with the node, or found among the models that come
//! with the program.

use std::{
    cmp::Reverse,
    path::{Path, PathBuf},
};

use super::{
    error::EngineError,
    event::Event,
    history::{self, KeptRequest},
    request::{AuditRequest, AuditSubject, RetrainedQuestion, RetrainedRequest},
    session::Session,
    training::TrainingCard,
};
use crate::{
    checkpoint,
    metrics::{Labeler, Target},
    model::Model,
    project::{NodeId, Project, Retrained},
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

/// Names the retrained model that an audit of a node of the open project compares with, where none is named and one that is found is to be
/// taken.
pub(super) fn name_offered(session: &Session, request: &mut AuditRequest) {
    let AuditSubject::Node { project: None, node } = request.subject else { return };
    let Some(folder) = request.offered_from.take().filter(|_| request.retrained.is_none()) else { return };
    let question = RetrainedQuestion { node, labeler: request.labeler.clone(), folder };
    request.retrained = find(session, &question).unwrap_or_default();
}

/// Among the models of a folder one that was trained like the first model of the history, which is one of them, but never saw what must go
/// (see [`unseen`]). Their own cards say so.
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
    let forgotten = forgotten(project, question.node, &labeler);
    let fits = |file: &Path| -> Option<usize> {
        let (model, other) = open(file)?;
        let excluded = other.card.excluded.filter(|_| card.card.excluded.is_none())?;
        let unseen = unseen(&labeler.target(&excluded).ok()?, &target, &forgotten)?;
        (other.card.data == card.card.data && check_alike(&original, &model).is_ok()).then_some(unseen)
    };
    let fitting = files.iter().filter_map(|file| Some((fits(file)?, file)));
    Ok(fitting.min_by_key(|(unseen, _)| Reverse(*unseen)).map(|(_, file)| file.clone()))
}

/// What a node and all it was made from were asked to forget, as far as this labeler knows the words.
fn forgotten(project: &Project, node: NodeId, labeler: &Labeler) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut next = Some(node);
    while let Some(id) = next {
        let kept = KeptRequest::of(project, id);
        let words = kept.as_ref().and_then(|kept| kept.request.labeler()).map(|(_, forget)| forget);
        targets.extend(words.and_then(|words| labeler.target(words).ok()));
        next = project.node(id).ok().and_then(|node| node.parent);
    }
    targets
}

/// How many classes a model has never seen that was trained without `excluded`, if it can be compared with: it saw nothing of what the audit
/// looks for, or it would show it as well, and everything that was to be kept, or it would differ by that. What had been forgotten before may
/// be missing from it, too: the more of that is, the nearer it is to what the result should be.
fn unseen(excluded: &Target, target: &Target, forgotten: &[Target]) -> Option<usize> {
    let head = target.head_number();
    let of_head = |other: &&Target| other.head_number() == head;
    let was_to_go = |class: usize| target.holds(class) || forgotten.iter().filter(of_head).any(|it| it.holds(class));
    let fits = excluded.head_number() == head
        && target.classes().iter().all(|&class| excluded.holds(class))
        && excluded.classes().iter().all(|&class| was_to_go(class));
    fits.then_some(excluded.classes().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Head;

    #[test]
    fn a_retrained_model_lacks_what_must_go_and_nothing_that_was_to_be_kept() {
        let named =
            |name: &str, classes: [&str; 3]| Head { name: name.to_owned(), classes: classes.map(str::to_owned).into() };
        let heads = [named("hat", ["none", "cap", "beanie"]), named("glasses", ["no", "round", "square"])];
        let target = |words: &str| Target::parse(words, &heads).expect("a target");
        // Left out of its training, what the audit looks for, what the node and all before it were asked to forget.
        let table: [(_, _, &[_], _); 10] = [
            ("hat!=none", "hat!=none", &["hat!=none"], Some(2)),
            ("cap", "cap", &["cap"], Some(1)),
            // It saw what is looked for.
            ("cap", "beanie", &["cap", "beanie"], None),
            ("cap", "hat!=none", &["hat!=none"], None),
            ("round", "cap", &["cap", "round"], None),
            // It lacks what was to be kept.
            ("hat!=none", "cap", &["cap"], None),
            // What was forgotten before it may lack as well.
            ("hat!=none", "beanie", &["beanie", "cap"], Some(2)),
            ("beanie", "beanie", &["beanie", "cap"], Some(1)),
            ("hat!=none", "hat!=none", &["glasses!=no", "hat!=none"], Some(2)),
            // Nobody asked for it, but it is what is looked for.
            ("cap", "cap", &["round"], Some(1)),
        ];
        for (excluded, looked_for, forgotten, expected) in table {
            let forgotten: Vec<Target> = forgotten.iter().map(|words| target(words)).collect();
            let found = unseen(&target(excluded), &target(looked_for), &forgotten);
            assert_eq!(found, expected, "without {excluded}, looking for {looked_for}");
        }
    }
}
