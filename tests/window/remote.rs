//! A device of another machine.

use eframe::egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use unlearn_studio::{app::state::run_state::RunState, device::DeviceChoice};

use crate::{
    server::{SECRET, Server},
    support::*,
};

/// Types into a field of the question for another machine.
fn fill(window: &mut Window, field: &str, text: &str) {
    window.get_by_label(field).focus();
    window.run_ok();
    window.key_combination_modifiers(Modifiers::COMMAND, &[Key::A]);
    window.run_ok();
    window.get_by_label(field).type_text(text);
    window.run_ok();
}

/// Opens the question, from a window whose device has this name.
fn ask(window: &mut Window, device: &str) {
    until(window, "a device", |app| app.studio().device.is_some());
    press_button(window, device);
    press(window, "Remote\u{2026}");
    until(window, "the question", |_| true);
}

#[test]
fn runs_compute_on_another_machine_and_come_back() {
    let server = Server::start();
    let mut window = window();
    mark_some(&mut window);
    ask(&mut window, "CPU");
    let address = window.get_by_label("Address").accesskit_node().value();
    assert_eq!(address.as_deref(), Some("127.0.0.1:7447"));
    fill(&mut window, "Address", &server.address);
    fill(&mut window, "Token", "short");
    press_button(&mut window, "Connect");
    window.get_by_label_contains("A token has at least 16 characters");
    fill(&mut window, "Token", "a-token-of-somebody-else");
    press_button(&mut window, "Connect");
    let refused = |window: &Window| window.query_by_label_contains("the token is wrong").is_some();
    for _ in 0..1000 {
        if refused(&window) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
        window.step();
    }
    assert!(refused(&window) && app(&mut window).studio().remote.is_none());

    // Enter in a field connects, too.
    fill(&mut window, "Token", SECRET);
    window.key_press(Key::Enter);
    window.step();
    until(&mut window, "the other machine", |app| {
        let studio = app.studio();
        studio.remote.is_some() && studio.device.is_some() && studio.opening.is_none()
    });
    filled(&mut window);
    let studio = app(&mut window).studio();
    assert_eq!(studio.device.as_ref().map(|card| card.name.as_str()), Some("CPU (remote)"));
    assert_eq!((studio.marks.counts(), studio.requested_device.0), ((4, 4), DeviceChoice::Cpu));
    assert_eq!(studio.prefs.remote.as_deref(), Some(server.address.as_str()));
    let prefs = serde_json::to_string(&studio.prefs).expect("JSON");
    assert!(prefs.contains(&server.address) && !prefs.contains(SECRET), "{prefs}");
    run_once(&mut window, 1, 3);
    let RunState::Finished(report) = &app(&mut window).studio().run else { panic!("no report") };
    assert_eq!((report.device.as_str(), report.iterations), ("CPU (remote)", 3));

    // What is lost with it is said, and this machine is there again.
    start_endless(&mut window);
    server.kill();
    noticed(&mut window, "the line dropped");
    until(&mut window, "the end", |app| app.studio().run.in_progress().is_none());
    app(&mut window).studio().unsaved = false;
    window.run_ok();
    press_button(&mut window, "CPU (remote)");
    press(&mut window, "CPU");
    until(&mut window, "this machine", |app| {
        let studio = app.studio();
        studio.remote.is_none()
            && studio.device.as_ref().is_some_and(|card| card.name == "CPU")
            && studio.opening.is_none()
    });
    filled(&mut window);
    run_once(&mut window, 1, 3);
    assert!(matches!(&app(&mut window).studio().run, RunState::Finished(report) if report.device == "CPU"));
}

/// Begins a run that does not end by itself, from the marks that are there.
fn start_endless(window: &mut Window) {
    tiny_run(window, 1, 1_000_000);
    window.run_ok();
    start_run(window);
    until(window, "unlearning", |app| app.studio().charts.values("unlearn", "discriminator").len() > 1);
}
