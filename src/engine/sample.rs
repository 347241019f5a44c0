//! Rendering samples.

use std::time::Instant;

use burn::tensor::Tensor;

use super::{
    error::EngineError,
    event::RenderedTiles,
    halve::{halve, halved_side},
    request::{SampleKind, SampleRequest, Walk},
    weights::Weights,
};
use crate::{
    feedback::entry_of,
    metrics::to_rgb8,
    model::{Model, ModelError, Sample, Sampler},
    networks::{FlatParams, Generator, LatentAddress, Masking, Motion},
};

/// Passes whose images are held before they become bytes.
const PASSES: usize = 4;
/// Centres of truncation that are remembered.
const CENTRES: usize = 8;

/// Centres of truncation of the weights that were asked for latest: finding one takes a moment.
#[derive(Default)]
pub(super) struct Centres(Vec<((Weights, u64), Tensor<2>)>);

impl Centres {
    /// Of the weights that can be asked for, only the current ones and those of the last run change with the version.
    fn key(weights: Weights, version: u64) -> (Weights, u64) {
        let fixed = matches!(weights, Weights::Original | Weights::Node(_));
        (weights, if fixed { 0 } else { version })
    }

    pub(super) fn get(&self, key: (Weights, u64)) -> Option<Tensor<2>> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, centre)| centre.clone())
    }

    /// Remembers a centre, if one was needed and is not known yet.
    pub(super) fn put(&mut self, key: (Weights, u64), centre: Option<Tensor<2>>) {
        let Some(centre) = centre.filter(|_| self.get(key).is_none()) else { return };
        self.0.push((key, centre));
        let extra = self.0.len().saturating_sub(CENTRES);
        self.0.drain(..extra);
    }
}

/// The model's generator drawing what is asked for, this class or all of them, whatever a run would draw.
pub(super) fn generator_of(model: &Model, class: Option<u32>) -> Result<Generator, EngineError> {
    let (class, classes) = (class.map(|class| class as usize), model.generator.classes());
    match class.filter(|class| *class >= classes) {
        Some(class) => Err(ModelError::NoClass { file: model.path.clone(), class, classes }.into()),
        None => Ok(model.generator.clone().with_class(class)),
    }
}

/// Renders samples of the weights `params`, which are the request's, moved; `version` counts their changes.
pub(super) fn render(
    model: &Model,
    params: &FlatParams,
    request: SampleRequest,
    (version, motion, masking): (u64, Motion, Masking),
    centres: &mut Centres,
) -> Result<RenderedTiles, EngineError> {
    let clock = Instant::now();
    let key = Centres::key(request.weights, version);
    let generator = generator_of(model, request.class)?.with_motion(motion).with_masking(masking);
    model.check_samples()?;
    let mut sampler = Sampler::new(&generator, params).with_centre(centres.get(key));
    let whole = generator.resolution();
    let most = request.kind.max_side().unwrap_or(whole);
    let (mut rgb, side) = (Vec::new(), halved_side(whole, most));
    for indices in request.indices.chunks(sampler.page(PASSES)) {
        let images = match (request.weights, generator.completion()) {
            (Weights::Picture | Weights::Masked, Some(network)) => {
                let rows = generator.latents(request.seed, indices.iter().copied());
                let mut images = network.originals(&rows);
                if request.weights == Weights::Masked {
                    hide(&mut images, &network.hidden(&rows), sampler.image_shape());
                }
                images
            }
            _ => sampler.render_at(request.seed, indices.iter().copied(), request.psi),
        };
        let (tiles, _) = rgb_of(&images, indices.len(), &sampler)?;
        rgb.extend(halve(tiles, whole, most).0);
    }
    centres.put(key, sampler.centre());
    let looked_at = request.indices.first().filter(|_| request.kind == SampleKind::Detail);
    let sample = looked_at.and_then(|&index| Sample::new(LatentAddress { seed: request.seed, index }, request.psi));
    let entry = sample.map(|sample| entry_of(model, sample.with_class(request.class)));
    let seconds = clock.elapsed().as_secs_f64();
    Ok(RenderedTiles { request, side, rgb, version, motion, masking, seconds, finding: 0.0, entry })
}

/// Renders a place `t` in `[0, 1]` on the way between two samples with the weights `params`, which are `weights`, moved:
/// `[side, side, 3]` and the side. `version` counts their changes.
pub(super) fn render_between(
    model: &Model,
    params: &FlatParams,
    (walk, weights, t): (&Walk, Weights, f32),
    (version, motion): (u64, Motion),
    centres: &mut Centres,
) -> Result<(Vec<u8>, usize), EngineError> {
    if model.generator.completion().is_some() {
        return Err(EngineError::State("a model that completes pictures has no latents to walk between"));
    }
    let key = Centres::key(weights, version);
    let generator = generator_of(model, walk.from.class())?.with_motion(motion);
    let mut sampler = Sampler::new(&generator, params).with_centre(centres.get(key));
    let [from, to] = [walk.from.address(), walk.to].map(|address| generator.latent(address));
    let image = sampler.between(&from, &to, t.clamp(0.0, 1.0), walk.from.psi());
    centres.put(key, sampler.centre());
    rgb_of(&image, 1, &sampler)
}

/// Images as 8-bit RGB `[count, side, side, 3]`, and their side.
fn rgb_of(images: &[f32], count: usize, sampler: &Sampler<'_>) -> Result<(Vec<u8>, usize), EngineError> {
    let [channels, side, _] = sampler.image_shape();
    let rgb = to_rgb8(images, [count, channels, side, side]);
    Ok((rgb.ok_or(EngineError::State("images of this many channels cannot be shown"))?, side))
}

/// Makes hidden pixels a little darker than grey, which no picture is all over.
pub(super) fn hide(images: &mut [f32], hidden: &[bool], [channels, height, width]: [usize; 3]) {
    const HIDDEN: f32 = -0.3;
    let plane = height * width;
    for (image, hidden) in images.chunks_exact_mut(channels * plane).zip(hidden.chunks_exact(plane)) {
        image.iter_mut().enumerate().filter(|(at, _)| hidden[at % plane]).for_each(|(_, value)| *value = HIDDEN);
    }
}
