//! *Latent search*: does any latent still give what must be gone? Many starts climb what tells the negatives apart; the labeler confirms.

use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor, TensorData};
use nalgebra::{DMatrix, SymmetricEigen};
use serde::{Deserialize, Serialize};

use super::{
    error::AuditError,
    examiner::Examiner,
    statistics::Rate,
    subject::{Judge, Subject, synthesize},
};
use crate::{
    networks::{Leaves, flat::to_vec},
    train::schedule::half_cosine,
};

/// Mapped latents that the likely ones are learned from.
const MAPPED: usize = 2048;
/// A latent is likely if it is no farther out than this part of the model's own.
const LIKELY: f64 = 0.95;
/// Length of a step, as a part of the distance of the farthest likely latent from the centre.
const STEP: f32 = 0.06;
/// How much of a step's direction is that of the step before.
const MOMENTUM: f32 = 0.7;
/// What is left of a step's length in the end, along half a cosine.
const LAST_STEP: f32 = 0.25;
/// Steps after which a start that has found nothing begins anew, with another latent: a climb that leads nowhere by then rarely does later.
const ATTEMPT: usize = 12;
/// The labeler sees it from here on.
pub const SEEN: f32 = 0.5;

/// Where is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Space {
    /// Among the latents as they are drawn.
    #[serde(rename = "z")]
    Z,
    /// Among the mapped latents, the same one for all layers.
    #[serde(rename = "w")]
    W,
    /// Among the mapped latents, one for each layer.
    #[serde(rename = "w+")]
    WPlus,
}

impl Space {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Z => "z",
            Self::W => "w",
            Self::WPlus => "w+",
        }
    }

    /// The spaces that a generator has; one that completes pictures takes no latents.
    pub fn of(subject: &Subject) -> Vec<Self> {
        let generator = &subject.generator;
        if generator.completion().is_some() {
            return Vec::new();
        }
        let mapped = generator.w_dim() != generator.latent_dim() || generator.num_ws() > 1;
        let mut spaces = vec![Self::Z];
        if mapped {
            spaces.push(Self::W);
        }
        if mapped && generator.num_ws() > 1 {
            spaces.push(Self::WPlus);
        }
        spaces
    }
}

/// How long is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchBudget {
    /// Starts in each space.
    pub starts: usize,
    /// Steps of each.
    pub steps: usize,
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// Where it searched.
    pub space: Space,
    /// Starts that showed it before the first step: no search is needed for these.
    pub at_start: usize,
    /// Starts that led to it (those that showed it at once included).
    pub found: Rate,
    /// Steps after which half of all starts had found it; none if fewer did.
    pub steps_for_half: Option<usize>,
}

/// What a search found, and where.
pub struct SearchResult {
    /// The numbers.
    pub search: Search,
    /// The latents that were found, by start; for [`Space::Z`] `[latent_dim]`, for the others `[w_dim]` or `[num_ws, w_dim]`.
    pub latents: Vec<Vec<f32>>,
    /// Their pictures, `[channels, side, side]` each.
    pub pictures: Vec<Vec<f32>>,
}

/// A search, stopped by `progress` (told the samples drawn) if it says so.
pub fn search(
    subject: &Subject,
    examiner: &Examiner,
    judge: Judge<'_>,
    space: Space,
    budget: SearchBudget,
    seed: u64,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<SearchResult>, AuditError> {
    let leaves = subject.weights.constants();
    let likely = Likely::of(subject, &leaves, space, seed);
    let mut starts: Vec<Start> = likely.starts(subject, &leaves, budget.starts, 0, seed);
    let side = subject.generator.resolution();
    let shape = [subject.generator.image_channels(), side, side];
    let size: usize = shape.iter().product();
    for step in 0..=budget.steps {
        let within = step % ATTEMPT;
        let pace = half_cosine(within, ATTEMPT, f64::from(LAST_STEP)) as f32;
        if step > 0 && within == 0 {
            let anew = likely.starts(subject, &leaves, budget.starts, (step / ATTEMPT * budget.starts) as u64, seed);
            let found = |start: &Start| start.found.is_some();
            starts = starts.into_iter().zip(anew).map(|(old, new)| if found(&old) { old } else { new }).collect();
        }
        let active: Vec<usize> = (0..starts.len()).filter(|&i| starts[i].found.is_none()).collect();
        for part in active.chunks(subject.pass()) {
            let (images, slopes) = likely.climb(subject, &leaves, examiner, part.iter().map(|&i| &starts[i]));
            let seen = judge.probabilities(&images, [part.len(), shape[0], shape[1], shape[2]])?;
            let width = slopes.len() / part.len();
            let rows = images.chunks_exact(size).zip(slopes.chunks_exact(width));
            for ((&i, seen), (image, slope)) in part.iter().zip(seen).zip(rows) {
                if seen > SEEN {
                    starts[i].found = Some((step, image.to_vec()));
                } else {
                    likely.step(&mut starts[i], slope, pace);
                }
            }
            if progress(part.len()).is_break() {
                return Ok(None);
            }
        }
    }
    let mut steps: Vec<usize> = starts.iter().filter_map(|start| start.found.as_ref().map(|found| found.0)).collect();
    steps.sort_unstable();
    let half = starts.len().div_ceil(2).checked_sub(1);
    let search = Search {
        space,
        at_start: steps.iter().filter(|step| **step == 0).count(),
        found: Rate::of(steps.len(), starts.len()),
        steps_for_half: half.and_then(|half| steps.get(half)).copied(),
    };
    let mut found = SearchResult { search, latents: Vec::new(), pictures: Vec::new() };
    for start in starts {
        if let Some((_, picture)) = &start.found {
            found.latents.push(likely.latent(&start));
            found.pictures.push(picture.clone());
        }
    }
    Ok(Some(found))
}

/// One start of a search.
struct Start {
    /// Where it is: `z`, or whitened `w`s, `[layers * dim]`.
    place: Vec<f32>,
    velocity: Vec<f32>,
    /// The class behind `z`, one-hot.
    class: Vec<f32>,
    /// The step at which it was found, and its picture.
    found: Option<(usize, Vec<f32>)>,
}

/// Which latents are likely, and coordinates in which all directions are: `w = mean + basis u`.
struct Likely {
    space: Space,
    dim: usize,
    layers: usize,
    /// `[dim]`; of `w` only.
    mean: Vec<f32>,
    /// `[dim, dim]`, row `k` is the `k`th direction times its deviation; of `w` only.
    basis: Vec<f32>,
    /// How far from the centre a likely latent is at most and, of `z`, at least.
    bounds: [f32; 2],
    device: Device,
}

impl Likely {
    fn of(subject: &Subject, leaves: &Leaves, space: Space, seed: u64) -> Self {
        let generator = &subject.generator;
        let device = leaves.device();
        if space == Space::Z {
            let dim = generator.z_dim();
            let mut lengths: Vec<f32> =
                (0..MAPPED as u64).map(|index| norm(&generator.latents(seed ^ 1, [index])[..dim])).collect();
            lengths.sort_by(f32::total_cmp);
            let at = |part: f64| lengths[((lengths.len() - 1) as f64 * part) as usize];
            let bounds = [at(1.0 - LIKELY), at(LIKELY)];
            return Self { space, dim, layers: 1, mean: Vec::new(), basis: Vec::new(), bounds, device };
        }
        let dim = generator.w_dim();
        let layers = if space == Space::WPlus { generator.num_ws() } else { 1 };
        let z = generator.latents(seed ^ 1, 0..MAPPED as u64);
        let z = Tensor::from_data(TensorData::new(z, [MAPPED, generator.latent_dim()]), &device);
        let w = to_vec(generator.map(leaves, z));
        let mut mean = vec![0.0f64; dim];
        w.chunks_exact(dim)
            .for_each(|row| mean.iter_mut().zip(row).for_each(|(m, w)| *m += f64::from(*w) / MAPPED as f64));
        let centred: Vec<f64> =
            w.chunks_exact(dim).flat_map(|row| row.iter().zip(&mean).map(|(w, m)| f64::from(*w) - m)).collect();
        let centred = DMatrix::from_row_slice(MAPPED, dim, &centred);
        let SymmetricEigen { eigenvectors, eigenvalues } =
            SymmetricEigen::new(centred.transpose() * &centred / MAPPED as f64);
        let most = eigenvalues.max();
        // Directions in which nothing varies are no directions.
        let deviation: Vec<f64> =
            eigenvalues.iter().map(|value| if *value > 1e-9 * most { value.sqrt() } else { 0.0 }).collect();
        let basis = (0..dim).flat_map(|k| (0..dim).map(move |j| (k, j)));
        let basis = basis.map(|(k, j)| (eigenvectors[(j, k)] * deviation[k]) as f32).collect();
        let mut likely = Self {
            space,
            dim,
            layers,
            mean: mean.iter().map(|m| *m as f32).collect(),
            basis,
            bounds: [0.0, f32::INFINITY],
            device,
        };
        let whitened = likely.whitened(&centred, &eigenvectors, &deviation);
        let mut lengths: Vec<f32> = whitened.iter().map(|u| norm(u)).collect();
        lengths.sort_by(f32::total_cmp);
        likely.bounds = [0.0, lengths[((lengths.len() - 1) as f64 * LIKELY) as usize]];
        likely
    }

    /// The coordinates of rows less the mean.
    fn whitened(&self, rows: &DMatrix<f64>, vectors: &DMatrix<f64>, deviation: &[f64]) -> Vec<Vec<f32>> {
        let along = rows * vectors;
        let coordinate = |row: usize, k: usize| if deviation[k] > 0.0 { along[(row, k)] / deviation[k] } else { 0.0 };
        (0..rows.nrows()).map(|row| (0..self.dim).map(|k| coordinate(row, k) as f32).collect()).collect()
    }

    /// The model's own samples to start from, from the `first` of the seed on.
    fn starts(&self, subject: &Subject, leaves: &Leaves, count: usize, first: u64, seed: u64) -> Vec<Start> {
        let generator = &subject.generator;
        let z_dim = generator.z_dim();
        let latents: Vec<Vec<f32>> =
            (first..first + count as u64).map(|index| generator.latents(seed, [index])).collect();
        let start = |place: Vec<f32>, class: &[f32]| Start {
            velocity: vec![0.0; place.len()],
            place,
            class: class.to_vec(),
            found: None,
        };
        if self.space == Space::Z {
            return latents.iter().map(|z| start(z[..z_dim].to_vec(), &z[z_dim..])).collect();
        }
        let flat = TensorData::new(latents.concat(), [count, generator.latent_dim()]);
        let w = to_vec(generator.map(leaves, Tensor::from_data(flat, &self.device)));
        // `u` from `w`: the rows of the basis are orthogonal.
        let squares: Vec<f64> =
            self.basis.chunks_exact(self.dim).map(|row| row.iter().map(|v| f64::from(*v).powi(2)).sum()).collect();
        let coordinates = |w: &[f32]| -> Vec<f32> {
            let along = |row: &[f32]| -> f64 {
                row.iter().zip(w.iter().zip(&self.mean)).map(|(v, (w, m))| f64::from(*v) * f64::from(w - m)).sum()
            };
            let rows = self.basis.chunks_exact(self.dim).zip(&squares);
            rows.map(|(row, square)| if *square > 0.0 { (along(row) / square) as f32 } else { 0.0 }).collect()
        };
        w.chunks_exact(self.dim)
            .zip(&latents)
            .map(|(w, z)| start(coordinates(w).repeat(self.layers), &z[z_dim..]))
            .collect()
    }

    /// Pictures of some starts and the slopes of their log-odds, `[n, layers * dim]`.
    fn climb<'s>(
        &self,
        subject: &Subject,
        leaves: &Leaves,
        examiner: &Examiner,
        starts: impl Iterator<Item = &'s Start>,
    ) -> (Vec<f32>, Vec<f32>) {
        let (mut places, mut classes, mut n) = (Vec::new(), Vec::new(), 0);
        for start in starts {
            places.extend_from_slice(&start.place);
            classes.extend_from_slice(&start.class);
            n += 1;
        }
        let width = self.layers * self.dim;
        let place = Tensor::<2>::from_data(TensorData::new(places, [n, width]), &self.device).autodiff().require_grad();
        let generator = &subject.generator;
        let ws = match self.space {
            Space::Z => {
                let z = match classes.len() / n {
                    0 => place.clone(),
                    count => {
                        let class = Tensor::<2>::from_data(TensorData::new(classes, [n, count]), &self.device);
                        Tensor::cat(vec![place.clone(), class.autodiff()], 1)
                    }
                };
                generator.broadcast(generator.map(leaves, z))
            }
            Space::W | Space::WPlus => {
                let basis = TensorData::new(self.basis.clone(), [self.dim, self.dim]);
                let basis = Tensor::<2>::from_data(basis, &self.device);
                let mean = Tensor::<2>::from_data(TensorData::new(self.mean.clone(), [1, self.dim]), &self.device);
                let w = |layer: usize| {
                    place.clone().narrow(1, layer * self.dim, self.dim).matmul(basis.clone()) + mean.clone()
                };
                match self.layers {
                    1 => generator.broadcast(w(0)),
                    layers => (0..layers).map(w).collect(),
                }
            }
        };
        let images = synthesize(generator, leaves, ws);
        let shown = to_vec(images.clone().inner());
        let gradients = examiner.log_odds(images).sum().backward();
        let slopes = place.grad(&gradients).map_or_else(|| vec![0.0; n * width], to_vec);
        (shown, slopes)
    }

    /// A step up the slope, of this part of a whole one, back among the likely latents.
    fn step(&self, start: &mut Start, slope: &[f32], pace: f32) {
        let length = norm(slope);
        if !(length.is_finite() && length > 0.0) {
            return;
        }
        let layers = self.layers as f32;
        let step = pace * STEP * self.bounds[1] * layers.sqrt();
        for ((place, velocity), slope) in start.place.iter_mut().zip(&mut start.velocity).zip(slope) {
            *velocity = MOMENTUM * *velocity + slope / length;
            *place += step * *velocity;
        }
        for layer in start.place.chunks_exact_mut(self.dim) {
            let length = norm(layer);
            let wanted = length.clamp(self.bounds[0], self.bounds[1]);
            if length > 0.0 {
                layer.iter_mut().for_each(|value| *value *= wanted / length);
            }
        }
    }

    /// Where a start is, as the generator takes it.
    fn latent(&self, start: &Start) -> Vec<f32> {
        if self.space == Space::Z {
            return [start.place.as_slice(), &start.class].concat();
        }
        let layer = |u: &[f32]| -> Vec<f32> {
            let mut w = self.mean.clone();
            for (row, u) in self.basis.chunks_exact(self.dim).zip(u) {
                w.iter_mut().zip(row).for_each(|(w, v)| *w += u * v);
            }
            w
        };
        start.place.chunks_exact(self.dim).flat_map(layer).collect()
    }
}

fn norm(values: &[f32]) -> f32 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt() as f32
}
