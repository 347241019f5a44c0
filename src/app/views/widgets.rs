//! Small things that several panels draw.

use eframe::egui::{
    self, Atom, Button, Color32, Frame, Key, Label, Margin, Modifiers, Response, RichText, Sense, Shadow, Stroke,
    TextureOptions, Ui, Widget, vec2,
};

use super::theme::{self, palette};

/// A title within a panel, with something small at its right end.
pub(crate) fn section(ui: &mut Ui, title: &str, right: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(title).heading());
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), right);
    });
}

/// A line of explanation.
pub(crate) fn explain(ui: &mut Ui, text: impl Into<String>) -> Response {
    ui.add(Label::new(RichText::new(text).small().weak().line_height(Some(16.0))).wrap())
}

/// A button that matters less than those around it.
pub(crate) fn minor_button(ui: &mut Ui, text: &str) -> Response {
    ui.add(minor(text))
}

/// The same, still to be added.
pub(crate) fn minor(text: &str) -> Button<'_> {
    Button::new(RichText::new(text).small()).min_size(vec2(0.0, 22.0))
}

/// Something is under way. Eight times a second is enough to say so; where the processor draws the window, twice: every frame
/// takes from what is waited for.
pub(crate) fn busy(ui: &mut Ui, size: f32) -> Response {
    const DOTS: usize = 8;
    let (rect, response) = ui.allocate_exact_size(vec2(size, size), Sense::hover());
    let a_second = if is_drawn_in_software(ui.ctx()) { 2.0 } else { 8.0 };
    let step = (ui.input(|input| input.time) * a_second) as usize;
    let colour = palette(ui.style()).after;
    for dot in 0..DOTS {
        let at = egui::Vec2::angled(dot as f32 / DOTS as f32 * std::f32::consts::TAU) * size * 0.38;
        let age = (step + DOTS - dot) % DOTS;
        let strength = 1.0 - 0.8 * age as f32 / DOTS as f32;
        ui.painter().circle_filled(rect.center() + at, size * 0.09, colour.gamma_multiply(strength));
    }
    ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(1.0 / a_second));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, "Busy"));
    response
}

/// Says whether the processor draws the window.
pub(crate) fn note_software(ctx: &egui::Context, software: bool) {
    ctx.data_mut(|data| data.insert_temp(egui::Id::unique("software"), software));
}

fn is_drawn_in_software(ctx: &egui::Context) -> bool {
    ctx.data(|data| data.get_temp(egui::Id::unique("software"))).unwrap_or(false)
}

/// A frame that stands out from its panel.
pub(crate) fn card(ui: &Ui) -> Frame {
    let p = palette(ui.style());
    Frame::new().fill(p.card).stroke(Stroke::new(1.0, p.line)).corner_radius(8).inner_margin(Margin::same(12))
}

/// A frame that floats above the grid.
pub(crate) fn pill(ui: &Ui) -> Frame {
    let p = palette(ui.style());
    let shadow = Shadow { offset: [0, 2], blur: 12, spread: 0, color: Color32::from_black_alpha(60) };
    Frame::new().fill(p.card).stroke(Stroke::new(1.0, p.line)).corner_radius(16).shadow(shadow)
}

/// What stands above everything else until it is answered.
pub(crate) fn question(ctx: &egui::Context, id: &'static str) -> egui::Modal {
    let frame = Frame::popup(&ctx.global_style()).corner_radius(10).inner_margin(Margin::same(20));
    egui::Modal::new(egui::Id::unique(id)).frame(frame)
}

/// A button in its meaning's colour; without it while it is disabled, as white on a faint colour cannot be read.
pub(crate) fn wide_button(ui: &mut Ui, text: &str, meaning: Color32, width: f32) -> Response {
    let text = RichText::new(text).size(14.5);
    let enabled = ui.is_enabled();
    let text = if enabled { text.color(Color32::WHITE) } else { text };
    let button = Button::new((Atom::grow(), text, Atom::grow())).corner_radius(8).min_size(vec2(width, 36.0));
    let button = if enabled { button.fill(theme::filled(meaning)).stroke(Stroke::NONE) } else { button };
    button.ui(ui)
}

/// A button beside one in its meaning's colour, as high as that.
pub(crate) fn side_button(ui: &mut Ui, text: &str) -> Response {
    ui.add(Button::new(text).corner_radius(8).min_size(vec2(0.0, 36.0)))
}

/// Shows or hides a panel at the window's left or right edge: a small window with that panel in it. Whether it was clicked.
pub(crate) fn panel_toggle(ui: &mut Ui, name: &str, keys: &str, at_right: bool, is_shown: bool) -> bool {
    let (rect, response) = ui.allocate_exact_size(vec2(28.0, 26.0), Sense::click());
    let visuals = *ui.style().interact(&response);
    if response.hovered() {
        ui.painter().rect_filled(rect, visuals.corner_radius, visuals.weak_bg_fill);
    }
    let window = egui::Rect::from_center_size(rect.center(), vec2(16.0, 12.0));
    let mut panel = window;
    panel.set_width(6.0);
    if at_right {
        panel = panel.translate(vec2(window.width() - panel.width(), 0.0));
    }
    let p = palette(ui.style());
    if is_shown {
        ui.painter().rect_filled(panel, 2.0, p.weak);
    }
    ui.painter().rect_stroke(window, 2.0, Stroke::new(1.0, p.weak), egui::StrokeKind::Inside);
    let edge = if at_right { panel.left() } else { panel.right() };
    ui.painter().vline(edge, window.y_range(), Stroke::new(1.0, p.weak));
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_shown, name));
    let verb = if is_shown { "Hide" } else { "Show" };
    response.on_hover_text(format!("{verb} the {} ({keys})", name.to_lowercase())).clicked()
}

/// A small round spot of a colour.
pub(crate) fn dot(ui: &mut Ui, colour: Color32) {
    let (rect, _) = ui.allocate_exact_size(vec2(10.0, 14.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.5, colour);
}

/// Boxes to tick and buttons to choose among: with a line around them that is seen, as they have no words in them.
pub(crate) fn outlined<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    ui.scope(|ui| {
        let line = theme::outline(palette(ui.style()));
        // In menus, where buttons have no line, it has no width either.
        ui.visuals_mut().widgets.inactive.bg_stroke = Stroke::new(1.0, line);
        add(ui)
    })
    .inner
}

/// A tick, drawn, as the font has none.
pub(crate) fn tick(ui: &mut Ui, colour: Color32, name: &str) {
    let (rect, response) = ui.allocate_exact_size(vec2(12.0, 14.0), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, name));
    let at = |x: f32, y: f32| rect.center() + vec2(x, y);
    let stroke = Stroke::new(1.8, colour);
    ui.painter().line_segment([at(-4.5, 0.5), at(-1.0, 4.0)], stroke);
    ui.painter().line_segment([at(-1.0, 4.0), at(5.0, -4.0)], stroke);
}

/// How a picture of so many pixels a side is drawn large: a small one as the pixels it is.
pub(crate) fn magnified(side: usize) -> TextureOptions {
    if side <= 128 { TextureOptions::NEAREST } else { TextureOptions::LINEAR }
}

/// Called at the end of what a menu or a list of choices holds: a choice by keyboard closes it, as a click does, and what had the keyboard
/// before has it again.
pub(crate) fn close_after_key(ui: &Ui) {
    let focused = ui.memory(|memory| memory.focused());
    let control = focused.and_then(|id| ui.ctx().read_response(id));
    let before = ui.layer_id().id.with("before");
    if control.is_none_or(|control| control.layer_id != ui.layer_id()) {
        if let Some(id) = focused {
            ui.data_mut(|data| data.insert_temp(before, id));
        }
        return;
    }
    // Consumed: it is not meant for what gets the keyboard now.
    let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
    if pressed(Key::Enter) || pressed(Key::Space) {
        ui.close();
        if let Some(id) = ui.data(|data| data.get_temp(before)) {
            ui.memory_mut(|memory| memory.request_focus(id));
        }
    }
}

/// How often a key was pressed more often than another one: where a frame takes long, several presses come with it.
pub(crate) fn presses(ctx: &egui::Context, more: Key, less: Key) -> isize {
    ctx.input(|input| input.num_presses(more) as isize - input.num_presses(less) as isize)
}

/// Room between two sections of a panel.
pub(crate) fn gap(ui: &mut Ui) {
    ui.add_space(18.0);
}

/// A ring around what has the keyboard. It is drawn last, around whatever it is: controls that are filled or have no frame
/// show of themselves hardly or not at all that they have it.
pub(crate) fn focus_ring(ctx: &egui::Context) {
    let focused = ctx.memory(|memory| memory.focused()).and_then(|id| ctx.read_response(id));
    // What cannot be clicked shows the keyboard's place by itself: the grid has a cursor.
    let Some(control) = focused.filter(|control| control.sense.senses_click()) else { return };
    if control.interact_rect.is_positive() {
        let stroke = Stroke::new(2.0, palette(&ctx.global_style()).after);
        let painter = ctx.layer_painter(control.layer_id);
        painter.rect_stroke(control.interact_rect.expand(2.0), 8.0, stroke, egui::StrokeKind::Outside);
    }
}

/// Scrolls to what has just got the keyboard, if it is within this scrolled area; called at the area's end.
pub(crate) fn keep_focus_in_sight(ui: &Ui) {
    let focused = ui.memory(|memory| memory.focused()).and_then(|id| ui.ctx().read_response(id));
    let here = |control: &Response| {
        // What is seen where the scrolled content is cut off is no part of it.
        let seen = control.interact_rect.shrink(1.0);
        let is_part = !seen.is_positive() || ui.clip_rect().contains_rect(seen);
        is_part && control.layer_id == ui.layer_id() && ui.min_rect().expand(1.0).contains_rect(control.rect)
    };
    if let Some(control) = focused.filter(|control| control.gained_focus() && here(control)) {
        // At once: the next key may come before a motion has ended.
        ui.scroll_to_rect_animation(control.rect.expand(6.0), None, egui::style::ScrollAnimation::none());
    }
}
