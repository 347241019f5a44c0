//! Audits of models that complete pictures.

use std::{fs, path::Path, sync::Arc};

use serde_json::Value;
use unlearn_studio::{
    audit::{AuditBudget, Findings, RelearnBudget, Role, WorstSamples, hides},
    checkpoint::Checkpoint,
    data::{ImageSource, PictureSet},
    device,
    metrics::Labeler,
    model::Model,
};

#[path = "common/audits.rs"]
mod audits;
#[path = "common/program.rs"]
mod program;

use audits::{QUICK, asset, audit, conforms, json, small, text};
use program::{done, studio};

/// The bundled masked autoencoder beside pictures to complete.
fn completing() -> Model {
    let mut model = Model::load(&asset("models/avatars-mae-64.safetensors"), &device::cpu().device).expect("a model");
    let (pictures, _) = PictureSet::open(&ImageSource::Avatars, 64).expect("drawn faces");
    model.set_pictures(Arc::new(pictures));
    model
}

/// A budget that takes seconds where pictures are completed.
fn few() -> AuditBudget {
    let relearn = RelearnBudget { pictures: vec![1, 5], steps: 3, samples: 40, batch: 8, micro_batch: 0 };
    AuditBudget { samples: 120, relearn, compared: 24, back: 40, ..small() }
}

fn seen(findings: &Findings, samples: WorstSamples, role: Role) -> usize {
    findings.worst_case(samples, role).expect("a case").count
}

#[test]
fn a_model_that_completes_pictures_is_audited_by_its_pictures_and_masks() {
    let original = completing();
    let labeler = Labeler::open(&asset("labelers/avatars.onnx")).expect("the labeler");
    let target = labeler.target("hat!=none").expect("a class");
    // Unchanged, nothing is gone, whatever is hidden.
    let findings = audit(&original, &original, &labeler, &target, &few());
    let [before, after] = [Role::Original, Role::Result].map(|role| findings.model(role).expect("a model").clone());
    assert_eq!(findings.measurements.samples, 120);
    assert_eq!((after.pul.map(|pul| pul.value), after.kept_change), (Some(0.0), Some(0.0)));
    assert_eq!(before.completions, after.completions);
    let completed = findings.measurements.completed.expect("pictures");
    assert!(completed.forgotten > 20 && completed.forgotten + completed.kept == 120, "{completed:?}");
    for samples in [WorstSamples::AnyMask, WorstSamples::LessHidden, WorstSamples::MoreHidden] {
        assert_eq!(seen(&findings, samples, Role::Original), seen(&findings, samples, Role::Result), "{samples:?}");
    }
    assert!(findings.relearning.iter().all(|found| found.relearning.steps_to_half == Some(0)));
    assert!(!findings.layers.is_empty() && findings.layers.iter().all(|layer| (layer.negatives - 1.0).abs() < 1e-4));
    // Latents are not searched, and nothing says that they were.
    assert!(findings.probe.is_none() && findings.searches.is_empty() && !hides(&findings));

    // One that draws nothing in what is hidden: its decoder's last layer gives zeros.
    let mut checkpoint: Checkpoint = original.export();
    for params in [&mut checkpoint.g_ema, &mut checkpoint.g].into_iter().flatten() {
        let last = params.iter_mut().filter(|(key, _)| key.starts_with("decoder.decoder_pred."));
        last.for_each(|(_, tensor)| tensor.data.fill(0.0));
    }
    let blank = Model::new(&original.path, "blank".to_owned(), checkpoint, &device::cpu().device);
    let mut blank = blank.expect("the same network");
    let (pictures, _) = PictureSet::open(&ImageSource::Avatars, 64).expect("drawn faces");
    blank.set_pictures(Arc::new(pictures));
    let findings = audit(&original, &blank, &labeler, &target, &few());
    let quality = |role: Role| findings.model(role).and_then(|model| model.completions).expect("completions");
    let [before, after] = [quality(Role::Original), quality(Role::Result)];
    for (before, after) in [(before.forgotten, after.forgotten), (before.kept, after.kept)] {
        let psnr = before.zip(after).map(|(before, after)| [before.psnr, after.psnr]).expect("both");
        assert!(psnr[1] < psnr[0] - 2.0, "{psnr:?}");
    }
    let moved: Vec<f64> = findings.blocks.iter().map(|block| block.relative).filter(|moved| *moved > 0.0).collect();
    assert_eq!(moved.len(), 1, "{:?}", findings.blocks);
    let pictures: Vec<usize> = findings.relearning.iter().map(|found| found.relearning.pictures).collect();
    assert_eq!(pictures, [1, 5]);
    // All the way back is the original, up to rounding.
    let end = findings.back.last().expect("a way").seen;
    assert!(end.count.abs_diff(findings.relearning[0].relearning.original) <= 1, "{:?}", findings.back);
}

#[test]
fn a_node_of_completed_pictures_has_a_report_that_says_what_was_not_tested() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| text(&folder.path().join(name));
    let mae = text(&asset("models/avatars-mae-64.safetensors"));
    let (project, report) = (at("faces.unlearn"), folder.path().join("report.html"));
    done(&[
        "unlearn",
        &mae,
        "--pictures",
        "avatars",
        "--labeler",
        &text(&asset("labelers/avatars.onnx")),
        "--forget",
        "hat!=none",
        "--labelled",
        "200",
        "--set",
        "iters=8",
        "--set",
        "batch=8",
        "--samples",
        "60",
        "--project",
        &project,
        "--out",
        &at("no-hats.safetensors"),
        "--device",
        "cpu",
    ]);
    // The node knows its labeler and its pictures.
    let args = ["audit", "--project", &project, "--node", "1", "--out", &text(&report)];
    let said = done(&[&args[..], &QUICK[..]].concat());
    for words in
        ["How much is gone: Of 300 completions", "The completions themselves: ", "under at least one of 8 masks"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let found = json(&report.with_extension("json"));
    conforms(&found, &json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit.schema.json")), "report");
    assert_eq!((&found["completed"]["source"], &found["completed"]["count"]), (&"avatars".into(), &4000.into()));
    assert_eq!((&found["findings"]["probe"], &found["findings"]["searches"]), (&Value::Null, &Value::Array(vec![])));
    assert_eq!(found["findings"]["relearning"].as_array().map(Vec::len), Some(2));
    let page = fs::read_to_string(&report).expect("the page");
    for words in ["takes no latents to search among", "Latents were not searched", "How pictures are completed"] {
        assert!(page.contains(words), "{words}");
    }
    let verify = || studio(&["audit", "--verify", &text(&report.with_extension("json"))]);
    let verified = verify();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(said.contains("avatars: the pictures that were completed, all 4000"), "{said}");

    // Other pictures, told even by whoever seals the report anew.
    let mut other = found.clone();
    other["completed"]["sha256"] = "0123456789abcdef".into();
    other["digest"] = unlearn_studio::audit::digest(&other).into();
    let page = page.replace(found["digest"].as_str().expect("a digest"), other["digest"].as_str().expect("a digest"));
    fs::write(report.with_extension("json"), other.to_string()).expect("written");
    fs::write(&report, page).expect("written");
    let said = String::from_utf8(verify().stderr).expect("UTF-8");
    assert!(said.contains("avatars: these are not the pictures that were completed") && !said.contains(';'), "{said}");
}
