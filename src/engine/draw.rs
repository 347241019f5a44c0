//! Samples as a file: a picture, or exact numbers.

use std::{collections::BTreeMap, path::Path};

use super::{
    error::EngineError,
    request::{DrawRequest, Latents},
};
use crate::{
    checkpoint::{read_tensors, write_tensors},
    metrics::{Tiles, write_grid},
    model::{Model, Sampler},
    networks::{Generator, HostTensor, latents::push_class},
};

/// Draws the samples and writes them; the file's extension says as what.
pub(super) fn draw(model: &Model, request: &DrawRequest) -> Result<(), EngineError> {
    let DrawRequest { out, latents, psi } = request;
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let [channels, height, width] = sampler.image_shape();
    let images = match latents {
        Latents::Seed { seed, count } => sampler.render_at(*seed, 0..*count, *psi),
        Latents::File(path) => sampler.render(&read_latents(path, &model.generator)?, *psi),
    };
    let count = images.len() / (channels * height * width);
    let shape = [count, channels, height, width];
    if out.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
        let images = HostTensor::new(shape.to_vec(), images);
        write_tensors(out, &BTreeMap::from([("images".to_owned(), images)]), &BTreeMap::new())?;
    } else {
        let columns = (count as f64).sqrt().ceil() as usize;
        let tiles = Tiles::from_images(&images, shape)
            .ok_or(EngineError::State("images of this many channels cannot be shown as a picture"))?;
        write_grid(out, &tiles, columns, &[])?;
    }
    Ok(())
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
