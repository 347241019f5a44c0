//! The "real" images of both stages: the generator's own samples at the addresses that feedback names.

use burn::tensor::{Device, Tensor, TensorData};

use crate::gan::latents::NormalSource;

/// A set of images from which training batches are drawn, every image once before any comes twice.
#[derive(Clone, Debug)]
pub struct ImagePool {
    /// `[count, channels, side, side]`, row-major.
    data: Vec<f32>,
    shape: [usize; 3],
    order: Vec<usize>,
    next: usize,
}

impl ImagePool {
    /// A pool of images `[count, channels, height, width]`, nominally in `[-1, 1]`.
    ///
    /// # Panics
    /// If the values do not fill whole images.
    pub fn new(data: Vec<f32>, shape: [usize; 3]) -> Self {
        let size = shape.iter().product::<usize>();
        assert!(size > 0 && data.len().is_multiple_of(size), "an image pool holds whole images");
        let order = (0..data.len() / size).collect();
        Self { data, shape, order, next: 0 }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is nothing to draw from.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The next `batch` images, `[batch, channels, height, width]`; reshuffled after every pass over the pool.
    pub fn batch(&mut self, batch: usize, rng: &mut NormalSource, device: &Device) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        let size = channels * height * width;
        let mut out = Vec::with_capacity(batch * size);
        for _ in 0..batch {
            if self.next == 0 {
                self.shuffle(rng);
            }
            let i = self.order[self.next];
            self.next = (self.next + 1) % self.order.len();
            out.extend_from_slice(&self.data[i * size..(i + 1) * size]);
        }
        Tensor::from_data(TensorData::new(out, [batch, channels, height, width]), device)
    }

    /// Fisher-Yates.
    fn shuffle(&mut self, rng: &mut NormalSource) {
        for i in (1..self.order.len()).rev() {
            self.order.swap(i, rng.below(i + 1));
        }
    }
}
