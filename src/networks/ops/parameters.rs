//! How a GPU lays out a network's parameters: each where it is aligned, scaled and in the order in which layers use it.

use std::ops::Range;

/// The order of a parameter's values in memory. In the flat vector they lie as `[outer, inner, taps]`, row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryOrder {
    /// As in the flat vector.
    RowMajor,
    /// `[outer, taps, inner]`: what a convolution reads side by side.
    InnerLast,
    /// `[inner, taps, outer]`: the same for a transposed convolution.
    OuterLast,
}

/// How layers use a parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// Its shape there: of one, two (`[outer, inner]`) or four dimensions (`[outer, inner, height, width]`).
    pub shape: Vec<usize>,
    /// Its order in memory there; of fewer than four dimensions always row-major.
    pub order: MemoryOrder,
    /// What it is multiplied by.
    pub scale: f32,
}

/// A parameter among those that were prepared.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its place in the flat vector.
    pub range: Range<usize>,
    /// Where it begins among the prepared values: a multiple of [`Parts::ALIGNMENT`].
    pub start: usize,
    /// How it is used.
    pub usage: Usage,
}

impl Part {
    /// `[outer, inner, taps]`.
    pub fn dims(&self) -> [usize; 3] {
        match *self.usage.shape.as_slice() {
            [outer, inner] => [outer, inner, 1],
            [outer, inner, h, w] => [outer, inner, h * w],
            _ => [self.range.len(), 1, 1],
        }
    }

    /// The last two of its three dimensions in memory, and how far apart neighbours along all three are in the flat vector.
    fn strides(&self) -> [usize; 5] {
        let [outer, inner, taps] = self.dims();
        match self.usage.order {
            MemoryOrder::RowMajor => [1, self.range.len(), 0, 0, 1],
            MemoryOrder::InnerLast => [taps, inner, inner * taps, 1, taps],
            MemoryOrder::OuterLast => [taps, outer, taps, 1, inner * taps],
        }
    }
}

/// All parameters of a network, in the order of the flat vector, which they cover without gaps.
#[derive(Debug, PartialEq)]
pub struct Parts {
    parts: Vec<Part>,
    values: usize,
}

impl Parts {
    /// Values to whose multiples beginnings are rounded up: 256 bytes, the most that a device asks of a buffer's offset.
    pub const ALIGNMENT: usize = 64;
    /// Numbers that [`table`](Self::table) has for a parameter.
    pub const COLUMNS: usize = 8;

    /// Parameters by how they are used.
    ///
    /// # Panics
    /// If a shape does not hold as many values as its place in the flat vector.
    pub fn new(usages: impl IntoIterator<Item = (Range<usize>, Usage)>) -> Self {
        let mut values = 0;
        let parts = usages.into_iter().map(|(range, usage)| {
            assert_eq!(usage.shape.iter().product::<usize>(), range.len(), "{usage:?} at {range:?}");
            let start = values;
            values += range.len().next_multiple_of(Self::ALIGNMENT);
            Part { range, start, usage }
        });
        Self { parts: parts.collect(), values }
    }

    /// Number of parameters.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// A parameter by its number.
    pub fn part(&self, number: usize) -> &Part {
        &self.parts[number]
    }

    /// Every parameter.
    pub fn iter(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter()
    }

    /// Number of prepared values, those between parameters included.
    pub fn values(&self) -> usize {
        self.values
    }

    /// What a kernel reads of each parameter: where it begins among the prepared values and in the flat vector, its length, and
    /// its strides.
    pub fn table(&self) -> Vec<i32> {
        let row = |part: &Part| {
            let [start, begin, len] = [part.start, part.range.start, part.range.len()];
            let [d1, d2, s0, s1, s2] = part.strides();
            [start, begin, len, d1, d2, s0, s1, s2].map(|number| number as i32)
        };
        self.parts.iter().flat_map(row).collect()
    }

    /// What each parameter is multiplied by.
    pub fn scales(&self) -> Vec<f32> {
        self.parts.iter().map(|part| part.usage.scale).collect()
    }
}

/// Parameters that follow each other, as many as one launch takes the gradients of.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The first one's number.
    pub first: usize,
    /// Whether there is a gradient, for each of them.
    pub present: Vec<bool>,
}

impl Run {
    /// The most parameters of a run.
    pub const MOST: usize = 12;

    /// Its parameters.
    pub fn parts<'a>(&self, parts: &'a Parts) -> &'a [Part] {
        &parts.parts[self.first..self.first + self.present.len()]
    }
}
