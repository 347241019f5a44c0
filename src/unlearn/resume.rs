//! What a method needs to go on as if it had never been interrupted.

use burn::tensor::Tensor;
use serde_json::Value;

/// Where a method stands between two iterations. What is in it is the method's own business.
#[derive(Clone, Debug)]
pub struct ResumePoint {
    /// Counters, random streams, the order of the pools.
    pub position: Value,
    /// Weights and moments by name, each `[length]`. They are shared, not copied.
    pub tensors: Vec<(String, Tensor<1>)>,
}

impl ResumePoint {
    /// Where nothing is kept, and what was interrupted is done anew.
    pub fn start() -> Self {
        Self { position: Value::Null, tensors: Vec::new() }
    }

    /// Whether nothing is kept in it.
    pub fn is_start(&self) -> bool {
        self.position.is_null()
    }

    /// The tensor of this name.
    pub fn tensor(&self, name: &str) -> Option<Tensor<1>> {
        self.tensors.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor.clone())
    }
}
