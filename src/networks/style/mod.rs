//! What the style-based families share: linear layers with an equalised learning rate, the mapping network, and the centre
//! of truncation.
//!
//! Imports the rest of `networks` but no family; each family brings the names of its tensors ([`MappingNames`]).

mod linear;
mod mapping;
mod truncation;

pub(super) use linear::{EqualLinear, id, weight_id};
pub(super) use mapping::{Mapping, MappingNames};
pub(super) use truncation::{WAvg, centre};
