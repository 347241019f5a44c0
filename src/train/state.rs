//! A trainer's state as numbers and named tensors, so that a training can be interrupted and go on to the same bytes.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{adam::Adam, augment::Augment, trainer::Trainer};
use crate::networks::FlatParams;

/// The numbers of a [`Trainer`]'s state; floating-point ones by their bits, which decimal text would not always bring back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainerNumbers {
    g_step: u64,
    d_step: u64,
    path_mean: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    augment: Option<Augment>,
}

/// What a training can fall back to: all of a [`Trainer`]'s state but the optimizers', which is more than half of it. Tensors are
/// shared, not copied.
#[derive(Clone, Debug)]
pub struct TrainedWeights {
    g: FlatParams,
    d: FlatParams,
    g_ema: FlatParams,
    path_mean: f32,
    augment: Option<Augment>,
}

impl Trainer {
    /// What can be gone back to.
    pub fn weights(&self) -> TrainedWeights {
        let Self { g, d, g_ema, path_mean, augment, .. } = self;
        let (g, d, g_ema) = (g.clone(), d.clone(), g_ema.clone());
        TrainedWeights { g, d, g_ema, path_mean: *path_mean, augment: *augment }
    }

    /// A trainer of the same networks that begins at these weights, with fresh optimizers.
    pub fn back_to(self, weights: TrainedWeights) -> Self {
        let TrainedWeights { g, d, g_ema, path_mean, augment } = weights;
        let g_optim = Adam::new(self.g_optim.config, &g.values);
        let d_optim = Adam::new(self.d_optim.config, &d.values);
        Self { g, d, g_ema, g_optim, d_optim, path_mean, augment, ..self }
    }

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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{
        networks::{Architecture, NormalSource, flat::to_vec, read_discriminator, read_generator},
        train::{BatchInputs, Networks, TrainConfig},
    };

    #[test]
    fn a_trainer_goes_back_to_weights_with_fresh_optimizers() {
        let (device, mut rng) = (Device::flex(), NormalSource::new(3, 0));
        let architecture = Architecture { channels: vec![4, 4], image_channels: 3, latent: 8, mapping_layers: 1 };
        let (g, d) = (architecture.generator(&mut rng), architecture.discriminator(&mut rng));
        let networks = Networks {
            generator: read_generator(&g, &device).unwrap(),
            discriminator: read_discriminator(&d, &device).unwrap(),
        };
        let g = FlatParams::from_host(networks.generator.layout(), &g, &device);
        let d = FlatParams::from_host(networks.discriminator.layout(), &d, &device);
        let config = TrainConfig { batch: 4, ..TrainConfig::default() };
        let mut trainer = Trainer::new(networks, config, g.clone(), d, g);
        let real = Tensor::zeros([4, 3, 8, 8], &device);
        trainer.iterate(0, real.clone(), BatchInputs::default(), None, &mut rng);
        let values =
            |trainer: &Trainer| [&trainer.g, &trainer.d, &trainer.g_ema].map(|params| to_vec(params.values.clone()));
        let (weights, good, path_mean) = (trainer.weights(), values(&trainer), trainer.path_mean);
        trainer.iterate(4, real, BatchInputs::default(), None, &mut rng);
        assert!(values(&trainer) != good && trainer.path_mean != path_mean);
        let back = trainer.back_to(weights);
        assert_eq!((values(&back), back.path_mean), (good, path_mean));
        for optimizer in [&back.g_optim, &back.d_optim] {
            let moments = [&optimizer.exp_avg, &optimizer.exp_avg_sq].map(|moment| to_vec(moment.clone()));
            assert!(optimizer.step == 0.0 && moments.concat().iter().all(|value| *value == 0.0));
        }
    }
}
