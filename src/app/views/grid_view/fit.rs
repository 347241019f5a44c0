//! How the bar above the grid is laid out at any width: nothing overlaps, and nothing leaves the grid.

use crate::app::state::view::Compare;

/// Room at both ends of a line.
pub(super) const MARGIN: f32 = 12.0;
/// Room between two controls.
pub(super) const SPACE: f32 = 8.0;
/// Room within a button beside its text, where there is much and where there is little.
pub(super) const PADDING: [f32; 2] = [10.0, 6.0];
/// How the controls are laid out where there is little room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fit {
    /// Room within a button beside its text.
    pub(super) padding: f32,
    /// A button for each way of comparing, else a menu.
    pub(super) buttons: bool,
    /// A word beside the seed.
    pub(super) label: bool,
    /// What is compared and which samples these are in a line each.
    pub(super) two_lines: bool,
}

/// Widths of the controls, without room within buttons.
#[derive(Clone, Copy, Debug)]
pub(super) struct Widths {
    /// The buttons for what is compared: of their texts.
    pub(super) compare: [f32; Compare::ALL.len()],
    /// What stands beside them.
    pub(super) beside: f32,
    /// The seed, the class, the menus; of these two their texts.
    pub(super) samples: f32,
    pub(super) menus: [f32; 2],
    /// The menu of the order, where there is one: of its longest text.
    pub(super) order: Option<f32>,
    /// The word beside the seed.
    pub(super) label: f32,
}

impl Widths {
    fn left(&self, buttons: bool, padding: f32) -> f32 {
        let all = self.compare.iter().map(|text| text + 2.0 * padding + 2.0).sum::<f32>();
        let widest = self.compare.iter().copied().fold(0.0, f32::max) + 2.0 * padding + SPACE;
        MARGIN + SPACE + if buttons { all } else { widest } + self.beside
    }

    fn right(&self, label: bool, padding: f32) -> f32 {
        let menus = self.menus.iter().chain(&self.order).map(|text| text + 2.0 * padding + SPACE).sum::<f32>();
        MARGIN + SPACE + menus + self.samples + if label { self.label + SPACE } else { 0.0 }
    }

    /// The roomiest layout that fits.
    pub(super) fn fit(&self, width: f32) -> Fit {
        let [wide, narrow] = PADDING;
        let lines = [(wide, true, true), (wide, true, false), (narrow, true, false), (narrow, false, false)];
        let fits = |&(padding, buttons, label): &(f32, bool, bool)| {
            self.left(buttons, padding) + self.right(label, padding) <= width
        };
        match lines.into_iter().find(fits) {
            Some((padding, buttons, label)) => Fit { padding, buttons, label, two_lines: false },
            None => {
                let buttons = self.left(true, narrow) <= width;
                let label = self.right(true, narrow) <= width;
                Fit { padding: narrow, buttons, label, two_lines: true }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTHS: Widths = Widths {
        compare: [31.0, 42.0, 29.0, 64.0, 29.0],
        beside: 0.0,
        samples: 44.0,
        menus: [31.0, 30.0],
        order: None,
        label: 29.0,
    };

    #[test]
    fn what_is_shown_fits_at_every_width() {
        for (beside, samples) in [(0.0, 44.0), (86.0, 44.0), (140.0, 166.0), (226.0, 166.0)] {
            let widths = Widths { beside, samples, ..WIDTHS };
            let mut before = None;
            for width in (300..2000).rev().map(|width| width as f32) {
                let fit = widths.fit(width);
                let (left, right) = (widths.left(fit.buttons, fit.padding), widths.right(fit.label, fit.padding));
                if fit.two_lines {
                    assert!(right <= width && (left <= width || !fit.buttons), "{width}: {fit:?}");
                } else {
                    assert!(left + right <= width, "{width}: {fit:?}");
                }
                // With less room nothing comes back that was left out, except where a second line gives room.
                let more = |before: Fit| !before.buttons && fit.buttons && before.two_lines == fit.two_lines;
                assert!(!before.is_some_and(more), "{width}: {fit:?}");
                before = Some(fit);
            }
        }
    }

    #[test]
    fn a_plain_model_takes_one_line() {
        let fit = |width| WIDTHS.fit(width);
        assert_eq!(fit(1300.0), Fit { padding: PADDING[0], buttons: true, label: true, two_lines: false });
        // The grid of a window 1024 wide, and of the least one.
        assert!(fit(456.0).buttons && !fit(456.0).two_lines);
        assert!(!fit(302.0).buttons && !fit(302.0).two_lines);
    }
}
