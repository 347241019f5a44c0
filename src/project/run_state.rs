//! Where a run stands, as a file.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::error::ProjectError;
use crate::{
    checkpoint::{read_tensors, write_tensors},
    networks::HostTensor,
};

/// The metadata key of the position.
const POSITION: &str = "position";
/// The metadata key of what was counted.
const COUNTERS: &str = "counters";

/// Where a run stands: the method's position and tensors, and what whoever runs it has counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    /// The method's own.
    pub position: Value,
    /// Iterations, seconds, charts.
    pub counters: Value,
    /// The method's tensors by name, each `[length]`.
    pub tensors: BTreeMap<String, Vec<f32>>,
}

impl RunState {
    /// Writes it in place of the one that is there, once it is whole.
    pub fn save(self, path: &Path) -> Result<(), ProjectError> {
        let metadata = [(POSITION, self.position), (COUNTERS, self.counters)]
            .map(|(key, value)| (key.to_owned(), value.to_string()));
        let tensors =
            self.tensors.into_iter().map(|(name, values)| (name, HostTensor::new(vec![values.len()], values)));
        let tensors: BTreeMap<String, HostTensor> = tensors.collect();
        Ok(write_tensors(path, &tensors, &metadata.into_iter().collect())?)
    }

    /// Reads it.
    pub fn load(path: &Path) -> Result<Self, ProjectError> {
        let (tensors, metadata) = read_tensors(path)?;
        let json = |key: &str| {
            let text = metadata.get(key).map_or("null", String::as_str);
            serde_json::from_str(text).map_err(|error| ProjectError::Damaged {
                path: path.to_owned(),
                reason: format!("its `{key}` is not JSON ({error})"),
            })
        };
        let tensors = tensors.into_iter().map(|(name, tensor)| (name, tensor.data)).collect();
        Ok(Self { position: json(POSITION)?, counters: json(COUNTERS)?, tensors })
    }
}
