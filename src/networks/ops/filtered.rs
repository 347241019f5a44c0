//! What a filtered leaky ReLU (Karras et al. 2021, "Alias-Free Generative Adversarial Networks") does, as plain data.

use super::activation::Activation;
use super::fir::{Fir, adjoint_pad, output_len};

/// Upsampling, leaky ReLU, clamp, downsampling: the activation at a higher sampling rate, so that what it adds above the
/// result's band is filtered out again.
#[derive(Clone, Debug, PartialEq)]
pub struct FilteredActivation {
    /// To the higher sampling rate, padding or cropping on the way; `down` is 1, and the taps carry the gain.
    pub up: Fir,
    /// At the higher sampling rate.
    pub act: Activation,
    /// Activations are held within plus and minus this; where they were, nothing moves.
    pub clamp: f32,
    /// To the result's sampling rate; `up` is 1, and nothing is padded.
    pub down: Lowpass,
}

/// The filter after the activation.
#[derive(Clone, Debug, PartialEq)]
pub enum Lowpass {
    /// The same taps along both axes.
    Separable(Fir),
    /// A table of taps, as a radially symmetric filter has.
    Table(Fir2d),
}

/// A two-dimensional FIR resampling, otherwise as [`Fir`].
#[derive(Clone, Debug, PartialEq)]
pub struct Fir2d {
    /// `[side, side]`, row-major, applied as a true convolution.
    pub taps: Vec<f32>,
    /// Side of the table.
    pub side: usize,
    /// Zero insertion factor.
    pub up: usize,
    /// Decimation factor.
    pub down: usize,
    /// Padding before and after along the height, counted after the zero insertion.
    pub pad_y: [isize; 2],
    /// Padding before and after along the width, counted after the zero insertion.
    pub pad_x: [isize; 2],
}

impl Fir2d {
    /// Filtering by a table of taps and decimation, without padding.
    pub fn downsampling(taps: Vec<f32>, side: usize, down: usize) -> Self {
        assert!(side > 0 && taps.len() == side * side, "a table of taps is square");
        assert!(down > 0, "a decimation factor starts at 1");
        Self { taps, side, up: 1, down, pad_y: [0, 0], pad_x: [0, 0] }
    }

    /// The size of the result for an input of `[height, width]`.
    pub fn output_size(&self, [h, w]: [usize; 2]) -> [usize; 2] {
        let factors = [self.up, self.down];
        [output_len(self.side, factors, h, self.pad_y), output_len(self.side, factors, w, self.pad_x)]
    }

    /// The resampling that is this one's adjoint for inputs of `[height, width]`.
    pub fn adjoint(&self, [h, w]: [usize; 2]) -> Self {
        let [oh, ow] = self.output_size([h, w]);
        let factors = [self.up, self.down];
        Self {
            taps: self.taps.iter().rev().copied().collect(),
            side: self.side,
            up: self.down,
            down: self.up,
            pad_y: adjoint_pad(self.side, factors, [h, oh], self.pad_y),
            pad_x: adjoint_pad(self.side, factors, [w, ow], self.pad_x),
        }
    }
}

impl Lowpass {
    /// The size of the result for an input of `[height, width]`.
    pub fn output_size(&self, size: [usize; 2]) -> [usize; 2] {
        match self {
            Self::Separable(fir) => fir.output_size(size),
            Self::Table(fir) => fir.output_size(size),
        }
    }

    /// Decimation factor.
    pub fn down(&self) -> usize {
        match self {
            Self::Separable(fir) => fir.down,
            Self::Table(fir) => fir.down,
        }
    }

    /// The filter that is this one's adjoint for inputs of `[height, width]`.
    pub fn adjoint(&self, size: [usize; 2]) -> Self {
        match self {
            Self::Separable(fir) => Self::Separable(fir.adjoint(size)),
            Self::Table(fir) => Self::Table(fir.adjoint(size)),
        }
    }
}

impl FilteredActivation {
    /// The size of the result for an input of `[height, width]`.
    pub fn output_size(&self, size: [usize; 2]) -> [usize; 2] {
        self.down.output_size(self.up.output_size(size))
    }
}
