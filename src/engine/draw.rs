//! Samples as a file: a picture, or exact numbers.

use std::path::Path;

use super::{
    error::EngineError,
    request::{DrawRequest, Latents},
    sample::hide,
};
use crate::{
    checkpoint::{read_tensors, write_streamed},
    metrics::{grid, to_rgb8},
    model::{Model, Sampler},
    networks::{Generator, HostTensor, Purpose, latents::push_class},
};

/// Draws the samples and writes them; the file's extension says as what. However many there are, only a few are held.
pub(super) fn draw(model: &Model, request: &DrawRequest) -> Result<(), EngineError> {
    let DrawRequest { out, latents, psi, masking, seen } = request;
    model.check_samples()?;
    let generator = &model.generator.clone().with_masking(*masking);
    let completion = generator.completion().filter(|_| *seen);
    if *seen && completion.is_none() {
        return Err(EngineError::State("only a model that completes pictures sees something of them"));
    }
    let mut sampler = Sampler::new(generator, &model.g_ema);
    let shape = sampler.image_shape();
    let [channels, height, width] = shape;
    let chunk = sampler.chunk();
    let wide = if *seen { 2 * width } else { width };
    let mut render = |z: &[f32]| {
        let images = sampler.render(z, *psi);
        let Some(network) = completion else { return images };
        let mut before = network.originals(z);
        hide(&mut before, &network.hidden(z), shape);
        // One picture twice as wide, so that the two are never parted.
        before.chunks_exact(width).zip(images.chunks_exact(width)).flat_map(|(a, b)| [a, b].concat()).collect()
    };
    match latents {
        Latents::Seed { seed, count } => {
            let count = model.available(Purpose::Show, usize::try_from(*count).unwrap_or(usize::MAX));
            let chunks = (0..count).step_by(chunk).map(|first| first as u64..(first + chunk).min(count) as u64);
            let images = chunks.map(|at| render(&generator.latents(*seed, at)));
            write_images(out, [count, channels, height, wide], images)
        }
        Latents::File(path) => {
            let z = read_latents(path, generator)?;
            let row = generator.latent_dim();
            let images = z.chunks(chunk * row).map(render);
            write_images(out, [z.len() / row, channels, height, wide], images)
        }
    }
}

/// Writes images `[count, channels, height, width]`, which come a few at a time.
fn write_images(out: &Path, shape: [usize; 4], images: impl Iterator<Item = Vec<f32>>) -> Result<(), EngineError> {
    if out.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
        return Ok(write_streamed(out, "images", &shape, images)?);
    }
    write_picture(out, shape, images)
}

/// Writes images `[count, channels, height, width]`, which come a few at a time, as a PNG file about as wide as high.
pub(super) fn write_picture(
    out: &Path,
    [count, channels, height, width]: [usize; 4],
    images: impl Iterator<Item = Vec<f32>>,
) -> Result<(), EngineError> {
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let layout = grid::Layout::square_png(count, [side(width), side(height)])?;
    grid::write_png(out, layout, &[], &[], |grid| {
        for images in images {
            let count = images.len() / (channels * height * width);
            let tiles = to_rgb8(&images, [count, channels, height, width])
                .ok_or(EngineError::State("images of this many channels cannot be shown as a picture"))?;
            grid.push(0, &tiles)?;
        }
        Ok(())
    })
}

/// Latents from a file, as the generator takes them.
fn read_latents(path: &Path, generator: &Generator) -> Result<Vec<f32>, EngineError> {
    let wrong = |reason: String| EngineError::Latents { file: path.to_owned(), reason };
    let tensors = read_tensors(path)?.0;
    let latent = generator.z_dim();
    let z = match tensors.get("z") {
        Some(z) if z.shape.len() == 2 && z.shape[1] == latent && z.shape[0] > 0 => z,
        Some(z) => {
            let shape = &z.shape;
            return Err(wrong(format!("the tensor z has shape {shape:?}; this model takes [count, {latent}]")));
        }
        None => return Err(wrong(format!("it has no tensor z [count, {latent}]"))),
    };
    if z.data.iter().any(|value| !value.is_finite()) {
        return Err(wrong("the tensor z has values that are not finite numbers".to_owned()));
    }
    with_classes(generator, z, tensors.get("c")).map_err(wrong)
}

/// Rows of `z` with those of `c` behind them, as a class-conditional generator takes them; its only class stands for `c`.
fn with_classes(generator: &Generator, z: &HostTensor, c: Option<&HostTensor>) -> Result<Vec<f32>, String> {
    let (latent, classes) = (generator.z_dim(), generator.classes());
    if classes == 0 {
        return Ok(z.data.clone());
    }
    let count = z.data.len() / latent;
    let labels = match (c, generator.class()) {
        (Some(c), _) if c.shape == [count, classes] => c.data.clone(),
        (Some(c), _) => {
            return Err(format!("the tensor c has shape {:?}; this model takes [{count}, {classes}]", c.shape));
        }
        (None, Some(class)) => {
            let mut labels = Vec::new();
            (0..count).for_each(|_| push_class(&mut labels, class, classes));
            labels
        }
        (None, None) => {
            return Err(format!(
                "it has no tensor c [{count}, {classes}], and this model has classes (or choose one class for all)"
            ));
        }
    };
    Ok(z.data.chunks(latent).zip(labels.chunks(classes)).flat_map(|(z, c)| z.iter().chain(c).copied()).collect())
}
