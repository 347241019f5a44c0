//! Images to train on: the generator's own samples at the addresses that feedback names.

use burn::tensor::{Device, Tensor, TensorData};

use serde::{Deserialize, Serialize};

use crate::{networks::latents::NormalSource, train::Retained};

/// A set of images from which training batches are drawn, every image once before any comes twice.
#[derive(Clone, Debug)]
pub struct ImagePool {
    /// `[count, channels, side, side]`, row-major.
    data: Vec<f32>,
    shape: [usize; 3],
    origins: Vec<Origin>,
    order: Vec<usize>,
    next: usize,
}

/// Where a pool stands in its present pass, so that a run can be interrupted and go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolCursor {
    order: Vec<usize>,
    next: usize,
}

/// What an image was made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// Its latent.
    pub z: Vec<f32>,
    /// Its truncation.
    pub psi: f32,
}

impl ImagePool {
    /// An empty pool for images of `shape` (channels, height, width).
    pub fn new(shape: [usize; 3]) -> Self {
        Self { data: Vec::new(), shape, origins: Vec::new(), order: Vec::new(), next: 0 }
    }

    /// Adds one image, nominally in `[-1, 1]`.
    ///
    /// # Panics
    /// If the image has another shape than the pool's.
    pub fn push(&mut self, image: &[f32], origin: Origin) {
        assert_eq!(image.len(), self.shape.iter().product::<usize>(), "all images of a pool have one shape");
        self.data.extend_from_slice(image);
        self.order.push(self.origins.len());
        self.origins.push(origin);
    }

    /// Where the pool stands.
    pub fn cursor(&self) -> PoolCursor {
        PoolCursor { order: self.order.clone(), next: self.next }
    }

    /// Goes on where a pool of the same images stood; `false`, and nothing changed, if it cannot have been one of these.
    pub fn resume(&mut self, cursor: &PoolCursor) -> bool {
        let mut sorted = cursor.order.clone();
        sorted.sort_unstable();
        let fits = sorted.iter().copied().eq(0..self.len()) && cursor.next < self.len().max(1);
        if fits {
            (self.order, self.next) = (cursor.order.clone(), cursor.next);
        }
        fits
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// Whether there is nothing to draw from.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// What the image at this place was made from.
    ///
    /// # Panics
    /// If there is none.
    pub fn origin(&self, place: usize) -> &Origin {
        &self.origins[place]
    }

    /// The image at this place, `[channels, height, width]` row-major.
    ///
    /// # Panics
    /// If there is none.
    pub fn image(&self, place: usize) -> &[f32] {
        let size = self.shape.iter().product::<usize>();
        &self.data[place * size..(place + 1) * size]
    }

    /// Channels, height and width of its images.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Whether any image was made with truncation.
    pub fn is_truncated(&self) -> bool {
        self.origins.iter().any(|origin| origin.psi != 1.0)
    }

    /// The next `batch` images, `[batch, channels, height, width]`, and where they came from; reshuffled after every
    /// pass over the pool.
    pub fn batch(&mut self, batch: usize, rng: &mut NormalSource, device: &Device) -> (Tensor<4>, Retained) {
        let [channels, height, width] = self.shape;
        let size = channels * height * width;
        let mut images = Vec::with_capacity(batch * size);
        let (mut z, mut psi, mut mask) = (Vec::new(), Vec::with_capacity(batch), Vec::with_capacity(batch));
        for _ in 0..batch {
            if self.next == 0 {
                self.shuffle(rng);
            }
            let i = self.order[self.next];
            self.next = (self.next + 1) % self.order.len();
            images.extend_from_slice(&self.data[i * size..(i + 1) * size]);
            z.extend_from_slice(&self.origins[i].z);
            psi.push(self.origins[i].psi);
            mask.push(if self.origins[i].psi == 1.0 { 1.0 } else { 0.0 });
        }
        let latent = z.len() / batch.max(1);
        let retained = Retained {
            z: Tensor::from_data(TensorData::new(z, [batch, latent]), device),
            psi: Tensor::from_data(TensorData::new(psi, [batch, 1]), device),
            mask: Tensor::from_data(TensorData::new(mask, [batch]), device),
        };
        (Tensor::from_data(TensorData::new(images, [batch, channels, height, width]), device), retained)
    }

    /// Fisher-Yates.
    fn shuffle(&mut self, rng: &mut NormalSource) {
        for i in (1..self.order.len()).rev() {
            self.order.swap(i, rng.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::flat::to_vec;

    #[test]
    fn a_pool_goes_on_where_its_like_stood() {
        let device = Device::flex();
        let pool = || {
            let mut pool = ImagePool::new([1, 1, 1]);
            (0..7).for_each(|i| pool.push(&[i as f32], Origin { z: vec![0.0], psi: 1.0 }));
            pool
        };
        let (mut one, mut other, mut rng) = (pool(), pool(), NormalSource::new(1, 0));
        one.batch(10, &mut rng, &device);
        let mut same = NormalSource::resume(rng.state());
        assert!(other.resume(&one.cursor()));
        for _ in 0..5 {
            let [a, b] = [(&mut one, &mut rng), (&mut other, &mut same)]
                .map(|(pool, rng)| to_vec(pool.batch(4, rng, &device).0));
            assert_eq!(a, b);
        }
        for wrong in [vec![0, 1], vec![0, 1, 2, 3, 4, 5, 5], vec![0, 1, 2, 3, 4, 5, 7]] {
            assert!(!other.resume(&PoolCursor { order: wrong, next: 0 }));
        }
        assert!(!other.resume(&PoolCursor { next: 7, ..one.cursor() }));
    }

    #[test]
    fn every_image_comes_once_before_any_comes_twice() {
        let device = Device::flex();
        let mut pool = ImagePool::new([1, 1, 2]);
        for i in 0..5 {
            let psi = if i == 3 { 0.5 } else { 1.0 };
            pool.push(&[i as f32, -(i as f32)], Origin { z: vec![10.0 + i as f32], psi });
        }
        let mut rng = NormalSource::new(3, 0);
        let (images, retained) = pool.batch(10, &mut rng, &device);
        let (images, z, mask) = (to_vec(images), to_vec(retained.z), to_vec(retained.mask));
        let order: Vec<f32> = images.chunks(2).map(|image| image[0]).collect();
        for pass in order.chunks(5) {
            let mut sorted = pass.to_vec();
            sorted.sort_by(f32::total_cmp);
            assert_eq!(sorted, [0.0, 1.0, 2.0, 3.0, 4.0]);
        }
        assert_ne!(order[..5], order[5..], "a pass of its own order");
        // An image travels with its latent; a truncated one is not what its latent gives.
        for ((i, z), mask) in order.iter().zip(&z).zip(&mask) {
            assert_eq!((*z, *mask), (10.0 + i, if *i == 3.0 { 0.0 } else { 1.0 }));
        }
    }
}
