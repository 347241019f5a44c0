//! Training data without what a model must never learn.

use std::path::{Path, PathBuf};

use super::{error::EngineError, request::Exclusion};
use crate::{
    data::{ImageSet, ImageSource, avatars::Attributes, idx::read_labels},
    metrics::{Head, Target},
};

/// Pictures that a labeler looks at together.
const LOOKED: usize = 256;
/// Fewer images are nothing to train on.
const FEWEST: usize = 2;

/// The images that do not show what is to be left out; the error is one sentence.
pub(super) fn without(data: &ImageSource, images: ImageSet, exclusion: &Exclusion) -> Result<ImageSet, EngineError> {
    let refused = |reason: String| EngineError::Settings(format!("--exclude {}: {reason}", exclusion.classes));
    let parse =
        |heads: &[Head]| Target::parse(&exclusion.classes, heads).map_err(|problem| refused(problem.to_string()));
    let before = images.len();
    let left = match data {
        ImageSource::Avatars => {
            let shares = Attributes::shares();
            let classes =
                |values: &Vec<(&str, f64)>| values.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
            let heads: Vec<Head> = Attributes::NAMES
                .iter()
                .zip(&shares)
                .map(|(name, values)| Head { name: (*name).to_owned(), classes: classes(values) })
                .collect();
            let target = parse(&heads)?;
            let head = target.head_number();
            let shows: Vec<bool> = (0..before)
                .map(|number| {
                    let value = images.attributes(number).map(|attributes| attributes.values()[head]);
                    let class = heads[head].classes.iter().position(|class| Some(class.as_str()) == value);
                    class.is_some_and(|class| target.holds(class))
                })
                .collect();
            images.without(|number| shows[number])
        }
        ImageSource::Idx(path) => {
            let file =
                exclusion.labels.clone().or_else(|| beside(path)).ok_or_else(|| {
                    refused(format!("no labels lie beside {}; name them with --labels", path.display()))
                })?;
            let labels = read_labels(&file)?;
            if labels.len() != before {
                let (there, path) = (labels.len(), path.display());
                return Err(refused(format!("{} has {there} labels, {path} has {before} images", file.display())));
            }
            let classes = labels.iter().copied().max().map_or(1, |most| usize::from(most) + 1);
            let target = parse(&[Head::numbered("label", classes)])?;
            images.without(|number| target.holds(usize::from(labels[number])))
        }
        ImageSource::Folder(_) => {
            let spec = exclusion.labeler.as_ref();
            let spec =
                spec.ok_or_else(|| refused("the pictures of a folder have no labels; name a --labeler".to_owned()))?;
            let labeler = spec.open()?;
            let target = labeler.target(&exclusion.classes)?;
            let side = images.side();
            let mut shows = Vec::with_capacity(before);
            for first in (0..before).step_by(LOOKED) {
                let numbers: Vec<usize> = (first..(first + LOOKED).min(before)).collect();
                let found = labeler.label_head(
                    target.head_number(),
                    &images.images(&numbers),
                    [numbers.len(), 3, side, side],
                )?;
                shows.extend(found.classes.into_iter().map(|class| target.holds(class)));
            }
            images.without(|number| shows[number])
        }
    };
    match left.len() {
        left if left == before => Err(refused(format!("none of the {before} images shows it"))),
        left if left < FEWEST => Err(refused(format!("{left} of the {before} images would be left"))),
        _ => Ok(left),
    }
}

/// The labels that lie beside images under MNIST's names: `...-images-idx3-ubyte` and `...-labels-idx1-ubyte`, with or without `.gz`.
fn beside(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?.replace("images-idx3", "labels-idx1");
    let plain = name.trim_end_matches(".gz").to_owned();
    let found = [name.clone(), plain.clone(), plain + ".gz"].into_iter().map(|name| images.with_file_name(name));
    found.filter(|path| path != images).find(|path| path.is_file())
}
