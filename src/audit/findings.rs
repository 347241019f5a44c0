//! An audit from end to end: measure, attack, compare.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::{
    budget::{AuditBudget, Part},
    error::AuditError,
    examiner::Examiner,
    layers::{BlockDistance, LayerSimilarity, distances, similarities},
    learner::Lessons,
    measure::{Answers, FEWEST, Measurements, ModelMeasurement, measure},
    plan::{BACK, LOOKED, Plan, SAMPLES_OF_A_CLIMB, Work},
    relearn::{Relearning, SAMPLES_OF_AN_ITERATION, back, count, relearn},
    search::{SEEN, Search, SearchResult, Space, search},
    statistics::Rate,
    subject::{Judge, Role, Subject},
    worst::{WorstCase, WorstSamples, masked, worst},
};
use crate::{
    feedback::{ImagePool, Origin},
    model::Sampler,
};

/// Seed of the latents that an audit measures on: not the one that feedback is drawn from, nor the one that results are measured on.
pub const AUDIT_SEED: u64 = 2_000_003;
/// Samples of each kind that the probe learns from at most.
const LEARNED: usize = 300;
/// Pictures in a row of the report's galleries.
pub const GALLERY: usize = 24;
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

/// A probe that learned what is searched for, and what is said of it.
type Probing = (Examiner, ProbeFacts);

/// A search of one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSearch {
    /// Which model.
    pub model: Role,
    /// What was found.
    #[serde(flatten)]
    pub search: Search,
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
    /// The probe that searches climb; none where no latents are searched.
    pub probe: Option<ProbeFacts>,
    /// Latent searches.
    pub searches: Vec<ModelSearch>,
    /// The samples that are hardest to forget.
    pub worst: Vec<WorstCase>,
    /// Relearning; empty if it was left out.
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

impl Findings {
    /// What a model shows.
    pub fn model(&self, role: Role) -> Option<&ModelMeasurement> {
        self.measurements.models.iter().find(|model| model.model == role)
    }

    /// How many of these samples show it in a model, where that was looked at.
    pub fn worst_case(&self, samples: WorstSamples, role: Role) -> Option<Rate> {
        self.worst.iter().find(|case| case.samples == samples && case.model == role).map(|case| case.seen)
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
        let plan = Plan::of(&subjects, budget);
        let mut work = Work::new(&plan, tell);
        let measured = measure(&subjects, self.judge, self.second, (self.seed, budget.samples), &mut |n| work.add(n))?;
        let Some((measurements, answers)) = measured else { return Ok(None) };
        let negatives = answers.kind(true);
        let target = self.judge.target.to_string();
        if negatives.len() < FEWEST {
            let (found, looked) = (negatives.len(), measurements.samples);
            return Err(AuditError::TooFew { target, found, looked, needed: FEWEST });
        }
        if answers.kind(false).len() < FEWEST {
            return Err(AuditError::NothingElse(target));
        }
        let Some((lessons, examiner)) = self.lessons(budget, &mut work)? else { return Ok(None) };

        work.jump(Part::Layers, plan.until_layers());
        let pair = [self.original, self.result];
        let generator = &self.original.generator;
        let blocks = distances(generator, &self.original.weights, &self.result.weights).unwrap_or_default();
        let latents =
            |negative: bool| generator.latents(self.seed, answers.samples(negative).into_iter().take(budget.compared));
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
        if let Some((examiner, _)) = &examiner {
            for subject in &subjects {
                for space in Space::of(subject) {
                    let climb = &mut |n: usize| work.add(n * SAMPLES_OF_A_CLIMB);
                    let found = search(subject, examiner, self.judge, space, budget.search, self.seed + 2, climb)?;
                    let Some(found) = found else { return Ok(None) };
                    searches.push(ModelSearch { model: subject.role, search: found.search.clone() });
                    let pictures = found.pictures.iter().take(GALLERY).flatten().copied().collect();
                    gallery.found.push((subject.role, space, pictures));
                    if subject.role == Role::Original {
                        found_in_original.push(found);
                    }
                }
            }
        }
        let mut worst = worst(pair, self.judge, &answers, &found_in_original)?;
        work.jump(if examiner.is_some() { Part::Search } else { Part::Masks }, plan.until_search());
        let under_masks = masked(&subjects, self.judge, &answers, self.seed + 4, &mut |n| work.add(n))?;
        let Some(under_masks) = under_masks else { return Ok(None) };
        worst.extend(under_masks);

        work.jump(Part::Relearn, plan.until_relearn());
        let mut relearning = Vec::new();
        let samples = budget.relearn.samples;
        let before = count(self.original, &self.original.weights, self.judge, self.seed + 3, samples)?;
        let trained = subjects[1..].iter().filter(|subject| subject.can_learn());
        for (number, subject) in trained.enumerate() {
            for (place, &pictures) in budget.relearn.pictures.iter().enumerate() {
                work.jump(
                    Part::Relearn,
                    plan.until_relearn() + plan.training * (number * budget.relearn.pictures.len() + place),
                );
                let lessons = lessons.first(pictures);
                let train = &mut |n: usize| work.add(n * SAMPLES_OF_AN_ITERATION);
                let found = relearn(subject, self.judge, lessons, &budget.relearn, before, self.seed + 3, train)?;
                let Some(found) = found else { return Ok(None) };
                if subject.role == Role::Result {
                    let mut sampler = Sampler::new(&subject.generator, &found.weights);
                    let pictures = sampler.render_at(self.seed + 3, subject.measured(GALLERY), 1.0);
                    gallery.relearned.push((found.relearning.pictures, pictures));
                }
                relearning.push(ModelRelearning { model: subject.role, relearning: found.relearning });
            }
        }

        work.jump(Part::Back, plan.until_back());
        let mut points = Vec::new();
        for part in BACK {
            let Some(weights) = back(&self.original.weights, &self.result.weights, part) else { break };
            let seen = count(self.result, &weights, self.judge, self.seed + 3, budget.back)?;
            points.push(BackPoint { part, seen });
            if work.add(budget.back).is_break() {
                return Ok(None);
            }
        }
        let probe = examiner.map(|(_, probe)| probe);
        let findings = Findings { measurements, blocks, layers, probe, searches, worst, relearning, back: points };
        Ok(Some((findings, gallery)))
    }

    /// Labelled samples of the original: what a training learns from, and, where latents are searched, a probe that learned from them. Where
    /// pictures are completed these are the pictures.
    fn lessons(
        &self,
        budget: &AuditBudget,
        work: &mut Work<'_>,
    ) -> Result<Option<(Lessons, Option<Probing>)>, AuditError> {
        let original = self.original;
        let mut sampler = Sampler::new(&original.generator, &original.weights);
        let shape = sampler.image_shape();
        let [c, h, w] = shape;
        let size = c * h * w;
        let mut pools = [true, false].map(|_| ImagePool::new(shape));
        let mut images = [Vec::new(), Vec::new()];
        let mut indices = Vec::new();
        let mut looked = 0;
        for part in original.learned(budget.samples * LOOKED).chunks(sampler.page(4)) {
            let z = original.generator.latents(self.seed + 1, part.iter().copied());
            let pictures = sampler.subjects(&z, 1.0);
            let seen = self.judge.probabilities(&pictures, [part.len(), c, h, w])?;
            let rows = pictures.chunks_exact(size).zip(z.chunks_exact(original.generator.latent_dim()));
            for ((index, seen), (picture, z)) in part.iter().zip(seen).zip(rows) {
                let kind = usize::from(seen <= SEEN);
                if pools[kind].len() < LEARNED {
                    pools[kind].push(picture, Origin { z: z.to_vec(), psi: 1.0 });
                    images[kind].extend_from_slice(picture);
                    if kind == 0 {
                        indices.push(*index);
                    }
                }
            }
            looked += part.len();
            if work.add(part.len()).is_break() {
                return Ok(None);
            }
            if pools.iter().all(|pool| pool.len() >= LEARNED) {
                break;
            }
        }
        let most = budget.relearn.pictures.iter().copied().max().unwrap_or_default().max(FEWEST);
        let [negatives, positives] = pools;
        if negatives.len() < most || positives.len() < FEWEST {
            let found = negatives.len();
            return Err(AuditError::TooFew { target: self.judge.target.to_string(), found, looked, needed: most });
        }
        let learned = [negatives.len(), positives.len()];
        let lessons = Lessons { pool: negatives, indices };
        if Space::of(original).is_empty() {
            return Ok(Some((lessons, None)));
        }
        let discriminator = original.gan.as_ref().map(|gan| (&gan.networks.discriminator, &gan.d));
        let device = original.weights.device();
        let examiner = Examiner::learn(discriminator, [&images[0], &images[1]], shape, original.pass() * 4, &device);
        let probe = ProbeFacts { sees: examiner.sees.to_owned(), separation: examiner.separation, learned };
        Ok(Some((lessons, Some((examiner, probe)))))
    }

    /// Samples that nobody chose: the first of all, and the first that showed it.
    fn gallery(&self, answers: &Answers) -> Gallery {
        let of = |subject: &Subject, samples: &[u64]| {
            Sampler::new(&subject.generator, &subject.weights).render_at(self.seed, samples.iter().copied(), 1.0)
        };
        let first = |samples: &[u64]| {
            let samples = &samples[..samples.len().min(GALLERY)];
            [self.original, self.result].map(|subject| of(subject, samples))
        };
        Gallery { first: first(&answers.indices), negatives: first(&answers.samples(true)), ..Gallery::default() }
    }
}
