//! States, pools and pictures on their way: what is a number goes into the message, tensors and pictures follow it.

use std::{collections::BTreeMap, sync::Arc};

use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};

use super::{
    connection::{Line, Tensors},
    error::RemoteError,
    message::{Message, PictureFormat, PictureSetName, PoolKind, PoolName, WireState, WireTrainer},
};
use crate::{
    feedback::{ImagePool, Origin},
    networks::{FlatParams, HostTensor, Pictures, flat::to_vec},
    train::Trainer,
    unlearn::{Base, ResumePoint, State},
};

/// The averaged generator's name among tensors.
const SHOWN: &str = "g_ema";
/// Bytes of pictures in one message, about.
const PICTURES_AT_ONCE: usize = 1 << 25;

/// Flat tensors on the host.
pub(super) fn to_host(tensors: Vec<(String, Tensor<1>)>) -> Tensors {
    let host = |(name, tensor)| {
        let values = to_vec(tensor);
        (name, HostTensor::new(vec![values.len()], values))
    };
    tensors.into_iter().map(host).collect()
}

/// Flat tensors on a device.
pub(super) fn to_device(tensors: Tensors, device: &Device) -> Vec<(String, Tensor<1>)> {
    let place = |(name, tensor): (String, HostTensor)| {
        let shape = [tensor.data.len()];
        (name, Tensor::from_data(TensorData::new(tensor.data, shape), device))
    };
    tensors.into_iter().map(place).collect()
}

/// One generator's parameters as tensors.
pub(super) fn shown(g_ema: &FlatParams) -> Tensors {
    to_host(vec![(SHOWN.to_owned(), g_ema.values.clone())])
}

/// One generator's parameters of tensors; `None` if they are another's.
pub(super) fn shown_of(mut tensors: Tensors, like: &FlatParams) -> Option<FlatParams> {
    let values = tensors.remove(SHOWN).filter(|tensor| tensor.data.len() == like.layout.total())?;
    Some(FlatParams::from_vec(like.layout.clone(), values.data, &like.device()))
}

/// A state in numbers and tensors.
pub(super) fn pack_state(state: &State) -> (WireState, Tensors) {
    match state {
        State::Generator(g_ema) => (WireState::Generator, shown(g_ema)),
        State::Trained(trainer) => {
            let Trainer { config, g_optim, d_optim, lr_factor, .. } = &**trainer;
            let wire = WireTrainer {
                config: config.clone(),
                numbers: trainer.numbers(),
                g_optim: g_optim.config,
                d_optim: d_optim.config,
                lr_factor: *lr_factor,
            };
            (WireState::Trained(Box::new(wire)), to_host(trainer.tensors()))
        }
    }
}

/// The state of a run that began at `base`, from numbers and tensors; the error is one clause.
pub(super) fn unpack_state(wire: WireState, tensors: Tensors, base: &Base) -> Result<State, String> {
    let wire = match wire {
        WireState::Generator => {
            let g_ema = shown_of(tensors, &base.g_ema).ok_or("the generator is another one")?;
            return Ok(State::Generator(Box::new(g_ema)));
        }
        WireState::Trained(wire) => *wire,
    };
    let WireTrainer { config, numbers, g_optim, d_optim, lr_factor } = wire;
    let gan = base.gan().map_err(|error| error.to_string())?;
    let mut tensors: BTreeMap<_, _> = to_device(tensors, &base.g_ema.device()).into_iter().collect();
    let mut trainer = gan.trainer(config, gan.g.clone());
    let missing = |name| format!("`{name}` is missing, or belongs to other networks");
    trainer.restore(&numbers, |name| tensors.remove(name)).map_err(missing)?;
    (trainer.g_optim.config, trainer.d_optim.config, trainer.lr_factor) = (g_optim, d_optim, lr_factor);
    Ok(State::Trained(Box::new(trainer)))
}

/// What it takes to go on, on a device.
pub(super) fn resume_point(position: serde_json::Value, tensors: Tensors, device: &Device) -> ResumePoint {
    ResumePoint { position, tensors: to_device(tensors, device) }
}

/// Sends what a pool's images are made of.
pub(super) fn send_pool(line: &Line, name: PoolName, pool: &ImagePool) -> Result<(), RemoteError> {
    let origins: Vec<&Origin> = (0..pool.len()).map(|place| pool.origin(place)).collect();
    let width = origins.first().map_or(0, |origin| origin.z.len());
    let z: Vec<f32> = origins.iter().flat_map(|origin| origin.z.iter().copied()).collect();
    let psi: Vec<f32> = origins.iter().map(|origin| origin.psi).collect();
    let tensors = [
        ("z".to_owned(), HostTensor::new(vec![origins.len(), width], z)),
        ("psi".to_owned(), HostTensor::new(vec![origins.len()], psi)),
    ];
    let kind = if pool.pictures().is_some() { PoolKind::Retained } else { PoolKind::Samples };
    line.send_tensors(&Message::Pool(name, kind), &tensors.into_iter().collect())
}

/// Puts what came of a pool into an empty one, of samples whose latents have `width` numbers; the error is one clause.
pub(super) fn fill_pool(pool: &mut ImagePool, mut tensors: Tensors, width: usize) -> Result<(), String> {
    let mut take = |name: &str| tensors.remove(name).ok_or_else(|| format!("a pool without `{name}`"));
    let (z, psi) = (take("z")?, take("psi")?);
    let count = psi.data.len();
    if count > 0 && z.shape != [count, width] {
        return Err(format!(
            "{count} samples with latents {:?} of a model whose latents have {width} numbers",
            z.shape
        ));
    }
    for (z, &psi) in z.data.chunks_exact(width.max(1)).zip(&psi.data) {
        pool.push_origin(Origin { z: z.to_vec(), psi });
    }
    Ok(())
}

/// Sends a set of pictures.
pub(super) fn send_pictures(line: &Line, name: PictureSetName, pictures: &dyn Pictures) -> Result<(), RemoteError> {
    let side = pictures.side();
    let at_once = (PICTURES_AT_ONCE / (12 * side * side).max(1)).max(1);
    let count = pictures.count();
    for from in (0..count).step_by(at_once) {
        let values: Vec<Vec<f32>> = (from..count.min(from + at_once)).map(|number| pictures.picture(number)).collect();
        let bytes: Option<Vec<u8>> = values.iter().flatten().map(|&value| byte(value)).collect();
        let format = PictureFormat { side, count: values.len(), bytes: bytes.is_some() };
        let payload = bytes.unwrap_or_else(|| bytemuck::cast_slice(&values.concat()).to_vec());
        line.send_with(&Message::Pictures(name, format), payload.len() as u64, &mut |to| to.write_all(&payload))?;
    }
    Ok(())
}

/// The byte that a value of a picture was, if it was one.
fn byte(value: f32) -> Option<u8> {
    let byte = ((value + 1.0) * 127.5).round() as u8;
    (number(byte).to_bits() == value.to_bits()).then_some(byte)
}

/// The value of a picture's byte.
fn number(byte: u8) -> f32 {
    f32::from(byte) / 127.5 - 1.0
}

/// Pictures that came over the line, by their places. What they are called stays at the other end.
#[derive(Debug, Default)]
pub(super) struct ReceivedPictures {
    side: usize,
    pictures: Vec<Picture>,
}

#[derive(Debug)]
enum Picture {
    Bytes(Box<[u8]>),
    Numbers(Box<[f32]>),
}

impl ReceivedPictures {
    /// Adds those that the last message on the line announced.
    pub(super) fn receive(&mut self, format: PictureFormat, line: &mut Line) -> Result<(), RemoteError> {
        let PictureFormat { side, count, bytes } = format;
        let size = side.checked_mul(side).and_then(|plane| plane.checked_mul(3)).filter(|&size| size > 0);
        let width = if bytes { 1 } else { size_of::<f32>() };
        let length = size.and_then(|size| size.checked_mul(width)?.checked_mul(count));
        let (Some(size), Some(length)) = (size, length) else { return Err(line.garbled("pictures of no size")) };
        if self.side != side && !self.pictures.is_empty() {
            return Err(line.garbled("pictures of several sizes"));
        }
        self.side = side;
        let received = line.bytes(length as u64)?;
        let numbers =
            |part: &[u8]| part.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        self.pictures.extend(received.chunks_exact(size * width).map(|part| match bytes {
            true => Picture::Bytes(part.into()),
            false => Picture::Numbers(numbers(part)),
        }));
        Ok(())
    }
}

impl Pictures for ReceivedPictures {
    fn count(&self) -> usize {
        self.pictures.len()
    }

    fn side(&self) -> usize {
        self.side
    }

    fn picture(&self, place: usize) -> Vec<f32> {
        match &self.pictures[place] {
            Picture::Bytes(bytes) => bytes.iter().copied().map(number).collect(),
            Picture::Numbers(numbers) => numbers.to_vec(),
        }
    }

    fn digest(&self, place: usize) -> [u8; 32] {
        match &self.pictures[place] {
            Picture::Bytes(bytes) => Sha256::digest(bytes).into(),
            Picture::Numbers(numbers) => Sha256::digest(bytemuck::cast_slice::<f32, u8>(numbers)).into(),
        }
    }

    fn find(&self, digest: &[u8; 32]) -> Option<usize> {
        (0..self.count()).find(|&place| self.digest(place) == *digest)
    }
}

/// Pictures that all who need them share.
pub(super) fn shared(pictures: ReceivedPictures) -> Arc<dyn Pictures> {
    Arc::new(pictures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_picture_comes_back_and_nothing_else_is_one() {
        for value in 0..=255 {
            assert_eq!(byte(number(value)), Some(value));
        }
        for value in [0.0, -1.0000001, 1.0000001, 0.5, f32::NAN, f32::INFINITY, -7.0] {
            assert_eq!(byte(value), None, "{value}");
        }
    }

    #[test]
    fn a_pool_takes_only_latents_of_its_model() {
        let tensor = |shape: &[usize]| HostTensor::new(shape.to_vec(), vec![0.5; shape.iter().product()]);
        let fill = |z: &[usize], psi: usize| {
            let tensors = [("z".to_owned(), tensor(z)), ("psi".to_owned(), tensor(&[psi]))];
            let mut pool = ImagePool::new([1, 2, 2]);
            fill_pool(&mut pool, tensors.into_iter().collect(), 4).map(|()| pool.len())
        };
        assert_eq!(fill(&[0, 0], 0), Ok(0));
        for (z, psi) in [(&[2, 3][..], 2), (&[3, 4], 2), (&[8], 2), (&[1, 4], 2)] {
            assert!(fill(z, psi).is_err(), "{z:?}");
        }
        assert!(fill_pool(&mut ImagePool::new([1, 2, 2]), Tensors::new(), 4).is_err());
    }
}
