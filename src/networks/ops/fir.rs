//! What an `upfirdn2d` does, as plain data.

/// A separable FIR resampling: zero insertion by `up`, padding, filtering, decimation by `down`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fir {
    /// The one-dimensional taps, applied along both axes as a true convolution.
    pub taps: Vec<f32>,
    /// Zero insertion factor.
    pub up: usize,
    /// Decimation factor.
    pub down: usize,
    /// Padding before and after along the height, counted after the zero insertion.
    pub pad_y: [isize; 2],
    /// Padding before and after along the width, counted after the zero insertion.
    pub pad_x: [isize; 2],
}

impl Fir {
    /// The same resampling along both axes.
    pub fn new(taps: &[f32], up: usize, down: usize, pad: [isize; 2]) -> Self {
        assert!(!taps.is_empty(), "upfirdn2d: no taps");
        assert!(up > 0 && down > 0, "upfirdn2d: up and down start at 1");
        Self { taps: taps.to_vec(), up, down, pad_y: pad, pad_x: pad }
    }

    /// The size of the result for an input of `[height, width]`.
    pub fn output_size(&self, [h, w]: [usize; 2]) -> [usize; 2] {
        [self.output_len(h, self.pad_y), self.output_len(w, self.pad_x)]
    }

    /// The resampling that is this one's adjoint for inputs of `[height, width]`: its backward
    /// pass. The formula is rosinality's (`op/upfirdn2d.py`).
    pub fn adjoint(&self, [h, w]: [usize; 2]) -> Self {
        let [oh, ow] = self.output_size([h, w]);
        Self {
            taps: self.taps.iter().rev().copied().collect(),
            up: self.down,
            down: self.up,
            pad_y: self.adjoint_pad(h, oh, self.pad_y),
            pad_x: self.adjoint_pad(w, ow, self.pad_x),
        }
    }

    fn output_len(&self, len: usize, pad: [isize; 2]) -> usize {
        output_len(self.taps.len(), [self.up, self.down], len, pad)
    }

    fn adjoint_pad(&self, len: usize, out: usize, pad: [isize; 2]) -> [isize; 2] {
        adjoint_pad(self.taps.len(), [self.up, self.down], [len, out], pad)
    }
}

/// Length of the result along an axis.
pub(super) fn output_len(taps: usize, [up, down]: [usize; 2], len: usize, [pad0, pad1]: [isize; 2]) -> usize {
    let padded = (len * up) as isize + pad0 + pad1;
    let room = padded - taps as isize;
    assert!(len > 0 && room >= 0, "upfirdn2d: {taps} taps do not fit into a padded side of {padded}");
    room as usize / down + 1
}

/// Padding of the adjoint along an axis, whose lengths are those of input and output.
pub(super) fn adjoint_pad(
    taps: usize,
    [up, down]: [usize; 2],
    [len, out]: [usize; 2],
    [pad0, _]: [isize; 2],
) -> [isize; 2] {
    let (up, down) = (up as isize, down as isize);
    [taps as isize - pad0 - 1, len as isize * up - out as isize * down + pad0 - up + 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adjoint_returns_to_the_input_size() {
        for (h, w) in [(4, 4), (5, 8), (9, 7), (32, 31)] {
            for (up, down, pad) in [(1, 1, [2, 1]), (2, 1, [2, 1]), (1, 2, [1, 1]), (2, 3, [3, -1])] {
                let fir = Fir::new(&[1., 3., 3., 1.], up, down, pad);
                let out = fir.output_size([h, w]);
                assert_eq!(fir.adjoint([h, w]).output_size(out), [h, w]);
            }
        }
    }

    #[test]
    fn the_adjoint_of_the_adjoint_filters_with_the_same_taps() {
        let fir = Fir::new(&[1., 2., 3.], 2, 1, [1, 1]);
        let back = fir.adjoint([6, 6]).adjoint(fir.output_size([6, 6]));
        assert_eq!(back.taps, fir.taps);
        assert_eq!((back.up, back.down), (fir.up, fir.down));
    }
}
