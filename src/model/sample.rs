//! The address of one picture of a model.

use crate::networks::LatentAddress;

/// One picture of a model: a latent's address, the truncation it is drawn with and, if one was chosen, its class.
///
/// Two samples are the same only if their `psi` agree in every bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sample {
    address: LatentAddress,
    psi_bits: u32,
    class: Option<u32>,
}

impl Sample {
    /// The sample at `address` truncated with `psi`; none if `psi` is not a finite number.
    pub fn new(address: LatentAddress, psi: f32) -> Option<Self> {
        // Adding 0 makes one of the two zeros.
        psi.is_finite().then(|| Self { address, psi_bits: (psi + 0.0).to_bits(), class: None })
    }

    /// The same latent as a picture of this class; without one, the address decides (in class-conditional networks).
    pub fn with_class(self, class: Option<u32>) -> Self {
        Self { class, ..self }
    }

    /// The class that was chosen, if one was.
    pub fn class(self) -> Option<u32> {
        self.class
    }

    /// Where the latent is found.
    pub fn address(self) -> LatentAddress {
        self.address
    }

    /// The truncation: 1 is none, 0 is the mean picture.
    pub fn psi(self) -> f32 {
        f32::from_bits(self.psi_bits)
    }
}
