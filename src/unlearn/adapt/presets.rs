//! Settings to start from.

use super::{
    repulsion::{Distance, RepulsionConfig, RepulsionLoss},
    settings::{AdaptSettings, Start},
};
use crate::{
    feedback::CollectSettings,
    train::TrainConfig,
    unlearn::{adversarial::StageConfig, method::Preset, restriction::Restriction},
};

pub(super) const QUICK: &str = "quick";
pub(super) const PAPER: &str = "paper";

pub(super) const PRESETS: &[Preset] = &[
    Preset { id: QUICK, name: "Quick", help: "A good result in the least time." },
    Preset { id: PAPER, name: "Paper", help: "The authors' settings: thorough but slow." },
];

/// The settings of a preset, and how it looks for negatives and positives.
pub(super) fn preset(id: &str) -> Option<(AdaptSettings, CollectSettings)> {
    let collect = CollectSettings { labelled: 5000, positive_below: 0.5, few_marks: 0, seed: 0 };
    match id {
        PAPER => Some((paper(), collect)),
        QUICK => Some((quick(), CollectSettings { positive_below: 0.2, few_marks: 1000, ..collect })),
        _ => None,
    }
}

/// The authors' values.
pub fn paper() -> AdaptSettings {
    AdaptSettings {
        adapted: 2,
        adapt: StageConfig { iterations: 2000, final_lr: 1.0, train: TrainConfig::default() },
        ewc_lambda: 5e8,
        fisher_samples: 32,
        unlearn: StageConfig { iterations: 1000, final_lr: 1.0, train: TrainConfig::default() },
        start: Start::Trained,
        extrapolate: 1.0,
        repulsion: RepulsionConfig { loss: RepulsionLoss::El2, distance: Distance::Mean, gamma: 1.0, weight: 100.0 },
        restriction: Restriction::default(),
        seed: 0,
    }
}

/// The published method, made for small networks and little time: light regularisation ([`AdaptSettings::follow`] takes the
/// checkpoint's own), a learning rate that falls to zero and a short EMA. The repulsion is one that acts there:
/// `benches/README.md` has PUL over gamma.
pub fn quick() -> AdaptSettings {
    let train = TrainConfig { r1: 2.0, path_regularize: 0.0, ..TrainConfig::default() };
    AdaptSettings {
        adapted: 1,
        adapt: StageConfig {
            iterations: 100,
            final_lr: 1.0,
            train: TrainConfig { lr: 0.001, ema_decay: 0.98, ..train.clone() },
        },
        unlearn: StageConfig {
            iterations: 300,
            final_lr: 0.0,
            train: TrainConfig { lr: 0.0015, ema_decay: 0.99, ..train },
        },
        start: Start::Averaged,
        repulsion: RepulsionConfig { loss: RepulsionLoss::Il2, distance: Distance::Sum, gamma: 300.0, weight: 100.0 },
        ..paper()
    }
}

pub(super) const EXTRAPOLATED: &[Preset] =
    &[Preset { id: QUICK, name: "Quick", help: "A short stage 1, and twice the way back from it." }];

/// The settings of a preset of extrapolation.
pub(super) fn extrapolated(id: &str) -> Option<(AdaptSettings, CollectSettings)> {
    let collect = CollectSettings { labelled: 5000, positive_below: 0.2, few_marks: 1000, seed: 0 };
    (id == QUICK).then(|| (AdaptSettings { extrapolate: 2.0, ..quick() }, collect))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_has_nothing_that_is_not_published_and_the_quick_one_follows_the_checkpoint() {
        let (settings, collect) = preset(PAPER).unwrap();
        let train = settings.unlearn.train;
        assert_eq!((train.unwanted_fakes(), train.retain), (0, 0.0), "the published method has neither");
        assert_eq!(collect.few_marks, 0, "nor a probe");
        let mut quick = quick();
        let train = &quick.unlearn.train;
        assert_eq!((train.unwanted_fakes(), train.retain), (0, 0.0), "nor has the quick one");
        quick.follow(&serde_json::from_str(r#"{"r1": 7.5, "path_regularize": -1, "lr": 9}"#).unwrap());
        assert_eq!((quick.adapt.train.r1, quick.unlearn.train.r1), (7.5, 7.5));
        assert_eq!((quick.unlearn.train.path_regularize, quick.unlearn.train.lr), (0.0, 0.0015));
        assert!(preset("").is_none());
    }
}
