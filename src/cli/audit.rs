//! `audit BEFORE AFTER --labeler C.onnx --forget CLASS --out report.html`, `audit --project DIR --node N`, `audit --verify report.json`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::{
    args::{ClassArgs, DeviceArgs, LabelerArgs, ModelArgs},
    client::wait,
    progress::Bar,
    unusable::{Unusable, check_extension, check_writable},
};
use crate::{
    audit::{AUDIT_SEED, AuditBudget, RelearnBudget, SearchBudget, verify},
    engine::{AuditRequest, AuditSubject, Command, Engine, Event},
    feedback::LabelerSpec,
};

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// The original model.
    #[arg(required_unless_present_any = ["project", "verify"], conflicts_with = "project", requires = "after")]
    before: Option<PathBuf>,
    /// The unlearned model.
    after: Option<PathBuf>,
    /// Audit a node of this project against the one it was made from.
    #[arg(long, value_name = "DIR", requires = "node")]
    project: Option<PathBuf>,
    /// The node's number.
    #[arg(long, value_name = "N", requires = "project")]
    node: Option<u64>,
    /// Check a report instead: that nothing in it was changed, and that the files are those it speaks of.
    #[arg(long, value_name = "REPORT.json", conflicts_with_all = ["before", "project", "out"])]
    verify: Option<PathBuf>,
    /// The page to write (.html); its numbers stand beside it as .json.
    #[arg(long, value_name = "REPORT.html", required_unless_present = "verify")]
    out: Option<PathBuf>,
    /// ONNX classifier; a node's own if none is named.
    #[arg(long, required_unless_present_any = ["project", "verify"], requires = "forget")]
    labeler: Option<PathBuf>,
    /// What should be gone: a class, `head=class`, `head!=class`, or several joined by `|` or commas.
    #[arg(long, value_name = "CLASS", requires = "labeler")]
    forget: Option<String>,
    /// An independent ONNX classifier, which had nothing to do with the unlearning.
    #[arg(long, value_name = "ONNX", requires = "second_forget")]
    second_labeler: Option<PathBuf>,
    /// What should be gone in the independent classifier's words.
    #[arg(long, value_name = "CLASS", requires = "second_labeler")]
    second_forget: Option<String>,
    /// A model that was trained without what must go (`train --exclude`): it goes through the same.
    #[arg(long, value_name = "MODEL")]
    retrained: Option<PathBuf>,
    /// Samples of each model that are measured.
    #[arg(long, default_value_t = AuditBudget::default().samples, value_parser = super::args::positive)]
    samples: usize,
    /// Starts of the latent search in each space.
    #[arg(long, default_value_t = AuditBudget::default().search.starts, value_parser = super::args::positive)]
    starts: usize,
    /// Steps of each start.
    #[arg(long, default_value_t = AuditBudget::default().search.steps)]
    steps: usize,
    /// Numbers of pictures that it is relearned from.
    #[arg(long, value_name = "K,...", value_delimiter = ',', default_values_t = AuditBudget::default().relearn.pictures)]
    relearn_pictures: Vec<usize>,
    /// Steps of relearning at most; 0 leaves it out.
    #[arg(long, default_value_t = AuditBudget::default().relearn.steps)]
    relearn_steps: usize,
    /// Samples per forward pass of relearning (to save memory); 0 means the whole batch.
    #[arg(long, default_value_t = 0)]
    micro_batch: usize,
    /// Seed of all latents.
    #[arg(long, default_value_t = AUDIT_SEED)]
    seed: u64,
    #[command(flatten)]
    labeler_args: LabelerArgs,
    #[command(flatten)]
    class: ClassArgs,
    #[command(flatten)]
    model_args: ModelArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

impl AuditArgs {
    fn budget(&self) -> anyhow::Result<AuditBudget> {
        if self.relearn_pictures.contains(&0) {
            bail!(Unusable("--relearn-pictures must be at least 1".to_owned()));
        }
        let usual = AuditBudget::default();
        let pictures = if self.relearn_steps == 0 { Vec::new() } else { self.relearn_pictures.clone() };
        Ok(AuditBudget {
            samples: self.samples,
            search: SearchBudget { starts: self.starts, steps: self.steps },
            relearn: RelearnBudget {
                pictures,
                steps: self.relearn_steps,
                micro_batch: self.micro_batch,
                ..usual.relearn
            },
            ..usual
        })
    }

    fn request(&self, out: &Path) -> anyhow::Result<AuditRequest> {
        let subject = match (&self.before, &self.after, &self.project, self.node) {
            (Some(before), Some(after), ..) => AuditSubject::Files { before: before.clone(), after: after.clone() },
            (_, _, Some(project), Some(node)) => AuditSubject::Node { project: Some(project.clone()), node },
            _ => bail!(Unusable("audit takes two models, or --project and --node".to_owned())),
        };
        let labeler = self.labeler.as_deref().zip(self.forget.clone());
        let second = self.second_labeler.as_deref().zip(self.second_forget.clone());
        Ok(AuditRequest {
            subject,
            retrained: self.retrained.clone(),
            offered_from: None,
            labeler: labeler.map(|(path, forget)| (self.labeler_args.spec(path), forget)),
            second: second.map(|(path, forget)| (LabelerSpec { path: path.to_owned(), mean: None, std: None }, forget)),
            class: self.class.class,
            classes: self.model_args.classes,
            pictures: self.model_args.pictures(),
            budget: self.budget()?,
            seed: self.seed,
            out: out.to_owned(),
        })
    }
}

pub(super) fn run(args: &AuditArgs) -> anyhow::Result<()> {
    if let Some(report) = &args.verify {
        return check(report);
    }
    let out = args.out.as_deref().context("--out is missing")?;
    check_extension(out, &["html"], "a report")?;
    check_writable(out)?;
    check_writable(&out.with_extension("json"))?;
    let request = args.request(out)?;
    let engine = Engine::start(args.device.open()?)?;
    let interrupts = super::progress::interrupts()?;
    let mut bar = Bar::new();
    engine.send(Command::Audit(Box::new(request)));
    let report = wait(&engine, &interrupts, &mut bar, "", |event| match event {
        Event::Audited(report) => Some(report),
        _ => None,
    })?;
    bar.finish();
    let report = report.context("stopped before the audit was complete; nothing was written")?;
    for verdict in &report.verdicts {
        super::output::say(format!("{}: {}", verdict.about, verdict.finding))?;
    }
    super::output::say(out.display())?;
    super::output::say(out.with_extension("json").display())
}

fn check(report: &Path) -> anyhow::Result<()> {
    let checked = verify(report)?;
    for line in &checked.right {
        super::output::say(format!("as reported  {line}"))?;
    }
    match checked.wrong.as_slice() {
        [] => super::output::say("the report is what was written, and the files are those it speaks of"),
        wrong => bail!("{}", wrong.join("; ")),
    }
}
