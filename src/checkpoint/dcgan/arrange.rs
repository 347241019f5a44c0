//! Which tensors of a dictionary are a DCGAN's, told by their shapes and their order, whatever they are called.

use crate::networks::dcgan::keys;
use crate::sanitize::sanitize;

/// Characters of a name that is quoted from a file.
const LONGEST_NAME: usize = 80;
/// Layers that a network may have; four double 4 to 64, nine double it to 2048.
const MOST_LAYERS: usize = 10;

/// Which of the two networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `ConvTranspose2d`: the first two extents are inputs, outputs.
    Generator,
    /// `Conv2d`: outputs, inputs.
    Discriminator,
}

/// A tensor of a dictionary: its name there and its shape.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
}

impl Named {
    fn shown(&self) -> String {
        format!("`{}`", sanitize(&self.name, LONGEST_NAME))
    }

    fn misfit(&self, fits: &str) -> String {
        format!("{} has shape {:?} where {fits} fits", self.shown(), self.shape)
    }
}

/// For each tensor that counts, its place in `tensors` and its key in [`keys`]; else what does not fit, in one clause.
///
/// A layer begins with a convolution's weight; a bias may follow, and batch normalisation (weight, bias, running mean,
/// running variance). Scalars (the number of batches that batch normalisation has seen) say nothing.
pub(super) fn arrange(tensors: &[Named], role: Role) -> Result<Vec<(usize, String)>, String> {
    if let Some(dense) = tensors.iter().find(|tensor| tensor.shape.len() == 2) {
        let shape = &dense.shape;
        return Err(format!("{} {shape:?} is a fully connected layer, which no DCGAN has", dense.shown()));
    }
    let mut layers: Vec<(usize, Vec<usize>)> = Vec::new();
    for (index, tensor) in tensors.iter().enumerate() {
        match (tensor.shape.len(), layers.last_mut()) {
            (4, _) => layers.push((index, Vec::new())),
            (1, Some((_, vectors))) => vectors.push(index),
            (0, _) => {}
            _ => return Err(tensor.misfit("a convolution's weight")),
        }
    }
    if layers.len() < 2 {
        return Err("it has fewer than two convolutions".to_owned());
    }
    if layers.len() > MOST_LAYERS {
        return Err(format!("it has {} convolutions, more than any DCGAN", layers.len()));
    }
    let mut out = Vec::new();
    let mut channels = None;
    for (layer, (index, vectors)) in layers.iter().enumerate() {
        let weight = &tensors[*index];
        let (inputs, outputs) = match (role, weight.shape.as_slice()) {
            (Role::Generator, [inputs, outputs, 4, 4]) | (Role::Discriminator, [outputs, inputs, 4, 4]) => {
                (*inputs, *outputs)
            }
            _ => return Err(weight.misfit("a 4x4 kernel")),
        };
        if channels.is_some_and(|channels| channels != inputs) {
            let channels = channels.unwrap_or_default();
            return Err(weight.misfit(&match role {
                Role::Generator => format!("[{channels}, {outputs}, 4, 4]"),
                Role::Discriminator => format!("[{outputs}, {channels}, 4, 4]"),
            }));
        }
        channels = Some(outputs);
        out.push((*index, keys::weight(layer)));
        let names: &[&str] = match vectors.len() {
            0 => &[],
            1 => &["bias"],
            4 => &["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"],
            5 => &["bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"],
            n => {
                return Err(format!(
                    "{n} vectors follow {}, which are no bias and no batch normalisation",
                    weight.shown()
                ));
            }
        };
        for (&vector, name) in vectors.iter().zip(names) {
            if tensors[vector].shape != [outputs] {
                return Err(tensors[vector].misfit(&format!("[{outputs}]")));
            }
            out.push((vector, format!("layers.{layer}.{name}")));
        }
    }
    let (first, last) = (&tensors[layers[0].0], &tensors[layers[layers.len() - 1].0]);
    match role {
        Role::Generator if ![1, 3].contains(&last.shape[1]) => {
            Err(last.misfit(&format!("one or three image channels, [{}, 3, 4, 4],", last.shape[0])))
        }
        Role::Discriminator if ![1, 3].contains(&first.shape[1]) => Err(first.misfit("one or three image channels")),
        Role::Discriminator if last.shape[0] != 1 => Err(last.misfit(&format!("[1, {}, 4, 4]", last.shape[1]))),
        _ => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(tensors: &[(&str, &[usize])]) -> Vec<Named> {
        tensors.iter().map(|(name, shape)| Named { name: (*name).to_owned(), shape: shape.to_vec() }).collect()
    }

    /// `z` of 10, one layer with batch normalisation and a count of batches, one that gives the image.
    fn generator() -> Vec<Named> {
        named(&[
            ("net.0.weight", &[10, 8, 4, 4]),
            ("net.2.weight", &[8]),
            ("net.2.bias", &[8]),
            ("net.2.running_mean", &[8]),
            ("net.2.running_var", &[8]),
            ("net.2.num_batches_tracked", &[]),
            ("net.9.weight", &[8, 3, 4, 4]),
            ("net.9.bias", &[3]),
        ])
    }

    #[test]
    fn names_do_not_matter() {
        let keys: Vec<String> =
            arrange(&generator(), Role::Generator).unwrap().into_iter().map(|(_, key)| key).collect();
        assert_eq!(
            keys,
            [
                "layers.0.weight",
                "layers.0.norm.weight",
                "layers.0.norm.bias",
                "layers.0.norm.running_mean",
                "layers.0.norm.running_var",
                "layers.1.weight",
                "layers.1.bias"
            ]
        );
        assert!(arrange(&generator(), Role::Discriminator).is_err());
        let discriminator = named(&[("a", &[8, 1, 4, 4]), ("b", &[1, 8, 4, 4])]);
        assert_eq!(arrange(&discriminator, Role::Discriminator).unwrap().len(), 2);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refused = |tensors: &[Named]| arrange(tensors, Role::Generator).unwrap_err();
        let with = |index: usize, shape: &[usize]| {
            let mut tensors = generator();
            tensors[index].shape = shape.to_vec();
            refused(&tensors)
        };
        assert_eq!(with(6, &[9, 3, 4, 4]), "`net.9.weight` has shape [9, 3, 4, 4] where [8, 3, 4, 4] fits");
        assert_eq!(with(6, &[8, 3, 5, 5]), "`net.9.weight` has shape [8, 3, 5, 5] where a 4x4 kernel fits");
        assert_eq!(with(3, &[7]), "`net.2.running_mean` has shape [7] where [8] fits");
        let mut five_channels = generator();
        (five_channels[6].shape, five_channels[7].shape) = (vec![8, 5, 4, 4], vec![5]);
        assert!(refused(&five_channels).contains("one or three image channels"));
        assert!(with(7, &[3, 3]).contains("is a fully connected layer, which no DCGAN has"));
        assert!(with(4, &[]).contains("3 vectors follow"));
        assert!(refused(&[]).contains("fewer than two convolutions"));
    }
}
