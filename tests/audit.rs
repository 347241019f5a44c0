//! Audits: the attacks find what is there, the report can be checked, and bad input is one sentence.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use unlearn_studio::{
    audit::{AUDIT_SEED, AuditBudget, RelearnBudget, Role, SearchBudget, Space, hides, verify},
    checkpoint::{self, Checkpoint},
    device,
    engine::{
        AuditRequest, AuditSubject, Command, Engine, Event, ProjectCard, ProjectRequest, RetrainedQuestion,
        RetrainedRequest, RunRequest,
    },
    feedback::LabelerSpec,
    metrics::{Labeler, Target},
    model::Model,
    networks::flat::to_vec,
};

#[path = "common/audits.rs"]
mod audits;
#[path = "common/program.rs"]
mod program;

use audits::{QUICK, asset, audit, conforms, json, small, text};
use program::{done, studio};

fn digits() -> PathBuf {
    asset("models/digits-32.safetensors")
}

fn labeler() -> PathBuf {
    asset("labelers/digits.onnx")
}

/// The model with the bias of its last mapping layer moved along `-e`, by so many times the distance between the negatives' and the positives'
/// mean `w`: its samples hardly show them any more, and the synthesis network knows them as well as ever.
fn filtered(model: &Model, labeler: &Labeler, target: &Target, far: f32) -> Model {
    let dim = model.generator.latent_dim();
    let z = model.generator.latents(77, 0..600);
    let leaves = model.g_ema.constants();
    let mut sampler = unlearn_studio::model::Sampler::new(&model.generator, &model.g_ema);
    let images = sampler.render(&z, 1.0);
    let [c, h, w] = sampler.image_shape();
    let labels = labeler.label(&images, [600, c, h, w]).expect("labels");
    let z = burn::tensor::Tensor::from_data(burn::tensor::TensorData::new(z, [600, dim]), &leaves.device());
    let mapped = to_vec(model.generator.map(&leaves, z));
    let width = model.generator.w_dim();
    let mean = |negative: bool| -> Vec<f32> {
        let rows: Vec<&[f32]> = mapped
            .chunks_exact(width)
            .zip(&labels.classes)
            .filter(|(_, class)| target.holds(**class) == negative)
            .map(|(row, _)| row)
            .collect();
        (0..width).map(|k| rows.iter().map(|row| row[k]).sum::<f32>() / rows.len() as f32).collect()
    };
    let e: Vec<f32> = mean(true).iter().zip(mean(false)).map(|(n, p)| n - p).collect();
    let mut checkpoint: Checkpoint = model.export();
    let g = checkpoint.g_ema.as_mut().expect("an averaged generator");
    let last = g.keys().filter(|key| key.starts_with("style.") && key.ends_with(".bias")).max().cloned();
    let bias = g.get_mut(&last.expect("a mapping network")).expect("its bias");
    // The layer's output is sqrt(2) times a leaky ReLU of the bias times the mapping network's learning rate, 0.01, and a product.
    for (bias, e) in bias.data.iter_mut().zip(&e) {
        *bias -= far * e / 0.01 / 2f32.sqrt();
    }
    Model::new(&model.path, "a planted fake".to_owned(), checkpoint, &device::cpu().device).expect("the same network")
}

#[test]
fn a_planted_fake_is_caught_and_the_original_is_the_control() {
    let device = device::cpu().device;
    let original = Model::load(&digits(), &device).expect("the digits");
    let labeler = Labeler::open(&labeler()).expect("the labeler");
    let target = labeler.target("4").expect("a class");
    let fake = filtered(&original, &labeler, &target, 2.0);
    // The probe of 400 samples is coarse: with 48 steps 22 or 23 of the control's 24 starts get there, by what its last bits are.
    let search = SearchBudget { steps: 96, ..small().search };
    let budget = AuditBudget { search, relearn: RelearnBudget { pictures: vec![], ..small().relearn }, ..small() };
    let findings = audit(&original, &fake, &labeler, &target, &budget);
    let result = &findings.measurements.models[1];
    assert!(result.pul.is_some_and(|pul| pul.value > 0.7 && pul.low < pul.value), "{:?}", result.pul);
    let found = |role: Role, space: Space| {
        let of = findings.searches.iter().find(|found| found.model == role && found.search.space == space);
        of.map(|found| found.search.found.share).expect("a search")
    };
    for space in [Space::Z, Space::W, Space::WPlus] {
        assert!(found(Role::Original, space) >= 0.95, "control, {space:?}: {:?}", findings.searches);
    }
    // The synthesis network still makes it, so a search among mapped latents finds it, from fewer of the starts than in the original (21 and
    // 18 of 24 with AVX2), as the model's own latents, which say what is likely, lie farther away.
    for space in [Space::W, Space::WPlus] {
        assert!(found(Role::Result, space) >= 0.6, "{space:?}: {:?}", findings.searches);
    }
    assert!(hides(&findings));
    // Only the mapping network moved, and features differ because the latents do.
    let moved: Vec<&str> = findings.blocks.iter().filter(|b| b.relative > 0.0).map(|b| b.block.as_str()).collect();
    assert_eq!(moved, ["mapping"]);
    assert!(!findings.layers.is_empty() && findings.layers.iter().all(|layer| layer.negatives < 1.0));
    assert!(findings.probe.as_ref().is_some_and(|probe| probe.separation > 0.9), "{:?}", findings.probe);
    // Going all the way back is the original.
    let (first, last) = (findings.back.first().expect("a way"), findings.back.last().expect("a way"));
    assert!(first.seen.share < last.seen.share && (first.part, last.part) == (0.0, 1.0), "{:?}", findings.back);
}

#[test]
fn an_audit_of_an_unchanged_model_finds_nothing_gone_and_is_the_same_again() {
    let device = device::cpu().device;
    let original = Model::load(&digits(), &device).expect("the digits");
    let labeler = Labeler::open(&labeler()).expect("the labeler");
    let target = labeler.target("4").expect("a class");
    let budget = AuditBudget { search: SearchBudget { starts: 6, steps: 3 }, ..small() };
    let findings = audit(&original, &original, &labeler, &target, &budget);
    let result = &findings.measurements.models[1];
    assert_eq!(result.pul.map(|pul| pul.value), Some(0.0));
    assert_eq!((result.kept_change, result.new.map(|new| new.count)), (Some(0.0), Some(0)));
    assert!(result.kept_cosine.is_some_and(|cosine| (cosine - 1.0).abs() < 1e-6), "{:?}", result.kept_cosine);
    assert!(
        findings
            .layers
            .iter()
            .all(|layer| (layer.negatives - 1.0).abs() < 1e-4 && (layer.positives - 1.0).abs() < 1e-4)
    );
    assert!(findings.blocks.iter().all(|block| block.relative == 0.0 && block.moved == 0.0));
    // Half of it is there without any training.
    assert_eq!(findings.relearning[0].relearning.curve[0].0, 0);
    let again = audit(&original, &original, &labeler, &target, &budget);
    assert_eq!(serde_json::to_string(&findings).expect("JSON"), serde_json::to_string(&again).expect("JSON"));
}

#[test]
fn a_node_is_audited_and_its_report_can_be_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    // Moved along with the report, so that its paths stay true.
    let (model, onnx) = (at("digits.safetensors"), at("digits.onnx"));
    fs::copy(digits(), &model).expect("a copy");
    fs::copy(labeler(), &onnx).expect("a copy");
    let project = at("digits.unlearn");
    done(&[
        "unlearn",
        &text(&model),
        "--labeler",
        &text(&onnx),
        "--forget",
        "4",
        "--method",
        "dampen",
        "--labelled",
        "300",
        "--samples",
        "200",
        "--project",
        &text(&project),
        "--out",
        &text(&at("no-4.safetensors")),
        "--device",
        "cpu",
    ]);
    let report = at("report.html");
    let args = ["audit", "--project", &text(&project), "--node", "1", "--out", &text(&report)];
    let said = done(&[&args[..], &QUICK[..]].concat());
    for about in
        ["How much is gone: Of 300 samples", "What it cost: ", "Is it still in there?: ", "Does it come back?: "]
    {
        assert!(said.contains(about), "{said}");
    }
    let found = json(&report.with_extension("json"));
    assert_eq!(found["schema"], "unlearn-studio/audit/1");
    assert_eq!(found["ancestry"].as_array().map(Vec::len), Some(2));
    assert_eq!(found["ancestry"][1]["parent_sha256"], found["original"]["sha256"]);
    assert_eq!(found["ancestry"][1]["request"]["settings"]["method"], "dampen");
    assert_eq!(found["findings"]["relearning"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        found["result"]["sha256"].as_str(),
        checkpoint::sha256(&project.join("nodes/1/model.safetensors")).ok().as_deref()
    );
    conforms(&found, &json(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit.schema.json")), "report");

    // One page that loads nothing.
    let page = fs::read_to_string(&report).expect("the page");
    assert!(page.contains("What this does not prove") && page.contains(found["digest"].as_str().expect("a digest")));
    let elsewhere = ["http://", "https://", "<script", "<link", "url("];
    let loads: Vec<&str> =
        elsewhere.into_iter().filter(|word| page.replace("http://www.w3.org/2000/svg", "").contains(word)).collect();
    assert_eq!(loads, [""; 0]);
    assert!(page.matches("data:image/png;base64,").count() >= 4);

    // Cards of the bundled models say which of them never saw a 4.
    assert_eq!(offered(&project, None), Some(asset("models/digits-without-4.safetensors")));
    let named = |forget: &str| Some((LabelerSpec { path: onnx.clone(), mean: None, std: None }, forget.to_owned()));
    assert_eq!(offered(&project, named("digit=4")), Some(asset("models/digits-without-4.safetensors")));
    for other in ["7", "4|7"] {
        assert_eq!(offered(&project, named(other)), None, "{other}");
    }

    let verify = || studio(&["audit", "--verify", &text(&report.with_extension("json"))]);
    let sentence = || String::from_utf8(verify().stderr).expect("UTF-8");
    let ok = verify();
    assert!(ok.status.success(), "{}", String::from_utf8_lossy(&ok.stderr));

    // A changed digit.
    let whole = fs::read_to_string(report.with_extension("json")).expect("the report");
    let count = found["findings"]["measurements"]["models"][1]["negatives"]["count"].as_u64().expect("a count");
    let changed = whole.replacen(&format!("\"count\": {count}"), &format!("\"count\": {}", count + 1), 1);
    fs::write(report.with_extension("json"), changed).expect("written");
    assert!(sentence().contains("something in it was changed"), "{}", sentence());
    fs::write(report.with_extension("json"), &whole).expect("written");

    // A swapped weight file.
    let weights = project.join("nodes/1/model.safetensors");
    let kept = fs::read(&weights).expect("the weights");
    fs::copy(&model, &weights).expect("a copy");
    assert!(sentence().contains("this is not the audited model of the report"), "{}", sentence());
    fs::write(&weights, kept).expect("written");

    // A changed picture on the page.
    let at_picture = page.find("data:image/png;base64,").expect("a picture") + 60;
    let mut bytes = page.clone().into_bytes();
    bytes[at_picture] = if bytes[at_picture] == b'A' { b'B' } else { b'A' };
    fs::write(&report, bytes).expect("written");
    assert!(sentence().contains("1 pictures on the page are not those"), "{}", sentence());
    fs::write(&report, &page).expect("written");

    // One that was taken away, and two that were exchanged.
    let first = page[..at_picture].rfind("<figure>").expect("a picture");
    let last = at_picture + page[at_picture..].find("</figure>").expect("its end");
    let without = format!("{}{}", &page[..first], &page[last..]);
    fs::write(&report, without).expect("written");
    assert!(sentence().contains("1 pictures of the report are not on the page"), "{}", sentence());
    let exchanged = page.replace(": before", ": BEFORE").replace(": after", ": before").replace(": BEFORE", ": after");
    fs::write(&report, exchanged).expect("written");
    assert!(sentence().contains("4 pictures on the page stand under other captions"), "{}", sentence());
    fs::remove_file(&report).expect("removed");
    assert!(sentence().contains("the page is not there, so its"), "{}", sentence());
    fs::write(&report, &page).expect("written");

    // A missing parent, told even by whoever seals the report anew.
    let mut orphan = found.clone();
    orphan["ancestry"].as_array_mut().expect("nodes").remove(0);
    orphan["digest"] = unlearn_studio::audit::digest(&orphan).into();
    fs::write(report.with_extension("json"), orphan.to_string()).expect("written");
    assert!(sentence().contains("node 0, is missing from the ancestry"), "{}", sentence());
    fs::write(report.with_extension("json"), &whole).expect("written");
    fs::remove_file(&onnx).expect("removed");
    assert!(sentence().contains("the labeler is not there"), "{}", sentence());
}

/// Sends commands and waits for an answer.
fn answered<T>(engine: &Engine, commands: Vec<Command>, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    commands.into_iter().for_each(|command| engine.send(command));
    loop {
        match engine.events.recv_timeout(Duration::from_secs(240)).expect("an answer") {
            Event::Failed(sentence) => panic!("{sentence}"),
            event => {
                if let Some(answer) = wanted(event) {
                    return answer;
                }
            }
        }
    }
}

/// A model that forgot 4, and 7 after it: what of the retrained models stands beside it, and where its report finds its files.
#[test]
fn a_node_is_audited_by_what_all_of_its_line_forgot_and_its_report_moves_with_the_project() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let project = at("digits.unlearn");
    let quick = ["--method", "dampen", "--labelled", "300", "--samples", "100", "--device", "cpu"];
    let (model, onnx, kept, out) = (text(&digits()), text(&labeler()), text(&project), text(&at("no-4.safetensors")));
    let asked = ["unlearn", &model, "--labeler", &onnx, "--forget", "4", "--project", &kept, "--out", &out];
    done(&[&asked[..], &quick[..]].concat());
    let engine = Engine::start(device::cpu()).expect("a thread");
    let mut request = json(&project.join("nodes/1/request.json"));
    for place in ["/feedback/labeler/forget", "/evaluation/forget"] {
        *request.pointer_mut(place).unwrap_or_else(|| panic!("there is no {place}")) = "7".into();
    }
    request["out"] = serde_json::Value::Null;
    let request: RunRequest = serde_json::from_value(request).expect("a request");
    let commands = vec![
        Command::Load(project.clone().into()),
        Command::Project(Box::new(ProjectRequest::StartFrom(1))),
        Command::Start(Box::new(request)),
    ];
    answered(&engine, commands, |event| matches!(event, Event::Done(_)).then_some(()));

    // Models of which one says that it saw neither.
    let models = at("models");
    fs::create_dir(&models).expect("a folder");
    fs::copy(digits(), models.join("digits-32.safetensors")).expect("a copy");
    let neither = models.join("neither.safetensors");
    let exported = Model::load(&asset("models/digits-without-4.safetensors"), &device::cpu().device).expect("a model");
    let mut exported = exported.export();
    let card = exported.metadata.get_mut("card").expect("a card");
    *card = card.replace("\"excluded\":\"4\"", "\"excluded\":\"4|7\"");
    checkpoint::save(&neither, &exported).expect("a file");
    let offered = |node: u64, forget: Option<&str>| {
        let labeler = forget.map(|forget| (LabelerSpec { path: labeler(), mean: None, std: None }, forget.to_owned()));
        let question = RetrainedQuestion { node, labeler, folder: models.clone() };
        let find = Command::Retrained(Box::new(RetrainedRequest::Find(question)));
        answered(&engine, vec![find], |event| match event {
            Event::RetrainedFound(_, found) => Some(found),
            _ => None,
        })
    };
    for (node, forget, expected) in [
        (2, None, Some(&neither)),
        (2, Some("4"), Some(&neither)),
        (2, Some("8"), None),
        // It is to go on drawing what the other never saw.
        (1, None, None),
    ] {
        assert_eq!(offered(node, forget).as_ref(), expected, "node {node}, {forget:?}");
    }

    // Whoever audits without having been told what is offered has it all the same.
    let page = ProjectCard::audit_page(&project, 2);
    let search = SearchBudget { starts: 2, steps: 2 };
    let relearn = RelearnBudget { pictures: vec![1], steps: 1, samples: 20, batch: 4, micro_batch: 0 };
    let request = AuditRequest {
        subject: AuditSubject::Node { project: None, node: 2 },
        retrained: None,
        offered_from: Some(models),
        labeler: None,
        second: None,
        class: None,
        classes: None,
        pictures: None,
        budget: AuditBudget { samples: 400, search, relearn, compared: 8, back: 20 },
        seed: AUDIT_SEED,
        out: page.clone(),
    };
    let report = answered(&engine, vec![Command::Audit(Box::new(request))], |event| match event {
        Event::Audited(report) => Some(report.expect("nobody stopped it")),
        _ => None,
    });
    assert_eq!(report.retrained.map(|file| file.sha256), checkpoint::sha256(&neither).ok());
    assert_eq!(report.retrained_excluded.as_deref(), Some("4|7"));
    assert_eq!(report.original.path, Path::new("../1/model.safetensors"));

    drop(engine);
    let moved = at("elsewhere.unlearn");
    fs::rename(&project, &moved).expect("moved");
    let report = ProjectCard::audit_page(&moved, 2).with_extension("json");
    let checked = verify(&report).expect("a report");
    assert!(checked.is_right(), "{checked:?}");
}

/// The bundled model that audits of node 1 of a project are offered to compare with.
fn offered(project: &Path, labeler: Option<(LabelerSpec, String)>) -> Option<PathBuf> {
    let engine = Engine::start(device::cpu()).expect("a thread");
    engine.send(Command::Load(project.to_owned().into()));
    let question = RetrainedQuestion { node: 1, labeler, folder: asset("models") };
    engine.send(Command::Retrained(Box::new(RetrainedRequest::Find(question.clone()))));
    loop {
        match engine.events.recv_timeout(Duration::from_secs(60)).expect("an answer") {
            Event::RetrainedFound(asked, found) => {
                assert_eq!(*asked, question);
                return found;
            }
            Event::Failed(sentence) => panic!("{sentence}"),
            _ => {}
        }
    }
}

#[test]
fn what_cannot_be_audited_is_one_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| text(&folder.path().join(name));
    let fixture = |name: &str| text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name));
    let (model, onnx, out) = (text(&digits()), text(&labeler()), at("r.html"));
    fs::write(at("other.json"), "{\"schema\": \"something else\"}").expect("written");
    fs::write(at("no.json"), "words").expect("written");
    let mae = text(&asset("models/avatars-mae-64.safetensors"));
    let faces = text(&asset("labelers/avatars.onnx"));
    let table: Vec<(Vec<&str>, i32, &str)> = vec![
        (vec!["audit", &model, &model, "--out", &out], 2, "--labeler"),
        (vec!["audit", &model, &model, "--labeler", &onnx, "--forget", "12", "--out", &out], 1, "there is no class 12"),
        (vec!["audit", &model, &model, "--labeler", &onnx, "--forget", "4", "--out", "r.pdf"], 2, "r.pdf"),
        (
            vec!["audit", &model, &mae, "--labeler", &onnx, "--forget", "4", "--out", &out],
            1,
            "they make different pictures",
        ),
        (vec!["audit", &mae, &mae, "--labeler", &faces, "--forget", "hat!=none", "--out", &out], 1, "avatars-mae-64"),
        (
            vec!["audit", &model, &model, "--labeler", &onnx, "--forget", "4", "--pictures", "avatars", "--out", &out],
            1,
            "pictures are for models that complete them",
        ),
        (vec!["audit", "--verify", "absent.json"], 1, "absent.json: cannot be read"),
    ];
    let own = vec!["audit", &model, &model, "--labeler", &onnx, "--forget", "4", "--retrained", &model, "--out", &out];
    let golden = fixture("golden/stylegan2-16.pt");
    let other = at("other.json");
    let no = at("no.json");
    let more: Vec<(Vec<&str>, i32, &str)> = vec![
        (own, 1, "this is the original model itself, not a model that never saw what must go"),
        (
            vec!["audit", &model, &model, "--labeler", &onnx, "--forget", "4", "--retrained", &golden, "--out", &out],
            1,
            "cannot be compared: they make different pictures",
        ),
        (vec!["audit", "--verify", &other], 1, "a report of the kind `something else`"),
        (vec!["audit", "--verify", &no], 1, "not a report of an audit"),
        (vec!["audit", "--project", "nowhere", "--node", "1", "--out", &out], 1, "nowhere"),
        (
            vec![
                "audit",
                &model,
                &model,
                "--labeler",
                &onnx,
                "--forget",
                "4",
                "--relearn-pictures",
                "0",
                "--out",
                &out,
            ],
            2,
            "--relearn-pictures",
        ),
    ];
    for (args, code, expected) in table.into_iter().chain(more) {
        let output = studio(&[&args[..], &["--device", "cpu"]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(expected) && said.trim_end().lines().count() == 1, "{args:?}: {said}");
    }
    assert!(!Path::new(&out).exists());
}
