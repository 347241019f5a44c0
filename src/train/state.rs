//! A trainer's state as numbers and named tensors, so that a training can be interrupted and go on to the same bytes.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{adam::Adam, augment::Augment, trainer::Trainer};

/// The numbers of a [`Trainer`]'s state; floating-point ones by their bits, which decimal text would not always bring back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainerNumbers {
    g_step: u64,
    d_step: u64,
    path_mean: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    augment: Option<Augment>,
}

impl Trainer {
    /// The numbers of the state, beside its tensors.
    pub fn numbers(&self) -> TrainerNumbers {
        TrainerNumbers {
            g_step: self.g_optim.step.to_bits(),
            d_step: self.d_optim.step.to_bits(),
            path_mean: self.path_mean.to_bits(),
            augment: self.augment,
        }
    }

    /// The tensors of the state, each `[parameters]`, by name. They are shared, not copied.
    pub fn tensors(&self) -> Vec<(String, Tensor<1>)> {
        let adam = |name: &str, adam: &Adam| {
            [(format!("{name}.exp_avg"), adam.exp_avg.clone()), (format!("{name}.exp_avg_sq"), adam.exp_avg_sq.clone())]
        };
        let networks = [("g", &self.g), ("d", &self.d), ("g_ema", &self.g_ema)];
        let networks = networks.map(|(name, params)| (name.to_owned(), params.values.clone()));
        let optimizers = [adam("g_optim", &self.g_optim), adam("d_optim", &self.d_optim)];
        networks.into_iter().chain(optimizers.into_iter().flatten()).collect()
    }

    /// Goes on where a trainer of the same networks stood; `tensor` finds a tensor by its name. The error is the name of one
    /// that is missing or has another length, and then the trainer is not to be used.
    pub fn restore(
        &mut self,
        numbers: &TrainerNumbers,
        mut tensor: impl FnMut(&str) -> Option<Tensor<1>>,
    ) -> Result<(), String> {
        let mut take = |name: &str, length: usize| {
            tensor(name).filter(|tensor| tensor.dims() == [length]).ok_or_else(|| name.to_owned())
        };
        let (g, d) = (self.g.layout.total(), self.d.layout.total());
        self.g.values = take("g", g)?;
        self.d.values = take("d", d)?;
        self.g_ema.values = take("g_ema", g)?;
        self.g_optim.exp_avg = take("g_optim.exp_avg", g)?;
        self.g_optim.exp_avg_sq = take("g_optim.exp_avg_sq", g)?;
        self.d_optim.exp_avg = take("d_optim.exp_avg", d)?;
        self.d_optim.exp_avg_sq = take("d_optim.exp_avg_sq", d)?;
        self.g_optim.step = f64::from_bits(numbers.g_step);
        self.d_optim.step = f64::from_bits(numbers.d_step);
        self.path_mean = f32::from_bits(numbers.path_mean);
        self.augment = numbers.augment;
        Ok(())
    }
}
