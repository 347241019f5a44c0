//! Images to train on: the generator's own samples at the addresses that feedback names.

use std::{borrow::Cow, sync::Arc};

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::renderer::{Origin, Renderer};
use crate::{
    networks::{Pictures, flat::to_vec, latents::NormalSource},
    train::Retained,
};

/// Bytes of images that a pool keeps: all of a demo model's 4000 of 32x32, a few of large ones. The others are drawn whenever a
/// step needs them. A run has three pools at most, and their latents take 10 MB for 5000 samples of 512 numbers.
const KEPT: usize = 56 << 20;

/// A set of images from which training batches are drawn, every image once before any comes twice.
///
/// It holds what its images are drawn from, and as many of them as fit 56 MB; the others are drawn whenever they are asked for, and have
/// the same bits every time (on a processor). Images that nobody can draw again are all kept.
#[derive(Clone, Debug)]
pub struct ImagePool {
    shape: [usize; 3],
    origins: Vec<Origin>,
    /// Images `[channels, height, width]`, row-major, as far as they are kept.
    kept: Vec<Option<Arc<[f32]>>>,
    /// How many more may be kept.
    room: usize,
    renderer: Option<Arc<dyn Renderer>>,
    order: Vec<usize>,
    next: usize,
}

/// Where a pool stands in its present pass, so that a run can be interrupted and go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolCursor {
    order: Vec<usize>,
    next: usize,
}

impl ImagePool {
    /// An empty pool for images of `shape` (channels, height, width) that are given and all kept.
    pub fn new(shape: [usize; 3]) -> Self {
        let (origins, kept, order) = (Vec::new(), Vec::new(), Vec::new());
        Self { shape, origins, kept, room: usize::MAX, renderer: None, order, next: 0 }
    }

    /// An empty pool for images of `shape` that this renderer draws.
    pub fn rendered(shape: [usize; 3], renderer: Arc<dyn Renderer>) -> Self {
        Self { renderer: Some(renderer), ..Self::new(shape) }.keeping(KEPT)
    }

    /// The same pool keeping images of so many bytes at most, if it can draw them again.
    pub fn keeping(mut self, bytes: usize) -> Self {
        if self.renderer.is_none() {
            return self;
        }
        self.room = bytes / (self.size() * size_of::<f32>()).max(1);
        for kept in &mut self.kept {
            match self.room {
                0 => *kept = None,
                _ => self.room -= usize::from(kept.is_some()),
            }
        }
        self
    }

    /// Values of an image.
    fn size(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether another image would be kept.
    pub fn has_room(&self) -> bool {
        self.room > 0
    }

    /// Adds one image, nominally in `[-1, 1]`; where a renderer draws the pool's images, it must be what that gives.
    ///
    /// # Panics
    /// If the image has another shape than the pool's.
    pub fn push(&mut self, image: impl AsRef<[f32]>, origin: Origin) {
        let image = image.as_ref();
        assert_eq!(image.len(), self.size(), "all images of a pool have one shape");
        let place = self.len();
        self.add(origin);
        self.keep(place, image);
    }

    /// Adds one image that the renderer will draw.
    ///
    /// # Panics
    /// If the pool has none.
    pub fn push_origin(&mut self, origin: Origin) {
        assert!(self.renderer.is_some(), "nobody draws this pool's images");
        self.add(origin);
    }

    fn add(&mut self, origin: Origin) {
        self.order.push(self.origins.len());
        self.origins.push(origin);
        self.kept.push(None);
    }

    fn keep(&mut self, place: usize, image: &[f32]) {
        if self.has_room() && self.kept[place].is_none() {
            self.kept[place] = Some(image.into());
            self.room -= 1;
        }
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
    pub fn image(&self, place: usize) -> Cow<'_, [f32]> {
        match (&self.kept[place], &self.renderer) {
            (Some(image), _) => Cow::Borrowed(image),
            (None, Some(renderer)) => to_vec(renderer.render(&[(place, &self.origins[place])])).into(),
            (None, None) => unreachable!("what nobody draws is kept"),
        }
    }

    /// The pictures that its images are, by their places, if they are none of the model's samples.
    pub fn pictures(&self) -> Option<&Arc<dyn Pictures>> {
        self.renderer.as_ref()?.pictures()
    }

    /// Bytes that it takes: what its images are drawn from, and those that are kept.
    pub fn bytes(&self) -> usize {
        let latents: usize = self.origins.iter().map(|origin| origin.z.len() * size_of::<f32>()).sum();
        let kept = self.kept.iter().flatten().count() * self.size() * size_of::<f32>();
        latents + self.len() * entry() + kept
    }

    /// Bytes that a pool of so many samples takes at most once all of them were drawn, with latents of `latent` numbers and images
    /// of `size` values.
    pub fn bytes_of(samples: usize, latent: usize, size: usize) -> usize {
        let image = size * size_of::<f32>();
        samples * (latent * size_of::<f32>() + entry()) + (samples * image).min(KEPT / image.max(1) * image)
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
        let (mut places, mut z) = (Vec::with_capacity(batch), Vec::new());
        let (mut psi, mut mask) = (Vec::with_capacity(batch), Vec::with_capacity(batch));
        for _ in 0..batch {
            if self.next == 0 {
                self.shuffle(rng);
            }
            let i = self.order[self.next];
            self.next = (self.next + 1) % self.order.len();
            places.push(i);
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
        (self.images(&places, device), retained)
    }

    /// The images at these places, `[places, channels, height, width]`; what is not kept is drawn, and kept if there is room.
    fn images(&mut self, places: &[usize], device: &Device) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        let size = self.size();
        let mut missing: Vec<usize> = Vec::new();
        for &place in places {
            if self.kept[place].is_none() && !missing.contains(&place) {
                missing.push(place);
            }
        }
        let kept: Vec<usize> = places.iter().copied().filter(|place| self.kept[*place].is_some()).collect();
        let mut images = Vec::new();
        if !kept.is_empty() {
            let mut values: Vec<f32> = Vec::with_capacity(kept.len() * size);
            kept.iter().filter_map(|&place| self.kept[place].as_deref()).for_each(|image| values.extend(image));
            images.push(Tensor::from_data(TensorData::new(values, [kept.len(), channels, height, width]), device));
        }
        if let Some(renderer) = self.renderer.as_ref().filter(|_| !missing.is_empty()) {
            let samples: Vec<_> = missing.iter().map(|&place| (place, &self.origins[place])).collect();
            let drawn = renderer.render(&samples);
            if self.has_room() {
                let values = to_vec(drawn.clone());
                missing.iter().zip(values.chunks_exact(size)).for_each(|(&place, image)| self.keep(place, image));
            }
            images.push(drawn);
        }
        let images = Tensor::cat(images, 0);
        // Where each of the places is among those: what was kept stands in front, in order, what was drawn behind it, each once.
        let mut in_front = 0..kept.len();
        let rows: Vec<i64> = places
            .iter()
            .map(|place| match missing.iter().position(|missing| missing == place) {
                Some(drawn) => (kept.len() + drawn) as i64,
                None => in_front.next().unwrap_or_default() as i64,
            })
            .collect();
        if rows.iter().copied().eq(0..rows.len() as i64) {
            return images;
        }
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [places.len()]), device);
        images.select(0, rows)
    }

    /// Fisher-Yates.
    fn shuffle(&mut self, rng: &mut NormalSource) {
        for i in (1..self.order.len()).rev() {
            self.order.swap(i, rng.below(i + 1));
        }
    }
}

/// Bytes of a sample's entries in a pool, beside its latent and its image.
fn entry() -> usize {
    size_of::<Origin>() + size_of::<Option<Arc<[f32]>>>() + size_of::<usize>()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Draws images of one value, that of the latent, and counts them.
    #[derive(Debug, Default)]
    struct Counting {
        shape: [usize; 3],
        drawn: AtomicUsize,
    }

    impl Renderer for Counting {
        fn render(&self, samples: &[(usize, &Origin)]) -> Tensor<4> {
            self.drawn.fetch_add(samples.len(), Ordering::Relaxed);
            let [c, h, w] = self.shape;
            let values = samples.iter().flat_map(|(place, origin)| vec![origin.z[0] + *place as f32; c * h * w]);
            Tensor::from_data(TensorData::new(values.collect(), [samples.len(), c, h, w]), &Device::flex())
        }
    }

    /// Seven samples, of which images of so many bytes are kept, and who draws them.
    fn seven(bytes: usize) -> (ImagePool, Arc<Counting>) {
        let renderer = Arc::new(Counting { shape: [2, 3, 1], drawn: AtomicUsize::new(0) });
        let mut pool = ImagePool::rendered(renderer.shape, renderer.clone()).keeping(bytes);
        (0..7).for_each(|i| pool.push_origin(Origin { z: vec![10.0 * i as f32], psi: 1.0 }));
        (pool, renderer)
    }

    #[test]
    fn a_pool_gives_the_same_images_whatever_it_keeps() {
        let device = Device::flex();
        let batches = |bytes: usize| {
            let (mut pool, renderer) = seven(bytes);
            let mut rng = NormalSource::new(4, 0);
            // Batches that are larger than the pool hold an image twice.
            let found: Vec<_> = [3, 4, 9, 1, 5].map(|n| to_vec(pool.batch(n, &mut rng, &device).0)).concat();
            (found, renderer.drawn.load(Ordering::Relaxed), pool.bytes())
        };
        let image = 6 * size_of::<f32>();
        let (all, drawn, bytes) = batches(usize::MAX);
        assert_eq!((all.len(), drawn), (22 * 6, 7), "each was drawn once");
        let mut fewer = usize::MAX;
        for kept in [0, 1, 3, 6] {
            let (found, drawn, less) = batches(kept * image + 1);
            assert_eq!(found, all, "{kept} kept");
            assert!(drawn > 7 && drawn < fewer.min(22), "{kept} kept: {drawn} drawn");
            assert_eq!(bytes - less, (7 - kept) * image);
            fewer = drawn;
        }
    }

    #[test]
    fn what_is_given_is_kept_as_far_as_it_can_be_drawn_again_and_whole_otherwise() {
        let (pool, renderer) = seven(0);
        let origin = |i: usize| pool.origin(i).clone();
        let mut some = ImagePool::rendered(renderer.shape, renderer.clone()).keeping(2 * 6 * size_of::<f32>());
        (0..4).for_each(|i| some.push(vec![11.0 * i as f32; 6], origin(i)));
        assert!(!some.has_room());
        (0..4).for_each(|i| assert_eq!(*some.image(i), [11.0 * i as f32; 6], "{i}"));
        assert_eq!(renderer.drawn.load(Ordering::Relaxed), 2);
        assert_eq!(some.clone().keeping(0).bytes() + 2 * 24, some.bytes());
        let mut given = ImagePool::new([1, 1, 2]).keeping(0);
        (0..4).for_each(|i| given.push([i as f32, 1.0], origin(i)));
        assert_eq!(*given.image(3), [3.0, 1.0]);
    }

    #[test]
    fn pools_of_five_thousand_samples_take_less_than_200_mb_at_any_size() {
        for side in [16, 32, 64, 256, 1024] {
            let size = 3 * side * side;
            // Negatives, positives, and what negatives are to become.
            let most: usize = [2500, 2500, 2500].map(|n| ImagePool::bytes_of(n, 512, size)).iter().sum();
            let uneven = ImagePool::bytes_of(5000, 512, size) + ImagePool::bytes_of(0, 512, size);
            assert!(most < 200_000_000 && uneven < 200_000_000, "{side}: {most}, {uneven}");
        }
        // And that is what a pool takes.
        let (mut pool, _) = seven(KEPT);
        assert!(pool.bytes() < ImagePool::bytes_of(7, 1, 6));
        pool.batch(7, &mut NormalSource::new(0, 0), &Device::flex());
        assert_eq!(pool.bytes(), ImagePool::bytes_of(7, 1, 6));
    }

    #[test]
    fn a_pool_goes_on_where_its_like_stood() {
        let device = Device::flex();
        let pool = || {
            let mut pool = ImagePool::new([1, 1, 1]);
            (0..7).for_each(|i| pool.push([i as f32], Origin { z: vec![0.0], psi: 1.0 }));
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
            pool.push([i as f32, -(i as f32)], Origin { z: vec![10.0 + i as f32], psi });
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
