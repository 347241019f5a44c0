//! How large the window was when it was left, and which panels it showed.

use serde::{Deserialize, Serialize};

/// The least width and height of the window, in points.
pub const LEAST_SIZE: [f32; 2] = [800.0, 560.0];

/// The window as it was left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WindowLayout {
    /// Width and height in points, when it was not maximised last.
    pub size: [f32; 2],
    /// Whether it was maximised.
    pub maximized: bool,
    /// Whether the left panel is shown.
    pub left_panel: bool,
    /// Whether the right panel is shown.
    pub right_panel: bool,
}

impl Default for WindowLayout {
    fn default() -> Self {
        Self { size: [1360.0, 860.0], maximized: false, left_panel: true, right_panel: true }
    }
}

impl WindowLayout {
    /// The size to open the window with: what a file says may be anything.
    pub fn usable_size(&self) -> [f32; 2] {
        let [width, height] = self.size;
        if !width.is_finite() || !height.is_finite() {
            return Self::default().size;
        }
        [width.max(LEAST_SIZE[0]), height.max(LEAST_SIZE[1])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_size_in_a_file_gives_a_usable_window() {
        let size = |size| WindowLayout { size, ..WindowLayout::default() }.usable_size();
        assert_eq!(size([1100.5, 700.0]), [1100.5, 700.0]);
        assert_eq!(size([300.0, 5000.0]), [LEAST_SIZE[0], 5000.0]);
        assert_eq!(size([f32::INFINITY, 600.0]), WindowLayout::default().size);
    }
}
