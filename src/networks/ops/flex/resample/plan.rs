//! Everything about a resampling that is the same for each plane.

use super::super::super::fir::Fir;
use super::lines::Lines;

/// How a plane is resampled: down its columns into an intermediate plane whose rows have margins
/// of zeros, then along these rows.
///
/// Along an axis, output `up * j + r` reads the padded, zero-inserted input at
/// `(up * j + r) * down + t`. For each phase `r` of the output, only some taps `t` meet data, at
/// `place + j * down`. So with the rows split into `down` phases, an output phase is a sum of
/// shifted input phases.
pub struct Plan {
    pub output: [usize; 2],
    pub up: usize,
    pub down: usize,
    /// From the plane to the intermediate plane.
    pub vertical: Vec<Lines>,
    /// From the phases of the intermediate plane's rows to the phases of the output's rows.
    pub horizontal: Vec<Lines>,
    /// Floats of the intermediate plane.
    pub middle_len: usize,
    /// Length of an output phase of a row.
    pub part_len: usize,
}

impl Plan {
    pub fn new(fir: &Fir, [h, w]: [usize; 2], output: [usize; 2]) -> Self {
        let (up, down) = (fir.up, fir.down);
        let [oh, ow] = output;
        let part_len = ow.div_ceil(up);

        let columns: Vec<_> = (0..up).map(|r| terms(fir, fir.pad_x[0], r)).collect();
        let places = || columns.iter().flatten().map(|(_, place)| *place);
        let margin = places().min().map_or(0, |first| (-first).max(0));
        let reach = places().max().unwrap_or(0) + (part_len * down) as isize;
        let row = (margin + w as isize).max(margin + reach) as usize;
        let phase_len = row.div_ceil(down);
        let start = |(tap, place): &(f32, isize)| {
            let place = (place + margin) as usize;
            (*tap, place % down * oh * phase_len + place / down)
        };
        let horizontal = columns.iter().enumerate().map(|(r, terms)| Lines {
            terms: terms.iter().map(start).collect(),
            from_step: phase_len,
            start: r * oh * part_len,
            to_step: part_len,
            count: oh,
            len: part_len,
        });

        let row_len = down * phase_len;
        let mut vertical = Vec::new();
        for r in 0..up {
            let terms = terms(fir, fir.pad_y[0], r);
            let mut taps_before = None;
            for (j, y) in (r..oh).step_by(up).enumerate() {
                let inside = |(t, (tap, place)): (usize, &(f32, isize))| {
                    let row = place + (j * down) as isize;
                    (0..h as isize).contains(&row).then(|| (t, (*tap, row as usize * w)))
                };
                let (taps, terms): (Vec<_>, Vec<_>) = terms.iter().enumerate().filter_map(inside).unzip();
                // Rows that take the same taps are lines of one sum.
                if let (Some(last), true) = (vertical.last_mut(), taps_before.as_ref() == Some(&taps)) {
                    let last: &mut Lines = last;
                    last.count += 1;
                    continue;
                }
                taps_before = Some(taps);
                vertical.push(Lines {
                    terms,
                    from_step: down * w,
                    start: y * row_len + margin as usize,
                    to_step: up * row_len,
                    count: 1,
                    len: w,
                });
            }
        }
        Self { output, up, down, horizontal: horizontal.collect(), vertical, middle_len: oh * row_len, part_len }
    }
}

/// The taps that output phase `r` applies to data, and the places it applies them to first.
fn terms(fir: &Fir, pad: isize, r: usize) -> Vec<(f32, isize)> {
    let up = fir.up as isize;
    let at = |t: usize| (r * fir.down + t) as isize - pad;
    // A true convolution: the last tap meets the data first.
    let taps = fir.taps.iter().rev().enumerate();
    taps.filter(|(t, _)| at(*t).rem_euclid(up) == 0).map(|(t, tap)| (*tap, at(t).div_euclid(up))).collect()
}
