//! How an image tensor lies in memory. Burn's convolutions give channels last, everything else channels first; the kernels take both, so
//! that nothing is copied merely to be in the other order.

use burn::backend::{DType, Shape, TensorMetadata};
use burn_cubecl::cubecl::{self, calculate_cube_count_elemwise, prelude::*, std::FastDivmod};
use burn_cubecl::kernel::{into_contiguous, untile};
use burn_cubecl::ops::{permute_nchw_to_nhwc, permute_nhwc_to_nchw};
use burn_cubecl::tensor::CubeTensor;

/// The order of the values of `[n, c, h, w]` in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Plane after plane.
    ChannelsFirst,
    /// All channels of a pixel side by side.
    ChannelsLast,
}

/// A tensor `[n, c, h, w]` without gaps, in a known order.
pub struct Image {
    pub tensor: CubeTensor,
    pub order: Order,
    pub size: [usize; 4],
}

impl Image {
    /// The tensor as it is; copied where it has gaps or another order than these.
    pub fn new(x: CubeTensor) -> Self {
        let x = untile(x);
        let size = x.shape().dims::<4>();
        let order = match !x.is_contiguous() && permute_nchw_to_nhwc(x.clone()).is_contiguous() {
            true => Order::ChannelsLast,
            false => Order::ChannelsFirst,
        };
        Self { tensor: order.arrange(x), order, size }
    }

    /// A tensor of the size `[h, w]` with this one's batch, channels and order, uninitialised.
    pub fn empty_like(&self, [h, w]: [usize; 2]) -> CubeTensor {
        let [n, c, ..] = self.size;
        let x = &self.tensor;
        let shape = match self.order {
            Order::ChannelsFirst => [n, c, h, w],
            Order::ChannelsLast => [n, h, w, c],
        };
        let tensor = empty_of(x, &shape, x.dtype);
        match self.order {
            Order::ChannelsFirst => tensor,
            Order::ChannelsLast => permute_nhwc_to_nchw(tensor),
        }
    }

    /// Another tensor of the same shape as a kernel's argument, brought into the same order.
    pub fn beside(&self, x: CubeTensor) -> CubeTensor {
        debug_assert_eq!(x.shape().dims::<4>(), self.size);
        self.order.arrange(x)
    }

    pub fn channels_last(&self) -> bool {
        self.order == Order::ChannelsLast
    }

    /// Whether it is stored in half precision.
    pub fn is_half(&self) -> bool {
        self.tensor.dtype == DType::F16
    }

    /// How many values a unit takes at a time: neighbours in memory that are of one plane, or of one pixel.
    pub fn vector_size(&self) -> usize {
        let [_, c, h, w] = self.size;
        vector_size(&self.tensor.client, if self.channels_last() { c } else { h * w })
    }

    /// The arguments that tell where in the image a vector is.
    pub fn places(&self, vector: usize) -> PlacesLaunch {
        let [n, c, h, w] = self.size;
        let (inner, outer) = if self.channels_last() { (c / vector, h * w) } else { (h * w / vector, c) };
        PlacesLaunch::new(n * c * h * w / vector, inner, outer)
    }
}

impl Order {
    /// A tensor `[n, c, h, w]` in this order; copied where it is not.
    pub fn arrange(self, x: CubeTensor) -> CubeTensor {
        match self {
            Self::ChannelsFirst => into_contiguous(x),
            Self::ChannelsLast => permute_nhwc_to_nchw(into_contiguous(permute_nchw_to_nhwc(x))),
        }
    }
}

/// Where a kernel writes one value for each of an input's, which is its buffer number `position`: over that input where nobody needs it any
/// more, else to a new tensor.
pub fn over(input: &CubeTensor, position: usize, new: impl FnOnce() -> CubeTensor) -> (CubeTensor, BufferArg) {
    if input.can_mut() {
        return (input.clone(), input.as_tensor_alias(position).into_buffer_arg());
    }
    let output = new();
    (output.clone(), output.into_buffer_arg())
}

/// An uninitialised tensor of `shape`, in `f32`, on the device of `x`.
pub fn empty(x: &CubeTensor, shape: &[usize]) -> CubeTensor {
    empty_of(x, shape, DType::F32)
}

fn empty_of(x: &CubeTensor, shape: &[usize], dtype: DType) -> CubeTensor {
    let shape = Shape::from(shape);
    let handle = x.client.empty(shape.num_elements() * dtype.size());
    CubeTensor::new_contiguous(x.client.clone(), x.device.clone(), shape, handle, dtype)
}

/// What the values of an image are, for kernels that take both.
pub fn element(x: &CubeTensor) -> ElemType {
    if x.dtype == DType::F16 { half::f16::elem_type_native() } else { f32::elem_type_native() }
}

/// The largest vector of `f32` that the device likes to read and that divides `len`.
pub fn vector_size(client: &Client, len: usize) -> usize {
    client.io_optimized_vector_sizes(size_of::<f32>()).filter(|size| len.is_multiple_of(*size)).max().unwrap_or(1)
}

/// Cubes for one unit a vector, and how many units a cube has.
pub fn elementwise(client: &Client, vectors: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new(client, vectors);
    (calculate_cube_count_elemwise(client, vectors, dim), dim)
}

/// The type for indices that reaches every value of all tensors.
pub fn address_type(tensors: &[&CubeTensor]) -> AddressType {
    tensors.iter().map(|tensor| tensor.required_address_type()).max().unwrap_or_default()
}

/// What finds the place of a vector: how many there are, and how often the two inner indices step before the next one does.
#[derive(CubeLaunch, CubeType)]
pub struct Places {
    pub vectors: usize,
    inner: FastDivmod<usize>,
    outer: FastDivmod<usize>,
}

/// Where a vector of an image begins.
#[derive(CubeType)]
pub struct Place {
    pub sample: usize,
    pub channel: usize,
    pub pixel: usize,
}

#[cube]
impl Places {
    /// The place of a vector of `N` values, by its number.
    pub fn of<N: Size>(&self, number: usize, #[comptime] channels_last: bool) -> Place {
        let (above, within) = self.inner.div_mod(number);
        let (sample, middle) = self.outer.div_mod(above);
        if comptime!(channels_last) {
            Place { sample, channel: within * N::value(), pixel: middle }
        } else {
            Place { sample, channel: middle, pixel: within * N::value() }
        }
    }
}

/// `values[first]` for all of a vector, or `values[first..]` where the vector runs along them.
#[cube]
pub fn spread<N: Size>(values: &[f32], first: usize, #[comptime] along: bool) -> Vector<f32, N> {
    if comptime!(along) {
        let mut vector = Vector::<f32, N>::zeroed();
        #[unroll]
        for k in 0..N::value() {
            vector.insert(k, values[first + k]);
        }
        vector
    } else {
        Vector::<f32, N>::new(values[first])
    }
}
