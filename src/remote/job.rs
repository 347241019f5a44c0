//! What a run works on, as it comes over the line.

use std::sync::Arc;

use burn::tensor::Device;

use super::{
    connection::Line,
    error::RemoteError,
    message::{Head, Message, PictureSetName, PoolKind, PoolName},
    parcel::{ReceivedPictures, fill_pool, resume_point, shared},
};
use crate::{
    feedback::{ImagePool, PictureRenderer, SampleRenderer},
    model::Model,
    networks::Pictures,
    unlearn::ResumePoint,
};

/// What a run works on.
pub(super) struct Job {
    pub(super) model: Model,
    pub(super) negatives: ImagePool,
    pub(super) positives: ImagePool,
    pub(super) resume: Option<ResumePoint>,
}

/// Takes in what a run works on, until all is there; the inner error is a sentence for whoever asked.
pub(super) fn receive_job(line: &mut Line, head: &Head, device: &Device) -> Result<Result<Job, String>, RemoteError> {
    match line.receive()? {
        Message::Model => {}
        other => return Err(line.unexpected(&other)),
    }
    let mut model = receive_model(line, head, device)?;
    let (mut own, mut retained) = (ReceivedPictures::default(), ReceivedPictures::default());
    let (mut pools, mut resume) = (Vec::new(), None);
    loop {
        match line.receive()? {
            Message::Pictures(PictureSetName::Model, format) => own.receive(format, line)?,
            Message::Pictures(PictureSetName::Retained, format) => retained.receive(format, line)?,
            Message::Pool(name, kind) => pools.push((name, kind, line.tensors()?)),
            Message::Resume(position) => resume = Some(resume_point(position, line.tensors()?, device)),
            Message::Begin => break,
            other => return Err(line.unexpected(&other)),
        }
    }
    let (own, retained) = (shared(own), shared(retained));
    if let Ok(model) = &mut model
        && own.count() > 0
    {
        if own.side() != model.generator.resolution() {
            return Err(line.garbled("pictures of another size than the model's"));
        }
        model.set_pictures(own);
    }
    let assembled = model.and_then(|model| {
        let mut pool = |name: PoolName| {
            let place = pools.iter().position(|(other, ..)| *other == name).ok_or("a pool is missing")?;
            let (_, kind, tensors) = pools.swap_remove(place);
            let mut pool = empty_pool(&model, kind, &retained)?;
            fill_pool(&mut pool, tensors, model.generator.latent_dim())?;
            if kind == PoolKind::Retained && pool.len() > retained.count() {
                return Err("a pool of more pictures than there are".to_owned());
            }
            Ok(pool)
        };
        let (negatives, positives) = (pool(PoolName::Negatives)?, pool(PoolName::Positives)?);
        Ok(Job { model, negatives, positives, resume })
    });
    Ok(assembled)
}

/// The model that follows, read as any file of unknown origin is; the inner error is a sentence.
fn receive_model(line: &mut Line, head: &Head, device: &Device) -> Result<Result<Model, String>, RemoteError> {
    let here = |error: std::io::Error| RemoteError::Here(format!("the model cannot be kept ({error})"));
    let folder = tempfile::tempdir().map_err(here)?;
    let path = folder.path().join("model.safetensors");
    let mut file = std::fs::File::create(&path).map_err(here)?;
    line.copy_to(&mut file)?;
    drop(file);
    let open = || {
        let mut model = Model::load(&path, device)?;
        model.set_class(head.class)?;
        Ok(model)
    };
    Ok(open().map_err(|error: crate::model::ModelError| error.to_string()))
}

/// An empty pool for such images.
fn empty_pool(model: &Model, kind: PoolKind, retained: &Arc<dyn Pictures>) -> Result<ImagePool, String> {
    let (channels, side) = (model.generator.image_channels(), model.generator.resolution());
    let shape = [channels, side, side];
    match kind {
        PoolKind::Samples => Ok(ImagePool::rendered(shape, Arc::new(SampleRenderer::new(model)))),
        PoolKind::Retained if retained.side() == side => {
            let renderer = PictureRenderer::new(retained.clone(), channels, model.g_ema.device());
            Ok(ImagePool::rendered(shape, Arc::new(renderer)))
        }
        PoolKind::Retained => Err("pictures of another size than the model's".to_owned()),
    }
}
