//! *Adapt then Unlearn* (Tiwary, Guha, Panda, Prathosh; arXiv 2309.14054): EWC, repulsion, the two stages, extrapolation.

pub mod ewc;
pub mod extrapolate;
pub mod repulsion;
pub mod settings;
pub mod stages;
