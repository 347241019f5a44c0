//! `resume PROJECT`: goes on with a run that was interrupted or stopped.

use std::path::PathBuf;

use clap::Args;

use super::{
    client::{ask, loaded, wait},
    progress::Bar,
    run_device::{RunDeviceArgs, note},
    unlearn::finish,
};
use crate::engine::{Command, Engine, Event, ProjectRequest};

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The project's folder.
    project: PathBuf,
    /// Seconds between two saves of where the run stands.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, hide_short_help = true)]
    save_every: f64,
    /// Samples in one pass from now on, if the run ran out of memory.
    #[arg(long, value_name = "N")]
    micro_batch: Option<usize>,
    #[command(flatten)]
    device: RunDeviceArgs,
}

pub(super) fn run(args: &ResumeArgs) -> anyhow::Result<()> {
    let devices = args.device.open()?;
    let mut bar = Bar::new();
    let device_note = note(&devices);
    let engine = Engine::start(devices)?;
    let interrupts = super::progress::interrupts()?;
    engine.send(Command::SaveEvery(super::args::seconds(args.save_every)?));
    let card = ask(&engine, Command::Load(args.project.clone().into()), loaded)?;
    bar.note(&device_note);
    bar.note(&format!("model: {} {}x{}", card.family, card.resolution, card.resolution));
    engine.send(Command::Project(Box::new(ProjectRequest::Continue { micro_batch: args.micro_batch })));
    let stopping = "stopping after this iteration; what was reached is kept";
    let mut out = None;
    let report = wait(&engine, &interrupts, &mut bar, stopping, |event| match event {
        Event::Exported(path) => {
            out = Some(path);
            None
        }
        Event::Done(report) => Some(*report),
        _ => None,
    })?;
    bar.finish();
    finish(&report, out.as_deref(), &[])
}
