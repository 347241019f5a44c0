//! Parameters on the host: what checkpoint files hold and what networks are built from.

use indexmap::IndexMap;

use crate::sanitize::sanitize;

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

/// Named tensors in the order of the PyTorch `state_dict`, buffers included; keys as in the family's file layout.
pub type Params = IndexMap<String, HostTensor>;

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
    /// More classes than a class-conditional generator's input has room for.
    #[error(
        "{classes} classes do not fit into the generator's input of {inputs} numbers, of which some must be left to z"
    )]
    Classes {
        /// The classes that were asked for.
        classes: usize,
        /// Length of the input.
        inputs: usize,
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
    pub(super) network: &'static str,
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
        Err(self.value(key, &[value]))
    }

    /// The error for numbers that contradict what they belong to.
    pub(super) fn value(&self, key: &str, values: &[f32]) -> ArchitectureError {
        let value = match values {
            [one] => one.to_string(),
            _ => format!("{values:?}"),
        };
        ArchitectureError::Value { network: self.network, key: key.to_owned(), value }
    }

    pub(super) fn misfit(&self, key: &str, expected: String) -> ArchitectureError {
        ArchitectureError::Shape {
            network: self.network,
            key: key.to_owned(),
            found: self.params.get(key).map(|t| t.shape.clone()).unwrap_or_default(),
            expected,
        }
    }

    /// Fails on the first tensor that was never asked for.
    pub(super) fn finish(self) -> Result<(), ArchitectureError> {
        match self.params.keys().find(|key| !self.seen.contains(*key)) {
            None => Ok(()),
            Some(key) => Err(ArchitectureError::Unexpected { network: self.network, key: sanitize(key, LONGEST_NAME) }),
        }
    }
}
