//! The pictures that a model completes.

use std::sync::Arc;

use super::{error::EngineError, pictures_card::PicturesCard, session::Session};
use crate::data::{ImageSource, PictureNotes, PictureSet};

/// Opens pictures for the session's model; gives what the person should know. On failure those that were open stay.
pub(super) fn open_pictures(
    session: &mut Session,
    source: &ImageSource,
) -> Result<(PicturesCard, Vec<String>), EngineError> {
    let model = session.model()?;
    if model.generator.completion().is_none() {
        return Err(EngineError::State(
            "the open model draws samples by itself; pictures are for models that complete them",
        ));
    }
    let (pictures, notes) = PictureSet::open(source, model.generator.resolution())?;
    drop(model);
    let card = PicturesCard { source: source.clone(), count: crate::networks::Pictures::count(&pictures) };
    session.set_pictures(Some(Arc::new(pictures)))?;
    if let Some(project) = &mut session.project
        && project.read_only().is_none()
    {
        project.set_pictures(serde_json::to_value(source).ok())?;
    }
    Ok((card, sentences(source, &notes, session.model()?.generator.resolution())))
}

/// Opens the pictures that the open project was last used with, if it names some.
pub(super) fn open_remembered(session: &mut Session) -> Option<Result<(PicturesCard, Vec<String>), EngineError>> {
    let remembered = session.project.as_ref()?.manifest().pictures.clone()?;
    let source: ImageSource = serde_json::from_value(remembered).ok()?;
    if session.pictures().is_some_and(|pictures| *pictures.source() == source) {
        return None;
    }
    session.model().ok()?.generator.completion()?;
    Some(open_pictures(session, &source))
}

/// What is worth saying of pictures that were opened.
pub(super) fn sentences(source: &ImageSource, notes: &PictureNotes, side: usize) -> Vec<String> {
    let mut out = Vec::new();
    if notes.resized > 0 {
        let (count, name) = (notes.resized, source.name());
        out.push(format!("{name}: {count} pictures have another size and are brought to {side}x{side} pixels"));
    }
    let names: Vec<_> = notes.skipped.iter().filter_map(|p| p.file_name()).map(|n| n.to_string_lossy()).collect();
    if !names.is_empty() {
        /// As many as fit a sentence.
        const SHOWN: usize = 6;
        let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
        let shown = names[..names.len().min(SHOWN)].join(", ");
        out.push(format!("{}: not readable as pictures: {shown}{more}", source.name()));
    }
    out
}
