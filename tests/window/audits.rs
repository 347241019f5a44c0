//! Audits: what keeps a node from one, holding and ending it, what it found.

use burn::tensor::Device;
use egui_kittest::kittest::Queryable;
use unlearn_studio::{
    app::state::{audit::AuditState, prefs::Theme, run_state::RunStatus, tiles::Source},
    audit::{Role, verify},
    checkpoint,
    model::Model,
    project::Retrained,
};

use super::support::*;

/// A window with a result in its history, made from marks alone.
fn with_node(projects: &std::path::Path) -> Window {
    let mut window = window_keeping([1360.0, 860.0], Theme::Dark, false, model(), Some(projects.to_owned()));
    filled(&mut window);
    until(&mut window, "the history", |app| app.studio().history.is_some());
    mark_some(&mut window);
    run_once(&mut window, 1, 3);
    until(&mut window, "its node", |app| {
        app.studio().history.as_ref().is_some_and(|history| {
            history.interrupted.is_none() && history.manifest.node(1).is_some_and(|node| node.file.is_some())
        })
    });
    window
}

/// Opens a labeler and says what of it must be gone.
fn choose_labeler(window: &mut Window) {
    app(window).open(fixture("labelers/grey8.onnx"));
    until(window, "the labeler", |app| app.studio().labeler.is_some());
    app(window).studio().labeler.as_mut().expect("a labeler").forget = vec![0];
    window.run_ok();
}

/// Stops the run once it has unlearned for a while.
fn stop(window: &mut Window) {
    until(window, "unlearning", |app| !app.studio().charts.values("unlearn", "discriminator").is_empty());
    press_button(window, "Stop");
    until(window, "the end", |app| app.studio().run.in_progress().is_none());
    until(window, "the way on", |app| app.studio().history.as_ref().is_some_and(|history| history.stopped.is_some()));
    window.run_ok();
}

/// SHA-256 of the weights of node 1.
fn sha256(window: &mut Window) -> String {
    let history = app(window).studio().history.clone().expect("a history");
    history.manifest.node(1).and_then(|node| node.sha256.clone()).expect("its weights")
}

fn obstacle(window: &mut Window, node: u64) -> Option<String> {
    let studio = app(window).studio();
    let node = studio.history.as_ref().and_then(|history| history.manifest.node(node).cloned()).expect("a node");
    studio.audit_obstacle(&node)
}

#[test]
fn a_node_is_audited_beside_a_living_grid() {
    let files = files();
    let mut window = with_node(files.path());
    assert!(obstacle(&mut window, 0).is_some_and(|reason| reason.contains("Nothing was unlearned")));
    assert!(obstacle(&mut window, 1).is_some_and(|reason| reason.contains("Choose a labeler")));
    choose_labeler(&mut window);
    assert_eq!(obstacle(&mut window, 1), None);
    press_button(&mut window, "Audit");
    assert!(obstacle(&mut window, 1).is_some_and(|reason| reason.contains("Something else")));
    assert_eq!(app(&mut window).studio().obstacle().as_deref(), Some("An audit is in progress."));
    let status = |window: &mut Window| app(window).studio().running_audit().map(|audit| audit.status);
    until(&mut window, "its progress", |app| app.studio().running_audit().is_some_and(|audit| audit.part() > 0.0));
    press_button(&mut window, "Pause");
    until(&mut window, "the pause", |app| {
        app.studio().running_audit().is_some_and(|audit| audit.status == RunStatus::Paused)
    });
    let part = app(&mut window).studio().running_audit().map(|audit| audit.part());
    // The grid goes on drawing, held or not.
    app(&mut window).studio().view.seed = 91;
    until(&mut window, "another page", |app| {
        let studio = app.studio();
        studio.sample(0).is_some_and(|sample| studio.has_tile(Source::Current, sample))
    });
    assert_eq!(
        (status(&mut window), app(&mut window).studio().running_audit().map(|a| a.part())),
        (Some(RunStatus::Paused), part)
    );
    press_button(&mut window, "Go on");
    until(&mut window, "its end", |app| matches!(app.studio().audit, Some(AuditState::Done { .. })));
    window.run_ok();
    window.get_by_label("How much is gone");
    window.get_by_label("Show report");
    let page = app(&mut window).studio().audit_page(1).expect("a page");
    assert!(page.is_file() && page.with_extension("json").is_file());
    window.get_by_label("Close");
    app(&mut window).studio().close_audit();
    window.run_ok();
    assert!(window.query_by_label("Show report").is_none());

    // One that is stopped writes nothing new.
    let written = std::fs::read(&page).expect("the page");
    press_button(&mut window, "Audit");
    until(&mut window, "its progress", |app| app.studio().running_audit().is_some_and(|audit| audit.part() > 0.0));
    press_button(&mut window, "Stop");
    until(&mut window, "its end", |app| app.studio().audit.is_none());
    noticed(&mut window, "The audit was stopped; nothing was written.");
    assert_eq!(std::fs::read(&page).expect("the page"), written);
}

#[test]
fn a_report_is_of_earlier_weights_once_its_run_went_on() {
    let files = files();
    let mut window = window_keeping([1360.0, 860.0], Theme::Dark, false, model(), Some(files.path().to_owned()));
    filled(&mut window);
    until(&mut window, "the history", |app| app.studio().history.is_some());
    endless_run(&mut window);
    stop(&mut window);
    choose_labeler(&mut window);
    press_button(&mut window, "Audit");
    until(&mut window, "its end", |app| matches!(app.studio().audit, Some(AuditState::Done { .. })));
    until(&mut window, "its report", |app| app.studio().audit_report(1).is_some());
    window.run_ok();
    window.get_by_label("Show report");
    let (page, note) = app(&mut window).studio().audit_report(1).expect("a report");
    assert_eq!(note, None);
    let audited = sha256(&mut window);

    // Its button stands below what the audit found.
    app(&mut window).studio().continue_run();
    stop(&mut window);
    let now = sha256(&mut window);
    assert_ne!(audited, now);
    let (_, note) = app(&mut window).studio().audit_report(1).expect("a report");
    let note = note.expect("a note");
    assert!(note.contains(&audited[..12]) && note.contains(&now[..12]), "{note}");
    window.get_by_label(&note);
    window.get_by_label("Show earlier report");
    // What was found of other weights is not said of these.
    for label in ["Show report", "How much is gone"] {
        assert!(window.query_by_label(label).is_none(), "{label}");
    }
    let checked = verify(&page.with_extension("json")).expect("a report");
    let names = |sentence: &String| {
        sentence.contains("model.safetensors: this is not the audited model of the report")
            && [&audited[..12], &now[..12], "other weights"].iter().all(|part| sentence.contains(part))
    };
    assert!(checked.wrong.iter().any(names), "{checked:?}");

    // Opened again it is known as well, and a new audit is of the weights that are there.
    app(&mut window).studio().close();
    drop(window);
    let mut window = window_keeping([1360.0, 860.0], Theme::Dark, false, model(), Some(files.path().to_owned()));
    filled(&mut window);
    until(&mut window, "the report", |app| app.studio().audit_report(1).is_some());
    assert_eq!(app(&mut window).studio().audit_report(1), Some((page.clone(), Some(note))));
    app(&mut window).studio().show_history(1);
    until(&mut window, "the node", |app| app.studio().selected_node().is_some_and(|node| node.id == 1));
    choose_labeler(&mut window);
    press_button(&mut window, "Audit");
    until(&mut window, "its end", |app| matches!(app.studio().audit, Some(AuditState::Done { .. })));
    until(&mut window, "its report", |app| app.studio().audit_report(1).is_some_and(|(_, note)| note.is_none()));
    let checked = verify(&page.with_extension("json")).expect("a report");
    assert!(checked.is_right(), "{checked:?}");
}

/// The choice of a retrained model that node 1 keeps.
fn kept(window: &mut Window) -> Option<Retrained> {
    let history = app(window).studio().history.clone().expect("a history");
    history.manifest.node(1).and_then(|node| node.retrained.clone())
}

#[test]
fn a_retrained_model_is_chosen_compared_with_kept_and_cleared() {
    let files = files();
    let mut window = with_node(files.path());
    assert!(window.query_by_label("Choose retrained model").is_none(), "nothing can be audited yet");
    choose_labeler(&mut window);
    let choose = |window: &mut Window, file: &std::path::Path| {
        press_button(window, "Choose retrained model");
        type_path(window, file);
        press(window, "Open file");
        until(window, "an answer", |app| app.studio().retrained_models.looking_at.is_none());
        window.run_ok();
    };
    let refused = |window: &mut Window| app(window).studio().retrained_refused(1).map(str::to_owned);

    // What cannot be compared with is said beside the button, and nothing is lost.
    let damaged = files.path().join("damaged.pt");
    std::fs::write(&damaged, b"no model").expect("a file");
    let size = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models/digits-32.safetensors");
    let table = [
        (size, "cannot be compared: they make different pictures"),
        (fixture("golden/sg3-r-16.pkl"), "cannot be compared: they make different pictures"),
        (damaged, "damaged.pt"),
        (files.path().join("absent.pt"), "absent.pt"),
        (model(), "of this history, not a model that never saw what must go"),
    ];
    for (file, words) in table {
        choose(&mut window, &file);
        let reason = refused(&mut window).expect("a refusal");
        assert!(reason.contains(words) && !reason.contains('\n'), "{}: {reason}", file.display());
        window.get_by_label(&reason);
        assert_eq!(kept(&mut window), None);
    }

    // Another file of the same networks.
    let other = files.path().join("never-saw-it.safetensors");
    let exported = Model::load(&model(), &Device::flex()).expect("a model").export();
    checkpoint::save(&other, &exported).expect("a file");
    choose(&mut window, &other);
    assert_eq!((refused(&mut window), kept(&mut window)), (None, Some(Retrained::File(other.clone()))));
    window.get_by_label("never-saw-it.safetensors");
    press_button(&mut window, "Audit");
    until(&mut window, "its end", |app| matches!(app.studio().audit, Some(AuditState::Done { .. })));
    let Some(AuditState::Done { report, page, .. }) = &app(&mut window).studio().audit else { panic!("no report") };
    let named = report.retrained.as_ref().map(|file| file.sha256.clone());
    assert_eq!(named, checkpoint::sha256(&other).ok());
    let rows = |role: Role| report.findings.measurements.models.iter().filter(|model| model.model == role).count();
    assert_eq!((rows(Role::Retrained), rows(Role::Result)), (1, 1));
    assert!(report.findings.searches.iter().any(|found| found.model == Role::Retrained));
    assert!(report.findings.relearning.iter().any(|found| found.model == Role::Retrained));
    let page = std::fs::read_to_string(page).expect("the page");
    assert!(page.contains("<td>retrained</td>"));

    // It is there again with the project, until it is cleared.
    app(&mut window).studio().close();
    drop(window);
    let mut window = window_keeping([1360.0, 860.0], Theme::Dark, false, model(), Some(files.path().to_owned()));
    filled(&mut window);
    until(&mut window, "the history", |app| app.studio().history.is_some());
    app(&mut window).studio().show_history(1);
    until(&mut window, "the node", |app| app.studio().selected_node().is_some_and(|node| node.id == 1));
    choose_labeler(&mut window);
    window.get_by_label("never-saw-it.safetensors");
    // A file that has gone since is said in the same place.
    let moved = files.path().join("moved.safetensors");
    std::fs::rename(&other, &moved).expect("moved");
    press_button(&mut window, "Audit");
    until(&mut window, "its end", |app| app.studio().audit.is_none());
    window.run_ok();
    let reason = refused(&mut window).expect("a refusal");
    assert!(reason.contains("never-saw-it.safetensors"), "{reason}");
    window.get_by_label(&reason);
    let notices = app(&mut window).studio().notices.all().to_vec();
    assert!(notices.iter().all(|notice| !notice.text.contains("never-saw-it")), "{notices:?}");
    assert_eq!(kept(&mut window), Some(Retrained::File(other)));
    // Of a node that is not in view, which its menu can audit as well, it is said where failures are.
    let select = |window: &mut Window, node: u64| {
        app(window).studio().show_history(node);
        until(window, "the node", |app| app.studio().selected_node().is_some_and(|selected| selected.id == node));
    };
    select(&mut window, 0);
    app(&mut window).studio().start_audit(1);
    until(&mut window, "its end", |app| app.studio().audit.is_none());
    window.run_ok();
    let notices = app(&mut window).studio().notices.all().to_vec();
    assert!(notices.iter().any(|notice| notice.text.contains("never-saw-it")), "{notices:?}");
    select(&mut window, 1);
    window.run_ok();
    press_button(&mut window, "Clear retrained model");
    until(&mut window, "the choice", |app| {
        let history = app.studio().history.clone();
        let node = history.as_ref().and_then(|history| history.manifest.node(1));
        node.is_some_and(|node| node.retrained == Some(Retrained::Without))
    });
    window.run_ok();
    assert!(window.query_by_label("never-saw-it.safetensors").is_none());
    assert!(window.query_by_label("Clear retrained model").is_none());
}
