//! Where an interrupted run stands, and the way back.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::stage::{Cursors, StageResume};
use crate::{
    model::Gan,
    networks::FlatParams,
    train::{Trainer, TrainerNumbers},
    unlearn::resume::ResumePoint,
};

/// The numbers of a position.
#[derive(Debug, Serialize, Deserialize)]
struct Numbers {
    /// The iteration that comes next in the stage in progress.
    next: usize,
    /// Adapted generators that are finished: their number says which stage that is.
    adapted: usize,
    cursors: Cursors,
    trainer: TrainerNumbers,
}

type Restore = dyn Fn(&mut Trainer) -> Result<(), String>;

/// Where an interrupted run stands.
pub(crate) struct Position {
    /// Adapted generators that are finished.
    pub(crate) adapted: Vec<FlatParams>,
    numbers: Numbers,
    /// Puts back the state of the stage in progress.
    restore: Box<Restore>,
}

impl Position {
    /// What it takes to go on with iteration `next` of the stage that comes after the finished adapted generators.
    pub(crate) fn save(next: usize, cursors: Cursors, trainer: &Trainer, adapted: &[FlatParams]) -> ResumePoint {
        let numbers = Numbers { next, adapted: adapted.len(), cursors, trainer: trainer.numbers() };
        let mut tensors = trainer.tensors();
        tensors.extend(adapted.iter().enumerate().map(|(i, weights)| (name(i), weights.values.clone())));
        // Plain numbers and names can always be written as JSON.
        ResumePoint { position: serde_json::to_value(numbers).unwrap_or_default(), tensors }
    }

    /// Reads it back, with so many adapted generators at most; the error is one clause.
    pub(crate) fn of(point: ResumePoint, gan: &Gan, adapted: usize) -> Result<Self, String> {
        let numbers: Numbers = serde_json::from_value(point.position.clone()).map_err(|error| error.to_string())?;
        if numbers.adapted > adapted {
            return Err("it has more adapted generators than its settings ask for".to_owned());
        }
        let whole = |tensor: &Tensor<1>| tensor.dims() == [gan.g.layout.total()];
        let adapted = (0..numbers.adapted).map(|i| {
            let values = point.tensor(&name(i)).filter(whole).ok_or_else(|| missing(&name(i)))?;
            Ok(gan.g_ema.with_values(values))
        });
        let adapted = adapted.collect::<Result<_, String>>()?;
        let trainer = numbers.trainer;
        let restore = move |state: &mut Trainer| {
            state.restore(&trainer, |name| point.tensor(name)).map_err(|name| missing(&name))
        };
        Ok(Self { adapted, numbers, restore: Box::new(restore) })
    }

    /// Where the stage in progress goes on.
    pub(crate) fn stage(&self) -> StageResume<'_> {
        StageResume { index: self.numbers.next, cursors: self.numbers.cursors.clone(), restore: &*self.restore }
    }
}

fn name(adapted: usize) -> String {
    format!("adapted.{adapted}")
}

fn missing(name: &str) -> String {
    format!("`{name}` is missing, or belongs to other networks")
}
