//! The history: what is there again after the worst end, looking at nodes, comparing, deleting, a project that is read-only.

use std::path::Path;

use eframe::egui::accesskit::Role;
use egui_kittest::kittest::Queryable;
use unlearn_studio::app::state::{notices::Level, prefs::Theme, tiles::Source, view::Compare};
use unlearn_studio::{feedback::Mark, unlearn::method};

use super::support::*;

/// A window that keeps every model's history in a folder.
fn kept(projects: &Path) -> Window {
    let mut window = window_keeping([1360.0, 860.0], Theme::Dark, false, model(), Some(projects.to_owned()));
    filled(&mut window);
    until(&mut window, "the history", |app| app.studio().history.is_some());
    window
}

fn nodes(window: &mut Window) -> usize {
    app(window).studio().history.as_ref().map_or(0, |history| history.manifest.nodes.len())
}

/// A short run whose result is in the history.
fn make_node(window: &mut Window) {
    let before = nodes(window);
    run_once(window, 1, 3);
    until(window, "its node", |app| {
        let history = app.studio().history.clone();
        history
            .is_some_and(|history| history.manifest.nodes.len() == before.max(1) + 1 && history.interrupted.is_none())
    });
}

#[test]
fn marks_and_a_run_are_there_again_after_the_worst_end() {
    let files = files();
    let mut window = kept(files.path());
    endless_run(&mut window);
    // Saved, as after a minute, and then gone without a word: what is on the disk is all there is.
    press(&mut window, "Pause");
    until(&mut window, "the pause", |app| {
        app.studio()
            .run
            .in_progress()
            .is_some_and(|run| run.status == unlearn_studio::app::state::run_state::RunStatus::Paused)
    });
    let project = app(&mut window).studio().history.clone().expect("a history").folder.clone();
    let copy = files.path().join("copy.unlearn");
    copy_folder(&project, &copy);
    drop(window);

    let mut window = window_keeping([1360.0, 860.0], Theme::Dark, false, copy, Some(files.path().to_owned()));
    filled(&mut window);
    until(&mut window, "the marks", |app| app.studio().marks.counts() == (4, 4));
    window.get_by_label("A run was interrupted");
    let obstacle = app(&mut window).studio().obstacle();
    assert_eq!(obstacle.as_deref(), Some("A run was interrupted: go on with it, or delete it, first."));
    // The form shows another method than the run's.
    let other = method("dampen").expect("dampening");
    app(&mut window).studio().choose_method(other);
    window.run_ok();
    press(&mut window, "Go on");
    let studio = app(&mut window).studio();
    assert_eq!((studio.running_method.id(), studio.settings.method().id()), ("adapt", "dampen"));
    let stages = studio.run.in_progress().expect("a run").plan.stages;
    assert_eq!(stages.iter().map(|stage| stage.id).collect::<Vec<_>>(), ["adapt", "unlearn"]);
    assert_eq!(studio.charts.stages().map(|(result, before)| (result.id, before.len())), Some(("unlearn", 1)));
    until(&mut window, "unlearning", |app| !app.studio().charts.values("unlearn", "discriminator").is_empty());
    let sliders = app(&mut window).studio().timeline.sliders();
    assert_eq!(sliders, method("adapt").expect("adapt").sliders(), "its own");
    press(&mut window, "Stop");
    until(&mut window, "the end", |app| app.studio().run.in_progress().is_none());
    until(&mut window, "its node", |app| {
        app.studio().history.as_ref().is_some_and(|history| history.interrupted.is_none())
    });
    assert_eq!(nodes(&mut window), 2);
    assert!(!app(&mut window).studio().unsaved, "it is on the disk");
}

#[test]
fn a_run_that_is_given_up_leaves_nothing() {
    let files = files();
    let mut window = kept(files.path());
    endless_run(&mut window);
    // The window is closed: nothing is asked, as nothing is lost.
    close(&mut window);
    assert!(window.query_by_label("A run is in progress").is_none());
    app(&mut window).studio().close();
    drop(window);
    let mut window = kept(files.path());
    until(&mut window, "the offer", |app| {
        app.studio().history.as_ref().is_some_and(|history| history.interrupted.is_some())
    });
    window.run_ok();
    press(&mut window, "Discard it");
    until(&mut window, "its end", |app| {
        app.studio().history.as_ref().is_some_and(|history| history.manifest.nodes.len() == 1)
    });
    assert_eq!(app(&mut window).studio().marks.counts(), (4, 4));
}

#[test]
fn a_stopped_run_goes_on() {
    let files = files();
    let mut window = kept(files.path());
    endless_run(&mut window);
    let stop = |window: &mut Window| {
        until(window, "unlearning", |app| !app.studio().charts.values("unlearn", "discriminator").is_empty());
        press(window, "Stop");
        until(window, "the end", |app| app.studio().run.in_progress().is_none());
        until(window, "the way on", |app| {
            app.studio().history.as_ref().is_some_and(|history| history.stopped.is_some())
        });
        window.run_ok();
    };
    stop(&mut window);
    press(&mut window, "Go on");
    assert!(app(&mut window).studio().run.in_progress().is_some());
    stop(&mut window);
    assert_eq!(nodes(&mut window), 2, "it is the same node");
    // Where the result has been left, the history offers it.
    for id in [0, 1] {
        app(&mut window).studio().show_history(id);
        until(&mut window, "the node", |app| app.studio().selected_node().is_some_and(|node| node.id == id));
        window.run_ok();
    }
    press(&mut window, "Go on");
    stop(&mut window);
    // Where the next run would start from its result, the model that it began with is opened again, with its marks.
    app(&mut window).studio().start_from(1);
    until(&mut window, "its own samples", |app| app.studio().marks.counts() == (0, 0));
    until(&mut window, "the history", |app| app.studio().history.is_some());
    window.run_ok();
    press(&mut window, "Go on");
    until(&mut window, "the marks of its parent", |app| app.studio().marks.counts() == (4, 4));
    assert!(app(&mut window).studio().run.in_progress().is_some(), "it is the same run");
    stop(&mut window);
    assert_eq!(nodes(&mut window), 2);
    // Another run takes its place.
    make_node(&mut window);
    assert!(app(&mut window).studio().history.as_ref().is_some_and(|history| history.stopped.is_none()));
    assert!(window.query_by_label("Go on").is_none());
}

#[test]
fn nodes_are_looked_at_compared_started_from_and_deleted() {
    let files = files();
    let mut window = kept(files.path());
    mark_some(&mut window);
    make_node(&mut window);
    app(&mut window).studio().settings.set("seed", 5).expect("a seed");
    make_node(&mut window);
    // The first result again, beside its parent.
    let node = |window: &mut Window, id: u64| {
        let history = app(window).studio().history.clone().expect("a history");
        history.manifest.node(id).cloned().expect("a node")
    };
    app(&mut window).studio().rename_node(1, "first".to_owned());
    until(&mut window, "the name", |app| {
        app.studio().history.as_ref().and_then(|h| h.manifest.node(1)).is_some_and(|node| node.name == "first")
    });
    window.get_by_label("first: 3 steps").click();
    window.run_ok();
    until(&mut window, "the node", |app| app.studio().selected_node().is_some_and(|node| node.id == 1));
    assert_eq!(app(&mut window).studio().marks.counts(), (4, 4), "these are the parent's samples");
    // Compared with the second.
    app(&mut window).studio().view.compare = Compare::Split;
    app(&mut window).studio().compare_with(2);
    assert_eq!(app(&mut window).studio().compared_sources(), [Source::Node(2), Source::Current]);
    until(&mut window, "both", |app| {
        let studio = app.studio();
        studio.sample(0).is_some_and(|sample| studio.has_tile(Source::Node(2), sample))
    });
    // The next run starts from it: its own samples, which nobody has marked yet.
    press(&mut window, "Use as starting point");
    until(&mut window, "its samples", |app| app.studio().marks.counts() == (0, 0));
    assert_eq!(app(&mut window).studio().open_name().as_deref(), Some("first"));
    filled(&mut window);
    mark_some(&mut window);
    make_node(&mut window);
    assert_eq!(node(&mut window, 3).parent, Some(1));
    // Deleting it asks, and takes what was made from it along.
    app(&mut window).studio().show_history(1);
    until(&mut window, "the first", |app| app.studio().selected_node().is_some_and(|node| node.id == 1));
    window.run_ok();
    press(&mut window, "Delete\u{2026}");
    window.get_by_label("Delete \u{201c}first\u{201d}?");
    press_button(&mut window, "Delete");
    until(&mut window, "two nodes", |app| {
        app.studio().history.as_ref().is_some_and(|history| history.manifest.nodes.len() == 2)
    });
    let said = app(&mut window).studio().notices.all().to_vec();
    assert!(said.iter().all(|notice| notice.level != Level::Error), "{said:?}");
    assert_eq!(app(&mut window).studio().marks.counts(), (4, 4), "the parent's marks are there again");
}

/// What the next run starts from is said, and one click leads back to the model as it was opened.
#[test]
fn a_run_starts_from_the_original_again() {
    let files = files();
    let mut window = kept(files.path());
    assert!(window.query_by_label("Start from the original again").is_none());
    mark_some(&mut window);
    make_node(&mut window);
    let base = |app: &mut unlearn_studio::app::App| app.studio().history.as_ref().map(|h| h.manifest.base);
    app(&mut window).studio().start_from(1);
    until(&mut window, "another starting point", |app| base(app) == Some(1));
    app(&mut window).studio().settings.set("extrapolate", 1.5).expect("pushed weights");
    window.run_ok();
    window.get_by_label_contains(", pushed further (1.50).");
    press_button(&mut window, "Start from the original again");
    until(&mut window, "the original", |app| base(app) == Some(0));
    window.run_ok();
    assert_eq!(app(&mut window).studio().settings.get("extrapolate"), Some(&1.0.into()));
    assert!(window.query_by_label("Start from the original again").is_none());
    assert_eq!(app(&mut window).studio().marks.counts(), (4, 4), "its marks are there again");
}

#[test]
fn a_project_that_another_window_has_is_read_only() {
    let files = files();
    let mut first = kept(files.path());
    mark_some(&mut first);
    make_node(&mut first);
    let project = app(&mut first).studio().history.clone().expect("a history").folder.clone();
    let mut second = window_keeping([1360.0, 860.0], Theme::Dark, false, project, None);
    until(&mut second, "the history", |app| app.studio().history.is_some());
    until(&mut second, "the result", |app| {
        let studio = app.studio();
        studio.sample(0).is_some_and(|sample| studio.has_tile(Source::Current, sample))
    });
    second.get_by_label("read-only: another window or program has it open");
    let obstacle = app(&mut second).studio().obstacle().expect("an obstacle");
    assert!(obstacle.starts_with("This project is read-only here: another window"), "{obstacle}");
    // Looking is allowed.
    second.get_by_role_and_label(Role::Button, "stylegan2-16: the opened model, the next run starts from it");
    app(&mut second).studio().start_from(1);
    until(&mut second, "the node", |app| app.studio().selected_node().is_some_and(|node| node.id == 1));
}

/// The labeler of the last run, and what of it must go, are there again with the project; who removes it has removed it.
#[test]
fn a_project_opens_with_its_labeler() {
    let files = files();
    let mut window = kept(files.path());
    app(&mut window).open(fixture("labelers/two8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    let labeler = app(&mut window).studio().labeler.as_mut().expect("a labeler");
    (labeler.head, labeler.forget) = (1, vec![1]);
    mark_some(&mut window);
    make_node(&mut window);
    drop(window);

    let mut window = kept(files.path());
    until(&mut window, "its labeler", |app| app.studio().labeler.is_some());
    let labeler = app(&mut window).studio().labeler.clone().expect("a labeler");
    assert_eq!((labeler.head, labeler.forget, labeler.gives_feedback), (1, vec![1], false));
    press(&mut window, "Remove labeler");
    app(&mut window).studio().start_from(1);
    until(&mut window, "the node", |app| {
        app.studio().history.as_ref().is_some_and(|history| history.manifest.base == 1)
    });
    assert!(app(&mut window).studio().labeler.is_none() && app(&mut window).studio().reading.is_none());
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}

#[test]
fn what_can_be_done_with_a_node_stays_apart_in_the_least_window() {
    let files = files();
    let mut window = window_keeping([800.0, 700.0], Theme::Dark, false, model(), Some(files.path().to_owned()));
    filled(&mut window);
    until(&mut window, "the history", |app| app.studio().history.is_some());
    for index in 0..8 {
        let studio = app(&mut window).studio();
        let sample = studio.sample(index).expect("a sample");
        studio.marks.toggle(sample, if index < 4 { Mark::Negative } else { Mark::Positive });
    }
    make_node(&mut window);
    for _ in 0..4 {
        window.step();
    }
    let names = ["Audit", "Use as starting point", "Rename\u{2026}", "Delete\u{2026}"];
    let mut places: Vec<_> =
        names.into_iter().map(|name| (name, window.get_by_role_and_label(Role::Button, name).rect())).collect();
    places.push(("the title", window.get_by_label("History").rect()));
    let samples = window.get_by_label("Samples").rect();
    for (number, (name, rect)) in places.iter().enumerate() {
        assert!(rect.left() >= samples.left() && rect.right() <= samples.right(), "{name}: {rect:?}, {samples:?}");
        for (other, place) in &places[number + 1..] {
            let shared = rect.intersect(*place);
            assert!(shared.width() <= 1.0 || shared.height() <= 1.0, "{name} {rect:?} lies over {other} {place:?}");
        }
    }
}
