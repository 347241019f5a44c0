//! Nodes of one parent side by side: when there are such, which are chosen, which samples they show.

use eframe::egui::{Key, accesskit::Role};
use egui_kittest::kittest::Queryable;
use unlearn_studio::{
    app::state::{
        prefs::Theme,
        sample_order::{Filter, Order},
        tiles::Source,
    },
    unlearn::{Settings, method},
};

use super::support::*;

/// A window with a labeler and four marks of each kind, that keeps its history in a folder.
fn with_labeler(projects: &std::path::Path) -> Window {
    let mut window = window_keeping([1360.0, 860.0], Theme::Dark, false, model(), Some(projects.to_owned()));
    filled(&mut window);
    until(&mut window, "the history", |app| app.studio().history.is_some());
    mark_some(&mut window);
    app(&mut window).open(fixture("labelers/grey8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    window
}

/// Runs these settings to their end, and waits for the node that comes of it.
fn make_node(window: &mut Window, id: u64) {
    window.run_ok();
    start_run(window);
    until(window, "the end", |app| app.studio().run.in_progress().is_none());
    until(window, "its node", |app| {
        let node = app.studio().history.as_ref().and_then(|history| history.manifest.node(id).cloned());
        let is_there = node.is_some_and(|node| node.file.is_some());
        is_there && app.studio().history.as_ref().is_some_and(|history| history.interrupted.is_none())
    });
}

/// A run of another method, a few iterations long.
fn quick_run(window: &mut Window, name: &str) {
    let settings = &mut app(window).studio().settings;
    *settings = Settings::of(method(name).expect(name));
    for (key, value) in [("iters", 3), ("batch", 4), ("few-marks", 0)] {
        settings.set(key, value).expect(key);
    }
}

#[test]
fn nodes_of_one_parent_are_compared() {
    let files = files();
    let mut window = with_labeler(files.path());
    let studio = app(&mut window).studio();
    studio.labeler.as_mut().expect("a labeler").forget = vec![0];
    tiny_run(&mut window, 1, 3);
    make_node(&mut window, 1);
    assert!(window.query_by_label("Compare methods").is_none(), "there is but one");
    quick_run(&mut window, "feature");
    make_node(&mut window, 2);
    // The third is not measured.
    app(&mut window).studio().labeler = None;
    quick_run(&mut window, "saliency");
    make_node(&mut window, 3);
    // Where its weights may move, a line a block.
    let layers = app(&mut window).studio().layers.clone();
    let of_8 = layers.iter().filter(|layer| layer.block == "8 \u{d7} 8");
    let names = ["convs.0", "convs.1", "to_rgbs.0"];
    assert!(of_8.clone().all(|layer| names.iter().any(|name| layer.layer.starts_with(name))), "{layers:?}");
    assert_eq!(of_8.clone().count(), layers.iter().filter(|l| names.iter().any(|n| l.layer.starts_with(n))).count());
    let moving: f64 = of_8.clone().map(|layer| layer.share * layer.weights as f64).sum();
    let share = moving / of_8.map(|layer| layer.weights).sum::<usize>() as f64;
    window.get_by_label_contains(&format!("8 \u{d7} 8: {:.0} % may move (convs.0", 100.0 * share));

    let comparison = app(&mut window).studio().comparison().expect("two were measured");
    let names: Vec<String> = comparison.nodes.iter().map(|node| node.name.clone()).collect();
    assert_eq!((comparison.measured().count(), comparison.floors.len()), (2, 1));
    press(&mut window, "Compare methods");
    let spoken = |window: &mut Window, id: u64| {
        let history = app(window).studio().history.clone().expect("a history");
        let numbers = history.manifest.node(id).expect("a node").numbers.expect("numbers");
        let (pul, distance) = (numbers.pul.expect("a PUL"), numbers.frechet.expect("a distance"));
        let floor = numbers.frechet_floor.expect("a floor");
        format!("{pul:.1}% gone, {distance:.1} changed ({floor:.1} = no change)")
    };
    for (place, id) in [(0, 1), (1, 2)] {
        let numbers = spoken(&mut window, id);
        window.get_by_role_and_label(Role::Button, &format!("{}: {numbers}", names[place]));
        window.get_by_role_and_label(Role::Button, &format!("Point: {}, {numbers}", names[place]));
    }
    window.get_by_role_and_label(Role::Button, &format!("{}: not measured: no labeler", names[2]));
    assert!(window.query_by_label("Point: ").is_none());
    window.get_by_label("Methods: share gone over change in everything else, 2 points");

    // The same samples of the parent and of every node: the marked ones first.
    let [negatives, kept] = app(&mut window).studio().compared_samples();
    let indices = |samples: &[unlearn_studio::feedback::Sample]| -> Vec<u64> {
        samples.iter().map(|sample| sample.address().index).collect()
    };
    assert_eq!((indices(&negatives), indices(&kept)), (vec![0, 1, 2, 3], vec![4, 5, 6, 7, 8, 9]));
    until(&mut window, "all pictures", |app| !app.studio().is_waiting_for_samples());

    // A point chooses its node, a row as well, and the grid is there again.
    let point = format!("Point: {}, {}", names[0], spoken(&mut window, 1));
    window.get_by_role_and_label(Role::Button, &point).click();
    until(&mut window, "the first", |app| app.studio().selected_node().is_some_and(|node| node.id == 1));
    assert!(app(&mut window).studio().view.scatter, "one goes on comparing");
    window.run_ok();
    let row = format!("{}: not measured: no labeler", names[2]);
    window.get_by_role_and_label(Role::Button, &row).focus();
    window.run_ok();
    window.key_press(Key::Enter);
    until(&mut window, "the third", |app| app.studio().selected_node().is_some_and(|node| node.id == 3));
    window.run_ok();
    window.key_press(Key::Escape);
    window.run_ok();
    assert!(window.query_by_label(&row).is_none());
    until(&mut window, "the grid", |app| {
        let studio = app.studio();
        studio.sample(0).is_some_and(|sample| studio.has_tile(Source::Current, sample))
    });

    // A labeler looks through samples behind the comparison.
    press(&mut window, "Compare methods");
    app(&mut window).open(fixture("labelers/grey8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    let studio = app(&mut window).studio();
    studio.labeler.as_mut().expect("a labeler").forget = vec![0];
    studio.order.choose(Order::MostLikely, Filter::All);
    until(&mut window, "an order", |app| app.studio().shown_count() == 500);
    let studio = app(&mut window).studio();
    assert!(studio.view.scatter, "the comparison is there still");
    studio.order.choose(Order::AsDrawn, Filter::All);
    window.run_ok();

    // What is made from another parent is another comparison.
    app(&mut window).studio().start_from(1);
    until(&mut window, "its samples", |app| app.studio().open_name().is_some_and(|name| name.contains("marked")));
    assert!(!app(&mut window).studio().view.scatter);
    window.run_ok();
    assert!(window.query_by_label("Compare methods").is_none());
}
