//! What the last run left behind: its result, its snapshots, the weights beside them.

use super::{error::EngineError, weights::Weights};
use crate::{
    networks::FlatParams,
    unlearn::{Auxiliary, Method, State, StateRef},
};

/// A state of a run that can be shown, exported and continued from. Tensors are shared, not copied.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// The averaged generator.
    pub(super) g_ema: FlatParams,
    /// The trained generator and the discriminator, where the method has them.
    pub(super) trained: Option<(FlatParams, FlatParams)>,
    /// Iterations that led to it.
    pub(super) iteration: usize,
}

impl Snapshot {
    /// A snapshot of a state. Optimizers are not part of it.
    pub(super) fn of(state: StateRef<'_>, iteration: usize) -> Self {
        let trained = match state {
            StateRef::Trained(trainer) => Some((trainer.g.clone(), trainer.d.clone())),
            StateRef::Generator(_) => None,
        };
        Self { g_ema: state.g_ema().clone(), trained, iteration }
    }
}

/// What runs on the open model have left behind.
#[derive(Default)]
pub(super) struct Results {
    /// The result of the last run that had one.
    pub(super) state: Option<State>,
    /// How it came about, for the file's metadata.
    pub(super) provenance: Vec<(String, String)>,
    /// The method of the last run.
    pub(super) method: Option<&'static dyn Method>,
    /// What it made beside the result.
    pub(super) auxiliary: Vec<Auxiliary>,
    /// The states that were kept.
    pub(super) snapshots: Vec<Snapshot>,
    /// Counts the changes of the result.
    pub(super) version: u64,
}

impl Results {
    /// Puts a result in place of the last one.
    pub(super) fn set(&mut self, state: State) {
        self.state = Some(state);
        self.version += 1;
    }

    /// Keeps a state (the result, if none is given) and says its number and iteration.
    pub(super) fn keep(&mut self, snapshot: Option<Snapshot>) -> Option<(usize, usize)> {
        let last = self.snapshots.last().map_or(0, |last| last.iteration);
        let snapshot = snapshot.or_else(|| self.state.as_ref().map(|state| Snapshot::of(state.borrow(), last)))?;
        let iteration = snapshot.iteration;
        self.snapshots.push(snapshot);
        Some((self.snapshots.len() - 1, iteration))
    }

    /// The state under this number.
    pub(super) fn snapshot(&self, number: usize) -> Result<&Snapshot, EngineError> {
        self.snapshots.get(number).ok_or(MISSING)
    }

    /// The parameters of an averaged generator; `current` is the state of a run in progress.
    pub(super) fn weights(
        &self,
        original: &FlatParams,
        weights: Weights,
        current: Option<StateRef<'_>>,
    ) -> Result<FlatParams, EngineError> {
        Ok(match weights {
            Weights::Original => original.clone(),
            Weights::Current => {
                let state = current.or(self.state.as_ref().map(State::borrow));
                state.map_or(original, StateRef::g_ema).clone()
            }
            Weights::Auxiliary(number) => self.auxiliary.get(number).ok_or(MISSING)?.weights.clone(),
            Weights::Snapshot(number) => self.snapshot(number)?.g_ema.clone(),
            Weights::Slider(value) => {
                let auxiliary: Vec<_> = self.auxiliary.iter().map(|auxiliary| auxiliary.weights.clone()).collect();
                let method = self.method.ok_or(MISSING)?;
                method.slide(original, &auxiliary, value).ok_or(MISSING)?
            }
        })
    }

    /// What these weights are called, for a file's metadata; `None` of those that need no name.
    pub(super) fn name(&self, weights: Weights) -> Result<Option<String>, EngineError> {
        Ok(match weights {
            Weights::Original | Weights::Current => None,
            Weights::Auxiliary(number) => Some(self.auxiliary.get(number).ok_or(MISSING)?.name.clone()),
            Weights::Snapshot(number) => Some(format!("snapshot after iteration {}", self.snapshot(number)?.iteration)),
            Weights::Slider(value) => {
                let slider = self.method.and_then(Method::slider).ok_or(MISSING)?;
                Some(format!("{} {value}", slider.note))
            }
        })
    }
}

const MISSING: EngineError = EngineError::State("these weights do not exist yet");
