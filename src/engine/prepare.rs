//! What a run needs before its method begins: images to train on, and a discriminator.

use std::{ops::ControlFlow, sync::Arc};

use super::{
    control::RunControl,
    error::EngineError,
    event::Event,
    phase::Phase,
    pictures::sentences,
    request::RunRequest,
    warm_up::{Passes, WarmUp, warm_up},
};
use crate::{
    checkpoint::{read_tensors, write_tensors},
    data::PictureSet,
    feedback::{CollectRequest, Pools, collect},
    networks::Pictures,
    train::Checkpointing,
    unlearn::{Plan, Settings},
};

/// The images to train on, and a warning where a probe that found them is unsure; `None` if it was stopped meanwhile.
pub(super) fn find_pools(control: &mut RunControl, request: &RunRequest) -> Result<Option<Pools>, EngineError> {
    let model = control.session.model()?;
    let settings = request.settings.collect().map_err(EngineError::Settings)?;
    let helper = request.evaluation.as_ref().map(|evaluation| &evaluation.labeler);
    let positives = request.settings.method().needs(request.settings.values()).positives;
    let side = model.generator.resolution();
    let retain = match &request.retain {
        None => None,
        Some(source) => {
            let (pictures, notes) = PictureSet::open(source, side)?;
            let notes = sentences(source, &notes, side);
            notes.into_iter().for_each(|note| control.send_event(Event::Warning(note)));
            Some(Arc::new(pictures) as Arc<dyn Pictures>)
        }
    };
    let mut progress = |done| control.step(Phase::Label, done, settings.labelled);
    let asked =
        CollectRequest { source: &request.feedback, settings: &settings, helper, positives, retain: retain.as_ref() };
    let Some(pools) = collect(&model, asked, &mut progress)? else { return Ok(None) };
    if let Some(doubt) = pools.learned.and_then(|learned| learned.quality.doubt()) {
        control.send_event(Event::Warning(doubt));
    }
    Ok(Some(pools))
}

/// Gives the session's model a discriminator if it has none; nothing is told of one that it has. A project keeps it, so that
/// a run that is resumed has the same.
pub(super) fn ensure_discriminator(
    control: &mut RunControl,
    plan: Plan,
    settings: &Settings,
) -> Result<ControlFlow<(), Option<WarmUp>>, EngineError> {
    let model = control.session.model()?;
    let file =
        control.node.zip(control.session.project.as_ref()).map(|(node, project)| project.discriminator_file(node));
    if model.has_own_discriminator {
        return Ok(ControlFlow::Continue(None));
    }
    if let Some(file) = file.as_ref().filter(|file| file.is_file()) {
        let (params, _) = read_tensors(file)?;
        drop(model);
        control.session.model_mut()?.adopt_discriminator(params.into_iter().collect())?;
        return Ok(ControlFlow::Continue(None));
    }
    let mut made = None;
    if model.gan.is_none() {
        control.send_event(Event::Warning(format!(
            "{}: no discriminator in this file; one is warmed up on the generator's own samples first",
            model.path.display()
        )));
        let seed = settings.collect().map_err(EngineError::Settings)?.seed;
        let half = control.session.devices.half_precision(settings)?;
        let mut progress = |done, of| control.step(Phase::WarmUp, done, of);
        let checkpointing = settings.compute().map_err(EngineError::Settings)?.checkpointing == Checkpointing::On;
        let passes = Passes { batch: plan.batch, micro_batch: plan.micro_batch, checkpointing, half };
        let (params, warm_up) = match warm_up(&model, passes, seed, &mut progress)? {
            ControlFlow::Continue(made) => made,
            ControlFlow::Break(()) => return Ok(ControlFlow::Break(())),
        };
        drop(model);
        control.session.model_mut()?.adopt_discriminator(params)?;
        made = Some(warm_up);
    }
    if let (Some(file), Some(params)) = (file, control.session.model()?.discriminator_params()) {
        write_tensors(&file, &params, &Default::default())?;
    }
    Ok(ControlFlow::Continue(made))
}
