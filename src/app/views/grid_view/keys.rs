//! What keys do while the grid has the keyboard, or nothing has.

use eframe::egui::{Key, Modifiers, Ui};

use super::{page, view::GridView};
use crate::{
    app::state::{layout::TileLayout, studio::Studio, view::Compare, walk::WalkState},
    feedback::Mark,
};

pub(super) fn handle_keys(view: &mut GridView, ui: &Ui, layout: &TileLayout, studio: &mut Studio) {
    // Ctrl+Shift first: a shortcut without Shift would take it as well.
    let pressed = |modifiers: Modifiers, key: Key| ui.input_mut(|input| input.consume_key(modifiers, key));
    if pressed(Modifiers::COMMAND | Modifiers::SHIFT, Key::A) {
        page::rest_may_stay(view, studio);
    }
    if pressed(Modifiers::COMMAND, Key::A) {
        page::mark_page(view, studio, Some(Mark::Negative));
    }
    let key_pressed = |key: Key| pressed(Modifiers::NONE, key);
    if studio.walk.start().is_some() && key_pressed(Key::Escape) {
        studio.walk = WalkState::None;
    }
    let steps = [(Key::ArrowLeft, -1, 0), (Key::ArrowRight, 1, 0), (Key::ArrowUp, 0, -1), (Key::ArrowDown, 0, 1)];
    for (key, columns, rows) in steps {
        if key_pressed(key) {
            studio.view.cursor = layout.step(studio.view.cursor, columns, rows);
            view.scroll_to_cursor = true;
        }
    }
    if key_pressed(Key::Home) {
        (studio.view.cursor, view.scroll_to_cursor) = (0, true);
    }
    for (key, screens) in [(Key::PageUp, -1.0), (Key::PageDown, 1.0)] {
        if key_pressed(key) {
            page::turn(view, studio, screens);
        }
    }
    for (number, (compare, ..)) in [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5].into_iter().zip(Compare::ALL)
    {
        let [before, after] = studio.compared_sources();
        if key_pressed(number) && (before != after || compare == Compare::After) {
            studio.view.compare = compare;
        }
    }
    // A mark on a tile out of view would go unnoticed: the first press only leads back to it.
    if !view.page.contains(&studio.view.cursor) && !view.scroll_to_cursor {
        let acting = [Key::Space, Key::N, Key::P, Key::Delete, Key::Backspace, Key::Enter, Key::W];
        view.scroll_to_cursor = acting.into_iter().filter(|&key| key_pressed(key)).count() > 0;
        return;
    }
    let Some(sample) = studio.sample(studio.view.cursor) else { return };
    if key_pressed(Key::Space) || key_pressed(Key::N) {
        studio.marks.toggle(sample, Mark::Negative);
    }
    if key_pressed(Key::P) {
        studio.marks.toggle(sample, Mark::Positive);
    }
    if key_pressed(Key::Delete) || key_pressed(Key::Backspace) {
        studio.marks.set([sample], None);
    }
    if key_pressed(Key::W) {
        studio.walk_from(sample);
    }
    if key_pressed(Key::Enter) {
        match studio.walk.start() {
            Some(_) => studio.walk_to(sample),
            None => studio.open_detail(sample),
        }
    }
}
