//! What a GAN already knows of its own samples, as numbers a probe can learn from.

use std::ops::ControlFlow;

use burn::tensor::{Tensor, TensorData};

use super::{error::PoolError, probe::Whitening, region_map::RegionMap};
use crate::{
    metrics::labeler::Labeler,
    model::{Model, Sample, Sampler},
    networks::{Discriminator, FlatParams, Leaves, flat::to_vec},
};

/// Side of the small copy of an image that is one of its features.
const SMALL: usize = 16;
/// Side of the copy that a region is cut out of.
const SMALL_REGION: usize = 32;
/// Side that the generator's own maps are brought to: means of 8x8 maps tell as much and cost a quarter.
const SMALL_MAPS: usize = 4;
/// Sides of the discriminator's maps that a region is cut out of.
const FINE: usize = 16;
const COARSE: usize = 8;
/// Values cut out of maps at most: of a network with so many channels the coarse maps do.
const MOST_VALUES: usize = 8192;

/// Passes whose images are held at a time, where those are small: enough for a labeler's threads.
const PASSES: usize = 64;

/// A kind of feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The discriminator's last 4x4 maps, or the generator's own.
    Maps,
    /// A small copy of the image.
    Image,
    /// What a labeler sees.
    Labeler,
    /// The region of the discriminator's maps at 16x16 (the generator's own at 8x8).
    FineRegion,
    /// The region of the discriminator's maps at 8x8.
    CoarseRegion,
    /// The region of the image.
    ImageRegion,
}

impl Kind {
    /// How much features of this kind count, as the root of their mean squared norm before all are brought to norm 1 together;
    /// `regional` if marks say where to look.
    fn weight(self, regional: bool) -> f64 {
        match self {
            Self::Maps if regional => 0.3,
            Self::Image if regional => 0.0,
            Self::Maps | Self::FineRegion => 1.0,
            Self::Image => 0.3,
            Self::Labeler => 2.0,
            Self::CoarseRegion | Self::ImageRegion => 0.5,
        }
    }

    /// What [`Whitening`] adds to every variance. Within a region most of what varies is to the point: it is evened out less.
    fn ridge(self) -> f64 {
        match self {
            Self::Maps | Self::Image | Self::Labeler => 0.1,
            Self::FineRegion | Self::CoarseRegion | Self::ImageRegion => 0.3,
        }
    }
}

/// Features of some samples, `[samples, width]` row-major, of each kind that there is.
pub(super) type Blocks = Vec<(Kind, Vec<f32>)>;

/// Says whether something that takes long is to go on.
pub(super) type Watch<'a> = &'a mut dyn FnMut() -> ControlFlow<()>;

/// Makes images and their features, a block for each [`Kind`]: the discriminator's last 4x4 maps (the generator's own 8x8 maps
/// at 4x4, if its family has them, where the file has no discriminator), the image at 16x16 (area means), a labeler's features
/// where one is given, and, where marks say in which region of the picture to look, that region of finer maps and of the image.
///
/// `benches/README.md` has what they were weighed by: on drawn faces the image at full weight hides hats from 24 marks (area
/// under the ROC curve 83 instead of 88 %), but it is all there is where the discriminator is a fresh one. A labeler was
/// trained to tell such images apart, and its features do so far better than the GAN's.
pub(super) struct FeatureExtractor<'a> {
    model: &'a Model,
    sampler: Sampler<'a>,
    /// None in a model without one.
    discriminator: Option<(&'a Discriminator, Leaves)>,
    labeler: Option<&'a Labeler>,
    regions: Option<&'a RegionMap>,
}

impl<'a> FeatureExtractor<'a> {
    pub(super) fn new(model: &'a Model, labeler: Option<&'a Labeler>, regions: Option<&'a RegionMap>) -> Self {
        Self::of_weights(model, &model.g_ema, labeler, regions)
    }

    /// One of samples that other weights of the model's generator make; everything else that looks at them is the model's own.
    pub(super) fn of_weights(
        model: &'a Model,
        weights: &FlatParams,
        labeler: Option<&'a Labeler>,
        regions: Option<&'a RegionMap>,
    ) -> Self {
        let discriminator = model.gan.as_ref().map(|gan| (&gan.networks.discriminator, gan.d.constants()));
        Self {
            model,
            sampler: Sampler::new(&model.generator, weights),
            discriminator,
            labeler: labeler.filter(|labeler| labeler.has_features()),
            regions,
        }
    }

    /// Samples that are best looked at in one call: so many passes, where their images are not too large for that.
    pub(super) fn page(&self, passes: usize) -> usize {
        self.sampler.page(passes)
    }

    /// Whether it looks through the generator's own maps, which change with its weights.
    pub(super) fn sees_own_maps(&mut self, sample: Sample) -> Result<bool, PoolError> {
        Ok(!self.model.has_own_discriminator && !self.sampler.maps_of_samples(self.model, &[sample])?.0.is_empty())
    }

    /// Looks at samples.
    pub(super) fn see(&mut self, samples: &[Sample]) -> Result<Blocks, PoolError> {
        let seen = self.see_while(samples, &mut || ControlFlow::Continue(()))?;
        Ok(seen.unwrap_or_default())
    }

    /// Looks at samples, some at a time, as their images take far more room than their features; `None` if `watch`, asked before
    /// each time, ends it.
    pub(super) fn see_while(&mut self, samples: &[Sample], watch: Watch<'_>) -> Result<Option<Blocks>, PoolError> {
        let mut blocks = Collected::default();
        for some in samples.chunks(self.sampler.page(PASSES)) {
            if watch().is_break() {
                return Ok(None);
            }
            for (kind, values) in self.see_at_once(some)? {
                blocks.add(kind, values);
            }
        }
        Ok(Some(blocks.0))
    }

    fn see_at_once(&mut self, samples: &[Sample]) -> Result<Blocks, PoolError> {
        let images = self.sampler.subjects_of(self.model, samples)?;
        let images = images.as_slice();
        let [channels, height, width] = self.sampler.image_shape();
        let size = channels * height * width;
        let mut blocks = Collected::default();
        // One that was warmed up knows little of what samples show.
        let (mut own, mut own_side) = (Vec::new(), 0);
        if !self.model.has_own_discriminator {
            (own, own_side) = self.sampler.maps_of_samples(self.model, samples)?;
        }
        if !own.is_empty() {
            let planes = own.chunks_exact((own_side * own_side).max(1));
            blocks.add(Kind::Maps, planes.flat_map(|plane| area_means(plane, own_side, SMALL_MAPS)));
            if let Some(regions) = self.regions {
                blocks.add(Kind::FineRegion, regions.weigh(&own, own_side));
            }
        }
        let discriminator = self.discriminator.as_ref().filter(|_| own.is_empty());
        for part in images.chunks(self.sampler.chunk() * size) {
            if let Some((discriminator, weights)) = discriminator {
                let tensor = TensorData::new(part.to_vec(), [part.len() / size, channels, height, width]);
                let tensor = Tensor::<4>::from_data(tensor, &weights.device());
                match self.regions {
                    None => blocks.add(Kind::Maps, to_vec(discriminator.trunk(weights, tensor.into()).value)),
                    Some(regions) => {
                        for maps in discriminator.maps(weights, tensor.into(), &[FINE, COARSE, SMALL_MAPS]) {
                            blocks.add_maps(maps, regions);
                        }
                    }
                }
            }
            let copy =
                |side: usize| part.chunks_exact(height * width).flat_map(move |plane| area_means(plane, width, side));
            blocks.add(Kind::Image, copy(SMALL));
            if let Some(regions) = self.regions {
                let copy: Vec<f32> = copy(SMALL_REGION).collect();
                blocks.add(Kind::ImageRegion, regions.weigh(&copy, small_side(width, SMALL_REGION)));
            }
        }
        if let Some(labeler) = self.labeler {
            let labels = labeler.label(images, [images.len() / size, channels, height, width])?;
            if let Some(features) = labels.features {
                blocks.add(Kind::Labeler, features.values);
            }
        }
        Ok(blocks.0)
    }
}

/// Blocks that grow batch by batch.
#[derive(Default)]
struct Collected(Blocks);

impl Collected {
    fn add(&mut self, kind: Kind, values: impl IntoIterator<Item = f32>) {
        match self.0.iter_mut().find(|(of, _)| *of == kind) {
            Some((_, block)) => block.extend(values),
            None => self.0.push((kind, values.into_iter().collect())),
        }
    }

    /// What of a discriminator's maps counts.
    fn add_maps(&mut self, maps: Tensor<4>, regions: &RegionMap) {
        let [_, channels, side, _] = maps.dims();
        match side {
            SMALL_MAPS => self.add(Kind::Maps, to_vec(maps)),
            COARSE => self.add(Kind::CoarseRegion, regions.weigh(&to_vec(maps), side)),
            _ if channels * regions.cells(side).len() <= MOST_VALUES => {
                self.add(Kind::FineRegion, regions.weigh(&to_vec(maps), side));
            }
            _ => {}
        }
    }
}

/// The side that [`area_means`] brings a plane to.
fn small_side(side: usize, small: usize) -> usize {
    side / (side / small).max(1)
}

/// Means of squares of a square plane, so that `small` are left on a side (all, if there are fewer).
fn area_means(plane: &[f32], side: usize, small: usize) -> Vec<f32> {
    let step = (side / small).max(1);
    let small = small_side(side, small);
    let mut out = vec![0.0; small * small];
    for (y, row) in plane.chunks_exact(side).take(small * step).enumerate() {
        for (x, value) in row.iter().take(small * step).enumerate() {
            out[y / step * small + x / step] += value / (step * step) as f32;
        }
    }
    out
}

/// Brings the blocks of features to one scale and together.
#[derive(Clone, Debug)]
pub(super) struct FeatureSpace {
    maps: Vec<(Kind, Whitening)>,
    /// Whether some of it looks at a region.
    regional: bool,
}

impl FeatureSpace {
    /// Fits to the blocks of `count` samples; blocks that do not vary are left out. `None` if none is left.
    pub(super) fn fit(blocks: &Blocks, count: usize) -> Option<Self> {
        let regional = |kind: Kind| matches!(kind, Kind::FineRegion | Kind::CoarseRegion | Kind::ImageRegion);
        let any_regional = blocks.iter().any(|(kind, _)| regional(*kind));
        let counting = blocks.iter().filter(|(kind, _)| kind.weight(any_regional) > 0.0);
        let fit = |(kind, block): &(Kind, Vec<f32>)| {
            Some((*kind, Whitening::fit(block, block.len() / count.max(1), kind.ridge())?))
        };
        let maps: Vec<_> = counting.filter_map(fit).collect();
        (!maps.is_empty()).then_some(Self { maps, regional: any_regional })
    }

    /// Features of each of `count` samples, of mean squared norm 1.
    pub(super) fn apply(&self, blocks: &Blocks, count: usize) -> Vec<Vec<f64>> {
        let weight = |kind: &Kind| kind.weight(self.regional);
        let scale = 1.0 / self.maps.iter().map(|(kind, _)| weight(kind).powi(2)).sum::<f64>().sqrt();
        let mut out = vec![Vec::new(); count];
        for (kind, map) in &self.maps {
            let Some((_, values)) = blocks.iter().find(|(of, _)| of == kind) else { continue };
            let scale = scale * weight(kind);
            let width = values.len() / count.max(1);
            for (row, out) in values.chunks_exact(width.max(1)).zip(&mut out) {
                out.extend(map.apply(row).into_iter().map(|x| x * scale));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        feedback::{
            Feedback, Mark, Region,
            probe::{Probe, auc},
        },
        networks::{LatentAddress, NormalSource},
    };

    #[test]
    fn a_plane_shrinks_to_area_means() {
        let plane: Vec<f32> = (0..32 * 32).map(|i| (i % 32) as f32 + 100.0 * (i / 32) as f32).collect();
        let small = area_means(&plane, 32, 16);
        assert_eq!(small.len(), 256);
        assert_eq!((small[0], small[1], small[16]), (50.5, 52.5, 250.5));
        assert_eq!(area_means(&plane[..64], 8, 16), plane[..64]);
    }

    #[test]
    fn a_space_leaves_out_what_does_not_vary() {
        let mut blocks = vec![(Kind::Maps, vec![1.0, 2.0, 5.0, 3.0]), (Kind::Image, vec![7.0; 8])];
        let space = FeatureSpace::fit(&blocks, 4).expect("one block varies");
        let rows = space.apply(&blocks, 4);
        assert!(rows.iter().all(|row| row.len() == 1));
        let norm: f64 = rows.iter().flatten().map(|x| x * x).sum::<f64>() / 4.0;
        assert!((norm - 1.0).abs() < 1e-9);
        blocks.remove(0);
        assert!(FeatureSpace::fit(&blocks, 4).is_none());
    }

    /// A thing that shows in four cells of 256, all of which vary more than it does: a dozen marks of each kind do not find it in
    /// the whole picture, and do where they say where it is.
    #[test]
    fn a_small_thing_is_found_where_the_marks_say_it_is() {
        const SAMPLES: usize = 700;
        const SIDE: usize = 16;
        let mut rng = NormalSource::new(11, 0);
        let mut planes = rng.normals(SAMPLES * SIDE * SIDE);
        let shows = |i: usize| i.is_multiple_of(3);
        for (i, plane) in planes.chunks_exact_mut(SIDE * SIDE).enumerate() {
            for cell in [5 * SIDE + 8, 5 * SIDE + 9, 6 * SIDE + 8, 6 * SIDE + 9] {
                plane[cell] += if shows(i) { 1.2 } else { -0.6 };
            }
        }
        let mut marks = Feedback::new("");
        let sample = Sample::new(LatentAddress { seed: 0, index: 0 }, 1.0).unwrap();
        marks.mark(sample, Mark::Negative);
        marks.set_region(sample, Some(Region::between([0.5, 0.3125], [0.625, 0.4375]).unwrap()));
        let regions = RegionMap::of(&marks).unwrap();
        let whole = vec![(Kind::Maps, planes.clone())];
        let regional = vec![(Kind::Maps, planes.clone()), (Kind::FineRegion, regions.weigh(&planes, SIDE))];
        let found = |blocks: &Blocks| {
            let rows = FeatureSpace::fit(blocks, SAMPLES).unwrap().apply(blocks, SAMPLES);
            let mark = |i: usize| if shows(i) { Mark::Negative } else { Mark::Positive };
            let mut marked: Vec<_> = (0..36).map(|i| (rows[i].clone(), mark(i))).collect();
            marked.retain(|(_, mark)| *mark == Mark::Negative);
            marked.extend((0..18).filter(|&i| !shows(i)).map(|i| (rows[i].clone(), mark(i))));
            assert_eq!(marked.len(), 24);
            // What cannot be told is refused: then it says nothing.
            let Ok(probe) = Probe::fit(&marked, &rows) else { return 0.5 };
            let scores: Vec<f64> = rows[36..].iter().map(|row| probe.probability(row)).collect();
            auc(&scores, &(36..SAMPLES).map(shows).collect::<Vec<bool>>()).unwrap()
        };
        let (whole, regional) = (found(&whole), found(&regional));
        assert!(whole < 0.75 && regional > 0.9, "{whole} {regional}");
    }
}
