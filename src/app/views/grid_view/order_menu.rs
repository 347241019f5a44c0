//! The menu above the grid that says in which order samples are shown, by what a labeler says of them.

use eframe::egui::{
    PopupCloseBehavior, ProgressBar, RichText, Ui,
    containers::menu::{MenuButton, MenuConfig},
};

use crate::app::{
    state::{
        sample_order::{Filter, LookedThrough, Order},
        studio::Studio,
    },
    views::{format::group_digits, theme::palette, widgets},
};

/// The menu, where there is a labeler.
pub(super) fn ui(ui: &mut Ui, studio: &mut Studio) {
    if studio.labeler.is_none() {
        return;
    }
    let obstacle = studio.order_obstacle();
    let looked = studio.order.looked_through();
    let text = match looked.filter(|looked| looked.done < looked.of) {
        Some(looked) => format!("Order {}%", 100 * looked.done / looked.of),
        None => "Order".to_owned(),
    };
    let text = if looked.is_some() { RichText::new(text).strong() } else { RichText::new(text) };
    ui.add_enabled_ui(obstacle.is_none(), |ui| {
        let config = MenuConfig::new().close_behavior(PopupCloseBehavior::CloseOnClickOutside);
        let (response, _) = MenuButton::new(text).config(config).ui(ui, |ui| {
            ui.set_width(250.0);
            content(ui, studio);
        });
        let help = "Which samples come first, and which are shown, by how likely they show what must go";
        let response = response.accessible_name("Order").on_hover_text(help);
        response.on_disabled_hover_text(obstacle.unwrap_or_default());
    });
}

fn content(ui: &mut Ui, studio: &mut Studio) {
    let what = studio.labeler.as_ref().map(|labeler| labeler.removed_classes()).unwrap_or_default();
    let by = match studio.completes_pictures() {
        true => format!("By how likely the pictures show {what}, as the labeler sees them whole"),
        false => format!("By how likely samples show {what}, as the labeler sees them"),
    };
    widgets::explain(ui, by);
    ui.add_space(2.0);
    let chosen = studio.order.choice();
    let (mut order, mut filter) = chosen;
    for (this, name, help) in Order::ALL {
        widgets::outlined(ui, |ui| ui.radio_value(&mut order, this, name)).on_hover_text(help);
    }
    ui.separator();
    for (this, name, help) in Filter::ALL {
        widgets::outlined(ui, |ui| ui.radio_value(&mut filter, this, name)).on_hover_text(help);
    }
    if (order, filter) != chosen {
        studio.order.choose(order, filter);
    }
    if let Some(looked) = studio.order.looked_through() {
        ui.separator();
        progress(ui, studio, looked);
    }
}

/// How far the labeler is, and looking through no more or through more.
fn progress(ui: &mut Ui, studio: &mut Studio, looked: LookedThrough) {
    let (done, of) = (group_digits(looked.done), group_digits(looked.of));
    if looked.done < looked.of {
        let bar = ProgressBar::new(looked.done as f32 / looked.of as f32).desired_height(8.0).corner_radius(4.0);
        ui.add(bar.fill(palette(ui.style()).after));
        let waits = studio.order_waits_for();
        let until = waits.map_or_else(String::new, |what| format!(". The labeler goes on once the {what} has ended."));
        widgets::explain(ui, format!("{done} of {of} samples looked through{until}"));
        let stop = widgets::minor_button(ui, "Stop").accessible_name("Stop looking through samples");
        if stop.on_hover_text("Orders those that were looked through").clicked() {
            studio.order.stop();
        }
        return;
    }
    widgets::explain(ui, format!("{} of {done} samples looked through show it.", group_digits(looked.showing)));
    if looked.done < studio.sample_count() && widgets::minor_button(ui, "Look through more").clicked() {
        studio.order.look_through_more();
    }
}
