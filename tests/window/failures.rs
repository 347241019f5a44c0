//! What goes wrong, and that nothing is lost by it.

use std::{path::Path, process::Command};

use egui_kittest::kittest::Queryable;
use unlearn_studio::{
    app::{
        App,
        link::LinkEvent,
        state::tiles::{Source, sample_at},
    },
    checkpoint,
    engine::Event,
    feedback::{Feedback, Mark},
};

use crate::{skip::skip, support::*};

#[test]
fn files_that_are_dropped_do_what_they_are() {
    let (mut window, files) = (window(), files());
    app(&mut window).open(fixture("labelers/grey8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    window.get_by_label("grey8.onnx");

    let sha = checkpoint::sha256(&model()).expect("a digest");
    let mut marks = Feedback::new(&sha);
    let sample = |index| sample_at(0, index, 1.0).expect("a sample");
    marks.mark(sample(3), Mark::Negative);
    marks.mark(sample(9), Mark::Positive);
    let path = files.path().join("marks.json");
    marks.save(&path).expect("saved");
    app(&mut window).open(path);
    until(&mut window, "marks", |app| app.studio().marks.counts() == (1, 1));
    window.get_by_label("Sample 3, must go");

    let broken = files.path().join("broken.pt");
    std::fs::write(&broken, &std::fs::read(model()).expect("the model")[..5000]).expect("written");
    app(&mut window).open(broken);
    until(&mut window, "a notice", |app| !app.studio().notices.all().is_empty() && app.studio().opening.is_none());
    window.get_by_label("Dismiss error");
    assert_eq!(app(&mut window).studio().marks.counts(), (1, 1), "what was open stays");
    press(&mut window, "Dismiss error");
    assert!(window.query_by_label("Dismiss error").is_none());
    for (name, says) in [("broken.onnx", "broken.onnx"), ("broken.json", "not a feedback file")] {
        let path = files.path().join(name);
        std::fs::write(&path, b"{ this is neither }").expect("written");
        app(&mut window).open(path);
        noticed(&mut window, says);
        press(&mut window, "Dismiss error");
    }
    let studio = app(&mut window).studio();
    assert!(studio.file_being_opened().is_none() && studio.labeler.is_some(), "what was chosen stays");
}

#[test]
fn a_file_that_cannot_be_written_is_a_notice_and_loses_nothing() {
    let (mut window, files) = (window(), files());
    mark_some(&mut window);
    tiny_run(&mut window, 1, 3);
    window.run_ok();
    start_run(&mut window);
    until(&mut window, "the end", |app| app.studio().run.in_progress().is_none());
    let path = files.path().join("none/out.pt");
    app(&mut window).studio().save_model(path.clone());
    until(&mut window, "a notice", |app| {
        app.studio().notices.all().iter().any(|notice| notice.text.contains("out.pt: cannot be written"))
    });
    assert!(app(&mut window).studio().unsaved, "the result is still there to be saved");
    let path = files.path().join("out.pt");
    app(&mut window).studio().save_model(path.clone());
    until(&mut window, "the file", |app| !app.studio().unsaved);
    assert!(path.is_file());
}

/// A disk of 64 kB, as long as this lives; only where the test may mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = files();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(folder.path()).output();
        mount.is_ok_and(|mount| mount.status.success()).then(|| Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}

#[test]
fn a_full_disk_is_a_notice_and_loses_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        skip!("no small disk can be mounted here, so none was filled");
    };
    let (mut window, files) = (window(), files());
    mark_some(&mut window);
    run_once(&mut window, 1, 3);
    for name in ["full.pt", "full.safetensors", "full.gif"] {
        let path = disk.path().join(name);
        if name.ends_with("gif") {
            app(&mut window).studio().save_animation(path.clone(), 0, |_| Vec::new());
        } else {
            app(&mut window).studio().save_model(path.clone());
        }
        noticed(&mut window, &format!("{name}: cannot be written"));
        assert!(app(&mut window).studio().unsaved, "the result is still there to be saved");
        let left: Vec<_> = std::fs::read_dir(disk.path()).expect("the disk").collect();
        assert!(left.is_empty(), "{left:?}");
    }
    let path = files.path().join("out.pt");
    app(&mut window).studio().save_model(path.clone());
    until(&mut window, "the file", |app| !app.studio().unsaved);
    checkpoint::load(&path).expect("the whole model");
}

#[test]
fn a_computing_thread_that_died_is_started_again() {
    let mut window = window();
    mark_some(&mut window);
    until(&mut window, "a device", |app| app.studio().device.is_some());
    let lost = "the compute thread stopped unexpectedly; it is being restarted";
    app(&mut window).studio().handle_event(LinkEvent::Lost(lost.to_owned()));
    assert!(app(&mut window).studio().device.is_none());
    // A new area is first measured, then shown.
    for _ in 0..3 {
        window.step();
    }
    window.get_by_label_contains("The compute thread stopped unexpectedly");
    until(&mut window, "the model", |app| app.studio().device.is_some() && app.studio().opening.is_none());
    filled(&mut window);
    assert_eq!(app(&mut window).studio().marks.counts(), (4, 4));
    run_once(&mut window, 1, 3);
    assert!(app(&mut window).studio().unsaved, "the new thread computes");
}

#[test]
fn a_window_that_vanishes_in_a_run_waits_for_nobody() {
    let (gone, waiting) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut window = window();
        endless_run(&mut window);
        drop(window);
        gone.send(())
    });
    // The run has a million iterations: whoever waited for it would wait for hours.
    waiting.recv_timeout(3 * PATIENCE).expect("the window is gone while its run goes on");
}

#[test]
fn opening_another_model_asks_before_a_result_is_lost() {
    let (mut window, files) = (window(), files());
    mark_some(&mut window);
    run_once(&mut window, 1, 3);
    let other = fixture("golden/ada-8-conditional.pkl");
    app(&mut window).open(other.clone());
    until(&mut window, "the question", |app| app.studio().pending_action.is_some());
    window.get_by_label("The result is not saved");
    press(&mut window, "Cancel");
    assert!(app(&mut window).studio().unsaved && app(&mut window).studio().opening.is_none());
    let sample = app(&mut window).studio().sample(0).expect("a sample");
    until(&mut window, "the result", |app| app.studio().has_tile(Source::Current, sample));

    app(&mut window).open(other.clone());
    until(&mut window, "the question", |app| app.studio().pending_action.is_some());
    window.step();
    press(&mut window, "Save\u{2026}");
    let path = files.path().join("kept.safetensors");
    answer(&mut window, &path);
    until(&mut window, "the other model", |app| app.studio().model.as_ref().is_some_and(|card| card.file == other));
    assert!(path.is_file() && !app(&mut window).studio().unsaved);
}

#[test]
fn closing_asks_before_anything_is_lost() {
    let mut window = window();
    endless_run(&mut window);
    close(&mut window);
    window.get_by_label("A run is in progress");
    press(&mut window, "Cancel");
    assert!(app(&mut window).studio().run.in_progress().is_some());
    press_button(&mut window, "Stop");
    until(&mut window, "the end", |app| app.studio().run.in_progress().is_none());
    close(&mut window);
    window.get_by_label("The result is not saved");
    press(&mut window, "Close without saving");
    // The window goes although a worker holds its state: nobody waits for it.
}

/// A labeler that is chosen says nothing by itself: it neither chooses a class nor takes the place of marks.
#[test]
fn a_labeler_never_overrides_marks_by_itself() {
    let mut window = window();
    mark_some(&mut window);
    app(&mut window).open(fixture("labelers/grey8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    window.run_ok();
    let labeler = app(&mut window).studio().labeler.clone().expect("a labeler");
    assert_eq!((labeler.forget.len(), labeler.gives_feedback), (0, false), "nothing is chosen");
    window.get_by_label(
        "Removes what you marked as must go (4 samples). Choose classes for the labeler to measure the result.",
    );
    let class = labeler.card.heads[0].classes[0].clone();
    press(&mut window, &format!("Class {class} must go"));
    window.get_by_label_contains("Removes what you marked as must go (4 samples). The labeler only measures");
    press(&mut window, "Use the labeler instead of my marks");
    let removed = app(&mut window).studio().labeler.clone().expect("a labeler").removed_classes();
    window.get_by_label(&format!("Removes {removed}, as the labeler sees it. Your 8 marks are not used."));
    press(&mut window, &format!("Class {class} must go"));
    assert_eq!(app(&mut window).studio().obstacle().as_deref(), Some("Choose the classes that must go."));
    assert_eq!(app(&mut window).studio().removal_summary(), None);
}

/// A labeler of which no class was chosen measures nothing, and keeps no run from its end.
#[test]
fn a_labeler_without_a_choice_does_not_measure() {
    let mut window = window();
    mark_some(&mut window);
    app(&mut window).open(fixture("labelers/grey8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    run_once(&mut window, 1, 3);
    window.get_by_label("Done");
    assert!(window.query_by_label_contains("% gone").is_none());
}

/// Without a history nothing but the window has the marks.
#[test]
fn closing_asks_about_marks_that_are_nowhere_else() {
    let (mut window, files) = (window(), files());
    mark_some(&mut window);
    close(&mut window);
    window.get_by_label("Your marks are not saved");
    press_button(&mut window, "Cancel");
    save_as(&mut window, "Marks (JSON)\u{2026}", &files.path().join("marks.json"));
    close(&mut window);
    assert!(window.query_by_label("Your marks are not saved").is_none(), "they are in a file");
}

#[test]
fn a_cancelled_save_does_not_end_the_run() {
    let (mut window, files) = (window(), files());
    endless_run(&mut window);
    close(&mut window);
    window.get_by_label("A run is in progress");
    press(&mut window, "Save\u{2026}");
    press_button(&mut window, "Cancel");
    let done = |app: &mut unlearn_studio::app::App| {
        app.studio().run.in_progress().and_then(|run| run.progress).map(|p| p.done)
    };
    let before = done(app(&mut window)).expect("a run in progress");
    until(&mut window, "more steps", |app| done(app).is_some_and(|now| now > before + 2));
    // Saved, it closes.
    close(&mut window);
    press(&mut window, "Save\u{2026}");
    let path = files.path().join("result.safetensors");
    answer(&mut window, &path);
    until(&mut window, "the file", |app| !app.studio().is_writing());
    window.step();
    assert!(checkpoint::load(&path).is_ok() && window.query_by_label("A run is in progress").is_none());
}

#[test]
fn only_the_saved_result_counts_as_saved() {
    let (mut window, files) = (window(), files());
    mark_some(&mut window);
    run_once(&mut window, 1, 4);
    assert!(app(&mut window).studio().unsaved);
    // What came before is no result.
    app(&mut window).studio().timeline.show(Source::Original);
    window.run_ok();
    save_as(&mut window, "Model as\u{2026} Ctrl+S", &files.path().join("before.safetensors"));
    assert!(app(&mut window).studio().unsaved, "the result is in no file yet");
    // A failure of something else is not the answer to a save, and the failure of a save is.
    app(&mut window).studio().timeline.show(Source::Current);
    app(&mut window).studio().save_model(files.path().join("none/result.safetensors"));
    let failed = Event::Failed("something else".to_owned());
    app(&mut window).studio().handle_event(LinkEvent::Engine(failed));
    assert!(app(&mut window).studio().is_writing());
    noticed(&mut window, "none/result.safetensors");
    let studio = app(&mut window).studio();
    assert!(studio.unsaved && !studio.is_writing());
    // The same name with a folder there: the notice of the failure is gone with its cause.
    std::fs::create_dir(files.path().join("none")).expect("a folder");
    app(&mut window).studio().save_model(files.path().join("none/result.safetensors"));
    until(&mut window, "the file", |app| !app.studio().is_writing());
    let studio = app(&mut window).studio();
    assert!(!studio.unsaved && studio.notices.all().iter().all(|notice| !notice.text.contains("cannot")));
}

#[test]
fn a_run_that_goes_on_in_smaller_parts_is_told_anew() {
    let mut window = window();
    endless_run(&mut window);
    let steps = |app: &mut App| app.studio().charts.values("unlearn", "discriminator").len();
    until(&mut window, "steps", |app| steps(app) > 3);
    let sentence =
        "the device's memory was too small: the run goes on from where it was saved, computing 4 samples at a time";
    for event in [Event::Warning(sentence.to_owned()), Event::Restarted] {
        app(&mut window).studio().handle_event(LinkEvent::Engine(event));
    }
    assert_eq!(steps(app(&mut window)), 0, "what it told before is told again");
    assert!(app(&mut window).studio().run.in_progress().is_some_and(|run| run.progress.is_none()));
    noticed(&mut window, "computing 4 samples at a time");
    until(&mut window, "steps again", |app| steps(app) > 3);
    assert!(app(&mut window).studio().run.in_progress().is_some());
}
