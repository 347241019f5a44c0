//! Audits: how far forgetting holds, written as a page and as JSON.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use burn::tensor::Device;
use serde_json::Value;

use super::{
    audit_control::AuditControl,
    audit_facts::facts,
    error::EngineError,
    halve::halve,
    history::KeptRequest,
    request::{AuditRequest, AuditSubject},
    retrained::{check_alike, has_seen_it},
    training::TrainingCard,
    warm_up::{Passes, warm_up},
};
use crate::{
    atomic_file,
    audit::{
        AncestryNode, AuditReport, Audited, Gallery, HashedFile, Judge, NamedPictures, Part, Picture, Pictures, Role,
        SCHEMA, Subject, limits, page, sha256, verdicts,
    },
    checkpoint,
    data::{ImageSource, PictureSet},
    device::ComputeDevice,
    feedback::LabelerSpec,
    metrics::{Labeler, Target, Tiles, grid::draw_grid, to_rgb8},
    model::{Model, program},
    networks::Pictures as _,
    project::{NodeId, Project},
};

/// Side of the tiles on the page at most.
const TILE: usize = 128;
/// Tiles in a row of a pair of pictures, and of a single one.
const PAIR_COLUMNS: usize = 6;
const COLUMNS: usize = 12;
/// Weight of what is measured before the first number of a time is believed, as a part of all there is to do.
const BELIEVED: f64 = 0.02;

/// What is audited, before anything is opened: files, what they should no longer show, and how the result was made.
pub(super) struct Prepared {
    before: PathBuf,
    after: PathBuf,
    classes: Option<usize>,
    class: Option<usize>,
    labeler: LabelerSpec,
    forget: String,
    /// The pictures that the models complete, if they do.
    pictures: Option<ImageSource>,
    ancestry: Vec<AncestryNode>,
    /// The project's folder, if it is a node.
    project: Option<PathBuf>,
}

/// Finds out what is audited. `open` is the project that is open, if there is one.
pub(super) fn prepare(request: &AuditRequest, open: Option<&Project>) -> Result<Prepared, EngineError> {
    let (given, class, classes) = (request.labeler.clone(), request.class, request.classes);
    match &request.subject {
        AuditSubject::Files { before, after } => {
            let (labeler, forget) = given.ok_or_else(|| {
                EngineError::Settings("an audit of two files needs a labeler and what must be gone".to_owned())
            })?;
            let (before, after) = (before.clone(), after.clone());
            let pictures = request.pictures.clone();
            Ok(Prepared {
                before,
                after,
                classes,
                class,
                labeler,
                forget,
                pictures,
                ancestry: Vec::new(),
                project: None,
            })
        }
        AuditSubject::Node { project, node } => {
            let opened;
            let project = match open.filter(|open| project.as_deref().is_none_or(|path| is_folder_of(open, path))) {
                Some(open) => open,
                None => {
                    let path = project.as_ref().ok_or(EngineError::State("no project is open; open one first"))?;
                    opened = Project::open(path, &program())?;
                    &opened
                }
            };
            of_node(request, project, *node)
        }
    }
}

fn is_folder_of(project: &Project, path: &Path) -> bool {
    let same = |a: &Path, b: &Path| a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    same(project.folder(), path) || path.parent().is_some_and(|folder| path.is_file() && same(project.folder(), folder))
}

fn of_node(request: &AuditRequest, project: &Project, node: NodeId) -> Result<Prepared, EngineError> {
    let refused = |reason: String| EngineError::Settings(format!("{}: {reason}", project.folder().display()));
    let this = project.node(node)?;
    let Some(parent) = this.parent else {
        return Err(refused(format!(
            "node {node} ({}) is the model that was opened: nothing was unlearned in it",
            this.name
        )));
    };
    let asked = |node: NodeId| project.request(node).ok();
    let kept = KeptRequest::of(project, node);
    let remembered = || serde_json::from_value(project.manifest().pictures.clone()?).ok();
    let named = kept.as_ref().and_then(|kept| kept.request.labeler());
    let named = named.map(|(labeler, forget)| (labeler.clone(), forget.to_owned()));
    let (labeler, forget) = request.labeler.clone().or(named).ok_or_else(|| {
        refused(format!("node {node} ({}) was made without a labeler; name one and what must be gone", this.name))
    })?;
    let mut line = vec![node];
    while let Some(parent) = project.node(line[line.len() - 1])?.parent {
        line.push(parent);
    }
    line.reverse();
    let mut ancestry = Vec::new();
    for id in line {
        let node = project.node(id)?;
        let file = project.model_file(id)?;
        let sha256 = match &node.sha256 {
            Some(sha256) => sha256.clone(),
            None => checkpoint::sha256(&file)?,
        };
        let mut request = asked(id);
        // Marks that were asked with stand in the request; this names all that were on the parent, asked with or not.
        if let (Some(Value::Object(fields)), Some(parent)) = (&mut request, node.parent) {
            let marks = project.marks(parent).ok().and_then(|marks| serde_json::to_value(marks.sha256().ok()).ok());
            fields.insert("marks_sha256".to_owned(), marks.unwrap_or_default());
        }
        ancestry.push(AncestryNode {
            node: id,
            parent: node.parent,
            parent_sha256: node.parent.and_then(|parent| project.node(parent).ok()?.sha256.clone()),
            name: node.name.clone(),
            model: HashedFile { path: file, sha256 },
            status: serde_json::to_value(node.status)
                .ok()
                .and_then(|s| Some(s.as_str()?.to_owned()))
                .unwrap_or_default(),
            request,
        });
    }
    Ok(Prepared {
        before: project.model_file(parent)?,
        after: project.model_file(node)?,
        classes: request.classes.or(this.classes),
        class: request.class.or(kept.as_ref().and_then(|kept| kept.class)),
        labeler,
        forget,
        pictures: request.pictures.clone().or(kept.and_then(|kept| kept.pictures)).or_else(remembered),
        ancestry,
        project: Some(project.folder().to_owned()),
    })
}

/// Audits, and writes the page and the JSON beside it; `None` if it was stopped.
pub(super) fn audit(
    prepared: Prepared,
    request: &AuditRequest,
    device: &ComputeDevice,
    control: &mut AuditControl<'_>,
) -> Result<Option<AuditReport>, EngineError> {
    let clock = Instant::now();
    let labeler = prepared.labeler.open()?;
    let target = labeler.target(&prepared.forget)?;
    let second = match &request.second {
        None => None,
        Some((spec, forget)) => {
            let labeler = spec.open()?;
            let target = labeler.target(forget)?;
            Some((labeler, target))
        }
    };
    let open = |path: &Path| open_model(path, &prepared, &device.device);
    let mut original = open(&prepared.before)?;
    let mut result = open(&prepared.after)?;
    let mut retrained = request.retrained.as_deref().map(open).transpose()?;
    check_alike(&original, &result)?;
    if let Some(other) = &retrained {
        check_alike(&original, other)?;
        let known = [(&original, "the original model itself"), (&result, "the audited model itself")];
        if let Some((_, what)) = known.into_iter().find(|(model, _)| model.sha256 == other.sha256) {
            return Err(has_seen_it(&other.path, what));
        }
    }
    let place = Place::of(&request.out, prepared.project.as_deref())?;
    let completes = original.generator.completion().is_some();
    let completed = match &prepared.pictures {
        Some(source) if completes => {
            let models = [Some(&mut original), Some(&mut result), retrained.as_mut()];
            Some(give_pictures(models.into_iter().flatten(), source, &place)?)
        }
        Some(_) if request.pictures.is_some() => {
            return Err(EngineError::Settings(format!(
                "{}: it draws samples by itself; pictures are for models that complete them",
                original.path.display()
            )));
        }
        _ => None,
    };
    original.check_samples()?;
    // Whoever relearns needs a discriminator; the original's is only looked through.
    let train = request.budget.relearn.clone();
    if train.steps > 0 && !completes {
        for model in [Some(&mut result), retrained.as_mut()].into_iter().flatten().filter(|model| model.gan.is_none()) {
            let mut progress = |done, of| control.progress(None, done, of);
            let (batch, micro_batch) = (train.batch, train.micro_batch);
            let passes = Passes { batch, micro_batch, checkpointing: false, half: false };
            match warm_up(model, passes, request.seed, &mut progress)? {
                ControlFlow::Break(()) => return Ok(None),
                ControlFlow::Continue((params, _)) => model.adopt_discriminator(params)?,
            }
        }
    }
    let subject = |model: &Model, role| Subject {
        role,
        generator: model.generator.clone(),
        weights: model.g_ema.clone(),
        gan: model.gan.clone(),
    };
    let (before, after) = (subject(&original, Role::Original), subject(&result, Role::Result));
    let gold = retrained.as_ref().map(|model| subject(model, Role::Retrained));
    let audited = Audited {
        original: &before,
        result: &after,
        retrained: gold.as_ref(),
        judge: Judge { labeler: &labeler, target: &target },
        second: second.as_ref().map(|(labeler, target): &(Labeler, Target)| Judge { labeler, target }),
        seed: request.seed,
    };
    let attacks = Instant::now();
    let paused_before = control.paused_for();
    let mut paused = paused_before;
    let mut tell = |part: Part, done: usize, of: usize| {
        let spent = attacks.elapsed().saturating_sub(paused - paused_before).as_secs_f64();
        let share = done as f64 / of.max(1) as f64;
        control.seconds_left = (share > BELIEVED).then(|| spent * (1.0 - share) / share);
        let flow = control.progress(Some(part), done, of);
        paused = control.paused_for();
        flow
    };
    let Some((findings, gallery)) = audited.run(&request.budget, &mut tell)? else { return Ok(None) };
    let pictures = pictures(&gallery, &audited)?;
    let hashed = |path: &Path, sha256: &str| HashedFile { path: place.path_to(path), sha256: sha256.to_owned() };
    let digest = |path: &Path| -> Result<HashedFile, EngineError> { Ok(hashed(path, &checkpoint::sha256(path)?)) };
    let mut ancestry = prepared.ancestry;
    ancestry.iter_mut().for_each(|node| node.model.path = place.path_to(&node.model.path));
    let words = target.to_string();
    let excluded = retrained.as_ref().and_then(|model| TrainingCard::of(model)?.card.excluded);
    let limits = limits(&findings, excluded.as_deref());
    let report = AuditReport {
        schema: SCHEMA.to_owned(),
        program: program(),
        date: now(),
        device: device.name.clone(),
        vector: crate::networks::vector_instructions().to_owned(),
        seconds: clock.elapsed().as_secs_f64(),
        original: hashed(&prepared.before, &original.sha256),
        result: hashed(&prepared.after, &result.sha256),
        retrained: retrained.as_ref().map(|model| hashed(&model.path, &model.sha256)),
        retrained_excluded: excluded,
        completed,
        labeler: digest(&prepared.labeler.path)?,
        second_labeler: request.second.as_ref().map(|(spec, _)| digest(&spec.path)).transpose()?,
        seed: request.seed,
        budget: request.budget.clone(),
        facts: facts(&result.card()),
        ancestry,
        verdicts: verdicts(&findings, &words),
        limits,
        target: words,
        findings,
        pictures: pictures.all().map(|(caption, png)| (caption.clone(), sha256(png))).collect(),
        digest: String::new(),
    };
    let (report, json) = report.sealed().map_err(|error| EngineError::Internal(error.to_string()))?;
    let html = page(&report, &pictures).map_err(EngineError::Internal)?;
    write(&request.out, &html)?;
    write(&request.out.with_extension("json"), &json)?;
    Ok(Some(report))
}

fn open_model(path: &Path, prepared: &Prepared, device: &Device) -> Result<Model, EngineError> {
    let mut model = Model::load_with_classes(path, prepared.classes, device, &mut |_, _| {})?;
    model.set_class(prepared.class)?;
    Ok(model)
}

/// Opens pictures for models that complete them, which all have the same size.
fn give_pictures<'m>(
    models: impl Iterator<Item = &'m mut Model>,
    source: &ImageSource,
    place: &Place,
) -> Result<NamedPictures, EngineError> {
    let mut models = models.peekable();
    let side = models.peek().map_or(0, |model| model.generator.resolution());
    let (pictures, _) = PictureSet::open(source, side)?;
    let pictures = Arc::new(pictures);
    models.for_each(|model| model.set_pictures(pictures.clone()));
    let named = match source {
        ImageSource::Avatars => source.name(),
        ImageSource::Folder(path) | ImageSource::Idx(path) => place.path_to(path).display().to_string(),
    };
    Ok(NamedPictures { source: named, count: pictures.count(), side, sha256: pictures.sha256() })
}

/// The pictures of the page.
fn pictures(gallery: &Gallery, audited: &Audited<'_>) -> Result<Pictures, EngineError> {
    let generator = &audited.original.generator;
    let (channels, side) = (generator.image_channels(), generator.resolution());
    let target = audited.judge.target.to_string();
    let picture = |caption: String, images: &[f32], columns: usize| -> Result<Picture, EngineError> {
        let count = images.len() / (channels * side * side);
        let rgb = to_rgb8(images, [count, channels, side, side])
            .ok_or_else(|| EngineError::Internal("pictures of another size than the model's".to_owned()))?;
        let (rgb, side) = halve(rgb, side, TILE);
        let tiles = Tiles { rgb, width: side as u32, height: side as u32 };
        let mut png = std::io::Cursor::new(Vec::new());
        draw_grid(&tiles, columns, &[])?
            .write_to(&mut png, image::ImageFormat::Png)
            .map_err(|error| EngineError::Internal(error.to_string()))?;
        Ok((caption, png.into_inner()))
    };
    let mut pictures = Pictures::default();
    let noun = if generator.completion().is_some() { "completions" } else { "samples" };
    for (what, pair) in [
        (format!("The first {noun}"), &gallery.first),
        (format!("The first {noun} that showed {target}"), &gallery.negatives),
    ] {
        let [before, after] = pair;
        pictures.before_after.push([
            picture(format!("{what}: before"), before, PAIR_COLUMNS)?,
            picture(format!("{what}: after"), after, PAIR_COLUMNS)?,
        ]);
    }
    for (role, space, images) in gallery.found.iter().filter(|(.., images)| !images.is_empty()) {
        let caption = format!("Found in the {} model among {}: the first", role.name(), space.name());
        pictures.found.push(picture(caption, images, COLUMNS)?);
    }
    for (count, images) in gallery.relearned.iter().filter(|(_, images)| !images.is_empty()) {
        let plural = if *count == 1 { "1 picture".to_owned() } else { format!("{count} pictures") };
        pictures.relearned.push(picture(format!("The first {noun} after relearning from {plural}"), images, COLUMNS)?);
    }
    Ok(pictures)
}

fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

/// Where a report stands.
struct Place {
    /// Its folder, and the largest folder around it that is moved as a whole: that of its project, if it stands in it.
    folder: PathBuf,
    moved: PathBuf,
}

impl Place {
    fn of(out: &Path, project: Option<&Path>) -> Result<Self, EngineError> {
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| EngineError::Settings(atomic_file::plain_reason(&error)))
        };
        let folder = absolute(out)?.parent().unwrap_or(Path::new(".")).to_owned();
        let project = project.map(absolute).transpose()?.filter(|project| folder.starts_with(project));
        Ok(Self { moved: project.unwrap_or_else(|| folder.clone()), folder })
    }

    /// How the report names a file: from its own folder what is moved with it, anything else wherever the report is.
    fn path_to(&self, path: &Path) -> PathBuf {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let around = self.folder.ancestors().take_while(|folder| folder.starts_with(&self.moved));
        for (up, folder) in around.enumerate() {
            if let Ok(within) = absolute.strip_prefix(folder) {
                return std::iter::repeat_n("..", up).collect::<PathBuf>().join(within);
            }
        }
        absolute
    }
}

fn write(path: &Path, text: &str) -> Result<(), EngineError> {
    atomic_file::write(path, text.as_bytes()).map_err(|error| {
        EngineError::Settings(format!("{}: cannot be written ({})", path.display(), atomic_file::plain_reason(&error)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_with_a_report_is_named_from_its_folder() {
        let table = [
            // In a project nodes move with each other.
            ("/a/p.unlearn/nodes/2/audit.html", Some("/a/p.unlearn"), "/a/p.unlearn/nodes/1/model.pt", "../1/model.pt"),
            ("/a/p.unlearn/nodes/2/audit.html", Some("/a/p.unlearn"), "/a/p.unlearn/nodes/2/model.pt", "model.pt"),
            ("/a/p.unlearn/nodes/2/audit.html", Some("/a/p.unlearn"), "/a/original.pt", "/a/original.pt"),
            // Beside a project they need not.
            ("/a/report.html", Some("/a/p.unlearn"), "/a/p.unlearn/nodes/2/model.pt", "p.unlearn/nodes/2/model.pt"),
            ("/b/report.html", Some("/a/p.unlearn"), "/a/p.unlearn/nodes/2/model.pt", "/a/p.unlearn/nodes/2/model.pt"),
            ("/a/b/report.html", None, "/a/model.pt", "/a/model.pt"),
            ("/a/b/report.html", None, "/a/b/c/model.pt", "c/model.pt"),
        ];
        for (out, project, file, expected) in table {
            let place = Place::of(Path::new(out), project.map(Path::new)).expect("a place");
            assert_eq!(place.path_to(Path::new(file)), Path::new(expected), "{file} from {out}");
        }
    }
}
