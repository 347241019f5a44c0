//! Planes in scratch memory, split into the phases of their columns, and filters between them.

use super::super::resample::lines::Lines;

/// Floats of a cache line: rows begin at multiples of it.
const LINE: usize = 16;

/// A plane whose column `phases * j + f` lies at place `j` of phase `f`'s row, with margins of zeros around each row.
#[derive(Clone, Debug)]
pub struct Grid {
    pub phases: usize,
    pub rows: usize,
    /// Columns of a phase.
    pub len: usize,
    margin: usize,
    pitch: usize,
    /// Where it begins in its buffer.
    start: usize,
}

/// One tap and what it meets: a phase and row of the plane that is read, and how far to the right of the place that is
/// written.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    pub tap: f32,
    pub phase: usize,
    pub row: usize,
    pub shift: isize,
}

impl Grid {
    /// A plane of `[height, width]` split into phases, in which terms reach from `reach[0]` to `reach[1]` beyond the place
    /// that is written, of which there are `places`.
    pub fn new([height, width]: [usize; 2], phases: usize, reach: [isize; 2], places: usize) -> Self {
        let len = width.div_ceil(phases);
        let before = (-reach[0]).max(0) as usize;
        let behind = (places as isize + reach[1] - len as isize).max(0) as usize;
        let margin = before.next_multiple_of(LINE);
        let pitch = (margin + len + behind).next_multiple_of(LINE);
        Self { phases, rows: height, len, margin, pitch, start: 0 }
    }

    /// A plane as images have them: rows one after the other, nothing between.
    pub fn packed([height, width]: [usize; 2]) -> Self {
        Self { phases: 1, rows: height, len: width, margin: 0, pitch: width, start: 0 }
    }

    /// The same with another height.
    pub fn with_rows(&self, rows: usize) -> Self {
        Self { rows, ..self.clone() }
    }

    /// Floats it takes.
    pub fn size(&self) -> usize {
        self.phases * self.rows * self.pitch
    }

    /// Where a row of a phase begins.
    pub fn row(&self, phase: usize, row: usize) -> usize {
        self.start + (phase * self.rows + row) * self.pitch + self.margin
    }

    /// The plane `to` as sums of shifted lines of this one. Rows that lie `period` apart read rows that lie `advance` apart.
    pub fn filtered(
        &self,
        to: &Self,
        [period, advance]: [usize; 2],
        terms: impl Fn(usize, usize) -> Vec<Term>,
    ) -> Vec<Lines> {
        let mut all: Vec<Lines> = Vec::new();
        let from_step = advance * self.pitch;
        for phase in 0..to.phases {
            for residue in 0..period.min(to.rows) {
                let mut before: Option<Lines> = None;
                for row in (residue..to.rows).step_by(period) {
                    let place = |t: &Term| (t.tap, (self.row(t.phase, t.row) as isize + t.shift) as usize);
                    let terms: Vec<_> = terms(phase, row).iter().map(place).collect();
                    // Rows that take the same taps are lines of one sum.
                    let continues = |lines: &Lines| {
                        let next = lines.terms.iter().map(|(tap, at)| (*tap, at + lines.count * from_step));
                        lines.terms.len() == terms.len() && next.eq(terms.iter().copied())
                    };
                    match &mut before {
                        Some(lines) if continues(lines) => lines.count += 1,
                        _ => {
                            let (start, to_step) = (to.row(phase, row), period * to.pitch);
                            let lines = Lines { terms, from_step, start, to_step, count: 1, len: to.len };
                            all.extend(before.replace(lines));
                        }
                    }
                }
                all.extend(before);
            }
        }
        all
    }
}
