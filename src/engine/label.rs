//! Looking through samples with a labeler, a few at a time, so that whatever else is asked comes first.

use std::time::Instant;

use crossbeam_channel::Sender;

use super::{
    error::EngineError,
    event::{Event, LabelledSamples, SampleLabel},
    job::{outcome, send_event},
    request::LabelRequest,
    sample::generator_of,
    session::Session,
    weights::Weights,
};
use crate::{model::Sampler, networks::Purpose};

/// The centre of the original weights, which do not change, among those that are remembered.
const ORIGINAL: (Weights, u64) = (Weights::Original, 0);

/// Looks through some of the samples that are still to be looked through.
pub(super) fn label_some(events: &Sender<Event>, session: &mut Session) {
    let Some(mut request) = session.labels.take() else { return };
    match outcome(|| label(session, &request)) {
        Ok(labelled) => {
            request.indices.start += labelled.labels.len() as u64;
            // There may be fewer pictures than were asked for.
            session.labels.put(Some(request).filter(|_| !labelled.labels.is_empty()));
            send_event(events, Event::Labelled(Box::new(labelled)));
        }
        Err(sentence) => {
            send_event(events, Event::NotLabelled(request));
            send_event(events, Event::Failed(sentence));
        }
    }
}

/// What the labeler says of the first of these samples: of the picture that is completed, where pictures are, elsewhere of
/// the sample as it is without any motion.
fn label(session: &mut Session, request: &LabelRequest) -> Result<LabelledSamples, EngineError> {
    let LabelRequest { question, indices } = request;
    let model = session.model()?;
    model.check_samples()?;
    let labeler = session.labels.open(&question.labeler)?;
    let target = labeler.target(&question.target)?;
    let clock = Instant::now();
    let generator = generator_of(&model, question.class)?;
    let there_are = generator.pictures_for(Purpose::Show).map_or(u64::MAX, |pictures| pictures as u64);
    let samples = indices.clone().take_while(|&index| index < there_are).take(session.labels.count() as usize);
    let count = samples.clone().count();
    if count == 0 {
        return Ok(LabelledSamples { question: question.clone(), start: indices.start, labels: Vec::new() });
    }
    let rows = generator.latents(question.seed, samples);
    let mut sampler = Sampler::new(&generator, &model.g_ema).with_centre(session.centres.get(ORIGINAL));
    let images = sampler.subjects(&rows, question.psi);
    session.centres.put(ORIGINAL, sampler.centre());
    let [channels, height, width] = sampler.image_shape();
    let found = labeler.label_head(target.head_number(), &images, [count, channels, height, width])?;
    session.labels.took(clock.elapsed().as_secs_f64(), count);
    let label = |(image, class): (usize, &usize)| SampleLabel {
        probability: found.target_probability(image, &target).unwrap_or_default(),
        shows: target.holds(*class),
    };
    let labels = found.classes.iter().enumerate().map(label).collect();
    Ok(LabelledSamples { question: question.clone(), start: indices.start, labels })
}
