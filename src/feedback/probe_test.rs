//! How good a probe is, and the pools it fills, where a labeler knows the truth.

use std::collections::HashSet;

use super::{
    by_probe::confident_samples,
    error::PoolError,
    marks::Mark,
    probe::{ProbeQuality, auc, balanced_accuracy},
    reference::{Ranked, addresses},
    settings::{CollectSettings, POOL_PSI},
    simulated_user::{SimulatedUser, by_clicks, label},
};
use crate::model::{Model, Sample, Sampler};

/// How well a probe that learned from a simulated user's marks does on samples nobody marked.
#[derive(Clone, Copy, Debug)]
pub struct ProbeTest {
    /// What the probe thinks of itself.
    pub quality: ProbeQuality,
    /// Share of negatives among the fresh samples.
    pub share: f64,
    /// Area under the ROC curve on them.
    pub auc: f64,
    /// Mean of the parts of negatives and positives that are on their side of the estimated share's border.
    pub balanced_accuracy: f64,
    /// What a run would take for negatives and for positives.
    pub pools: [PoolTest; 2],
}

/// How good a pool is that a probe fills.
#[derive(Clone, Copy, Debug)]
pub struct PoolTest {
    /// Part of the samples looked at that are in it.
    pub size: f64,
    /// Part of those that do not belong there.
    pub wrong: f64,
}

/// Tests a probe that learned from a user's marks on the samples `indices` of the settings' seed.
pub fn test_probe(
    model: &Model,
    user: &SimulatedUser,
    indices: std::ops::Range<usize>,
    settings: &CollectSettings,
) -> Result<ProbeTest, PoolError> {
    let &SimulatedUser { labeler, target, features, .. } = user;
    let (reference, feedback) = by_clicks(model, user, settings)?;
    let probe = reference.probe(model, &feedback, features)?;
    let fresh = addresses(model, settings.seed, POOL_PSI, indices);
    let scores = reference.probabilities(model, &probe, &fresh, features)?;
    let labels = label(model, &fresh, &mut Sampler::new(&model.generator, &model.g_ema), labeler, target)?;
    let kinds: Vec<bool> = labels.classes.iter().map(|&class| target.holds(class)).collect();
    // Both kinds count alike, so the border is where a sample is as probable among the negatives as among the others.
    let centred: Vec<f64> = scores.iter().map(|p| p - probe.quality.share).collect();
    let ranked = fresh.iter().zip(&scores).map(|(&sample, &probability)| Ranked { sample, probability }).collect();
    let sure = confident_samples(ranked, probe.quality.share_at_most);
    let negative: HashSet<Sample> = fresh.iter().zip(&kinds).filter(|(_, kind)| **kind).map(|(s, _)| *s).collect();
    let pool = |mark: Mark| {
        let count = sure.iter().filter(|(_, taken)| *taken == mark).count();
        let wrong = sure.iter().filter(|(s, taken)| *taken == mark && negative.contains(s) != (mark == Mark::Negative));
        PoolTest { size: count as f64 / fresh.len().max(1) as f64, wrong: wrong.count() as f64 / count.max(1) as f64 }
    };
    Ok(ProbeTest {
        quality: probe.quality,
        share: negative.len() as f64 / fresh.len().max(1) as f64,
        auc: auc(&scores, &kinds).unwrap_or(f64::NAN),
        balanced_accuracy: balanced_accuracy(&centred, &kinds).unwrap_or(f64::NAN),
        pools: [pool(Mark::Negative), pool(Mark::Positive)],
    })
}
