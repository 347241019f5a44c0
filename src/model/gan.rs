//! A generator and its discriminator, ready to be trained.

use crate::{
    networks::FlatParams,
    train::{Adam, Networks, TrainConfig, Trainer},
};

/// A GAN ready to be trained: what a checkpoint holds, on a device.
#[derive(Clone, Debug)]
pub struct Gan {
    /// The architectures.
    pub networks: Networks,
    /// The generator's parameters.
    pub g: FlatParams,
    /// The averaged generator's parameters: what is shown and exported.
    pub g_ema: FlatParams,
    /// The discriminator's parameters.
    pub d: FlatParams,
    /// The generator's optimizer state, if the file has one.
    pub g_optim: Option<Adam>,
    /// The discriminator's optimizer state, if the file has one.
    pub d_optim: Option<Adam>,
}

impl Gan {
    /// A trainer that starts from `g`, with the checkpoint's discriminator, EMA and optimizer states.
    pub fn trainer(&self, config: TrainConfig, g: FlatParams) -> Trainer {
        let mut trainer = Trainer::new(self.networks.clone(), config, g, self.d.clone(), self.g_ema.clone());
        let adopt = |fresh: &mut Adam, saved: &Option<Adam>| {
            if let Some(saved) = saved {
                *fresh = Adam { config: fresh.config, ..saved.clone() };
            }
        };
        adopt(&mut trainer.g_optim, &self.g_optim);
        adopt(&mut trainer.d_optim, &self.d_optim);
        trainer
    }
}
