//! Sums over the planes of an image, in one order whatever the device does first: each cube adds up a part of some planes, a second
//! launch adds the parts.
//!
//! In memory an image is `[outer, rows, inner]`, and a plane's values are those of one `outer` and one `inner`: planes, pixels and
//! nothing with channels first; samples, pixels and channels with channels last.

use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::tensor::CubeTensor;

use super::image::{Image, address_type, empty};

/// Units of a cube, at most.
const UNITS: usize = 256;
/// Neighbours in memory that a device reads at once, and units that it lets work in step.
const SIDE_BY_SIDE: usize = 32;
/// Rows that a unit adds up before it pays to share a plane among cubes.
const ROWS_PER_UNIT: usize = 16;
/// Cubes that keep any device busy; planes are not cut into more.
const ENOUGH_CUBES: usize = 4096;

/// Who adds up what: cubes with units in columns, `wide` neighbours of `inner` side by side, the rows of a part one below the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// `[outer, rows, inner]`.
    shape: [usize; 3],
    /// How a cube's units stand: how many there are, and how many side by side. Both are powers of two.
    pub columns: Columns,
    /// How many cubes lie side by side along `inner`.
    groups: usize,
    /// How many parts the rows are cut into.
    pub parts: usize,
    /// How many rows a part has.
    part: usize,
}

/// The units of a cube: how many, and how many side by side.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Columns {
    pub units: usize,
    pub wide: usize,
}

impl Columns {
    /// Units for `[rows, inner]`, as many as a device with this limit allows and there is work for.
    fn new([rows, inner]: [usize; 2], most_units: u32) -> Self {
        let most = (most_units as usize).clamp(1, UNITS);
        let most = if most.is_power_of_two() { most } else { most.next_power_of_two() / 2 };
        let wide = inner.next_power_of_two().min(SIDE_BY_SIDE).min(most);
        let units = (wide * rows.next_power_of_two()).clamp(SIDE_BY_SIDE.min(most), most);
        Self { units, wide }
    }

    fn high(self) -> usize {
        self.units / self.wide
    }
}

impl Plan {
    /// Rows cut into parts as it suits the device.
    fn in_parts(shape: [usize; 3], most_units: u32) -> Self {
        let [outer, rows, inner] = shape;
        let columns = Columns::new([rows, inner], most_units);
        let groups = inner.div_ceil(columns.wide);
        let most = ENOUGH_CUBES.div_ceil(outer * groups);
        let parts = rows.div_ceil(columns.high() * ROWS_PER_UNIT).clamp(1, most);
        let part = rows.div_ceil(parts).next_multiple_of(columns.high());
        Self { shape, columns, groups, parts: rows.div_ceil(part), part }
    }

    /// All rows in one part: the last sum.
    fn whole([rows, inner]: [usize; 2], columns: Columns) -> Self {
        Self { shape: [1, rows, inner], columns, groups: inner.div_ceil(columns.wide), parts: 1, part: rows }
    }

    /// For the planes of an image that is read in vectors of this size.
    pub fn for_image(image: &Image, vector: usize) -> Self {
        let [n, c, h, w] = image.size;
        let shape = if image.channels_last() { [n, h * w, c / vector] } else { [n * c, h * w / vector, 1] };
        Self::in_parts(shape, most_units(&image.tensor.client))
    }

    pub fn cubes(&self) -> usize {
        self.shape[0] * self.groups * self.parts
    }

    pub fn launch(&self, client: &Client) -> (CubeCount, CubeDim) {
        launch(client, self.cubes(), self.columns)
    }

    pub fn arguments(&self) -> WorkLaunch {
        let [outer, rows, inner] = self.shape;
        WorkLaunch::new(self.cubes(), outer, rows, inner, self.groups, self.part)
    }
}

fn most_units(client: &Client) -> u32 {
    client.properties().hardware.max_units_per_cube
}

fn launch(client: &Client, cubes: usize, columns: Columns) -> (CubeCount, CubeDim) {
    let count = cubecl::calculate_cube_count_elemwise(client, cubes, CubeDim::new_single());
    (count, CubeDim::new_1d(columns.units as u32))
}

/// A [`Plan`] as a kernel sees it.
#[derive(CubeLaunch, CubeType)]
pub struct Work {
    /// Cubes past these have nothing to do.
    pub cubes: usize,
    outer: usize,
    rows: usize,
    pub inner: usize,
    groups: usize,
    part: usize,
}

/// A unit's share of the work.
#[derive(CubeType)]
pub struct Share {
    /// Which part of the rows its cube has.
    part: usize,
    pub outer: usize,
    pub inner: usize,
    /// Its first row, and where its cube's rows end. It takes every `high`th row in between.
    pub start: usize,
    pub end: usize,
    #[cube(comptime)]
    pub high: usize,
}

#[cube]
impl Work {
    /// The share of a unit in the cube of this number; without rows where there is nothing at its place.
    pub fn share(&self, cube: usize, #[comptime] columns: Columns) -> Share {
        let unit = UNIT_POS as usize;
        let group = cube % self.groups;
        let above = cube / self.groups;
        let part = above / self.outer;
        let inner = group * comptime!(columns.wide) + unit % comptime!(columns.wide);
        let mut end = 0usize.runtime();
        if inner < self.inner {
            end = clamp_max((part + 1) * self.part, self.rows);
        }
        let start = part * self.part + unit / comptime!(columns.wide);
        Share { part, outer: above % self.outer, inner, start, end, high: comptime!(columns.high()) }
    }

    /// Where in memory a row of the share is.
    pub fn position(&self, share: &Share, row: usize) -> usize {
        (share.outer * self.rows + row) * self.inner + share.inner
    }

    /// The first of the planes `[n, c]` that the vectors of the share belong to.
    pub fn first_plane<N: Size>(&self, share: &Share, #[comptime] channels_last: bool) -> usize {
        let plane = share.outer * self.inner + share.inner;
        if comptime!(channels_last) { plane * N::value() } else { plane }
    }

    /// Adds up what the units of each column have, and writes the sums to their planes among the partial sums `[parts, planes]`, which
    /// begin at `offset`.
    pub fn write_sums<N: Size>(
        &self,
        value: Vector<f32, N>,
        partial: &mut [f32],
        offset: usize,
        share: &Share,
        #[comptime] columns: Columns,
        #[comptime] channels_last: bool,
    ) {
        let sum = sum_columns::<N>(value, columns);
        if (UNIT_POS as usize) < comptime!(columns.wide) && share.inner < self.inner {
            let plane = (share.part * self.outer + share.outer) * self.inner + share.inner;
            if comptime!(channels_last) {
                #[unroll]
                for k in 0..N::value() {
                    partial[offset + plane * N::value() + k] = sum.extract(k);
                }
            } else {
                let mut total = sum.extract(0usize);
                #[unroll]
                for k in 1..N::value() {
                    total += sum.extract(k);
                }
                partial[offset + plane] = total;
            }
        }
    }
}

/// Adds up what the units of a column have, in a fixed order. The first unit of each column gets the sum.
#[cube]
fn sum_columns<N: Size>(value: Vector<f32, N>, #[comptime] columns: Columns) -> Vector<f32, N> {
    let mut shared = Shared::<[Vector<f32, N>]>::new_slice(comptime!(columns.units));
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    let steps = comptime!(columns.high().ilog2() as usize);
    #[unroll]
    for step in 0..steps {
        let half = comptime!(columns.units >> (step + 1));
        if unit < half {
            let other = shared[unit + half];
            shared[unit] += other;
        }
        sync_cube();
    }
    shared[unit]
}

/// One column of the last sums: `[rows, inner]`, which begin at `offset`, become `[inner]`.
#[cube]
fn sum_rows<N: Size>(
    partial: &[Vector<f32, N>],
    offset: usize,
    sums: &mut [f32],
    work: &Work,
    cube: usize,
    #[comptime] columns: Columns,
) {
    let share = work.share(cube, columns);
    let mut sum = Vector::<f32, N>::zeroed();
    let mut row = share.start;
    while row < share.end {
        sum += partial[offset + work.position(&share, row)];
        row += share.high;
    }
    work.write_sums::<N>(sum, sums, 0usize, &share, columns, false);
}

#[cube(launch_unchecked, address_type = "dynamic")]
fn sum_rows_kernel<N: Size>(partial: &[Vector<f32, N>], sums: &mut [f32], work: Work, #[comptime] columns: Columns) {
    if CUBE_POS >= work.cubes {
        terminate!();
    }
    sum_rows::<N>(partial, 0usize, sums, &work, CUBE_POS, columns);
}

/// The sums of `partial`, `[rows, inner]` in memory, over its rows: a tensor of `shape`, which has `inner` values.
pub fn sum_to(partial: CubeTensor, shape: &[usize]) -> CubeTensor {
    let inner = shape.iter().product();
    let rows = partial.meta.num_elements() / inner;
    if rows == 1 {
        let CubeTensor { client, device, handle, dtype, .. } = partial;
        return CubeTensor::new_contiguous(client, device, shape.into(), handle, dtype);
    }
    let sums = empty(&partial, shape);
    let plan = Plan::whole([rows, inner], Columns::new([rows, inner], most_units(&sums.client)));
    let (count, dim) = plan.launch(&sums.client);
    // SAFETY: cubes past the last end at once, and shares lie within `[rows, inner]`.
    unsafe {
        sum_rows_kernel::launch_unchecked(
            &sums.client,
            count,
            dim,
            address_type(&[&partial]),
            1,
            partial.into_buffer_arg(),
            sums.clone().into_buffer_arg(),
            plan.arguments(),
            plan.columns,
        );
    }
    sums
}

#[cube(launch_unchecked, address_type = "dynamic")]
#[allow(clippy::too_many_arguments)] // A launch has no other way to take them.
#[allow(clippy::collapsible_if)] // The outer one is decided when the kernel is compiled.
fn layer_sums_kernel<N: Size>(
    partial: &[Vector<f32, N>],
    planes: &mut [f32],
    channels: &mut [f32],
    total: &mut [f32],
    by_plane: Work,
    by_channel: Work,
    all: Work,
    region: usize,
    #[comptime] columns: Columns,
    #[comptime] one_column: Columns,
    #[comptime] with_total: bool,
) {
    let before = by_plane.cubes;
    let both = before + by_channel.cubes;
    if CUBE_POS < before {
        sum_rows::<N>(partial, 0usize, planes, &by_plane, CUBE_POS, columns);
    } else if CUBE_POS < both {
        sum_rows::<N>(partial, region, channels, &by_channel, CUBE_POS - before, columns);
    } else if comptime!(with_total) {
        if CUBE_POS == both {
            sum_rows::<N>(partial, 2 * region, total, &all, 0usize, one_column);
        }
    }
}

/// Of partial sums `[2 or 3, parts, n, c]`: the first added up to planes `[n, c]`, the second to channels `[c]`, the third, if there is
/// one, to one `[1]`.
pub fn layer_sums(partial: CubeTensor, [n, c]: [usize; 2]) -> [CubeTensor; 3] {
    let [planes, channels, total] = [&[n, c][..], &[c], &[1]].map(|shape| empty(&partial, shape));
    let with_total = partial.meta.shape()[0] == 3;
    let region = partial.meta.num_elements() / partial.meta.shape()[0];
    let most = most_units(&partial.client);
    let [columns, one_column] = [c, 1].map(|inner| Columns::new([UNITS, inner], most));
    let by_plane = Plan::whole([region / (n * c), n * c], columns);
    let by_channel = Plan::whole([region / c, c], columns);
    let all = Plan::whole([region, 1], one_column);
    let (count, dim) =
        launch(&partial.client, by_plane.cubes() + by_channel.cubes() + usize::from(with_total), columns);
    // SAFETY: cubes past the last do nothing, and shares lie within a region.
    unsafe {
        layer_sums_kernel::launch_unchecked(
            &planes.client,
            count,
            dim,
            address_type(&[&partial]),
            1,
            partial.into_buffer_arg(),
            planes.clone().into_buffer_arg(),
            channels.clone().into_buffer_arg(),
            total.clone().into_buffer_arg(),
            by_plane.arguments(),
            by_channel.arguments(),
            all.arguments(),
            region,
            columns,
            one_column,
            with_total,
        );
    }
    [planes, channels, total]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_part_and_every_column_in_one_cube() {
        for shape in [
            [1, 1, 1],
            [2, 35, 1],
            [3, 4097, 1],
            [1, 1 << 18, 8],
            [4, 1 << 20, 8],
            [16, 16, 128],
            [2, 9, 70],
            [70_000, 1, 1],
        ] {
            for most_units in [1, 48, 256, 1024] {
                let Plan { columns, groups, parts, part, .. } = Plan::in_parts(shape, most_units);
                let [outer, rows, inner] = shape;
                assert!(part * parts >= rows && part * (parts - 1) < rows, "{shape:?}: {parts} parts of {part}");
                assert!(groups * columns.wide >= inner && (groups - 1) * columns.wide < inner, "{shape:?}");
                assert!(columns.units <= most_units as usize && columns.units.is_power_of_two(), "{shape:?}");
                assert_eq!(columns.high() * columns.wide, columns.units, "{shape:?}");
                let least = outer * groups;
                assert!(outer * groups * parts <= least.max(2 * ENOUGH_CUBES), "{shape:?}: {parts} parts");
            }
        }
    }
}
