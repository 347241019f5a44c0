//! What a method tells while it runs.

use serde::{Serialize, Serializer};

use super::{mask::LayerShare, resume::ResumePoint};
use crate::{networks::FlatParams, train::Trainer};

/// A part of a method's work, declared by the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its key in reports.
    pub id: &'static str,
    /// What a sentence calls it.
    pub name: &'static str,
    /// Its title in a list of all stages: one word.
    pub title: &'static str,
    /// What goes on in it.
    pub doing: &'static str,
    /// Whether it is done several times; its rounds are then numbered.
    pub repeats: bool,
    /// Whether its state may be shown and exported as a result.
    pub is_result: bool,
}

/// The stage of methods that have only one.
pub(crate) const UNLEARN: Stage = Stage {
    id: "unlearn",
    name: "the training",
    title: "Unlearn",
    doing: "Unlearning",
    repeats: false,
    is_result: true,
};

/// Where a method is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageRound {
    /// The stage.
    pub stage: &'static Stage,
    /// Which of its rounds, from 0.
    pub round: usize,
    /// Rounds of this stage.
    pub rounds: usize,
}

impl StageRound {
    /// What goes on, in a person's words.
    pub fn doing(&self) -> String {
        match self.rounds {
            0 | 1 => self.stage.doing.to_owned(),
            rounds => format!("{} ({} of {rounds})", self.stage.doing, self.round + 1),
        }
    }
}

impl std::fmt::Display for StageRound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.stage.repeats { write!(f, "{} {}", self.stage.id, self.round + 1) } else { f.write_str(self.stage.id) }
    }
}

impl Serialize for StageRound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One finished iteration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Iteration {
    /// Where the method is.
    pub at: StageRound,
    /// Number of the iteration in its round, from 0.
    pub index: usize,
    /// Iterations in this round.
    pub of: usize,
    /// What was measured, by name: losses, distances.
    pub values: Vec<(&'static str, f32)>,
}

impl Iteration {
    /// Number of the iteration in its stage, all rounds one after the other.
    pub fn place(&self) -> usize {
        self.at.round * self.of + self.index
    }

    /// Whether the state behind it may be shown and exported as a result.
    pub fn is_result(&self) -> bool {
        self.at.stage.is_result
    }
}

/// What a method has trained so far.
#[derive(Clone, Debug)]
pub enum State {
    /// Networks and optimizers.
    Trained(Box<Trainer>),
    /// A generator alone: its averaged parameters, which are shown.
    Generator(Box<FlatParams>),
}

impl State {
    /// The generator's parameters that are shown.
    pub fn g_ema(&self) -> &FlatParams {
        self.borrow().g_ema()
    }

    /// A view of it.
    pub fn borrow(&self) -> StateRef<'_> {
        match self {
            Self::Trained(trainer) => StateRef::Trained(trainer),
            Self::Generator(g_ema) => StateRef::Generator(g_ema),
        }
    }
}

/// A [`State`] that is still worked on.
#[derive(Clone, Copy, Debug)]
pub enum StateRef<'a> {
    /// Networks and optimizers.
    Trained(&'a Trainer),
    /// A generator alone.
    Generator(&'a FlatParams),
    /// On another machine.
    Distant(&'a dyn DistantState),
}

/// A state on another machine, which comes here when it is looked at.
pub trait DistantState: std::fmt::Debug {
    /// All of it.
    fn state(&self) -> &State;

    /// The generator's parameters that are shown; alone they come sooner.
    fn g_ema(&self) -> &FlatParams;

    /// What of it has come so far.
    fn arrived(&self) -> Option<State>;
}

impl<'a> StateRef<'a> {
    /// The generator's parameters that are shown.
    pub fn g_ema(self) -> &'a FlatParams {
        match self {
            Self::Trained(trainer) => &trainer.g_ema,
            Self::Generator(g_ema) => g_ema,
            Self::Distant(state) => state.g_ema(),
        }
    }

    /// The state itself. Tensors are shared, not copied.
    pub fn to_owned(self) -> State {
        match self {
            Self::Trained(trainer) => State::Trained(Box::new(trainer.clone())),
            Self::Generator(g_ema) => State::Generator(Box::new(g_ema.clone())),
            Self::Distant(state) => state.state().clone(),
        }
    }
}

/// Weights that a method makes on the way and that may be looked at.
#[derive(Clone, Debug)]
pub struct Auxiliary {
    /// What they are.
    pub name: String,
    /// The generator's parameters.
    pub weights: FlatParams,
}

/// What a monitor wants next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// End here and keep what was reached.
    Stop,
}

/// Sees every iteration; may look at the state and may stop the method.
pub trait Monitor {
    /// Called after each iteration; `resume` gives what it takes to go on from here.
    fn after(&mut self, iteration: &Iteration, state: StateRef<'_>, resume: &dyn Fn() -> ResumePoint) -> Flow;

    /// Called when there are weights beside the result.
    fn offer(&mut self, auxiliary: Auxiliary);

    /// Called when only some weights may move: how many of each layer.
    fn layers(&mut self, _shares: Vec<LayerShare>) {}

    /// Called with a doubt that a person should know of, in one clause.
    fn warn(&mut self, _doubt: String) {}
}
