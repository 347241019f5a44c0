//! What a family has to say of an architecture beside what all have in common.

use indexmap::IndexMap;
use serde_json::Value;

/// Names and values, for `info` and the model card: numbers, texts, truth values.
pub type Details = IndexMap<&'static str, Value>;
