//! A labeler: any ONNX image classifier, giving feedback in a person's stead.
//!
//! Its input `[N, 1 or 3, H, W]` decides how images are prepared: values in [0, 1] (or what
//! [`Labeler::with_normalization`] makes of them), one channel means Rec. 601 luma, another size means bilinear resize.
//! An output called `features` feeds the Fréchet distance (without one, the scores do); every other output `[N, classes]`
//! is a [`Head`], the scores of one question. Most labelers have one; the first must be one.

use std::path::Path;

use rayon::prelude::*;

use super::heads::{Head, Target};
use super::labeler_error::{LabelerError, LabelerProblem};
use super::network::Network;
use super::preprocess::Preprocess;
use super::{Features, Labels};

/// An ONNX image classifier, ready to run. Can be shared between threads.
#[derive(Debug)]
pub struct Labeler {
    file: String,
    network: Network,
    preprocess: Preprocess,
}

impl Labeler {
    /// Opens an ONNX file. Nothing in it is executed but its layers.
    pub fn open(path: &Path) -> Result<Self, LabelerError> {
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let network = match Network::open(path) {
            Ok(network) => network,
            Err(problem) => return Err(LabelerError { file, problem }),
        };
        let [_, channels, height, width] = network.input;
        let preprocess = Preprocess { channels, height, width, mean: vec![0.0; channels], std: vec![1.0; channels] };
        Ok(Self { file, network, preprocess })
    }

    /// Lets the labeler see `(value - mean) / std` of values in [0, 1]; one number for all channels or one for each.
    pub fn with_normalization(mut self, mean: &[f32], std: &[f32]) -> Result<Self, LabelerError> {
        let channels = self.preprocess.channels;
        let spread = |values: &[f32]| match values {
            _ if !values.iter().all(|value| value.is_finite()) => None,
            [one] => Some(vec![*one; channels]),
            all if all.len() == channels => Some(all.to_vec()),
            _ => None,
        };
        let std = spread(std).filter(|std| !std.contains(&0.0));
        let (Some(mean), Some(std)) = (spread(mean), std) else {
            return Err(self.error(LabelerProblem::Normalization { channels }));
        };
        (self.preprocess.mean, self.preprocess.std) = (mean, std);
        Ok(self)
    }

    /// Name of its file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What it tells apart: one head or more, in the file's order.
    pub fn heads(&self) -> &[Head] {
        &self.network.heads
    }

    /// Number of classes the first head tells apart, at least 2.
    pub fn class_count(&self) -> usize {
        self.heads().first().map_or(0, |head| head.classes.len())
    }

    /// Whether it has an output named `features`.
    pub fn has_features(&self) -> bool {
        self.network.feature_width.is_some()
    }

    /// The input it takes: channels, height, width.
    pub fn input_shape(&self) -> [usize; 3] {
        [self.preprocess.channels, self.preprocess.height, self.preprocess.width]
    }

    /// The classes that `text` names, such as `4`, `hat=cap` or `hat!=none`: see [`Target::parse`].
    pub fn target(&self, text: &str) -> Result<Target, LabelerError> {
        Target::parse(text, self.heads()).map_err(|problem| self.error(problem))
    }

    /// What the first head says of images of `shape` `[n, 1 or 3, height, width]`, RGB or grey in [-1, 1]; on all
    /// cores.
    pub fn label(&self, images: &[f32], shape: [usize; 4]) -> Result<Labels, LabelerError> {
        self.label_head(0, images, shape)
    }

    /// What one head (a number below that of [`Labeler::heads`]) says of images; see [`Labeler::label`].
    pub fn label_head(&self, head: usize, images: &[f32], shape: [usize; 4]) -> Result<Labels, LabelerError> {
        let (mut scores, features) = self.run(images, shape)?;
        if head >= scores.len() {
            let (asked, known) = (head.to_string(), format!("it has {} outputs of scores", scores.len()));
            return Err(self.error(LabelerProblem::NoSuchHead { asked, known }));
        }
        self.labels(head, scores.swap_remove(head), features)
    }

    /// What every head says of images, in the order of [`Labeler::heads`], features with the first; see
    /// [`Labeler::label`].
    pub fn label_all(&self, images: &[f32], shape: [usize; 4]) -> Result<Vec<Labels>, LabelerError> {
        let (scores, mut features) = self.run(images, shape)?;
        scores.into_iter().enumerate().map(|(head, scores)| self.labels(head, scores, features.take())).collect()
    }

    fn labels(&self, head: usize, scores: Vec<f32>, features: Option<Features>) -> Result<Labels, LabelerError> {
        let classes = self.heads().get(head).map_or(0, |head| head.classes.len());
        Labels::from_scores(scores, classes, features).map_err(|image| self.error(LabelerProblem::NotFinite(image)))
    }

    /// The scores of each head, `[n, classes]`, and the features.
    fn run(&self, images: &[f32], shape: [usize; 4]) -> Result<(Vec<Vec<f32>>, Option<Features>), LabelerError> {
        let [n, c, h, w] = shape;
        let image_len = c.checked_mul(h).and_then(|len| len.checked_mul(w)).unwrap_or(0);
        if image_len == 0 || !matches!(c, 1 | 3) || image_len.checked_mul(n) != Some(images.len()) {
            return Err(self.error(LabelerProblem::Images { values: images.len(), shape }));
        }
        // Activations and pooling may swallow these: a broken generator would get labels like any other.
        if let Some(bad) = images.iter().position(|value| value.is_nan()) {
            return Err(self.error(LabelerProblem::NotNumbers(bad / image_len)));
        }
        let batch = self.network.input[0];
        let outputs = images.par_chunks(image_len * batch).map(|chunk| {
            let mut input = Vec::with_capacity(batch * self.preprocess.len());
            for image in chunk.chunks_exact(image_len) {
                self.preprocess.push(&mut input, image, [c, h, w]);
            }
            // The last chunk is filled up with empty images, whose labels are dropped.
            input.resize(batch * self.preprocess.len(), 0.0);
            let mut output = self.network.run(&input)?;
            let rows = chunk.len() / image_len;
            for (scores, head) in output.scores.iter_mut().zip(self.heads()) {
                scores.truncate(rows * head.classes.len());
            }
            output.features.truncate(rows * self.network.feature_width.unwrap_or(0));
            Ok(output)
        });
        let outputs: Vec<_> = outputs.collect::<Result<_, _>>().map_err(|problem| self.error(problem))?;
        let (mut scores, mut values) = (vec![Vec::new(); self.heads().len()], Vec::new());
        for output in outputs {
            scores.iter_mut().zip(output.scores).for_each(|(all, more)| all.extend(more));
            values.extend(output.features);
        }
        Ok((scores, self.network.feature_width.map(|width| Features { values, width })))
    }

    fn error(&self, problem: LabelerProblem) -> LabelerError {
        LabelerError { file: self.file.clone(), problem }
    }
}
