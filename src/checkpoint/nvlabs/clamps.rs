//! One `conv_clamp` for all layers of a network.

use super::{NetworkError, objects::Module};

/// The `conv_clamp` of every layer, which must be one and the same.
#[derive(Default)]
pub(super) struct Clamps(Option<Option<f64>>);

impl Clamps {
    pub(super) fn note(&mut self, module: &Module) -> Result<(), NetworkError> {
        let own = module.optional_number("conv_clamp")?;
        if *self.0.get_or_insert(own) != own {
            return Err(NetworkError::Declined("a network with different `conv_clamp` in its layers".to_owned()));
        }
        Ok(())
    }

    pub(super) fn common(self, network: &str) -> Result<Option<f32>, NetworkError> {
        let clamp = self.0.flatten();
        if clamp.is_some_and(|clamp| clamp.is_nan() || clamp <= 0.0) {
            return Err(NetworkError::Bad(format!("the `conv_clamp` of its {network} is not above 0")));
        }
        Ok(clamp.map(|clamp| clamp as f32))
    }
}
