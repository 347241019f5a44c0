//! Parameters as layers use them, for GPUs: scaled, aligned and in the order in memory that convolutions want. All of a network's are made
//! in one launch, and their gradients are put together in one for a dozen, instead of several launches for each.
//!
//! On a processor layers scale slices of the flat vector themselves, which costs nothing to start.

use std::{ops::Range, sync::Arc};

use burn::{
    backend::DispatchTensor,
    tensor::{Device, Gradients, Int, Tensor, TensorData},
};

use super::ops::{self, Parts, Run, Usage};

/// A parameter of one pass.
#[derive(Clone, Debug)]
pub(super) enum Leaf {
    /// As it lies in the flat vector, or of one dimension.
    Vector(Tensor<1>),
    /// `[outer, inner]`.
    Matrix(Tensor<2>),
    /// `[outer, inner, height, width]`.
    Kernel(Tensor<4>),
}

impl Leaf {
    /// The same as a leaf of a new autodiff graph.
    pub(super) fn track(self) -> Self {
        match self {
            Self::Vector(x) => Self::Vector(x.autodiff().require_grad()),
            Self::Matrix(x) => Self::Matrix(x.autodiff().require_grad()),
            Self::Kernel(x) => Self::Kernel(x.autodiff().require_grad()),
        }
    }

    /// The same outside any graph.
    pub(super) fn inner(self) -> Self {
        match self {
            Self::Vector(x) => Self::Vector(x.inner()),
            Self::Matrix(x) => Self::Matrix(x.inner()),
            Self::Kernel(x) => Self::Kernel(x.inner()),
        }
    }

    /// Whether its gradient is asked for.
    pub(super) fn is_tracked(&self) -> bool {
        match self {
            Self::Vector(x) => x.is_tracked(),
            Self::Matrix(x) => x.is_tracked(),
            Self::Kernel(x) => x.is_tracked(),
        }
    }

    /// The tensor, whatever its dimensions.
    pub(super) fn into_dispatch(self) -> DispatchTensor {
        match self {
            Self::Vector(x) => x.into_dispatch(),
            Self::Matrix(x) => x.into_dispatch(),
            Self::Kernel(x) => x.into_dispatch(),
        }
    }

    /// In the shape that a layer wants; nothing happens where it is that of the leaf.
    pub(super) fn reshape<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        match self {
            Self::Vector(x) => x.clone().reshape(shape),
            Self::Matrix(x) if D == 2 => Tensor::from_dispatch(x.clone().into_dispatch()),
            Self::Matrix(x) => x.clone().reshape(shape),
            Self::Kernel(x) if D == 4 => Tensor::from_dispatch(x.clone().into_dispatch()),
            Self::Kernel(x) => x.clone().reshape(shape),
        }
    }

    /// Its gradient, which is a vector; zero where there is none.
    pub(super) fn flat_gradient(&self, gradients: &mut Gradients) -> Tensor<1> {
        match self {
            Self::Vector(x) => x.grad_remove(gradients).unwrap_or_else(|| x.clone().inner().zeros_like()),
            Self::Matrix(x) => x.grad_remove(gradients).unwrap_or_else(|| x.clone().inner().zeros_like()).flatten(0, 1),
            Self::Kernel(x) => x.grad_remove(gradients).unwrap_or_else(|| x.clone().inner().zeros_like()).flatten(0, 3),
        }
    }

    /// Its gradient, or else its value, and whether it is the gradient.
    fn gradient(&self, gradients: &mut Gradients) -> (DispatchTensor, bool) {
        fn either<const D: usize>(x: &Tensor<D>, gradients: &mut Gradients) -> (DispatchTensor, bool) {
            match x.grad_remove(gradients) {
                Some(gradient) => (gradient.into_dispatch(), true),
                None => (x.clone().inner().into_dispatch(), false),
            }
        }
        match self {
            Self::Vector(x) => either(x, gradients),
            Self::Matrix(x) => either(x, gradients),
            Self::Kernel(x) => either(x, gradients),
        }
    }

    /// Where it is, if it has values.
    pub(super) fn device(&self) -> Option<Device> {
        match self {
            Self::Vector(x) => (x.dims() != [0]).then(|| x.device()),
            Self::Matrix(x) => Some(x.device()),
            Self::Kernel(x) => Some(x.device()),
        }
    }
}

/// How the parameters of a layout are laid out on a device.
#[derive(Debug)]
pub(super) struct Prepared {
    parts: Arc<Parts>,
    table: Tensor<1, Int>,
    scales: Tensor<1>,
}

impl Prepared {
    /// Whether parameters are prepared on this device: on all but processors.
    pub(super) fn is_for(device: &Device) -> bool {
        *device != Device::flex()
    }

    /// For parameters with these places in the flat vector, which they cover in this order.
    pub(super) fn new(usages: impl Iterator<Item = (Range<usize>, Usage)>, device: &Device) -> Self {
        let parts = Parts::new(usages);
        let (table, scales) = (parts.table(), parts.scales());
        let (rows, numbers) = (scales.len(), table.len());
        Self {
            table: Tensor::from_data(TensorData::new(table, [numbers]), device),
            scales: Tensor::from_data(TensorData::new(scales, [rows]), device),
            parts: Arc::new(parts),
        }
    }

    /// The device it is for.
    pub(super) fn device(&self) -> Device {
        self.scales.device()
    }

    /// Every parameter of the flat vector `values`.
    pub(super) fn split(&self, values: &Tensor<1>) -> Vec<Leaf> {
        let (table, scales, parts) = (self.table.clone(), self.scales.clone(), &self.parts);
        let prepared = ops::prepare(values.clone(), table, scales, parts.clone());
        let leaf = |number: usize| {
            let (prepared, parts) = (prepared.clone(), parts.clone());
            match parts.part(number).usage.shape.len() {
                4 => Leaf::Kernel(ops::part(prepared, parts, number)),
                2 => Leaf::Matrix(ops::part(prepared, parts, number)),
                _ => Leaf::Vector(ops::part(prepared, parts, number)),
            }
        };
        (0..parts.count()).map(leaf).collect()
    }

    /// The gradients of all leaves as one vector of `total` values.
    pub(super) fn put_together(&self, leaves: &[Leaf], total: usize, gradients: &mut Gradients) -> Tensor<1> {
        let mut flat = Tensor::empty([total], &self.device());
        for (run, leaves) in leaves.chunks(Run::MOST).enumerate() {
            let found: Vec<_> = leaves.iter().map(|leaf| leaf.gradient(gradients)).collect();
            let present = found.iter().map(|(_, present)| *present).collect();
            let all = std::array::from_fn(|place| found[place.min(found.len() - 1)].0.clone());
            flat = ops::put_together(flat, all, self.parts.clone(), Run { first: run * Run::MOST, present });
        }
        flat
    }
}
