//! Colours, sizes and spacing, in one place, light and dark.

use eframe::egui::{
    self, Color32, Context, CornerRadius, FontFamily, FontId, Margin, Stroke, Style, TextStyle, Theme, Visuals,
    style::WidgetVisuals, vec2,
};

use crate::app::state::prefs;

/// The colours of a theme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Palette {
    /// Behind the grid.
    pub canvas: Color32,
    /// Behind the panels.
    pub panel: Color32,
    /// Behind what stands out from a panel.
    pub card: Color32,
    /// Buttons under the pointer.
    pub lifted: Color32,
    /// Lines between things.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Text that explains.
    pub weak: Color32,
    /// What must go.
    pub negative: Color32,
    /// What may stay.
    pub positive: Color32,
    /// As it was.
    pub before: Color32,
    /// As it is now, and whatever leads there.
    pub after: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// The dark theme.
pub const DARK: Palette = Palette {
    canvas: rgb(0x0f1114),
    panel: rgb(0x16191e),
    card: rgb(0x1f242b),
    lifted: rgb(0x2b323b),
    line: rgb(0x272c34),
    text: rgb(0xe3e6eb),
    weak: rgb(0x959dab),
    negative: rgb(0xee5a52),
    positive: rgb(0x3fb970),
    before: rgb(0xe0a83e),
    after: rgb(0x4f98f7),
};

/// The light theme.
pub const LIGHT: Palette = Palette {
    canvas: rgb(0xeceef1),
    panel: rgb(0xf8f9fa),
    card: rgb(0xffffff),
    lifted: rgb(0xe9ecf0),
    line: rgb(0xdde1e6),
    text: rgb(0x1d2127),
    weak: rgb(0x5f6774),
    negative: rgb(0xc2362f),
    positive: rgb(0x167840),
    before: rgb(0x8f5e0e),
    after: rgb(0x2065d0),
};

/// The least contrast of text and what it stands on: WCAG 2, level AA.
const READABLE: f32 = 4.5;
/// The least contrast of a control and what it stands on: WCAG 2, level AA.
const VISIBLE: f32 = 3.0;
/// Opacity of what is disabled: as faint as text may be that has to be read.
const DISABLED: f32 = 0.65;

/// The colours in use.
pub fn palette(style: &Style) -> Palette {
    if style.visuals.dark_mode { DARK } else { LIGHT }
}

/// Sets up both themes.
pub fn install(ctx: &Context) {
    for (theme, palette) in [(Theme::Dark, DARK), (Theme::Light, LIGHT)] {
        ctx.style_mut_of(theme, |style| {
            style.visuals = visuals(theme, palette);
            spacing(style);
        });
    }
}

/// Uses the theme that the user chose.
pub fn choose(ctx: &Context, theme: prefs::Theme) {
    ctx.set_theme(match theme {
        prefs::Theme::System => egui::ThemePreference::System,
        prefs::Theme::Dark => egui::ThemePreference::Dark,
        prefs::Theme::Light => egui::ThemePreference::Light,
    });
}

fn spacing(style: &mut Style) {
    let font = |size| FontId::new(size, FontFamily::Proportional);
    style.text_styles = [
        (TextStyle::Small, font(12.0)),
        (TextStyle::Body, font(13.5)),
        (TextStyle::Button, font(13.5)),
        (TextStyle::Heading, font(15.5)),
        (TextStyle::Monospace, FontId::new(12.0, FontFamily::Monospace)),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(8.0, 7.0);
    spacing.button_padding = vec2(10.0, 5.0);
    spacing.interact_size = vec2(36.0, 26.0);
    spacing.window_margin = Margin::same(18);
    spacing.menu_margin = Margin::same(8);
    spacing.slider_width = 130.0;
    spacing.combo_width = 90.0;
    spacing.tooltip_width = 300.0;
    spacing.scroll.bar_width = 8.0;
    spacing.scroll.fade.strength = 0.0;
    style.interaction.tooltip_delay = 0.4;
    style.interaction.selectable_labels = false;
}

fn visuals(theme: Theme, p: Palette) -> Visuals {
    let mut visuals = theme.default_visuals();
    let radius = CornerRadius::same(6);
    let widget = |fill: Color32, text: Color32, border: Color32| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: Stroke::new(1.0, border),
        corner_radius: radius,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    let widgets = &mut visuals.widgets;
    widgets.noninteractive = widget(p.panel, p.text, p.line);
    widgets.inactive = widget(p.card, p.text, p.line);
    widgets.hovered = widget(p.lifted, p.text, p.weak.gamma_multiply(0.5));
    widgets.active = widget(p.lifted, p.text, p.after);
    widgets.open = widget(p.lifted, p.text, p.line);
    visuals.selection.bg_fill = mix(p.card, p.after, 0.3);
    visuals.selection.stroke = Stroke::new(1.0, p.text);
    visuals.hyperlink_color = p.after;
    visuals.faint_bg_color = mix(p.panel, p.card, 0.5);
    visuals.extreme_bg_color = mix(p.canvas, p.panel, 0.4);
    visuals.weak_text_color = Some(p.weak);
    visuals.panel_fill = p.panel;
    visuals.window_fill = p.card;
    visuals.window_stroke = Stroke::new(1.0, p.line);
    visuals.window_corner_radius = CornerRadius::same(10);
    visuals.menu_corner_radius = CornerRadius::same(8);
    visuals.warn_fg_color = p.before;
    visuals.error_fg_color = p.negative;
    visuals.slider_trailing_fill = true;
    visuals.collapsing_header_frame = false;
    visuals.indent_has_left_vline = false;
    visuals.disabled_alpha = DISABLED;
    visuals
}

/// A colour between two.
pub fn mix(a: Color32, b: Color32, t: f32) -> Color32 {
    a.lerp_to_gamma(b, t)
}

/// The faintest shade that is told from the panels and cards it stands on.
pub fn outline(p: Palette) -> Color32 {
    let is_seen = |shade: &Color32| [p.panel, p.card].iter().all(|&ground| contrast(*shade, ground) >= VISIBLE);
    (0..=20).map(|step| mix(p.card, p.weak, 0.05 * step as f32)).find(is_seen).unwrap_or(p.weak)
}

/// The lightest shade of a meaning's colour on which white text can be read.
pub fn filled(meaning: Color32) -> Color32 {
    let shades = (3..=20).map(|step| mix(meaning, Color32::BLACK, 0.04 * step as f32));
    shades.into_iter().find(|&shade| contrast(Color32::WHITE, shade) >= READABLE).unwrap_or(Color32::BLACK)
}

/// Contrast of two colours, from 1 to 21, as WCAG 2 defines it.
fn contrast(a: Color32, b: Color32) -> f32 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance, from 0 to 1, as WCAG 2 defines it.
fn luminance(colour: Color32) -> f32 {
    let linear = |byte: u8| egui::ecolor::linear_f32_from_gamma_u8(byte);
    0.2126 * linear(colour.r()) + 0.7152 * linear(colour.g()) + 0.0722 * linear(colour.b())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [(Theme, Palette); 2] = [(Theme::Dark, DARK), (Theme::Light, LIGHT)];

    fn assert_readable(text: Color32, background: Color32, what: &str) {
        let contrast = contrast(text, background);
        assert!(contrast >= READABLE, "{what}: {text:?} on {background:?} has {contrast:.2}");
    }

    #[test]
    fn all_text_can_be_read() {
        for (_, p) in BOTH {
            for background in [p.canvas, p.panel, p.card, p.lifted] {
                assert_readable(p.weak, background, "a hint");
                assert!(contrast(p.text, background) > 7.0, "text on {background:?}");
            }
            for background in [p.canvas, p.panel, p.card] {
                for meaning in [p.negative, p.positive, p.before, p.after] {
                    assert_readable(meaning, background, "a meaning");
                }
            }
        }
    }

    #[test]
    fn boxes_to_tick_are_seen() {
        for (_, p) in BOTH {
            for ground in [p.panel, p.card] {
                assert!(contrast(outline(p), ground) >= VISIBLE, "{:?} on {ground:?}", outline(p));
            }
        }
    }

    #[test]
    fn white_on_a_meaning_can_be_read_and_shows_the_meaning() {
        for (_, p) in BOTH {
            for meaning in [p.negative, p.positive, p.before, p.after] {
                assert_readable(Color32::WHITE, filled(meaning), "a button");
                assert!(luminance(filled(meaning)) > 0.3 * luminance(meaning), "{meaning:?} is nearly black");
            }
        }
    }

    /// A disabled control is drawn with less opacity, fill and text alike, and blended in gamma space.
    #[test]
    fn what_is_disabled_can_be_read() {
        for (theme, p) in BOTH {
            let alpha = visuals(theme, p).disabled_alpha;
            assert!(alpha < 0.8, "it looks disabled");
            for background in [p.canvas, p.panel, p.card] {
                assert_readable(mix(background, p.text, alpha), background, "a disabled label");
                let fill = mix(background, p.card, alpha);
                assert_readable(mix(fill, p.text, alpha), fill, "a disabled button");
            }
        }
    }

    #[test]
    fn what_is_chosen_can_be_read() {
        for (theme, p) in BOTH {
            assert_readable(p.text, visuals(theme, p).selection.bg_fill, "a chosen entry");
        }
    }
}
