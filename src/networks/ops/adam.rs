//! One step of Adam.

/// The numbers of one step of Adam (Kingma & Ba 2015, algorithm 1), bias corrections worked out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Learning rate over the first moment's bias correction, `lr / (1 - beta1^t)`.
    pub rate: f32,
    /// The square root of the second moment's bias correction, `sqrt(1 - beta2^t)`.
    pub correction: f32,
    /// Added to the denominator.
    pub eps: f32,
}
