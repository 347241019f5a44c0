//! `evaluate BEFORE AFTER --labeler C.onnx --forget CLASS`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::{ClassArgs, DeviceArgs, LabelerArgs, progress::Bar};
use crate::{
    engine::{
        Phase, Progress,
        evaluate::{EVALUATION_SEED, compare},
    },
    model::Model,
};

#[derive(Debug, Args)]
pub(super) struct EvaluateArgs {
    /// The original model.
    before: PathBuf,
    /// The unlearned model.
    after: PathBuf,
    /// ONNX classifier.
    #[arg(long)]
    labeler: PathBuf,
    /// What should be gone: a class, `head=class`, `head!=class`, or several joined by `|` or commas.
    #[arg(long, value_name = "CLASS")]
    forget: String,
    /// Number of samples of each model.
    #[arg(long, default_value_t = 5000, value_parser = super::positive)]
    samples: usize,
    /// Seed of the latents.
    #[arg(long, default_value_t = EVALUATION_SEED)]
    seed: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    labeler_args: LabelerArgs,
    #[command(flatten)]
    class: ClassArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(super) fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let device = args.device.device.open()?;
    let mut before = Model::load(&args.before, &device.device)?;
    let mut after = Model::load(&args.after, &device.device)?;
    before.set_class(args.class.class)?;
    after.set_class(args.class.class)?;
    if before.generator.latent_dim() != after.generator.latent_dim() {
        anyhow::bail!(
            "{} and {} have latents of different length and cannot be compared",
            args.before.display(),
            args.after.display()
        );
    }
    let labeler = args.labeler_args.spec(&args.labeler).open()?;
    let target = labeler.target(&args.forget)?;
    let interrupted = super::progress::interrupts()?;
    let mut bar = Bar::new();
    let of = 2 * args.samples;
    let mut progress = |done| {
        bar.show(&Progress { phase: Phase::Evaluate, done, of, seconds_left: None });
        if interrupted.try_recv().is_ok() {
            std::ops::ControlFlow::Break(())
        } else {
            std::ops::ControlFlow::Continue(())
        }
    };
    let models = [(&before.generator, &before.g_ema), (&after.generator, &after.g_ema)];
    let evaluation = compare(models, &labeler, &target, args.seed, args.samples, &mut progress)?;
    bar.finish();
    let evaluation = evaluation.context("stopped before the measurement was complete")?;
    if args.json { super::say(serde_json::to_string_pretty(&evaluation)?) } else { super::say(evaluation) }
}
