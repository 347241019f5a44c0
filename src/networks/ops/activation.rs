//! Which leaky ReLU.

/// What activations stored in half precision are held within, plus and minus, so that no sum overflows: `conv_clamp` of NVlabs'
/// stylegan2-ada-pytorch.
pub const HALF_LIMIT: f32 = 256.0;

/// `max(x, negative_slope * x) * gain`: a leaky ReLU and the gain after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activation {
    /// The slope on the negative side, at least 0 and below 1; 0 is the plain ReLU.
    pub negative_slope: f32,
    /// Above 0.
    pub gain: f32,
}

impl Activation {
    /// StyleGAN2's: slope 0.2, and the gain that restores unit variance.
    pub const LEAKY: Self = Self { negative_slope: 0.2, gain: std::f32::consts::SQRT_2 };
    /// DCGAN's discriminator's: slope 0.2, no gain.
    pub const PLAIN_LEAKY: Self = Self { negative_slope: 0.2, gain: 1.0 };
    /// DCGAN's generator's.
    pub const RELU: Self = Self { negative_slope: 0.0, gain: 1.0 };

    /// Slope times gain at an output (or input) of this sign.
    #[inline(always)]
    pub fn factor(self, positive: bool) -> f32 {
        if positive { self.gain } else { self.negative_slope * self.gain }
    }
}
