//! What a person wants to know of the pictures that a model completes.

use serde::Serialize;

use crate::data::ImageSource;

/// Pictures that are open beside a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PicturesCard {
    /// Where they come from.
    pub source: ImageSource,
    /// How many there are.
    pub count: usize,
}
