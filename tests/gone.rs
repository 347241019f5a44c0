//! How much is gone as far as marks tell, of real models: nothing of one that did not change, nearly all of one that never saw it.

use std::{ops::ControlFlow, path::PathBuf};

use unlearn_studio::{
    device,
    feedback::{Feedback, GoneError, GoneEstimate, LabelerSpec, Mark, Sample, estimate_gone},
    model::{Model, Sampler},
    networks::{LatentAddress, flat::FlatParams},
};

/// What must go.
const CLASS: usize = 4;
/// Seed of the samples that are marked, and how many of them are looked at.
const SEED: u64 = 11;
const LOOKED_AT: u64 = 600;
/// Marks of what must go, and of what may stay.
const MARKS: [usize; 2] = [36, 72];

fn asset(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets").join(name)
}

fn digits(name: &str) -> Model {
    Model::load(&asset("models").join(name), &device::cpu().device).expect("a model")
}

/// Marks what a labeler sees, as a user would.
fn marks(model: &Model) -> Feedback {
    let spec = LabelerSpec { path: asset("labelers/digits.onnx"), mean: None, std: None };
    let mut sampler = Sampler::new(&model.generator, &model.g_ema);
    let [channels, height, width] = sampler.image_shape();
    let images = sampler.render_at(SEED, 0..LOOKED_AT, 1.0);
    let shape = [LOOKED_AT as usize, channels, height, width];
    let labels = spec.open().expect("a labeler").label(&images, shape).expect("labels");
    let mut feedback = Feedback::new("0");
    let mut left = MARKS;
    for (index, &class) in (0..).zip(&labels.classes) {
        let left = &mut left[usize::from(class != CLASS)];
        if *left > 0 {
            *left -= 1;
            let sample = Sample::new(LatentAddress { seed: SEED, index }, 1.0).expect("a usable psi");
            feedback.mark(sample, if class == CLASS { Mark::Negative } else { Mark::Positive });
        }
    }
    assert_eq!(left, [0, 0], "samples of both kinds");
    feedback
}

fn estimate(model: &Model, after: &FlatParams) -> Result<GoneEstimate, GoneError> {
    let found = estimate_gone((model, after), (&marks(model), None), [1, 2], &mut |_| ControlFlow::Continue(()))?;
    Ok(found.expect("nobody stopped it"))
}

#[test]
fn of_a_model_that_did_not_change_nothing_is() {
    let model = digits("digits-32.safetensors");
    let found = estimate(&model, &model.g_ema).expect("an estimate");
    assert_eq!((found.gone, found.at_least, found.at_most), (0.0, 0.0, 0.0), "{found:?}");
    assert!(!found.sees_change() && (0.03..0.3).contains(&found.share_before), "{found:?}");
}

/// It draws every sample anew, and none of them shows a 4.
#[test]
fn of_a_model_that_never_saw_it_nearly_all_is() {
    let (model, without) = (digits("digits-32.safetensors"), digits("digits-without-4.safetensors"));
    let found = estimate(&model, &without.g_ema).expect("an estimate");
    assert!(found.sees_change() && found.gone > 0.75 && found.at_most > 0.9, "{found:?}");
}
