//! Convolutions are Burn's own, which measures several ways of computing each and takes the quickest. Of images in half precision not all
//! of these add up in `f32`: matrix units do, and where there are none the convolution is computed in `f32` throughout, so that half
//! precision is what is stored.

use burn::backend::ops::FloatTensorOps;
use burn::backend::{DType, FloatDType, Shape};
use burn::tensor::ops::ConvOptions;
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::conv::{ConvStrategy, conv_data_backward, conv_forward, conv_weight_backward};
use burn_cubecl::tensor::CubeTensor;

use crate::networks::ops::composite;

/// Stride and padding of a convolution, each along both axes.
#[derive(Clone, Copy)]
pub struct Steps {
    pub stride: usize,
    pub padding: usize,
}

impl Steps {
    fn options(self) -> ConvOptions<2> {
        ConvOptions::new([self.stride; 2], [self.padding; 2], [1; 2], 1)
    }
}

/// Whether the device has matrix units.
fn has_matrix_units(x: &CubeTensor) -> bool {
    let units = &x.client.properties().features.matmul;
    !units.cmma.is_empty() || !units.mma.is_empty()
}

/// Whether to try matrix units for images in half precision.
fn by_matrix_units(x: &CubeTensor) -> bool {
    x.dtype == DType::F16 && has_matrix_units(x)
}

fn half(x: CubeTensor) -> CubeTensor {
    CubeBackend::float_cast(x, FloatDType::F16)
}

fn single(x: CubeTensor) -> CubeTensor {
    CubeBackend::float_cast(x, FloatDType::F32)
}

/// The result in what the images are stored in.
fn stored_as(dtype: DType, y: CubeTensor) -> CubeTensor {
    if dtype == DType::F16 { half(y) } else { y }
}

pub fn forward(x: CubeTensor, weight: CubeTensor, steps: Steps) -> CubeTensor {
    if by_matrix_units(&x)
        && let Ok(y) =
            conv_forward::<2>(x.clone(), half(weight.clone()), None, steps.options(), ConvStrategy::ImplicitGemm)
    {
        return y;
    }
    let dtype = x.dtype;
    stored_as(dtype, composite::conv_forward::<CubeBackend>(single(x), weight, steps.stride, steps.padding))
}

/// How to compute an input gradient in `f32`. Where there are matrix units, implicit matrix products are among the ways that are
/// measured; where there are none, measuring them would find nothing.
fn input_grad_strategy(grad: &CubeTensor) -> ConvStrategy {
    if has_matrix_units(grad) { ConvStrategy::default() } else { ConvStrategy::Direct }
}

pub fn input_grad(weight: CubeTensor, grad: CubeTensor, [h, w]: [usize; 2], steps: Steps) -> CubeTensor {
    let Steps { stride, padding } = steps;
    let shape = Shape::from([grad.meta.shape()[0], weight.meta.shape()[1], h, w]);
    // With another stride it is no implicit matrix product.
    if by_matrix_units(&grad)
        && stride == 1
        && let (grad, weight) = (grad.clone(), half(weight.clone()))
        && let Ok(dx) =
            conv_data_backward::<2>(grad, weight, shape.clone(), steps.options(), ConvStrategy::ImplicitGemm)
    {
        return dx;
    }
    let dtype = grad.dtype;
    let grad = single(grad);
    let strategy = input_grad_strategy(&grad);
    let dx = conv_data_backward::<2>(grad.clone(), weight.clone(), shape, steps.options(), strategy)
        .unwrap_or_else(|_| composite::conv_input_grad::<CubeBackend>(weight, grad, [h, w], stride, padding));
    stored_as(dtype, dx)
}

/// The gradient of a weight, in `f32`.
pub fn weight_grad(x: CubeTensor, grad: CubeTensor, [kh, kw]: [usize; 2], steps: Steps) -> CubeTensor {
    let Steps { stride, padding } = steps;
    let shape = Shape::from([grad.meta.shape()[1], x.meta.shape()[1], kh, kw]);
    if by_matrix_units(&x)
        && let (x, grad) = (x.clone(), grad.clone())
        && let Ok(dweight) =
            conv_weight_backward::<2>(x, grad, shape.clone(), steps.options(), ConvStrategy::ImplicitGemm)
    {
        return single(dweight);
    }
    let [x, grad] = [x, grad].map(single);
    conv_weight_backward::<2>(x.clone(), grad.clone(), shape, steps.options(), ConvStrategy::default())
        .unwrap_or_else(|_| composite::conv_weight_grad::<CubeBackend>(x, grad, [kh, kw], stride, padding))
}
