//! Parameters on the host: what checkpoint files hold and what networks are built from.

use indexmap::IndexMap;

use crate::plain::plain;

/// Characters of a name that is quoted from a file.
const LONGEST_NAME: usize = 80;

/// A dense `f32` tensor in main memory, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Extent of every dimension; empty for a scalar.
    pub shape: Vec<usize>,
    /// `shape.iter().product()` values, last dimension fastest.
    pub data: Vec<f32>,
}

impl HostTensor {
    /// A tensor from its shape and values.
    ///
    /// # Panics
    /// If the number of values is not the product of the shape: a programming error, never a file's.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "shape {shape:?} does not hold {} values", data.len());
        Self { shape, data }
    }
}

/// Named tensors in the order of the PyTorch `state_dict`, buffers included; keys as in the rosinality layout
/// (`style.1.weight`, `convs.0.conv.weight`, `noises.noise_0`, ...).
pub type Params = IndexMap<String, HostTensor>;

/// Buffers for what the shapes of a rosinality network cannot say: parts of the architecture that only other code bases
/// have (stylegan2-ada-pytorch). Scalars have the shape `[]`.
pub mod extension {
    /// Running mean of `w` that truncation is centred on, `[style_dim]`.
    pub const W_AVG: &str = "w_avg";
    /// Outputs of convolutions are clamped to plus or minus this, `[]`.
    pub const CONV_CLAMP: &str = "conv_clamp";
    /// Learning-rate multiplier of the mapping network if it is not 0.01, `[]`.
    pub const LR_MULTIPLIER: &str = "style.lr_multiplier";
    /// Samples per group of the minibatch standard deviation if there are not 4, `[]`; 0 means the whole batch.
    pub const STDDEV_GROUP: &str = "stddev_group";
    /// Channels of the minibatch standard deviation if it is not 1, `[]`.
    pub const STDDEV_FEATURES: &str = "stddev_features";
    /// The class embedding's prefix (weights are parameters).
    pub const EMBED: &str = "embed";

    /// Every buffer above.
    pub(crate) const BUFFERS: [&str; 5] = [W_AVG, CONV_CLAMP, LR_MULTIPLIER, STDDEV_GROUP, STDDEV_FEATURES];
}

/// Whether a `state_dict` key names a buffer (carried through unchanged) rather than a trained parameter.
pub fn is_buffer(key: &str) -> bool {
    key.starts_with("noises.") || key.ends_with(".kernel") || extension::BUFFERS.contains(&key)
}

/// Whether a `state_dict` key belongs to a mapping network.
pub(super) fn is_mapping(key: &str) -> bool {
    ["style.", "embed."].iter().any(|prefix| key.starts_with(prefix))
}

/// Why a set of tensors is not a network this program can build. Displays as one clause without the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchitectureError {
    /// A tensor that the architecture needs is not there.
    #[error("the {network} has no tensor `{key}`")]
    Missing {
        /// `generator` or `discriminator`.
        network: &'static str,
        /// The `state_dict` key.
        key: String,
    },
    /// A tensor has a shape that does not fit its neighbours.
    #[error("the {network}'s tensor `{key}` has shape {found:?} where {expected} fits")]
    Shape {
        /// `generator` or `discriminator`.
        network: &'static str,
        /// The `state_dict` key.
        key: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape that would fit.
        expected: String,
    },
    /// A tensor that the architecture does not know.
    #[error("the {network} has an unknown tensor `{key}`: it is of another architecture")]
    Unexpected {
        /// `generator` or `discriminator`.
        network: &'static str,
        /// The `state_dict` key.
        key: String,
    },
    /// A number that cannot be what it is there for.
    #[error("the {network}'s `{key}` is {value}, which it cannot be")]
    Value {
        /// `generator` or `discriminator`.
        network: &'static str,
        /// The `state_dict` key.
        key: String,
        /// The number in the file, as text.
        value: String,
    },
    /// A blur kernel that is not the outer product of one row of taps with itself.
    #[error("the {network}'s blur kernel `{key}` is not separable")]
    Kernel {
        /// `generator` or `discriminator`.
        network: &'static str,
        /// The `state_dict` key.
        key: String,
    },
}

/// Walks a network's tensors while it is built: hands out shapes, checks them, and notices what nobody asked for.
pub(super) struct ShapeReader<'a> {
    network: &'static str,
    params: &'a Params,
    seen: std::collections::HashSet<String>,
}

impl<'a> ShapeReader<'a> {
    pub(super) fn new(network: &'static str, params: &'a Params) -> Self {
        Self { network, params, seen: Default::default() }
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.params.contains_key(key)
    }

    /// The tensor `key`, which must have `N` dimensions, none of them zero.
    pub(super) fn tensor<const N: usize>(
        &mut self,
        key: &str,
    ) -> Result<([usize; N], &'a HostTensor), ArchitectureError> {
        let tensor = self
            .params
            .get(key)
            .ok_or_else(|| ArchitectureError::Missing { network: self.network, key: key.to_owned() })?;
        self.seen.insert(key.to_owned());
        match <[usize; N]>::try_from(tensor.shape.as_slice()) {
            Ok(shape) if shape.iter().all(|&n| n > 0) => Ok((shape, tensor)),
            _ => Err(self.misfit(key, format!("a shape of {N} dimensions"))),
        }
    }

    /// Checks that the tensor `key` has exactly this shape.
    pub(super) fn expect<const N: usize>(
        &mut self,
        key: &str,
        shape: [usize; N],
    ) -> Result<&'a HostTensor, ArchitectureError> {
        let (found, tensor) = self.tensor::<N>(key)?;
        if found == shape { Ok(tensor) } else { Err(self.misfit(key, format!("{shape:?}"))) }
    }

    /// The scalar buffer `key`, if it is there; it must be a number from `least` to `most`.
    pub(super) fn scalar(&mut self, key: &str, least: f32, most: f32) -> Result<Option<f32>, ArchitectureError> {
        if !self.contains(key) {
            return Ok(None);
        }
        let value = self.expect(key, [])?.data.first().copied().unwrap_or(f32::NAN);
        if (least..=most).contains(&value) {
            return Ok(Some(value));
        }
        Err(ArchitectureError::Value { network: self.network, key: key.to_owned(), value: value.to_string() })
    }

    pub(super) fn misfit(&self, key: &str, expected: String) -> ArchitectureError {
        ArchitectureError::Shape {
            network: self.network,
            key: key.to_owned(),
            found: self.params.get(key).map(|t| t.shape.clone()).unwrap_or_default(),
            expected,
        }
    }

    /// The one-dimensional taps `t` of a separable kernel buffer `t tᵀ` (symmetric, non-negative), gain included.
    pub(super) fn separable_taps(&mut self, key: &str) -> Result<Vec<f32>, ArchitectureError> {
        let ([rows, columns], tensor) = self.tensor::<2>(key)?;
        let kernel_error = || ArchitectureError::Kernel { network: self.network, key: key.to_owned() };
        if rows != columns || rows > 32 {
            return Err(kernel_error());
        }
        let taps: Vec<f32> = (0..rows).map(|i| tensor.data[i * rows + i].max(0.0).sqrt()).collect();
        let largest = tensor.data.iter().fold(0f32, |a, &b| a.max(b.abs()));
        let separable = (0..rows)
            .all(|i| (0..rows).all(|j| (tensor.data[i * rows + j] - taps[i] * taps[j]).abs() <= 1e-5 * largest));
        if separable && largest.is_finite() { Ok(taps) } else { Err(kernel_error()) }
    }

    /// Fails on the first tensor that was never asked for.
    pub(super) fn finish(self) -> Result<(), ArchitectureError> {
        match self.params.keys().find(|key| !self.seen.contains(*key)) {
            None => Ok(()),
            Some(key) => Err(ArchitectureError::Unexpected { network: self.network, key: plain(key, LONGEST_NAME) }),
        }
    }
}
