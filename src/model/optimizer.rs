//! Optimizer states: PyTorch's, tensor by tensor, and ours, flat.

use burn::tensor::{Tensor, TensorData};
use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::{
    checkpoint::{AdamMoments, OptimState},
    networks::{FlatParams, HostTensor, flat::to_vec},
    train::{Adam, adam::AdamConfig},
};

/// The optimizer state of a file as flat vectors; `None` if it has never stepped.
pub(super) fn adam_from_host(state: &OptimState, like: &FlatParams) -> Option<Adam> {
    let step = state.moments.values().map(|m| m.step).fold(0f32, f32::max);
    if step == 0.0 {
        return None;
    }
    let mut exp_avg = vec![0.0; like.layout.total()];
    let mut exp_avg_sq = exp_avg.clone();
    for (i, (_, _, range)) in like.layout.iter().enumerate() {
        let Some(moments) = state.moments.get(&i) else { continue };
        if moments.exp_avg.data.len() != range.len() || moments.exp_avg_sq.data.len() != range.len() {
            return None;
        }
        exp_avg[range.clone()].copy_from_slice(&moments.exp_avg.data);
        exp_avg_sq[range].copy_from_slice(&moments.exp_avg_sq.data);
    }
    let device = like.device();
    let tensor = |values: Vec<f32>| -> Tensor<1> {
        let shape = [values.len()];
        Tensor::from_data(TensorData::new(values, shape), &device)
    };
    Some(Adam {
        // The stage that adopts the state sets its own hyperparameters.
        config: AdamConfig::lazy(0.0, 1),
        step: f64::from(step),
        exp_avg: tensor(exp_avg),
        exp_avg_sq: tensor(exp_avg_sq),
    })
}

/// An optimizer state as PyTorch keeps it; `groups` are the original's `param_groups`, if there were any.
pub(super) fn adam_to_host(adam: &Adam, like: &FlatParams, groups: Value) -> OptimState {
    let (exp_avg, exp_avg_sq) = (to_vec(adam.exp_avg.clone()), to_vec(adam.exp_avg_sq.clone()));
    let moments: IndexMap<usize, AdamMoments> = like
        .layout
        .iter()
        .enumerate()
        .map(|(i, (_, shape, range))| {
            let tensor = |values: &[f32]| HostTensor::new(shape.to_vec(), values[range.clone()].to_vec());
            let moments =
                AdamMoments { step: adam.step as f32, exp_avg: tensor(&exp_avg), exp_avg_sq: tensor(&exp_avg_sq) };
            (i, moments)
        })
        .collect();
    let mut group =
        groups.get(0).cloned().unwrap_or_else(|| json!({ "weight_decay": 0, "amsgrad": false, "maximize": false }));
    if let Some(group) = group.as_object_mut() {
        group.insert("lr".to_owned(), json!(adam.config.lr));
        group.insert("betas".to_owned(), json!([adam.config.beta1, adam.config.beta2]));
        group.insert("eps".to_owned(), json!(adam.config.eps));
        if adam.config.decay > 0.0 {
            group.insert("weight_decay".to_owned(), json!(adam.config.decay));
        }
        group.insert("params".to_owned(), json!((0..like.layout.len()).collect::<Vec<_>>()));
    }
    OptimState { moments, param_groups: json!([group]) }
}
