//! The grid in the order of what a labeler says of its samples.

use eframe::egui::{Key, Shape, accesskit::Role};
use egui_kittest::kittest::Queryable;
use unlearn_studio::{
    app::state::sample_order::{Filter, Order},
    engine::{LabelQuestion, LabelledSamples, SampleLabel},
    feedback::{Mark, Sample},
};

use super::support::*;

/// A window with a labeler of which the first class must go.
fn with_labeler() -> Window {
    let mut window = window();
    assert!(window.query_by_label("Order").is_none(), "nobody could say what comes first");
    app(&mut window).open(fixture("labelers/grey8.onnx"));
    until(&mut window, "the labeler", |app| app.studio().labeler.is_some());
    window.run_ok();
    assert_eq!(app(&mut window).studio().order_obstacle(), Some("Choose under Labeler what must go first."));
    press(&mut window, "Class 0 must go");
    window
}

/// Chooses from the menu, and waits until all samples that are to be looked through are.
fn choose(window: &mut Window, entry: &str) {
    press_button(window, "Order");
    press(window, entry);
    window.key_press(Key::Escape);
    window.run_ok();
    looked_through(window);
}

fn looked_through(window: &mut Window) {
    until(window, "the labeler's answers", |app| {
        let order = &app.studio().order;
        let done = order.looked_through().is_some_and(|looked| looked.done > 0 && looked.done == looked.of);
        done || order.choice() == (Order::AsDrawn, Filter::All)
    });
}

/// The samples that the grid shows and how likely each shows what must go.
fn shown(window: &mut Window) -> Vec<(Sample, f32, bool)> {
    let studio = app(window).studio();
    let samples = (0..studio.shown_count()).filter_map(|place| studio.sample(place));
    let label = |sample| studio.order.label(sample).expect("a label");
    samples.map(|sample| (sample, label(sample).probability, label(sample).shows)).collect()
}

fn number(sample: Sample) -> u64 {
    sample.address().index
}

/// What a screen reader says of a tile.
fn name((sample, probability, _): (Sample, f32, bool), mark: &str) -> String {
    format!("Sample {}{mark}, {:.0}% likely to show it", number(sample), probability * 100.0)
}

#[test]
fn samples_are_marked_in_the_order_of_what_they_show() {
    let mut window = with_labeler();
    press(&mut window, "Sample 3");
    choose(&mut window, "Most likely first");
    let ordered = shown(&mut window);
    assert_eq!(ordered.len(), 500);
    assert!(ordered.is_sorted_by(|(_, a, _), (_, b, _)| a >= b) && ordered[0].1 > ordered[499].1);
    let mut numbers: Vec<u64> = ordered.iter().map(|(sample, ..)| number(*sample)).collect();
    assert!(!numbers.is_sorted(), "not as drawn");
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..500), "each once");
    assert_eq!(app(&mut window).studio().marks.counts(), (1, 0), "what was marked stays marked");

    // A click marks the sample under the pointer, a key the one beside it.
    app(&mut window).studio().marks.clear();
    window.run_ok();
    press(&mut window, &name(ordered[0], ""));
    window.get_by_label(&name(ordered[0], ", must go"));
    for key in [Key::ArrowRight, Key::P] {
        window.key_press(key);
        window.run_ok();
    }
    window.get_by_label(&name(ordered[1], ", may stay"));
    let feedback = app(&mut window).studio().marks.feedback().clone();
    let mut marked: Vec<(Sample, Mark)> = feedback.iter().collect();
    marked.sort_by_key(|(_, mark)| *mark == Mark::Positive);
    assert_eq!(marked, [(ordered[0].0, Mark::Negative), (ordered[1].0, Mark::Positive)]);

    // Looking closely goes on in the same order.
    window.key_press(Key::Enter);
    window.run_ok();
    let looked_at = |window: &mut Window| app(window).studio().detail.as_ref().map(|detail| detail.sample);
    assert_eq!(looked_at(&mut window), Some(ordered[1].0));
    window.get_by_label(&format!("0 with {:.0}%", ordered[1].1 * 100.0));
    window.key_press(Key::ArrowRight);
    window.run_ok();
    assert_eq!(looked_at(&mut window), Some(ordered[2].0));
    assert_eq!(app(&mut window).studio().view.cursor, 2);
    window.key_press(Key::Escape);
    window.run_ok();

    choose(&mut window, "Least likely first");
    let reversed = shown(&mut window);
    assert!(reversed.is_sorted_by(|(_, a, _), (_, b, _)| a <= b));
    assert_eq!(app(&mut window).studio().view.cursor, 0);
}

#[test]
fn samples_are_filtered_and_shown_as_drawn_again() {
    let mut window = with_labeler();
    choose(&mut window, "Only those that show it");
    let showing = shown(&mut window);
    let looked = app(&mut window).studio().order.looked_through().expect("answers");
    assert_eq!((looked.done, looked.showing), (500, showing.len()));
    assert!(showing.iter().all(|(.., shows)| *shows));
    assert!(showing.is_sorted_by_key(|(sample, ..)| number(*sample)));
    choose(&mut window, "Only those that do not");
    let others = shown(&mut window);
    assert_eq!(showing.len() + others.len(), 500);
    assert!(others.iter().all(|(.., shows)| !shows));
    // More of them.
    app(&mut window).studio().order.look_through_more();
    looked_through(&mut window);
    until(&mut window, "twice as many", |app| {
        app.studio().order.looked_through().is_some_and(|looked| looked.done == 1000)
    });
    choose(&mut window, "All samples");
    let studio = app(&mut window).studio();
    assert_eq!((studio.shown_count(), studio.sample(0).map(number)), (studio.sample_count(), Some(0)));
    window.get_by_label_contains("Sample 0, ");
}

/// Rather than nothing it is said that there is nothing; what is below the grid stays.
#[test]
fn a_filter_that_leaves_nothing_says_so() {
    let mut window = with_labeler();
    let studio = app(&mut window).studio();
    studio.order.choose(Order::AsDrawn, Filter::Showing);
    studio.update_order();
    // What the labeler says later of samples that are known counts no more.
    let labeler = studio.labeler.as_ref().expect("a labeler");
    let question = LabelQuestion {
        labeler: labeler.card.spec.clone(),
        target: labeler.target(),
        seed: studio.view.seed,
        psi: studio.view.psi,
        class: studio.view.class,
    };
    let labels = vec![SampleLabel { probability: 0.1, shows: false }; 500];
    studio.order.add(LabelledSamples { question, start: 0, labels });
    window.run_ok();
    window.get_by_label("None of the 500 samples looked through shows it");
    let studio = app(&mut window).studio();
    assert_eq!((studio.shown_count(), studio.sample(0)), (0, None));
    assert_eq!(studio.preview_sample().map(number), Some(0), "the timeline and the history have a picture to show");
    choose(&mut window, "All samples");
    assert_eq!(app(&mut window).studio().sample(0).map(number), Some(0));
}

#[test]
fn another_seed_labeler_or_class_makes_the_answers_stale() {
    let mut window = with_labeler();
    choose(&mut window, "Most likely first");
    let first = shown(&mut window);
    app(&mut window).studio().view.seed = 12;
    window.step();
    looked_through(&mut window);
    let other = shown(&mut window);
    assert!(other.is_sorted_by(|(_, a, _), (_, b, _)| a >= b) && other[0].0.address().seed == 12);
    // The former answers are known still.
    app(&mut window).studio().view.seed = 0;
    window.step();
    window.step();
    assert_eq!(shown(&mut window), first);
    // Without a class that must go nobody can say what comes first.
    let as_drawn = |window: &mut Window| {
        let studio = app(window).studio();
        (studio.shown_count(), studio.sample(7).map(number)) == (studio.sample_count(), Some(7))
    };
    press(&mut window, "Class 0 must go");
    assert!(as_drawn(&mut window));
    press(&mut window, "Class 1 must go");
    looked_through(&mut window);
    until(&mut window, "another order", |app| app.studio().shown_count() == 500);
    assert_ne!(shown(&mut window), first);
    press(&mut window, "Remove labeler");
    assert!(as_drawn(&mut window));
    assert!(window.query_by_label("Order").is_none());
}

#[test]
fn another_model_is_shown_as_drawn() {
    let mut window = with_labeler();
    choose(&mut window, "Most likely first");
    app(&mut window).open(fixture("dcgan/conditional-16.pt"));
    until(&mut window, "the model", |app| {
        let studio = app.studio();
        studio.opening.is_none() && studio.model.as_ref().is_some_and(|card| card.family != "StyleGAN2")
    });
    filled(&mut window);
    let studio = app(&mut window).studio();
    assert_eq!(studio.order.choice(), (Order::AsDrawn, Filter::All));
    assert_eq!((studio.shown_count(), studio.sample(0).map(number)), (studio.sample_count(), Some(0)));
}

/// Nothing is put in order while a run goes on but what the labeler has seen already; that is said over the grid.
#[test]
fn an_order_that_waits_for_a_run_says_so_and_uses_what_is_at_hand() {
    let mut window = with_labeler();
    endless_run(&mut window);
    let waits = "Not in order yet: the labeler looks through samples once the run has ended.";
    assert!(window.query_by_label(waits).is_none(), "nobody has asked");
    let ask = |window: &mut Window| {
        app(window).studio().order.choose(Order::MostLikely, Filter::All);
        window.step();
        window.step();
    };
    ask(&mut window);
    let said = window.get_by_label(waits).rect();
    assert!(window.get_by_label("Samples").rect().contains_rect(said), "it stands where the samples are: {said:?}");
    window.get_by_label("As drawn").click();
    window.step();
    window.step();
    assert!(window.query_by_label(waits).is_none());
    assert_eq!(app(&mut window).studio().order.choice(), (Order::AsDrawn, Filter::All));

    ask(&mut window);
    let studio = app(&mut window).studio();
    let labeler = studio.labeler.as_ref().expect("a labeler");
    let (labeler, target) = (labeler.card.spec.clone(), labeler.target());
    let question =
        LabelQuestion { labeler, target, seed: studio.view.seed, psi: studio.view.psi, class: studio.view.class };
    let labels = [0.2, 0.9, 0.4].map(|probability| SampleLabel { probability, shows: probability > 0.5 }).to_vec();
    studio.order.add(LabelledSamples { question, start: 0, labels });
    window.step();
    window.step();
    window.get_by_label("In order: the 3 samples looked through. More once the run has ended.");
    let numbers = |window: &mut Window| -> Vec<u64> {
        let studio = app(window).studio();
        (0..studio.shown_count()).filter_map(|place| studio.sample(place).map(number)).collect()
    };
    assert_eq!(numbers(&mut window), [1, 2, 0]);
    press_button(&mut window, "Stop");
    until(&mut window, "the end", |app| app.studio().run.in_progress().is_none());
    until(&mut window, "all of them", |app| app.studio().shown_count() == 500);
    assert!(window.query_by_label_contains("once the run has ended").is_none());
}

/// Where buttons have no line around them, those to choose among have one: without it nothing of them is seen.
#[test]
fn what_is_not_chosen_in_a_menu_is_seen() {
    let mut window = with_labeler();
    press_button(&mut window, "Order");
    let choices: Vec<_> = window.query_all_by_role(Role::RadioButton).map(|node| node.rect()).collect();
    assert_eq!(choices.len(), Order::ALL.len() + Filter::ALL.len());
    for choice in choices {
        let circle = window.output().shapes.iter().any(|clipped| match &clipped.shape {
            Shape::Circle(circle) => circle.stroke.width >= 1.0 && choice.contains(circle.center),
            _ => false,
        });
        assert!(circle, "there is nothing around {choice:?}");
    }
}
