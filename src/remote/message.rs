//! What the two ends say to each other.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    device::{ComputeDevice, DeviceCard, Kind},
    train::{TrainConfig, TrainerNumbers, adam::AdamConfig},
    unlearn::{Ended, Iteration, LayerShare, Method, StageRound},
};

/// The version of what is said on the line. Any change of it is another version.
pub(super) const PROTOCOL: u32 = 1;
/// What each end says first, so that it is known who speaks.
pub(super) const MAGIC: &str = "unlearn-studio remote";

/// One frame's text.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// Nothing, so that the other end knows that somebody is there.
    Beat,

    // Both ends, at first.
    /// Who speaks.
    Hello(Hello),
    /// The answer to the other end's challenge.
    Proof(String),

    // From the server.
    /// What it computes with.
    Card(ServerCard),
    /// It will not do what was asked, and ends; why.
    Refused(Refusal),
    /// What was asked for may come.
    Send,
    /// An iteration is done; an [`Answer`] is waited for.
    Iteration(Box<WireIteration>),
    /// How many weights of each layer may move.
    Layers(Vec<LayerShare>),
    /// A doubt, in one clause.
    Warning(String),
    /// Weights beside the result; they follow.
    Auxiliary(String),
    /// The averaged generator, which follows.
    Shown,
    /// The whole state, whose tensors follow.
    State(WireState),
    /// What it takes to go on, whose tensors follow.
    Point(Value),
    /// How the method ended, and with which state, whose tensors follow.
    Outcome(WireEnded, Option<WireState>),
    /// The method could not begin; its own sentence.
    Failed(String),
    /// The computation panicked; the reason.
    Panicked(String),

    // From the client.
    /// It wants to run a method.
    Run(Box<Head>),
    /// The model, as a safetensors file that follows.
    Model,
    /// Some of a set of pictures; their bytes follow, see [`PictureFormat`].
    Pictures(PictureSetName, PictureFormat),
    /// A pool; its latents follow.
    Pool(PoolName, PoolKind),
    /// Where the run stood; its tensors follow.
    Resume(Value),
    /// All is there.
    Begin,
    /// What is to come after an iteration.
    Answer(Answer),
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) magic: String,
    pub(super) protocol: u32,
    pub(super) program: String,
    /// What the other end is to prove that it knows the token with.
    pub(super) challenge: String,
}

/// Why a server refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Refusal {
    Token,
    Other(String),
}

/// What a server computes with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerCard {
    /// See [`DeviceCard::name`].
    pub name: String,
    /// See [`DeviceCard::kind`].
    pub kind: Kind,
    /// See [`DeviceCard::api`].
    pub api: Option<String>,
    /// Bytes that a run may take there, as far as they are known.
    pub memory: Option<u64>,
}

impl ServerCard {
    pub(super) fn of(device: &ComputeDevice) -> Self {
        let DeviceCard { name, kind, api, .. } = device.card();
        Self { name, kind, api: api.map(str::to_owned), memory: device.usable_memory() }
    }
}

/// A run that is asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// The method's id.
    pub(super) method: String,
    /// All settings.
    pub(super) values: crate::unlearn::Values,
    /// The class that the model draws, if only one.
    pub(super) class: Option<usize>,
}

/// Whose pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PictureSetName {
    /// Those that the model completes.
    Model,
    /// Others that may stay.
    Retained,
}

/// How pictures follow, one behind the other, each `[3, side, side]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PictureFormat {
    pub(super) side: usize,
    pub(super) count: usize,
    /// Whether each value is a byte, 0 for -1 and 255 for 1; else it is a number of 32 bits.
    pub(super) bytes: bool,
}

/// Which pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PoolName {
    Negatives,
    Positives,
}

/// What the images of a pool are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PoolKind {
    /// The model's samples.
    Samples,
    /// The retained pictures, by their places.
    Retained,
}

/// What a client says of an iteration. Any number of questions come before the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It asks for [`Message::Shown`].
    Shown,
    /// It asks for [`Message::State`].
    State,
    /// It asks for [`Message::Point`].
    Point,
    /// The last word: go on.
    Continue,
    /// The last word: end here.
    Stop,
}

/// Where a method is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireRound {
    stage: String,
    round: usize,
    rounds: usize,
}

/// An iteration; numbers by their bits, since JSON has none that are not finite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct WireIteration {
    at: WireRound,
    index: usize,
    of: usize,
    values: Vec<(String, u32)>,
}

/// How a method ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum WireEnded {
    Done,
    Stopped,
    NonFinite { at: WireRound, iteration: usize, what: String },
}

/// What a state is beside its tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum WireState {
    /// A generator alone.
    Generator,
    /// Networks and optimizers.
    Trained(Box<WireTrainer>),
}

/// What a trainer is beside its networks and tensors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct WireTrainer {
    pub(super) config: TrainConfig,
    pub(super) numbers: TrainerNumbers,
    pub(super) g_optim: AdamConfig,
    pub(super) d_optim: AdamConfig,
    pub(super) lr_factor: f64,
}

impl WireRound {
    fn of(at: StageRound) -> Self {
        Self { stage: at.stage.id.to_owned(), round: at.round, rounds: at.rounds }
    }

    fn of_method(self, method: &dyn Method) -> Result<StageRound, String> {
        let Self { stage, round, rounds } = self;
        let known = method.stages().iter().find(|known| known.id == stage);
        let stage = known.ok_or_else(|| format!("{} has no stage `{stage}`", method.name()))?;
        Ok(StageRound { stage, round, rounds })
    }
}

impl WireIteration {
    pub(super) fn of(iteration: &Iteration) -> Self {
        let Iteration { at, index, of, values } = iteration;
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.to_bits())).collect();
        Self { at: WireRound::of(*at), index: *index, of: *of, values }
    }

    /// The iteration of a method; the error is one clause.
    pub(super) fn of_method(self, method: &dyn Method) -> Result<Iteration, String> {
        let Self { at, index, of, values } = self;
        let values = values.into_iter().map(|(name, bits)| Ok((lasting(&name)?, f32::from_bits(bits))));
        Ok(Iteration { at: at.of_method(method)?, index, of, values: values.collect::<Result<_, String>>()? })
    }
}

impl WireEnded {
    pub(super) fn of(ended: Ended) -> Self {
        match ended {
            Ended::Done => Self::Done,
            Ended::Stopped => Self::Stopped,
            Ended::NonFinite { at, iteration, what } => {
                Self::NonFinite { at: WireRound::of(at), iteration, what: what.to_owned() }
            }
        }
    }

    /// How a method ended; the error is one clause.
    pub(super) fn of_method(self, method: &dyn Method) -> Result<Ended, String> {
        Ok(match self {
            Self::Done => Ended::Done,
            Self::Stopped => Ended::Stopped,
            Self::NonFinite { at, iteration, what } => {
                Ended::NonFinite { at: at.of_method(method)?, iteration, what: lasting(&what)? }
            }
        })
    }
}

/// A name that lasts as long as the program, as those of what methods measure do; the error is one clause.
fn lasting(name: &str) -> Result<&'static str, String> {
    /// Names that are kept, and characters of one; methods have some thirty.
    const MOST: (usize, usize) = (256, 64);
    static NAMES: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return Ok(known);
    }
    if names.len() >= MOST.0 || name.len() > MOST.1 {
        return Err("too many names".to_owned());
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unlearn::METHODS;

    #[test]
    fn an_iteration_comes_back_bit_for_bit() {
        for method in METHODS {
            for stage in method.stages() {
                let at = StageRound { stage, round: 1, rounds: 3 };
                let values = [0.1, f32::NAN, f32::INFINITY, -0.0].map(|value| ("a loss", value)).to_vec();
                let iteration = Iteration { at, index: 2, of: 9, values };
                let text = serde_json::to_vec(&WireIteration::of(&iteration)).unwrap();
                let back: WireIteration = serde_json::from_slice(&text).unwrap();
                let back = back.of_method(*method).unwrap();
                assert_eq!((back.at, back.index, back.of), (at, 2, 9));
                let bits = |of: &Iteration| of.values.iter().map(|(n, v)| (*n, v.to_bits())).collect::<Vec<_>>();
                assert_eq!(bits(&back), bits(&iteration));
            }
        }
    }

    #[test]
    fn only_stages_of_the_method_are_known() {
        let wrong = WireRound { stage: "magic".to_owned(), round: 0, rounds: 1 };
        let sentence = wrong.clone().of_method(METHODS[0]).unwrap_err();
        assert!(sentence.ends_with("has no stage `magic`"), "{sentence}");
        let ended = WireEnded::NonFinite { at: wrong, iteration: 1, what: "loss".to_owned() };
        assert!(ended.of_method(METHODS[0]).is_err());
        assert!(lasting(&"x".repeat(65)).is_err());
        assert!(std::ptr::eq(lasting("the same").unwrap(), lasting("the same").unwrap()));
    }
}
