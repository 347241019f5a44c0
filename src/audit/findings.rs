//! An audit from end to end: measure, attack, compare.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{
    error::AuditError,
    examiner::Examiner,
    layers::{BlockDistance, LayerSimilarity, distances, similarities},
    measure::{Answers, Measurements, measure},
    relearn::{RelearnBudget, Relearning, SAMPLES_OF_AN_ITERATION, back, count, looks, relearn},
    search::{SEEN, Search, SearchBudget, SearchResult, Space, search},
    statistics::Rate,
    subject::{Judge, Role, Subject, synthesize},
};
use crate::{
    feedback::{ImagePool, Origin},
    model::Sampler,
    networks::flat::to_vec,
};

/// Seed of the latents that an audit measures on: not the one that feedback is drawn from, nor the one that results are measured on.
pub const AUDIT_SEED: u64 = 2_000_003;
/// Negatives that an audit needs at least.
pub const FEWEST: usize = 10;
/// Samples of each kind that the probe learns from at most.
const LEARNED: usize = 300;
/// Samples that are looked through for them at most, in multiples of the measured ones.
const LOOKED: usize = 2;
/// Latents nearest to the labeler's boundary that are looked at on either side.
const NEAREST: usize = 100;
/// Places on the way back from the result to the original, as parts of the way.
const BACK: [f64; 6] = [0.0, 0.1, 0.25, 0.5, 0.75, 1.0];
/// Pictures in a row of the report's galleries.
pub const GALLERY: usize = 24;
/// A sample climbed costs about as much as so many drawn.
const SAMPLES_OF_A_CLIMB: usize = 4;

/// How long is looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditBudget {
    /// Samples of every model that are measured.
    pub samples: usize,
    /// Latent search.
    pub search: SearchBudget,
    /// Relearning.
    pub relearn: RelearnBudget,
    /// Samples of each kind over which features are compared.
    pub compared: usize,
    /// Samples at each place on the way back.
    pub back: usize,
}

impl Default for AuditBudget {
    fn default() -> Self {
        Self {
            samples: 3000,
            search: SearchBudget { starts: 100, steps: 36 },
            relearn: RelearnBudget { pictures: vec![1, 5, 25], steps: 40, samples: 400, batch: 16, micro_batch: 0 },
            compared: 128,
            back: 400,
        }
    }
}

/// What is audited.
pub struct Audited<'a> {
    /// The model before unlearning.
    pub original: &'a Subject,
    /// The model that is audited.
    pub result: &'a Subject,
    /// A model trained without what must go.
    pub retrained: Option<&'a Subject>,
    /// Who gave the feedback, or would have.
    pub judge: Judge<'a>,
    /// Another labeler, which had nothing to do with the unlearning.
    pub second: Option<Judge<'a>>,
    /// Seed of all latents.
    pub seed: u64,
}

/// What a part of an audit is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Measuring.
    Measure,
    /// Comparing layers.
    Layers,
    /// Latent search.
    Search,
    /// Relearning.
    Relearn,
    /// The way back.
    Back,
}

/// The probe that searches climb.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeFacts {
    /// What it looks at.
    pub sees: String,
    /// How well it tells apart what it did not learn from: area under the ROC curve.
    pub separation: f64,
    /// Negatives and positives it learned from.
    pub learned: [usize; 2],
}

/// A search of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSearch {
    /// Which model.
    pub model: Role,
    /// What was found.
    #[serde(flatten)]
    pub search: Search,
}

/// Samples that are hardest to forget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorstCase {
    /// Which samples.
    pub samples: WorstSamples,
    /// Which model.
    pub model: Role,
    /// How many of them show it.
    pub seen: Rate,
}

/// Which samples are hardest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorstSamples {
    /// Latents that showed it in the original, those of which the labeler was least sure.
    NearestNegatives,
    /// Latents that did not, those of which the labeler was least sure.
    NearestPositives,
    /// Latents that the search in `z` found in the original.
    FoundInZ,
    /// Mapped latents that the search in `w` found in the original.
    FoundInW,
}

/// A training of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelRelearning {
    /// Which model.
    pub model: Role,
    /// What came of it.
    #[serde(flatten)]
    pub relearning: Relearning,
}

/// A place on the straight line from the result's weights to the original's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackPoint {
    /// Part of the way: 0 is the result, 1 the original.
    pub part: f64,
    /// How many samples show it there.
    pub seen: Rate,
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// What the models show.
    pub measurements: Measurements,
    /// How far the weights of each block moved; empty where the networks are not alike.
    pub blocks: Vec<BlockDistance>,
    /// How alike the maps of each layer are; empty where there are none to compare.
    pub layers: Vec<LayerSimilarity>,
    /// The probe that searches climb.
    pub probe: ProbeFacts,
    /// Latent searches.
    pub searches: Vec<ModelSearch>,
    /// The samples that are hardest to forget.
    pub worst: Vec<WorstCase>,
    /// Relearning; empty without a discriminator.
    pub relearning: Vec<ModelRelearning>,
    /// The way back; empty where the networks are not alike.
    pub back: Vec<BackPoint>,
}

/// Pictures that go with the findings, each `[n, channels, side, side]` row-major.
#[derive(Default)]
pub struct Gallery {
    /// The first samples, before and after.
    pub first: [Vec<f32>; 2],
    /// The first samples that showed it, before and after.
    pub negatives: [Vec<f32>; 2],
    /// What searches found, the first of each.
    pub found: Vec<(Role, Space, Vec<f32>)>,
    /// Samples of the result after each relearning.
    pub relearned: Vec<(usize, Vec<f32>)>,
}

/// Counts what is done and asks whether to go on.
struct Work<'a> {
    done: usize,
    of: usize,
    part: Part,
    tell: &'a mut dyn FnMut(Part, usize, usize) -> ControlFlow<()>,
}

impl Work<'_> {
    fn add(&mut self, units: usize) -> ControlFlow<()> {
        self.done += units;
        (self.tell)(self.part, self.done.min(self.of), self.of)
    }

    /// What is done once a part is over, whether or not it took all that was planned; it never goes back.
    fn jump(&mut self, part: Part, done: usize) {
        (self.part, self.done) = (part, done.max(self.done));
    }
}

impl Audited<'_> {
    fn subjects(&self) -> Vec<&Subject> {
        [Some(self.original), Some(self.result), self.retrained].into_iter().flatten().collect()
    }

    /// Looks, for as long as the budget says; `None` if `tell` (told the part, what is done and what there is to do) stopped it.
    pub fn run(
        &self,
        budget: &AuditBudget,
        tell: &mut dyn FnMut(Part, usize, usize) -> ControlFlow<()>,
    ) -> Result<Option<(Findings, Gallery)>, AuditError> {
        let subjects = self.subjects();
        let plan = Plan::of(self, budget);
        let mut work = Work { done: 0, of: plan.total(), part: Part::Measure, tell };
        let measured = measure(&subjects, self.judge, self.second, (self.seed, budget.samples), &mut |n| work.add(n))?;
        let Some((measurements, answers)) = measured else { return Ok(None) };
        let negatives = answers.kind(true);
        let target = self.judge.target.to_string();
        if negatives.len() < FEWEST {
            let (found, looked) = (negatives.len(), budget.samples);
            return Err(AuditError::TooFew { target, found, looked, needed: FEWEST });
        }
        if answers.kind(false).len() < FEWEST {
            return Err(AuditError::NothingElse(target));
        }
        let Some((pools, examiner, probe)) = self.examiner(budget, &mut work)? else { return Ok(None) };

        work.jump(Part::Layers, plan.until_layers());
        let pair = [self.original, self.result];
        let generator = &self.original.generator;
        let blocks = distances(generator, &self.original.weights, &self.result.weights).unwrap_or_default();
        let latents = |negative: bool| {
            let kind = answers.kind(negative).into_iter().take(budget.compared).map(|sample| sample as u64);
            generator.latents(self.seed, kind)
        };
        let kinds = [latents(true), latents(false)];
        let alike = self.original.generator.latent_dim() == self.result.generator.latent_dim();
        let layers = match alike {
            true => similarities(pair, [&kinds[0], &kinds[1]], &mut |n| work.add(n)),
            false => Some(Vec::new()),
        };
        let Some(layers) = layers else { return Ok(None) };

        work.jump(Part::Search, plan.until_search());
        let mut searches = Vec::new();
        let mut gallery = self.gallery(&answers);
        let mut found_in_original: Vec<SearchResult> = Vec::new();
        for subject in &subjects {
            for space in Space::of(subject) {
                let climb = &mut |n: usize| work.add(n * SAMPLES_OF_A_CLIMB);
                let found = search(subject, &examiner, self.judge, space, budget.search, self.seed + 2, climb)?;
                let Some(found) = found else { return Ok(None) };
                searches.push(ModelSearch { model: subject.role, search: found.search.clone() });
                let pictures = found.pictures.iter().take(GALLERY).flatten().copied().collect();
                gallery.found.push((subject.role, space, pictures));
                if subject.role == Role::Original {
                    found_in_original.push(found);
                }
            }
        }
        let worst = self.worst(&answers, &found_in_original)?;

        work.jump(Part::Relearn, plan.until_relearn());
        let mut relearning = Vec::new();
        let samples = budget.relearn.samples;
        let before = count(self.original, &self.original.weights, self.judge, self.seed + 3, samples)?;
        let trained: Vec<_> =
            subjects[1..].iter().filter_map(|subject| Some((*subject, subject.gan.as_ref()?))).collect();
        for (number, &(subject, gan)) in trained.iter().enumerate() {
            for (place, &pictures) in budget.relearn.pictures.iter().enumerate() {
                work.jump(
                    Part::Relearn,
                    plan.until_relearn() + plan.training * (number * budget.relearn.pictures.len() + place),
                );
                let pool = first(&pools, pictures);
                let train = &mut |n: usize| work.add(n * SAMPLES_OF_AN_ITERATION);
                let found = relearn((subject, gan), self.judge, &pool, &budget.relearn, before, self.seed + 3, train)?;
                let Some(found) = found else { return Ok(None) };
                relearning.push(ModelRelearning { model: subject.role, relearning: found.relearning });
                if subject.role == Role::Result {
                    let mut sampler = Sampler::new(&subject.generator, &found.weights);
                    gallery.relearned.push((pool.len(), sampler.render_at(self.seed + 3, 0..GALLERY as u64, 1.0)));
                }
            }
        }

        work.jump(Part::Back, plan.until_back());
        let mut points = Vec::new();
        for part in BACK {
            let Some(weights) = back(&self.original.weights, &self.result.weights, part) else { break };
            let seen = count(self.result, &weights, self.judge, self.seed + 3, budget.back)?;
            points.push(BackPoint { part, seen: Rate::of(seen, budget.back) });
            if work.add(budget.back).is_break() {
                return Ok(None);
            }
        }
        let findings = Findings { measurements, blocks, layers, probe, searches, worst, relearning, back: points };
        Ok(Some((findings, gallery)))
    }

    /// Labelled samples of the original, and what was learned from them.
    fn examiner(
        &self,
        budget: &AuditBudget,
        work: &mut Work<'_>,
    ) -> Result<Option<(ImagePool, Examiner, ProbeFacts)>, AuditError> {
        let original = self.original;
        let mut sampler = Sampler::new(&original.generator, &original.weights);
        let shape = sampler.image_shape();
        let [c, h, w] = shape;
        let chunk = sampler.chunk() * 4;
        let size = c * h * w;
        let mut pools = [true, false].map(|_| ImagePool::new(shape));
        let mut images = [Vec::new(), Vec::new()];
        for start in (0..budget.samples * LOOKED).step_by(chunk) {
            let z = original.generator.latents(self.seed + 1, start as u64..(start + chunk) as u64);
            let pictures = sampler.render(&z, 1.0);
            let seen = self.judge.probabilities(&pictures, [chunk, c, h, w])?;
            let rows = pictures.chunks_exact(size).zip(z.chunks_exact(original.generator.latent_dim())).zip(seen);
            for ((picture, z), seen) in rows {
                let kind = usize::from(seen <= SEEN);
                if pools[kind].len() < LEARNED {
                    pools[kind].push(picture, Origin { z: z.to_vec(), psi: 1.0 });
                    images[kind].extend_from_slice(picture);
                }
            }
            if work.add(chunk).is_break() {
                return Ok(None);
            }
            if pools.iter().all(|pool| pool.len() >= LEARNED) {
                break;
            }
        }
        let most = budget.relearn.pictures.iter().copied().max().unwrap_or_default().max(FEWEST);
        let [negatives, positives] = pools;
        if negatives.len() < most || positives.len() < FEWEST {
            let (found, looked) = (negatives.len(), budget.samples * LOOKED);
            return Err(AuditError::TooFew { target: self.judge.target.to_string(), found, looked, needed: most });
        }
        let discriminator = original.gan.as_ref().map(|gan| (&gan.networks.discriminator, &gan.d));
        let device = original.weights.device();
        let examiner = Examiner::learn(discriminator, [&images[0], &images[1]], shape, original.pass() * 4, &device);
        let probe = ProbeFacts {
            sees: examiner.sees.to_owned(),
            separation: examiner.separation,
            learned: [negatives.len(), positives.len()],
        };
        Ok(Some((negatives, examiner, probe)))
    }

    /// Samples that nobody chose: the first of all, and the first that showed it.
    fn gallery(&self, answers: &Answers) -> Gallery {
        let of = |subject: &Subject, samples: Vec<u64>| {
            Sampler::new(&subject.generator, &subject.weights).render_at(self.seed, samples, 1.0)
        };
        let negatives: Vec<u64> = answers.kind(true).into_iter().take(GALLERY).map(|sample| sample as u64).collect();
        let all: Vec<u64> = (0..GALLERY.min(answers.negative.len()) as u64).collect();
        let pair = |samples: &Vec<u64>| [self.original, self.result].map(|subject| of(subject, samples.clone()));
        Gallery { first: pair(&all), negatives: pair(&negatives), ..Gallery::default() }
    }

    /// The samples that are hardest to forget.
    fn worst(&self, answers: &Answers, found: &[SearchResult]) -> Result<Vec<WorstCase>, AuditError> {
        let mut out = Vec::new();
        let [original, result] = [&answers.probabilities[0], &answers.probabilities[1]];
        for (samples, negative) in [(WorstSamples::NearestNegatives, true), (WorstSamples::NearestPositives, false)] {
            let mut kind = answers.kind(negative);
            kind.sort_by(|a, b| (original[*a] - SEEN).abs().total_cmp(&(original[*b] - SEEN).abs()).then(a.cmp(b)));
            kind.truncate(NEAREST);
            for (model, probabilities) in [(Role::Original, original), (Role::Result, result)] {
                let seen = kind.iter().filter(|&&sample| probabilities[sample] > SEEN).count();
                out.push(WorstCase { samples, model, seen: Rate::of(seen, kind.len()) });
            }
        }
        let result = self.result;
        let same = self.original.weights.layout == result.weights.layout;
        for found in found.iter().filter(|found| same && !found.latents.is_empty()) {
            let samples = match found.search.space {
                Space::Z => WorstSamples::FoundInZ,
                Space::W => WorstSamples::FoundInW,
                Space::WPlus => continue,
            };
            let leaves = result.weights.constants();
            let mut seen = 0;
            for part in found.latents.chunks(result.pass()) {
                let images = match samples {
                    WorstSamples::FoundInZ => result.images(&leaves, &part.concat()),
                    _ => {
                        let data = burn::tensor::TensorData::new(part.concat(), [part.len(), result.generator.w_dim()]);
                        let w = burn::tensor::Tensor::from_data(data, &leaves.device());
                        synthesize(&result.generator, &leaves, result.generator.broadcast(w))
                    }
                };
                let shape = images.dims();
                seen += self.judge.probabilities(&to_vec(images), shape)?.iter().filter(|p| **p > SEEN).count();
            }
            out.push(WorstCase { samples, model: Role::Result, seen: Rate::of(seen, found.latents.len()) });
        }
        Ok(out)
    }
}

/// The first images of a pool.
fn first(pool: &ImagePool, count: usize) -> ImagePool {
    let mut out = ImagePool::new(pool.shape());
    (0..count.min(pool.len())).for_each(|place| out.push(pool.image(place), pool.origin(place).clone()));
    out
}

/// How much there is to do, in samples drawn.
struct Plan {
    measure: usize,
    layers: usize,
    search: usize,
    /// One training.
    training: usize,
    trainings: usize,
    back: usize,
}

impl Plan {
    fn of(audited: &Audited<'_>, budget: &AuditBudget) -> Self {
        let subjects = audited.subjects();
        let searches: usize = subjects.iter().map(|subject| Space::of(subject).len()).sum();
        let trained = subjects[1..].iter().filter(|subject| subject.gan.is_some()).count();
        let AuditBudget { samples, search, relearn, compared, back } = budget;
        Self {
            measure: samples * subjects.len() + samples * LOOKED,
            layers: 4 * compared,
            search: searches * search.starts * (search.steps + 1) * SAMPLES_OF_A_CLIMB,
            training: relearn.steps * relearn.batch * SAMPLES_OF_AN_ITERATION
                + looks(relearn.steps).len() * relearn.samples,
            trainings: trained * relearn.pictures.len(),
            back: back * BACK.len(),
        }
    }

    fn until_layers(&self) -> usize {
        self.measure
    }

    fn until_search(&self) -> usize {
        self.measure + self.layers
    }

    fn until_relearn(&self) -> usize {
        self.until_search() + self.search
    }

    fn until_back(&self) -> usize {
        self.until_relearn() + self.training * self.trainings
    }

    fn total(&self) -> usize {
        self.until_back() + self.back
    }
}
