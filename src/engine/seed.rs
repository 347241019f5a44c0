//! Seeds that several jobs share.

/// Seed of the latents that results are measured on: not the one that feedback is drawn from.
pub const EVALUATION_SEED: u64 = 1_000_003;
