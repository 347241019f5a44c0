//! The list of all keys. `docs/window.md` has the same table; a test compares both.

use eframe::egui::{Context, Grid, Key, Label, Modifiers, RichText, ScrollArea, Ui, vec2};

use super::{format::with_capital, widgets};

/// What can be done, with the mouse and with keys.
const KEYS: [[&str; 3]; 18] = [
    ["must go", "click, or drag over many", "Space or N"],
    ["may stay", "right-click or Shift-click", "P"],
    ["clear a mark", "click again", "Delete"],
    ["the rest of the page may stay", "the question at the grid's lower edge, or Page", "Ctrl+Shift+A"],
    ["the whole page must go", "Page", "Ctrl+A"],
    ["look closely", "double-click", "Enter"],
    [
        "walk from one sample to another",
        "Walk to... in the close view, then a click",
        "W, then arrows and Enter; arrows move the slider",
    ],
    [
        "show where it is (looking closely)",
        "drag a stroke; with Shift or Box a box",
        "Tab to the picture; arrows, Shift+arrows, Delete",
    ],
    ["After, Before, Split, Difference, Heat", "buttons above the grid", "1 to 5"],
    ["play the timeline", "the button before it", "Tab, Enter; on a snapshot Left, Right"],
    [
        "a chart large, its values at a step",
        "the button beside its title; point at it",
        "Tab, Enter; Left, Right; Escape closes it",
    ],
    ["one class of a model that draws several", "Class", "Tab, Enter"],
    ["move, turn the page", "wheel", "arrows, Home, Page Up, Page Down"],
    ["undo, redo", "Undo, Redo", "Ctrl+Z, Ctrl+Y or Ctrl+Shift+Z"],
    ["open, save a model", "Open, Save", "Ctrl+O, Ctrl+S"],
    ["show or hide the left, the right panel", "buttons in the top bar, or drag the edge", "Ctrl+B, Ctrl+Shift+B"],
    ["go from control to control", "", "Tab, Shift+Tab"],
    ["this list", "Help", "F1 or ?"],
];

/// Whether the list is shown.
#[derive(Default)]
pub(crate) struct KeyList {
    is_open: bool,
}

impl KeyList {
    pub(crate) fn open(&mut self) {
        self.is_open = true;
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(crate) fn ui(&mut self, ctx: &Context) {
        if !self.is_open {
            return;
        }
        let response = widgets::question(ctx, "keys").show(ctx, content);
        let again = ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::F1));
        self.is_open = !(response.inner || response.should_close() || again);
    }
}

/// Whether it is to be closed.
fn content(ui: &mut Ui) -> bool {
    let screen = ui.ctx().content_rect().size();
    ui.set_width(560.0_f32.min(screen.x - 80.0));
    let mut close = false;
    widgets::section(ui, "Keys", |ui| close = ui.button("Close").clicked());
    ui.add_space(6.0);
    // As much as there is room for, not what egui gives a question by itself.
    let most = screen.y - 180.0;
    ScrollArea::vertical().max_height(most).min_scrolled_height(most).show(ui, |ui| {
        // Rows as high as their words: all of them are seen in the least window.
        Grid::new("keys").num_columns(2).min_row_height(0.0).spacing(vec2(20.0, 6.0)).show(ui, |ui| {
            ui.spacing_mut().interact_size.y = 0.0;
            for [action, _, keys] in KEYS {
                ui.label(with_capital(action));
                ui.add(Label::new(RichText::new(keys).weak()).wrap());
                ui.end_row();
            }
        });
    });
    close
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_has_the_same_list() {
        let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/window.md");
        let guide = std::fs::read_to_string(guide).expect("the guide");
        let section = guide.split("## Which keys are there?").nth(1).expect("the section on keys");
        let lines = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
        let rows: Vec<Vec<String>> = lines
            .take_while(|line| line.starts_with('|'))
            .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('*', "")).collect())
            .collect();
        let keys = KEYS.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(rows, keys, "docs/window.md and the window's list of keys");
    }
}
