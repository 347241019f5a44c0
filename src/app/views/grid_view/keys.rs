//! What keys do while the grid has the keyboard, or nothing has.

use eframe::egui::{Event, InputState, Key, Modifiers, Ui};

use super::{page, view::GridView};
use crate::{
    app::state::{layout::TileLayout, studio::Studio, view::Compare, walk::WalkState},
    feedback::Mark,
};

/// Keys that lead to another tile: columns and rows from the present one.
const STEPS: [(Key, isize, isize); 4] =
    [(Key::ArrowLeft, -1, 0), (Key::ArrowRight, 1, 0), (Key::ArrowUp, 0, -1), (Key::ArrowDown, 0, 1)];
/// Keys that turn the page: by so many screens.
const TURNS: [(Key, f32); 2] = [(Key::PageUp, -1.0), (Key::PageDown, 1.0)];
/// Keys for what is compared, in the order of the buttons.
const COMPARE: [Key; Compare::ALL.len()] = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5];
/// Keys that do something with a tile.
const ACTING: [Key; 7] = [Key::Space, Key::N, Key::P, Key::Delete, Key::Backspace, Key::Enter, Key::W];

/// Does what was pressed, one key after the other: where a frame takes long, several keys come with it.
pub(super) fn handle_keys(view: &mut GridView, ui: &Ui, layout: &TileLayout, studio: &mut Studio) {
    let walks = studio.walk.start().is_some();
    for (key, modifiers) in ui.input_mut(|input| take_keys(input, walks)) {
        match (modifiers.command, modifiers.shift) {
            (true, true) => page::rest_may_stay(view, studio),
            (true, false) => page::mark_page(view, studio, Some(Mark::Negative)),
            (false, _) => handle_key(view, key, layout, studio),
        }
        if studio.detail.is_some() {
            // What was pressed after that is not meant for the grid.
            return;
        }
    }
}

/// Takes the keys that the grid knows from those that were pressed, in their order. A key that is held marks once: what it sets it
/// would take away again.
fn take_keys(input: &mut InputState, walks: bool) -> Vec<(Key, Modifiers)> {
    let mut taken = Vec::new();
    input.events.retain(|event| {
        let &Event::Key { key, pressed: true, repeat, modifiers, .. } = event else { return true };
        let is_known = match modifiers.command {
            true => key == Key::A && !modifiers.alt,
            false => modifiers.matches_logically(Modifiers::NONE) && is_plain(key, walks),
        };
        if is_known && !(repeat && ACTING.contains(&key)) {
            taken.push((key, modifiers));
        }
        !is_known
    });
    taken
}

/// Whether a key means something by itself.
fn is_plain(key: Key, walks: bool) -> bool {
    let leads = STEPS.iter().any(|(step, ..)| *step == key) || TURNS.iter().any(|(turn, _)| *turn == key);
    leads || key == Key::Home || COMPARE.contains(&key) || ACTING.contains(&key) || (walks && key == Key::Escape)
}

fn handle_key(view: &mut GridView, key: Key, layout: &TileLayout, studio: &mut Studio) {
    if key == Key::Escape {
        studio.walk = WalkState::None;
    } else if let Some((_, columns, rows)) = STEPS.iter().find(|(step, ..)| *step == key) {
        studio.view.cursor = layout.step(studio.view.cursor, *columns, *rows);
        view.scroll_to_cursor = true;
    } else if key == Key::Home {
        (studio.view.cursor, view.scroll_to_cursor) = (0, true);
    } else if let Some((_, screens)) = TURNS.iter().find(|(turn, _)| *turn == key) {
        page::turn(view, studio, *screens);
    } else if let Some(number) = COMPARE.iter().position(|number| *number == key) {
        compare(number, studio);
    } else if !is_led_to(view, studio.view.cursor) {
        // A mark on a tile out of view would go unnoticed: the first press only leads back to it.
        view.scroll_to_cursor = true;
    } else {
        act(key, studio);
    }
}

/// Whether a tile is in view, or will be.
fn is_led_to(view: &GridView, tile: usize) -> bool {
    view.page.contains(&tile) || view.scroll_to_cursor || view.led_to == Some(tile)
}

/// Compares, where there is something to compare with.
fn compare(number: usize, studio: &mut Studio) {
    let [before, after] = studio.compared_sources();
    let Some((compare, ..)) = Compare::ALL.get(number) else { return };
    if before != after || *compare == Compare::After {
        studio.view.compare = *compare;
    }
}

/// Does something with the tile that the cursor is on.
fn act(key: Key, studio: &mut Studio) {
    let Some(sample) = studio.sample(studio.view.cursor) else { return };
    match key {
        Key::Space | Key::N => studio.marks.toggle(sample, Mark::Negative),
        Key::P => studio.marks.toggle(sample, Mark::Positive),
        Key::Delete | Key::Backspace => studio.marks.set([sample], None),
        Key::W => studio.walk_from(sample),
        Key::Enter => match studio.walk.start() {
            Some(_) => studio.walk_to(sample),
            None => studio.open_detail(sample),
        },
        _ => {}
    }
}
