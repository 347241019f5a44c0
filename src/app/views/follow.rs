//! The keyboard goes along with what is computed: from what begins a run or an audit to what holds it, and from there to what can be done
//! with the result. These controls take each other's place, and with a control that goes or is disabled egui lets the keyboard go.
//!
//! Only who was on one of them is led on. Whoever types, is anywhere else, has pressed Escape or uses the pointer is not.
//! A question that stands above everything else keeps the keyboard as long as it is asked.

use eframe::egui::{Context, Id, Key, Response, Ui};

/// The controls that follow each other.
#[derive(Clone, Default)]
struct Followed {
    /// Those that are drawn in this frame, and in the one before.
    now: Vec<Id>,
    before: Vec<Id>,
    /// Whether one of them has the keyboard, or had it when it went.
    has_keyboard: bool,
    /// Whether nothing has taken its place yet.
    is_lost: bool,
}

fn followed<R>(ctx: &Context, with: impl FnOnce(&mut Followed) -> R) -> R {
    ctx.data_mut(|data| with(data.get_temp_mut_or_default(Id::unique("followed"))))
}

/// From this control the keyboard is led on, once it goes.
pub(crate) fn from(ui: &Ui, control: &Response) {
    followed(ui.ctx(), |followed| followed.now.push(control.id));
}

/// To this control the keyboard is led, if none drawn before it was there to take it, and on from it.
pub(crate) fn to(ui: &Ui, control: &Response) {
    from(ui, control);
    let is_free = ui.memory(|memory| memory.focused().is_none() && memory.allows_interaction(control.layer_id));
    if is_free && !leaves(ui.ctx()) && control.enabled() && followed(ui.ctx(), |followed| followed.has_keyboard) {
        control.request_focus();
    }
}

/// Whether the keyboard is let go in this frame: by Escape, or as a button of the pointer is pressed or has just been.
fn leaves(ctx: &Context) -> bool {
    ctx.input(|input| input.pointer.any_down() || input.pointer.any_released() || input.key_pressed(Key::Escape))
}

/// Lets the keyboard go, to nobody: the grid takes keys that nobody has.
pub(crate) fn leave(ui: &Ui, control: &Response) {
    control.surrender_focus();
    followed(ui.ctx(), |followed| followed.has_keyboard = false);
}

/// Called at the end of each frame, when all controls are drawn.
pub(crate) fn end_frame(ctx: &Context) {
    let focused = ctx.memory(|memory| memory.focused());
    let leaves = leaves(ctx);
    let is_lost_now = followed(ctx, |followed| {
        followed.has_keyboard = match focused {
            Some(id) => followed.now.contains(&id) || followed.before.contains(&id),
            None => followed.has_keyboard && !leaves,
        };
        followed.before = std::mem::take(&mut followed.now);
        let is_lost = followed.has_keyboard && focused.is_none_or(|id| !followed.before.contains(&id));
        let was_lost = std::mem::replace(&mut followed.is_lost, is_lost);
        is_lost && !was_lost
    });
    if is_lost_now {
        // What takes its place is drawn next.
        ctx.request_repaint();
    }
}

#[cfg(test)]
mod tests {
    use eframe::egui::{Button, Event, Modifiers, RawInput};

    use super::*;

    /// Draws buttons with these names, of which the keyboard is led to those that begin with `to`; gives the one that has it.
    fn draw(ctx: &Context, names: &[&'static str], key: Option<Key>) -> Option<&'static str> {
        let event =
            |key| Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE };
        let input = RawInput { events: key.map(event).into_iter().collect(), ..RawInput::default() };
        let mut has_it = None;
        let _ = ctx.run_ui(input, |ui| {
            has_it = None;
            for name in names {
                let control = ui.push_id(name.split(',').next(), |ui| {
                    ui.add_enabled(!name.ends_with("disabled"), Button::new(*name))
                });
                let control = control.inner;
                match (name.starts_with("to"), name.starts_with("from")) {
                    (true, _) => to(ui, &control),
                    (_, true) => from(ui, &control),
                    _ => {}
                }
                if control.has_focus() {
                    has_it = Some(*name);
                }
            }
            end_frame(ui.ctx());
        });
        has_it
    }

    /// With Tab the keyboard is on the first of `names`; then these are drawn instead, three times.
    fn led(names: [&'static str; 2], then: &[&'static str], key: Option<Key>) -> Option<&'static str> {
        let ctx = Context::default();
        draw(&ctx, &names, Some(Key::Tab));
        assert_eq!(draw(&ctx, &names, None), Some(names[0]));
        draw(&ctx, then, key);
        draw(&ctx, then, None);
        draw(&ctx, then, None)
    }

    #[test]
    fn who_is_on_a_followed_control_is_led_on() {
        let table: [(_, &[_], _, _); 8] = [
            (["from begin", "x"], &["x", "to hold"], None, Some("to hold")),
            (["to hold", "x"], &["x", "to save", "to compare"], None, Some("to save")),
            // Nothing to go to yet.
            (["from begin", "x"], &["x", "to hold, disabled"], None, None),
            // It has not gone.
            (["from begin", "x"], &["from begin", "to hold"], None, Some("from begin")),
            // Elsewhere.
            (["x", "from begin"], &["x", "to hold"], None, Some("x")),
            (["x", "from begin"], &["to hold"], None, None),
            (["from begin", "x"], &["x", "to hold"], Some(Key::Escape), None),
            (["from begin", "x"], &["from begin, disabled", "to hold"], None, Some("to hold")),
        ];
        for (names, then, key, expected) in table {
            assert_eq!(led(names, then, key), expected, "{names:?}, {then:?}");
        }
    }

    #[test]
    fn it_waits_until_there_is_something_to_go_to() {
        let ctx = Context::default();
        draw(&ctx, &["from stop"], Some(Key::Tab));
        assert_eq!(draw(&ctx, &["from stop"], None), Some("from stop"));
        for _ in 0..5 {
            assert_eq!(draw(&ctx, &["x"], None), None);
        }
        draw(&ctx, &["x", "to save"], None);
        assert_eq!(draw(&ctx, &["x", "to save"], None), Some("to save"));
    }
}
