//! Everything about a filtered activation that is the same for each plane.

use super::super::resample::lines::Lines;
use super::grid::{Grid, Term};
use crate::networks::ops::filtered::{FilteredActivation, Lowpass};
use crate::networks::ops::fir::Fir;

/// Filters from one plane to the next, and the plane that lies between them, if there are two.
pub struct Step {
    pub filters: Vec<Vec<Lines>>,
    /// Floats of the plane between.
    pub between: usize,
}

/// How a plane is filtered. At the higher sampling rate it is split into as many phases of columns as it was upsampled by,
/// which decimation by a divisor of that reads as it lies.
pub struct Plan {
    /// The input, biased and scaled.
    pub input: Grid,
    /// The result, split into phases.
    pub output: Grid,
    /// At the higher sampling rate.
    pub wide: Grid,
    /// From the input to the higher rate.
    pub up: Step,
    /// From the higher rate to the output.
    pub down: Step,
    /// From the output's gradient to that at the higher rate.
    pub down_adjoint: Step,
    /// From there to the input's gradient.
    pub up_adjoint: Step,
}

/// The taps in the order in which they meet the data: a true convolution applies them flipped.
fn flipped(fir: &Fir) -> Vec<f32> {
    fir.taps.iter().rev().copied().collect()
}

/// What a table of taps or a row of them does along an axis.
enum Taps {
    Row(Vec<f32>),
    Table(Vec<f32>, usize),
}

impl Taps {
    fn of(lowpass: &Lowpass) -> Self {
        match lowpass {
            Lowpass::Separable(fir) => Self::Row(flipped(fir)),
            Lowpass::Table(fir) => Self::Table(fir.taps.iter().rev().copied().collect(), fir.side),
        }
    }

    fn side(&self) -> usize {
        match self {
            Self::Row(taps) => taps.len(),
            Self::Table(_, side) => *side,
        }
    }
}

impl Plan {
    /// The plan for planes of `input`, if the upsampling is a multiple of the downsampling, as in every network there is.
    pub fn new(filtered: &FilteredActivation, input: [usize; 2]) -> Option<Self> {
        let FilteredActivation { up, down, .. } = filtered;
        let (u, d) = (up.up, down.down());
        if up.down != 1 || u % d != 0 {
            return None;
        }
        let q = u / d;
        let ([h, w], wide) = (input, up.output_size(input));
        let output = down.output_size(wide);
        let ([wide_h, wide_w], [oh, ow]) = (wide, output);
        let (up_taps, down_taps) = (flipped(up), Taps::of(down));
        let (i, part, result) = (|n: usize| n as isize, wide_w.div_ceil(u), ow.div_ceil(q));
        let [pad_y, pad_x] = [up.pad_y[0], up.pad_x[0]];

        // Upsampling: place `r` reads the input at `(r + t - pad) / u`, where that is whole.
        let across_up = |f: usize| -> Vec<(f32, isize)> {
            let at = |t: usize| i(f + t) - pad_x;
            let taps = up_taps.iter().enumerate().filter(|(t, _)| at(*t).rem_euclid(i(u)) == 0);
            taps.map(|(t, tap)| (*tap, at(t).div_euclid(i(u)))).collect()
        };
        let reach = reach((0..u).flat_map(across_up).map(|(_, shift)| shift));
        let padded = Grid::new([wide_h, w], 1, reach, part);
        // Downsampling: place `q * j + s` reads column `u * j + s * d + t`.
        let across_down = |s: usize, t: usize| ((s * d + t) % u, i((s * d + t) / u));
        let side = down_taps.side();
        let down_reach = [0, across_down(q - 1, side - 1).1];
        // Its adjoint: column `u * j + f` reads places `q * j + k` where `k * d = f - t`.
        let across_down_adjoint = |f: usize, t: usize| -> Option<(usize, isize)> {
            let k = i(f) - i(t);
            (k.rem_euclid(i(d)) == 0).then(|| {
                let k = k.div_euclid(i(d));
                (k.rem_euclid(i(q)) as usize, k.div_euclid(i(q)))
            })
        };
        let places = (0..u).flat_map(|f| (0..side).filter_map(move |t| across_down_adjoint(f, t)));
        let output_reach = self::reach(places.map(|(_, shift)| shift));
        // The adjoint of upsampling: input `x` reads column `u * x + pad - t`.
        let across_up_adjoint = |t: usize| {
            let at = pad_x - i(t);
            (at.rem_euclid(i(u)) as usize, at.div_euclid(i(u)))
        };
        let wide_reach = self::reach((0..up_taps.len()).map(|t| across_up_adjoint(t).1));

        let packed = Grid::packed(input);
        let [low, high] = [wide_reach[0].min(0), wide_reach[1].max(0) + i(w) - i(part)];
        let behind = high.max(down_reach[1] + i(result) - i(part)).max(0);
        let wide_grid = Grid::new(wide, u, [low, behind], part);
        let output_grid = Grid::new(output, q, output_reach, part);
        let inside = |row: isize, rows: usize| (0..i(rows)).contains(&row).then_some(row as usize);

        let up_step = {
            let down_columns = packed.filtered(&padded, [u, 1], |_, row| {
                let term = |(t, tap): (usize, &f32)| {
                    let at = i(row + t) - pad_y;
                    let row = inside(at.div_euclid(i(u)), h).filter(|_| at.rem_euclid(i(u)) == 0)?;
                    Some(Term { tap: *tap, phase: 0, row, shift: 0 })
                };
                up_taps.iter().enumerate().filter_map(term).collect()
            });
            let along_rows = padded.filtered(&wide_grid, [1, 1], |f, row| {
                across_up(f).into_iter().map(|(tap, shift)| Term { tap, phase: 0, row, shift }).collect()
            });
            Step { filters: vec![down_columns, along_rows], between: padded.size() }
        };
        let down_step = match &down_taps {
            Taps::Row(taps) => {
                let middle = wide_grid.with_rows(oh);
                let down_columns = wide_grid.filtered(&middle, [1, d], |phase, row| {
                    let term = |(t, tap): (usize, &f32)| Term { tap: *tap, phase, row: row * d + t, shift: 0 };
                    taps.iter().enumerate().map(term).collect()
                });
                let along_rows = middle.filtered(&output_grid, [1, 1], |s, row| {
                    let term = |(t, tap): (usize, &f32)| {
                        let (phase, shift) = across_down(s, t);
                        Term { tap: *tap, phase, row, shift }
                    };
                    taps.iter().enumerate().map(term).collect()
                });
                Step { filters: vec![down_columns, along_rows], between: middle.size() }
            }
            Taps::Table(taps, _) => {
                let filter = wide_grid.filtered(&output_grid, [1, d], |s, row| {
                    let term = |(place, tap): (usize, &f32)| {
                        let (phase, shift) = across_down(s, place % side);
                        Term { tap: *tap, phase, row: row * d + place / side, shift }
                    };
                    taps.iter().enumerate().map(term).collect()
                });
                Step { filters: vec![filter], between: 0 }
            }
        };
        // Row `r` reads the output's row `(r - t) / d`, where that is whole.
        let row_down_adjoint = |row: usize, t: usize| {
            let at = i(row) - i(t);
            inside(at.div_euclid(i(d)), oh).filter(|_| at.rem_euclid(i(d)) == 0)
        };
        let down_adjoint = match &down_taps {
            Taps::Row(taps) => {
                let middle = output_grid.with_rows(wide_h);
                let down_columns = output_grid.filtered(&middle, [d, 1], |phase, row| {
                    let term = |(t, tap): (usize, &f32)| {
                        Some(Term { tap: *tap, phase, row: row_down_adjoint(row, t)?, shift: 0 })
                    };
                    taps.iter().enumerate().filter_map(term).collect()
                });
                let along_rows = middle.filtered(&wide_grid, [1, 1], |f, row| {
                    let term = |(t, tap): (usize, &f32)| {
                        let (phase, shift) = across_down_adjoint(f, t)?;
                        Some(Term { tap: *tap, phase, row, shift })
                    };
                    taps.iter().enumerate().filter_map(term).collect()
                });
                Step { filters: vec![down_columns, along_rows], between: middle.size() }
            }
            Taps::Table(taps, _) => {
                let filter = output_grid.filtered(&wide_grid, [d, 1], |f, row| {
                    let term = |(place, tap): (usize, &f32)| {
                        let (phase, shift) = across_down_adjoint(f, place % side)?;
                        Some(Term { tap: *tap, phase, row: row_down_adjoint(row, place / side)?, shift })
                    };
                    taps.iter().enumerate().filter_map(term).collect()
                });
                Step { filters: vec![filter], between: 0 }
            }
        };
        let up_adjoint = {
            let middle = wide_grid.with_rows(h);
            let down_columns = wide_grid.filtered(&middle, [1, u], |phase, row| {
                let term = |(t, tap): (usize, &f32)| {
                    let row = inside(i(u * row) + pad_y - i(t), wide_h)?;
                    Some(Term { tap: *tap, phase, row, shift: 0 })
                };
                up_taps.iter().enumerate().filter_map(term).collect()
            });
            let along_rows = middle.filtered(&packed, [1, 1], |_, row| {
                let term = |(t, tap): (usize, &f32)| {
                    let (phase, shift) = across_up_adjoint(t);
                    Term { tap: *tap, phase, row, shift }
                };
                up_taps.iter().enumerate().map(term).collect()
            });
            Step { filters: vec![down_columns, along_rows], between: middle.size() }
        };
        let (input, output, wide) = (packed, output_grid, wide_grid);
        Some(Self { input, output, wide, up: up_step, down: down_step, down_adjoint, up_adjoint })
    }
}

/// The furthest that terms reach to the left and to the right.
fn reach(shifts: impl Iterator<Item = isize>) -> [isize; 2] {
    shifts.fold([0, 0], |[low, high], shift| [low.min(shift), high.max(shift)])
}
