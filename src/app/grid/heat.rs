//! The colours of the heat view, as `shaders/grid.wgsl` mixes them: for its scale, which the window's own painter draws.

/// Change of a pixel from which on all of it looks the same, as a share of a channel's full range.
pub(crate) const MOST: f32 = 0.75;

/// Where the strength of the heat begins and ends to rise with the change.
const STRENGTH: [f32; 2] = [0.03, MOST];
/// Where heat takes the place of the grey picture.
const SHOWN: [f32; 2] = [0.03, 0.14];
/// Heat of the least change that is shown.
const LEAST: f32 = 0.15;
/// Brightness of the grey picture where nothing changed.
const DIMMED: f32 = 0.45;
/// Where each channel rises with the heat; blue rises, falls and rises again.
const RED: [f32; 2] = [0.0, 0.55];
const GREEN: [f32; 2] = [0.35, 0.95];
const BLUE: [[f32; 2]; 3] = [[0.0, 0.25], [0.3, 0.65], [0.8, 1.0]];
/// How bright blue is at its first peak and at the end.
const BLUE_PEAKS: [f32; 2] = [0.45, 0.8];

/// The colour of a pixel whose channels changed by at most `amount` (0 to 1), in gamma space, where the picture is a middle
/// grey.
pub(crate) fn colour(amount: f32) -> [f32; 3] {
    let hot = heat(LEAST + smoothstep(STRENGTH, amount));
    let shown = smoothstep(SHOWN, amount);
    hot.map(|channel| 0.5 * DIMMED * (1.0 - shown) + channel * shown)
}

/// From black over purple and orange to pale yellow.
fn heat(x: f32) -> [f32; 3] {
    let t = x.clamp(0.0, 1.0);
    let [rise, fall, end] = BLUE.map(|edges| smoothstep(edges, t));
    let blue = BLUE_PEAKS[0] * rise * (1.0 - fall) + BLUE_PEAKS[1] * end;
    [smoothstep(RED, t), smoothstep(GREEN, t), blue]
}

fn smoothstep([low, high]: [f32; 2], x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHADER: &str = include_str!("../../../shaders/grid.wgsl");

    /// Both say the same in the same words, so that neither is changed without the other.
    #[test]
    fn the_shader_has_the_same_numbers() {
        let [rise, fall, end] = BLUE;
        let step = |[low, high]: [f32; 2], x: &str| format!("smoothstep({low:?}, {high:?}, {x})");
        let lines = [
            format!("let red = {};", step(RED, "t")),
            format!("let green = {};", step(GREEN, "t")),
            format!(
                "let blue = {:?} * {} * (1.0 - {}) + {:?} * {};",
                BLUE_PEAKS[0],
                step(rise, "t"),
                step(fall, "t"),
                BLUE_PEAKS[1],
                step(end, "t")
            ),
            format!("let strength = {};", step(STRENGTH, "amount")),
            format!(
                "image = mix(vec3<f32>(grey * {DIMMED:?}), heat({LEAST:?} + strength), {});",
                step(SHOWN, "amount")
            ),
        ];
        for line in lines {
            assert!(SHADER.contains(&line), "{line}");
        }
    }

    #[test]
    fn more_change_is_brighter() {
        let brightness = |amount: f32| {
            let [red, green, blue] = colour(amount);
            0.2126 * red + 0.7152 * green + 0.0722 * blue
        };
        let places: Vec<f32> = (14..=75).map(|percent| percent as f32 / 100.0).collect();
        assert!(places.windows(2).all(|pair| brightness(pair[0]) <= brightness(pair[1])));
        assert_eq!(colour(0.0), [0.225; 3]);
        assert_eq!((colour(MOST), heat(1.0)), (colour(1.0), [1.0, 1.0, 0.8]));
        // What changed little is told from what did not change.
        assert!(colour(0.14)[0] > 2.0 * colour(0.14)[1], "{:?}", colour(0.14));
    }
}
