//! What the last run left behind: its result, its snapshots, the weights beside them.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
};

use burn::tensor::{Tensor, TensorData};

use super::{error::EngineError, weights::Weights};
use crate::{
    model::Model,
    networks::{FlatParams, flat::to_vec},
    project::RunState,
    unlearn::{Auxiliary, Method, State, StateRef},
};

/// A state of a run that can be shown, exported and continued from. Tensors are shared, not copied.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The averaged generator.
    pub(super) g_ema: FlatParams,
    /// The trained generator and the discriminator, where the method has them.
    pub(super) trained: Option<(FlatParams, FlatParams)>,
    /// Iterations that led to it.
    pub(super) iteration: usize,
}

/// A state of a run that was kept: in a project on the disk, else in memory.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    place: Place,
    /// Iterations that led to it.
    pub(super) iteration: usize,
}

#[derive(Clone, Debug)]
enum Place {
    Memory(Box<Held>),
    Disk(PathBuf),
}

impl Held {
    /// A snapshot of a state. Optimizers are not part of it.
    pub(super) fn of(state: StateRef<'_>, iteration: usize) -> Self {
        let trained = match state {
            StateRef::Trained(trainer) => Some((trainer.g.clone(), trainer.d.clone())),
            StateRef::Generator(_) => None,
            StateRef::Distant(state) => return Self::of(state.state().borrow(), iteration),
        };
        Self { g_ema: state.g_ema().clone(), trained, iteration }
    }

    /// Writes it to a file, of which little memory is left afterwards.
    pub(super) fn save(&self, file: &Path) -> Result<(), EngineError> {
        let mut tensors = std::collections::BTreeMap::from([("g_ema".to_owned(), to_vec(self.g_ema.values.clone()))]);
        if let Some((g, d)) = &self.trained {
            tensors.insert("g".to_owned(), to_vec(g.values.clone()));
            tensors.insert("d".to_owned(), to_vec(d.values.clone()));
        }
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| EngineError::Internal(error.to_string()))?;
        }
        let position = serde_json::json!({ "iteration": self.iteration });
        Ok(RunState { position, tensors, ..RunState::default() }.save(file)?)
    }
}

impl Snapshot {
    /// One that is kept in memory.
    fn in_memory(held: Held) -> Self {
        Self { iteration: held.iteration, place: Place::Memory(Box::new(held)) }
    }

    /// One that was written to a file.
    pub(super) fn on_disk(file: PathBuf, iteration: usize) -> Self {
        Self { place: Place::Disk(file), iteration }
    }

    /// Its networks; `model` is the one that the run started from.
    pub(super) fn load(&self, model: &Model) -> Result<Held, EngineError> {
        let file = match &self.place {
            Place::Memory(held) => return Ok(Held::clone(held)),
            Place::Disk(file) => file,
        };
        let mut state = RunState::load(file)?;
        let mut params = |name: &str, like: &FlatParams| {
            let values = state.tensors.remove(name).filter(|values| values.len() == like.layout.total())?;
            let shape = [values.len()];
            Some(like.with_values(Tensor::from_data(TensorData::new(values, shape), &like.device())))
        };
        let misfit = || EngineError::Internal(format!("{}: a snapshot of another model", file.display()));
        let g_ema = params("g_ema", &model.g_ema).ok_or_else(misfit)?;
        let trained = model.gan.as_ref().and_then(|gan| Some((params("g", &gan.g)?, params("d", &gan.d)?)));
        Ok(Held { g_ema, trained, iteration: self.iteration })
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
    /// The averaged generator of the snapshot on the disk that was asked for last.
    loaded: RefCell<Option<(usize, FlatParams)>>,
    /// Counts the changes of the result.
    pub(super) version: u64,
}

impl Results {
    /// Nothing, after what these were.
    pub(super) fn cleared(&self) -> Self {
        Self { version: self.version + 1, ..Self::default() }
    }

    /// Puts a result in place of the last one.
    pub(super) fn set(&mut self, state: State) {
        self.state = Some(state);
        self.version += 1;
    }

    /// The result is another one now, which is not here.
    pub(super) fn moved_on(&mut self) {
        self.version += 1;
    }

    /// The present result as a snapshot.
    pub(super) fn held(&self) -> Option<Held> {
        let last = self.snapshots.last().map_or(0, |last| last.iteration);
        self.state.as_ref().map(|state| Held::of(state.borrow(), last))
    }

    /// Keeps a state, in the file it was written to if there is one, and says its number.
    pub(super) fn keep(&mut self, held: Held, file: Option<PathBuf>) -> usize {
        let iteration = held.iteration;
        self.snapshots.push(match file {
            Some(file) => Snapshot::on_disk(file, iteration),
            None => Snapshot::in_memory(held),
        });
        self.snapshots.len() - 1
    }

    /// Takes over a snapshot that is in a file, and says its number.
    pub(super) fn keep_file(&mut self, file: PathBuf, iteration: usize) -> usize {
        self.snapshots.push(Snapshot::on_disk(file, iteration));
        self.snapshots.len() - 1
    }

    /// The snapshots' files are these now.
    pub(super) fn move_snapshots(&mut self, files: Vec<PathBuf>) {
        for (snapshot, file) in self.snapshots.iter_mut().zip(files) {
            if let Place::Disk(old) = &mut snapshot.place {
                *old = file;
            }
        }
    }

    /// The state under this number.
    pub(super) fn snapshot(&self, number: usize) -> Result<&Snapshot, EngineError> {
        self.snapshots.get(number).ok_or(MISSING)
    }

    /// The parameters of an averaged generator; `current` is the state of a run in progress.
    pub(super) fn weights(
        &self,
        model: &Model,
        weights: Weights,
        current: Option<StateRef<'_>>,
    ) -> Result<FlatParams, EngineError> {
        let original = &model.g_ema;
        Ok(match weights {
            Weights::Original => original.clone(),
            Weights::Current => {
                let state = current.or(self.state.as_ref().map(State::borrow));
                state.map_or(original, StateRef::g_ema).clone()
            }
            Weights::Auxiliary(number) => self.auxiliary.get(number).ok_or(MISSING)?.weights.clone(),
            Weights::Snapshot(number) => {
                let snapshot = self.snapshot(number)?;
                if let Some((_, weights)) = self.loaded.borrow().as_ref().filter(|(known, _)| *known == number) {
                    return Ok(weights.clone());
                }
                let weights = snapshot.load(model)?.g_ema;
                if matches!(snapshot.place, Place::Disk(_)) {
                    *self.loaded.borrow_mut() = Some((number, weights.clone()));
                }
                weights
            }
            // The session's, which has the project.
            Weights::Node(_) | Weights::Picture | Weights::Masked => return Err(MISSING),
            Weights::Slider(places) => {
                let auxiliary: Vec<_> = self.auxiliary.iter().map(|auxiliary| auxiliary.weights.clone()).collect();
                let method = self.method.ok_or(MISSING)?;
                method.slide(original, &auxiliary, places).ok_or(MISSING)?
            }
        })
    }

    /// What these weights are called, for a file's metadata; `None` of those that need no name.
    pub(super) fn name(&self, weights: Weights) -> Result<Option<String>, EngineError> {
        Ok(match weights {
            Weights::Original | Weights::Current => None,
            Weights::Picture | Weights::Masked => return Err(MISSING),
            Weights::Node(number) => Some(format!("node {number}")),
            Weights::Auxiliary(number) => Some(self.auxiliary.get(number).ok_or(MISSING)?.name.clone()),
            Weights::Snapshot(number) => Some(format!("snapshot after iteration {}", self.snapshot(number)?.iteration)),
            Weights::Slider(places) => {
                let sliders = self.method.map_or(&[][..], Method::sliders);
                let note = sliders.first().ok_or(MISSING)?.note;
                let places: Vec<String> = sliders.iter().zip(places).map(|(_, place)| place.to_string()).collect();
                Some(format!("{note} {}", places.join(", ")))
            }
        })
    }
}

pub(super) const MISSING: EngineError = EngineError::State("these weights do not exist yet");
