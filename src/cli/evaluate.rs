//! `evaluate BEFORE AFTER --labeler C.onnx --forget CLASS`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::{
    args::{ClassArgs, DeviceArgs, LabelerArgs, ModelArgs},
    client::wait,
    progress::Bar,
};
use crate::engine::{Command, Engine, EvaluationRequest, Event, evaluate::EVALUATION_SEED, request::CompareRequest};

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
    #[arg(long, default_value_t = 5000, value_parser = super::args::positive)]
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
    model_args: ModelArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(super) fn run(args: &EvaluateArgs) -> anyhow::Result<()> {
    let engine = Engine::start(args.device.open()?)?;
    let interrupts = super::progress::interrupts()?;
    let mut bar = Bar::new();
    let evaluation = EvaluationRequest {
        labeler: args.labeler_args.spec(&args.labeler),
        forget: args.forget.clone(),
        samples: args.samples,
        seed: args.seed,
    };
    let (before, after, class) = (args.before.clone(), args.after.clone(), args.class.class);
    engine.send(Command::Compare(Box::new(CompareRequest {
        before,
        after,
        class,
        classes: args.model_args.classes,
        pictures: args.model_args.pictures(),
        evaluation,
    })));
    let evaluation = wait(&engine, &interrupts, &mut bar, "", |event| match event {
        Event::Compared(evaluation) => Some(evaluation),
        _ => None,
    })?;
    bar.finish();
    let evaluation = evaluation.context("stopped before the measurement was complete")?;
    if args.json {
        super::output::say(serde_json::to_string_pretty(&evaluation)?)
    } else {
        super::output::say(evaluation)
    }
}
