//! How well pictures are completed, noted while they are.

use serde::{Deserialize, Serialize};

use super::{
    error::AuditError,
    subject::{Judge, Subject},
};
use crate::metrics::{Completed, CompletionQuality, Labels, Target, completion_quality, hidden_errors};

/// How one model completes pictures, by what the labeler sees in the pictures themselves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completions {
    /// Those that show what must be gone; none if there are none.
    pub forgotten: Option<CompletionQuality>,
    /// All others.
    pub kept: Option<CompletionQuality>,
}

/// How many pictures were completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletedPictures {
    /// Those that show what must be gone.
    pub forgotten: usize,
    /// All others.
    pub kept: usize,
}

/// What is known of the pictures and of every model's completions of them.
pub(super) struct CompletionTally {
    /// What the labeler says of the pictures themselves.
    pictures: Option<Labels>,
    /// `[models][pictures]`: the squared error over hidden pixels, summed, and how many values that are.
    errors: Vec<Vec<(f64, usize)>>,
    /// The pictures that were shown last, `[n, channels, side, side]`.
    shown: Vec<f32>,
    /// Which of their pixels are hidden, `[n, side, side]`.
    hidden: Vec<bool>,
    shape: [usize; 3],
}

impl CompletionTally {
    pub(super) fn of(models: usize) -> Self {
        Self { pictures: None, errors: vec![Vec::new(); models], shown: Vec::new(), hidden: Vec::new(), shape: [0; 3] }
    }

    /// The next pictures, which all models complete.
    pub(super) fn show(
        &mut self,
        subject: &Subject,
        (seed, indices): (u64, &[u64]),
        judge: Judge<'_>,
    ) -> Result<(), AuditError> {
        let generator = &subject.generator;
        let Some(network) = generator.completion() else { return Ok(()) };
        let rows = generator.latents(seed, indices.iter().copied());
        (self.shown, self.hidden) = (network.originals(&rows), network.hidden(&rows));
        let side = generator.resolution();
        self.shape = [generator.image_channels(), side, side];
        let [c, h, w] = self.shape;
        let labels = judge.labeler.label_head(judge.target.head_number(), &self.shown, [indices.len(), c, h, w])?;
        match &mut self.pictures {
            Some(all) => all.append(labels),
            none => *none = Some(labels),
        }
        Ok(())
    }

    /// What a model made of them; nothing of one that hides other pixels than the first, by which it cannot be compared.
    pub(super) fn note(&mut self, model: usize, [first, subject]: [&Subject; 2], images: &[f32]) {
        let masks = |subject: &Subject| {
            let generator = &subject.generator;
            generator.completion().map(|network| (network.patches(), network.mask_ratio()))
        };
        if masks(first) == masks(subject) {
            self.errors[model].extend(hidden_errors(images, &self.shown, &self.hidden, self.shape));
        }
    }

    /// The places of the pictures that show what must be gone, and of the others.
    pub(super) fn split(&self, target: &Target) -> [Vec<usize>; 2] {
        let classes = self.pictures.as_ref().map_or(&[][..], |labels| &labels.classes);
        let (forgotten, kept) = (0..classes.len()).partition(|&place| target.holds(classes[place]));
        [forgotten, kept]
    }

    /// How a model completes both kinds, if it could be noted; `labels` is what the labeler says of its completions, head by head, features with the first.
    pub(super) fn quality(
        &self,
        model: usize,
        labels: &[Labels],
        head: usize,
        [forgotten, kept]: &[Vec<usize>; 2],
    ) -> Result<Option<Completions>, AuditError> {
        if self.errors[model].is_empty() {
            return Ok(None);
        }
        let mut own = labels[head].clone();
        own.features.clone_from(&labels[0].features);
        let completed = Completed { labels: own, errors: self.errors[model].clone() };
        let of = |rows: &[usize]| -> Result<Option<CompletionQuality>, AuditError> {
            let Some(pictures) = self.pictures.as_ref().filter(|_| !rows.is_empty()) else { return Ok(None) };
            Ok(Some(completion_quality(&completed, pictures, rows)?))
        };
        Ok(Some(Completions { forgotten: of(forgotten)?, kept: of(kept)? }))
    }
}
