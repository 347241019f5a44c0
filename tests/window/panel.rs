//! The right panel: what is asked before a run, what stays in place during one, what is said after it.

use std::time::{Duration, Instant};

use eframe::egui::{Key, Rect, ViewportId, accesskit::Role};
use egui_kittest::kittest::Queryable;
use unlearn_studio::{
    app::{
        Options,
        link::LinkEvent,
        state::{
            prefs::Theme,
            preset::PresetChoice,
            run_state::{RunState, RunStatus},
            studio::Studio,
            tiles::Source,
            view::Compare,
        },
    },
    device::DeviceChoice,
    engine::{Event, Phase},
    feedback::{
        GoneEstimate, Mark, Suggestions,
        probe::{Confidence, ProbeQuality},
    },
    unlearn::{FIRST, StageRound},
};

use crate::support::*;

const QUESTION: &str = "Are these marks enough?";

fn is_running(window: &mut Window) -> bool {
    app(window).studio().run.in_progress().is_some()
}

#[test]
fn few_marks_are_asked_about_before_a_run() {
    let mut window = window();
    mark_some(&mut window);
    tiny_run(&mut window, 1, 1_000_000);
    window.run_ok();
    press_button(&mut window, "Unlearn");
    window.get_by_label(QUESTION);
    window.get_by_label_contains("Only 4 samples are marked as must go, 4 as may stay.");
    assert!(!is_running(&mut window), "one click starts nothing");

    // It is about these marks.
    press(&mut window, "Sample 10");
    assert!(window.query_by_label(QUESTION).is_none());
    press(&mut window, "Sample 10, must go");
    assert!(window.query_by_label(QUESTION).is_none(), "nobody has asked for a run since");

    press_button(&mut window, "Unlearn");
    press_button(&mut window, "Mark more");
    assert!(window.query_by_label(QUESTION).is_none() && !is_running(&mut window));
    until(&mut window, "suggestions", |app| !app.studio().suggesting);

    // By keyboard: the harmless answer is at hand, the other is the next.
    press_button(&mut window, "Unlearn");
    assert!(window.get_by_role_and_label(Role::Button, "Mark more").is_focused());
    window.key_press(Key::Tab);
    window.run_ok();
    assert!(window.get_by_role_and_label(Role::Button, "Unlearn anyway").is_focused());
    window.key_press(Key::Enter);
    until(&mut window, "a run", |app| app.studio().run.in_progress().is_some());
    press_button(&mut window, "Stop");
    until(&mut window, "the end", |app| app.studio().run.in_progress().is_none());
}

/// Marks twenty samples of each kind by turns: nothing tells them apart.
fn mark_by_turns(window: &mut Window) {
    let studio = app(window).studio();
    for (first, mark) in [(0, Mark::Negative), (1, Mark::Positive)] {
        let samples: Vec<_> = (first..40).step_by(2).filter_map(|index| studio.sample(index)).collect();
        studio.marks.set(samples, Some(mark));
    }
}

#[test]
fn contradictory_marks_are_asked_about_once_they_are_learned_from() {
    let mut window = window();
    mark_by_turns(&mut window);
    window.run_ok();
    press_button(&mut window, "Unlearn");
    until(&mut window, "the question", |app| app.studio().marks_question().is_some());
    window.get_by_label(QUESTION);
    assert!(window.query_by_label_contains("Only 20 samples").is_none(), "they are many enough");
    assert!(!is_running(&mut window));
    // Known by now: it is asked at once.
    press_button(&mut window, "Mark more");
    assert!(window.query_by_label(QUESTION).is_none());
    press_button(&mut window, "Unlearn");
    window.get_by_label(QUESTION);
}

/// What the engine says that it learned from the marks.
fn learned(confidence: Confidence) -> LinkEvent {
    let quality = ProbeQuality {
        negatives: 20,
        positives: 20,
        auc: 0.9,
        balanced_accuracy: 0.9,
        confidence,
        share: 0.3,
        share_at_most: 0.4,
    };
    LinkEvent::Engine(Event::Suggested(Box::new(Suggestions { ranked: Vec::new(), proposals: Vec::new(), quality })))
}

#[test]
fn a_run_waits_for_what_is_learned_from_its_marks() {
    let mut window = window();
    mark_by_turns(&mut window);
    tiny_run(&mut window, 1, 1_000_000);
    let studio = app(&mut window).studio();
    studio.settings.set("few-marks", 1000).expect("few marks");
    let waits = |studio: &Studio| studio.is_checking_marks() && studio.run.in_progress().is_none();
    let another_mark = |studio: &mut Studio, index| {
        let sample = studio.sample(index).expect("a sample");
        studio.marks.toggle(sample, Mark::Positive);
    };
    studio.unlearn();
    assert!(waits(studio));
    // It is for the marks as they were: nothing begins that was not asked for.
    another_mark(studio, 41);
    assert!(!studio.is_checking_marks());
    studio.handle_event(learned(Confidence::High));
    assert!(studio.run.in_progress().is_none() && studio.marks_question().is_none());

    studio.unlearn();
    assert!(waits(studio));
    studio.handle_event(learned(Confidence::Low));
    assert!(studio.marks_question().is_some_and(|why| why.contains("do not make clear yet")));
    studio.cancel_marks_check();
    studio.unlearn();
    assert!(studio.marks_question().is_some(), "that is known by now");

    another_mark(studio, 43);
    assert!(studio.marks_question().is_none());
    studio.unlearn();
    let refused = "the marked samples do not differ";
    studio.handle_event(LinkEvent::Engine(Event::Failed(refused.to_owned())));
    assert_eq!(studio.marks_question().as_deref(), Some(refused));
    assert!(studio.notices.all().is_empty(), "it is said once");

    another_mark(studio, 45);
    studio.unlearn();
    assert!(waits(studio));
    studio.handle_event(learned(Confidence::Fair));
    assert!(studio.run.in_progress().is_some());
    window.run_ok();
    press_button(&mut window, "Stop");
    until(&mut window, "the end", |app| app.studio().run.in_progress().is_none());
}

/// Where the buttons are that hold a run and end it.
fn buttons(window: &Window) -> [Rect; 2] {
    let hold = |name| window.query_by_role_and_label(Role::Button, name).map(|button| button.rect());
    let hold = hold("Pause").or_else(|| hold("Resume")).expect("a button that holds the run");
    [hold, window.get_by_role_and_label(Role::Button, "Stop").rect()]
}

/// Draws frames until something holds, and looks in each whether the buttons are where they were.
fn stay_until(window: &mut Window, expected: [Rect; 2], what: &str, holds: impl Fn(&mut Window) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds(window) {
        window.step();
        assert_eq!(buttons(window), expected, "while waiting for {what}");
        assert!(Instant::now() < end, "waited for {what}");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn pause_and_stop_stay_where_they_are() {
    let mut window = window();
    mark_some(&mut window);
    tiny_run(&mut window, 3, 1_000_000);
    start_run(&mut window);
    let place = buttons(&window);
    stay_until(&mut window, place, "unlearning", |window| {
        !app(window).studio().charts.values("unlearn", "discriminator").is_empty()
    });
    press_button(&mut window, "Pause");
    stay_until(&mut window, place, "the pause", |window| {
        app(window).studio().run.in_progress().is_some_and(|run| run.status == RunStatus::Paused)
    });
    // Nothing arrives now: every phase and every state can be looked at.
    let stage = Phase::Method(StageRound { stage: &FIRST.stages()[0], round: 1, rounds: 2 });
    for phase in [Phase::WarmUp, Phase::Label, stage, Phase::Evaluate] {
        for status in [RunStatus::Running, RunStatus::Pausing, RunStatus::Stopping, RunStatus::Paused] {
            for left in [None, Some(1800.0)] {
                let run = app(&mut window).studio().run.in_progress_mut().expect("a run");
                run.status = status;
                let progress = run.progress.as_mut().expect("its progress");
                (progress.phase, progress.seconds_left) = (phase, left);
                window.step();
                assert_eq!(buttons(&window), place, "{phase}, {status:?}, {left:?}");
            }
        }
    }
    // A title that is longer than the panel is wide stays within it.
    let run = app(&mut window).studio().run.in_progress_mut().expect("a run");
    run.status = RunStatus::Running;
    run.progress.as_mut().expect("its progress").phase = Phase::WarmUp;
    window.step();
    let title = window.get_by_label("Training a discriminator, as the file has none").rect();
    assert!(title.right() <= place[1].right() + 1.0, "{title:?} {place:?}");
    press_button(&mut window, "Stop");
    until(&mut window, "the end", |app| app.studio().run.in_progress().is_none());
}

#[test]
fn a_result_says_what_came_of_it_and_is_saved_and_compared() {
    let (mut window, files) = (window(), files());
    mark_some(&mut window);
    app(&mut window).open(fixture("labelers/grey8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    app(&mut window).studio().labeler.as_mut().expect("a labeler").forget = vec![0];
    run_once(&mut window, 1, 3);
    window.run_ok();
    let RunState::Finished(report) = &app(&mut window).studio().run else { panic!("a result") };
    let seen = report.evaluation.clone().expect("it was measured");
    window.get_by_label(&format!("{:.0}% gone", 100.0 * seen.pul.expect("a share")));
    let (distance, floor) = (seen.frechet.expect("a distance"), seen.frechet_floor.expect("a floor"));
    let decimals = seen.frechet_on.decimals();
    window.get_by_label(&format!("Everything else changed: {distance:.decimals$} ({floor:.decimals$} = no change)"));
    let top = |name: &str| window.get_by_label(name).rect().top();
    let form = window.get_by_role_and_label(Role::ComboBox, "Method").rect().top();
    assert!(top("Done") < top("Charts") && top("Charts") < form, "the charts are below the card and above the form");

    app(&mut window).studio().timeline.show(Source::Original);
    window.run_ok();
    press_button(&mut window, "Compare before with after");
    let studio = app(&mut window).studio();
    assert_eq!((studio.view.compare, studio.timeline.shown()), (Compare::Split, Source::Current));
    press_button(&mut window, "Save the result");
    let path = files.path().join("result.safetensors");
    answer(&mut window, &path);
    until(&mut window, "the file", |app| !app.studio().is_writing());
    assert!(path.is_file() && !app(&mut window).studio().unsaved);
}

#[test]
fn what_was_not_measured_says_why() {
    let mut window = window();
    mark_some(&mut window);
    run_once(&mut window, 1, 3);
    window.run_ok();
    window.get_by_label_contains("Not measured: choose a labeler");
    endless_again(&mut window);
    press_button(&mut window, "Stop");
    until(&mut window, "the end", |app| app.studio().run.in_progress().is_none());
    window.run_ok();
    window.get_by_label("Stopped");
    window.get_by_label("Not measured, as the run was stopped.");
    window.get_by_role_and_label(Role::Button, "Save the result");
}

#[test]
fn what_chance_alone_would_give_is_no_change() {
    let mut window = window();
    mark_some(&mut window);
    run_once(&mut window, 1, 3);
    let mut shown = |at_least: f64| {
        let RunState::Finished(report) = &mut app(&mut window).studio().run else { panic!("a result") };
        let (share_before, share_after) = (0.1, 0.09);
        let (gone, at_most) = (0.1, 0.13);
        (report.estimate_failed, report.estimated) =
            (None, Some(GoneEstimate { samples: 250, share_before, share_after, gone, at_least, at_most }));
        window.run_ok();
        let said = |words: &str| window.query_by_label(words).is_some();
        [
            said("About 10% gone") && said("estimated from your marks"),
            said("No change seen") && said("estimated from your marks; at most 13% is gone"),
        ]
    };
    assert_eq!(shown(0.04), [true, false]);
    assert_eq!(shown(0.0), [false, true]);
}

/// A run from the marks there are, that does not end by itself.
fn endless_again(window: &mut Window) {
    tiny_run(window, 1, 1_000_000);
    start_run(window);
    until(window, "unlearning", |app| !app.studio().charts.values("unlearn", "discriminator").is_empty());
}

#[test]
fn what_is_done_with_presets_stays_within_the_narrowest_panel() {
    let mut window = window_with([800.0, 560.0], Theme::Dark, false, model());
    filled(&mut window);
    tiny_run(&mut window, 1, 3);
    window.run_ok();
    let right = |window: &Window, name: &str| window.get_by_role_and_label(Role::Button, name).rect().right();
    // That button ends where the panel's content does.
    let end = right(&window, "Right panel");
    assert!(right(&window, "Save preset\u{2026}") <= end + 0.5);
    // It comes and goes while a setting is dragged, which must not move under the pointer.
    let place = |window: &Window| window.get_by_role_and_label(Role::SpinButton, "Unlearning steps").rect().min;
    let before = place(&window);
    app(&mut window).studio().choose_preset(PresetChoice::BuiltIn(FIRST.presets()[0].id));
    window.run_ok();
    assert!(window.query_by_label("Save preset\u{2026}").is_none());
    assert_eq!(place(&window), before);
}

#[test]
fn learning_from_marks_is_said_where_it_was_asked_for() {
    let mut window = window();
    mark_some(&mut window);
    let button = window.get_by_role_and_label(Role::Button, "Suggest more like these").rect();
    // As if it took long.
    app(&mut window).studio().suggesting = true;
    window.step();
    let said = window.get_by_label("Learning from your marks\u{2026}").rect();
    assert!(button.y_range().contains(said.center().y), "{said:?} {button:?}");
    assert!(window.query_by_label("Suggest more like these").is_none());
    let below = window.get_by_label("Must go").rect();
    app(&mut window).studio().suggesting = false;
    window.step();
    assert_eq!(window.get_by_label("Must go").rect(), below, "nothing moves");
}

/// How long the window waits with its next frame while it is said that something is under way.
fn wait_while_busy(software: bool) -> Duration {
    let device = Some(DeviceChoice::Cpu);
    let options = Options { model: Some(model()), device, software, ..Options::default() };
    let mut window = window_of([1360.0, 860.0], Theme::Dark, false, options);
    filled(&mut window);
    mark_some(&mut window);
    app(&mut window).studio().suggesting = true;
    for _ in 0..8 {
        window.step();
    }
    window.output().viewport_output[&ViewportId::ROOT].repaint_delay
}

/// Where the processor draws the window, frames take from what is waited for.
#[test]
fn fewer_frames_say_that_something_is_under_way_where_they_are_dear() {
    let [graphics_card, processor] = [false, true].map(wait_while_busy);
    assert!(graphics_card <= Duration::from_millis(125), "{graphics_card:?}");
    assert!(processor > 2 * graphics_card && processor <= Duration::from_millis(500), "{processor:?}");
}
