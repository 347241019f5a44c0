//! What keys do while the grid has the keyboard, or nothing has.

use eframe::egui::{Key, Modifiers, Ui};

use super::{page, view::GridView};
use crate::{
    app::state::{layout::Layout, studio::Studio, view::Compare},
    unlearn::feedback::Mark,
};

pub(super) fn obey(view: &mut GridView, ui: &Ui, layout: &Layout, studio: &mut Studio) {
    // Ctrl+Shift first: a shortcut without Shift would take it as well.
    let pressed = |modifiers: Modifiers, key: Key| ui.input_mut(|input| input.consume_key(modifiers, key));
    if pressed(Modifiers::COMMAND | Modifiers::SHIFT, Key::A) {
        page::rest_may_stay(view, studio);
    }
    if pressed(Modifiers::COMMAND, Key::A) {
        page::mark_page(view, studio, Some(Mark::Negative));
    }
    let plain = |key: Key| pressed(Modifiers::NONE, key);
    let steps = [(Key::ArrowLeft, -1, 0), (Key::ArrowRight, 1, 0), (Key::ArrowUp, 0, -1), (Key::ArrowDown, 0, 1)];
    for (key, columns, rows) in steps {
        if plain(key) {
            studio.view.cursor = layout.step(studio.view.cursor, columns, rows);
            view.follow = true;
        }
    }
    if plain(Key::Home) {
        (studio.view.cursor, view.follow) = (0, true);
    }
    for (key, screens) in [(Key::PageUp, -1.0), (Key::PageDown, 1.0)] {
        if plain(key) {
            page::turn(view, screens);
        }
    }
    for (number, (compare, ..)) in [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5].into_iter().zip(Compare::ALL)
    {
        let [before, after] = studio.pair();
        if plain(number) && (before != after || compare == Compare::After) {
            studio.view.compare = compare;
        }
    }
    let Some(sample) = studio.sample(studio.view.cursor) else { return };
    if plain(Key::Space) || plain(Key::N) {
        studio.marks.toggle(sample, Mark::Negative);
    }
    if plain(Key::P) {
        studio.marks.toggle(sample, Mark::Positive);
    }
    if plain(Key::Delete) || plain(Key::Backspace) {
        studio.marks.set([sample], None);
    }
    if plain(Key::Enter) {
        studio.look_at(sample);
    }
}
