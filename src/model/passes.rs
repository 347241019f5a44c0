//! How many samples go through a generator in one pass.

use burn::tensor::Device;

use crate::networks::Generator;

/// Most samples of a pass: more gain nothing.
const MOST: usize = 64;
/// Bytes that a pass may take on a processor: maps beyond the caches cost a little more, but with fewer samples what each
/// operation costs by itself would count.
const PROCESSOR: usize = 64 << 20;
/// A pass goes over all weights a few times (they are scaled, squared and packed), whatever its samples: maps of so many times the
/// weights' bytes make that little of it.
const WEIGHTS: usize = 4;
/// Bytes that a pass may take on a processor for the sake of its weights.
const PROCESSOR_MOST: usize = 1 << 30;
/// Bytes that a pass may take on a GPU. wgpu does not say what is free; this much is there on any card that holds a large network.
const GPU: usize = 1 << 30;

/// Bytes of images that are held at a time while samples are looked at.
pub(super) const IMAGES_HELD: usize = 64 << 20;
/// Samples that are looked at together at most, where their images are small: eight passes of as many as a pass may have.
const LOOKED_AT: usize = 8 * MOST;

/// Samples of a pass: as many as the maps of [`sample_bytes`](crate::networks::GeneratorNetwork::sample_bytes) leave room for.
///
/// On a processor that is a matter of the network alone. What a sample's last bits are may depend on how many are drawn with it, and
/// the same command gives the same bytes however much memory is free.
pub fn samples_of_a_pass(generator: &Generator, device: &Device) -> usize {
    let weights = generator.layout().total() * size_of::<f32>();
    let budget = match *device == Device::flex() {
        true => (WEIGHTS * weights).clamp(PROCESSOR, PROCESSOR_MOST),
        false => GPU,
    };
    (budget / generator.sample_bytes(device).max(1)).clamp(1, MOST)
}

/// Bytes that looking at samples takes at its highest: a pass, and the images that are held.
pub(super) fn looking_bytes(generator: &Generator, device: &Device) -> usize {
    let image = generator.image_channels() * generator.resolution().pow(2) * size_of::<f32>();
    let images = (LOOKED_AT * image).min(IMAGES_HELD.max(image));
    samples_of_a_pass(generator, device) * generator.drawing_bytes(device) + images
}
