//! Sums over the planes of an image, in one order whatever the device does first: each cube adds up a part of some planes, a second
//! launch adds the parts.
//!
//! In memory an image is `[outer, rows, inner]`, and a plane's values are those of one `outer` and one `inner`: planes, pixels and
//! nothing with channels first; samples, pixels and channels with channels last.

use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::tensor::CubeTensor;

use super::image::{Image, address_type, empty};

/// Units of a cube.
const UNITS: usize = 256;
/// Rows that a unit adds up before it pays to share a plane among cubes.
const ROWS_PER_UNIT: usize = 16;
/// Cubes that keep any device busy; planes are not cut into more.
const ENOUGH_CUBES: usize = 4096;

/// Who adds up what: cubes of `wide * high` units, each for `wide` neighbours of `inner` and a part of the rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    outer: usize,
    rows: usize,
    inner: usize,
    wide: usize,
    high: usize,
    /// How many cubes lie side by side along `inner`.
    groups: usize,
    /// How many parts the rows are cut into, and how long each is.
    parts: usize,
    part: usize,
}

impl Plan {
    /// `units` is a power of two.
    fn new([outer, rows, inner]: [usize; 3], units: usize) -> Self {
        let wide = inner.next_power_of_two().min(32).min(units);
        let high = units / wide;
        let groups = inner.div_ceil(wide);
        let most = ENOUGH_CUBES.div_ceil(outer * groups);
        let parts = rows.div_ceil(high * ROWS_PER_UNIT).clamp(1, most);
        let part = rows.div_ceil(parts).next_multiple_of(high);
        Self { outer, rows, inner, wide, high, groups, parts: rows.div_ceil(part), part }
    }

    /// For the planes of an image that is read in vectors of this size.
    pub fn for_image(image: &Image, vector: usize) -> Self {
        let [n, c, h, w] = image.size;
        let shape = if image.channels_last() { [n, h * w, c / vector] } else { [n * c, h * w / vector, 1] };
        Self::new(shape, units(&image.tensor.client))
    }

    pub fn launch(&self, client: &Client) -> (CubeCount, CubeDim) {
        let count = cubecl::calculate_cube_count_elemwise(client, self.cubes(), CubeDim::new_single());
        (count, CubeDim::new_2d(self.wide as u32, self.high as u32))
    }

    fn cubes(&self) -> usize {
        self.outer * self.groups * self.parts
    }

    pub fn arguments(&self) -> WorkLaunch {
        WorkLaunch::new(self.outer, self.rows, self.inner, self.groups, self.parts, self.part)
    }
}

fn units(client: &Client) -> usize {
    let most = (client.properties().hardware.max_units_per_cube as usize).clamp(1, UNITS);
    if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 }
}

/// A [`Plan`] as a kernel sees it.
#[derive(CubeLaunch, CubeType)]
pub struct Work {
    outer: usize,
    rows: usize,
    inner: usize,
    groups: usize,
    parts: usize,
    part: usize,
}

/// A unit's share of the work.
#[derive(CubeType)]
pub struct Share {
    /// Which part of the rows its cube has.
    part: usize,
    outer: usize,
    inner: usize,
    /// Its first row, and where its cube's rows end. Every `high`th row in between is the unit's.
    start: usize,
    end: usize,
}

#[cube]
impl Work {
    /// The share of a unit in the cube of this number; without rows where there is nothing at its place.
    pub fn share(&self, cube: usize) -> Share {
        let group = cube % self.groups;
        let above = cube / self.groups;
        let part = above / self.outer;
        let inner = group * CUBE_DIM_X as usize + UNIT_POS_X as usize;
        let mut end = 0usize.runtime();
        if inner < self.inner {
            end = clamp_max((part + 1) * self.part, self.rows);
        }
        Share { part, outer: above % self.outer, inner, start: part * self.part + UNIT_POS_Y as usize, end }
    }

    /// Where in memory a row of the share is.
    pub fn position(&self, share: &Share, row: usize) -> usize {
        (share.outer * self.rows + row) * self.inner + share.inner
    }
}

/// Adds up what the units of a column have, in a fixed order. The first unit of each column gets the sum.
#[cube]
fn sum_columns<N: Size>(value: Vector<f32, N>, #[comptime] wide: usize, #[comptime] high: usize) -> Vector<f32, N> {
    let mut shared = Shared::<[Vector<f32, N>]>::new_slice(comptime!(wide * high));
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    let mut half = comptime!(high / 2).runtime();
    while half > 0 {
        if (UNIT_POS_Y as usize) < half {
            let other = shared[unit + half * wide];
            shared[unit] += other;
        }
        half /= 2;
        sync_cube();
    }
    let sum = shared[unit];
    sync_cube();
    sum
}

/// Writes a column's sum to its planes among the partial sums `[parts, n * c]`, which begin at `offset`.
#[cube]
pub fn write_planes<N: Size>(
    partial: &mut [f32],
    offset: usize,
    sum: Vector<f32, N>,
    work: &Work,
    share: &Share,
    #[comptime] channels_last: bool,
) {
    if UNIT_POS_Y == 0 && share.inner < work.inner {
        if comptime!(channels_last) {
            let channels = work.inner * N::value();
            let first = offset + (share.part * work.outer + share.outer) * channels + share.inner * N::value();
            #[unroll]
            for k in 0..N::value() {
                partial[first + k] = sum.extract(k);
            }
        } else {
            let mut total = sum.extract(0usize);
            #[unroll]
            for k in 1..N::value() {
                total += sum.extract(k);
            }
            partial[offset + share.part * work.outer + share.outer] = total;
        }
    }
}

