//! The steps of an iteration: a loss, its gradient over all parts of a batch, and an Adam step.

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    draw::Draw,
    losses::{discriminator_loss, generator_loss},
    micro_batch::micro_batches,
    passes::{each, parts_of, sum},
    path_length::{Penalty, length_gradient, path_lengths, penalty},
    r1::r1_penalty,
    rows::index_tensor,
    trainer::{GeneratorTerm, Networks, Retained, Trainer},
};
use crate::networks::{Noise, flat::to_vec};

/// Maps of a pass that pushes tangents forward beside values.
const TANGENT: usize = 2;

impl Trainer {
    /// Step 1: `mean softplus(-D(real)) + mean softplus(D(G(z)))` and an Adam step; returns the loss, `[1]`. Images of
    /// `unwanted` stand behind the generated ones and count as fakes too.
    pub fn discriminator_step(&mut self, real: Tensor<4>, draw: &Draw, unwanted: Option<Tensor<4>>) -> Tensor<1> {
        let (loss, gradient) = self.discriminator_loss_and_gradient(real, draw, unwanted);
        self.update_discriminator(gradient);
        loss
    }

    /// The discriminator's loss `[1]` and gradient `[parameters]`.
    pub fn discriminator_loss_and_gradient(
        &self,
        real: Tensor<4>,
        draw: &Draw,
        unwanted: Option<Tensor<4>>,
    ) -> (Tensor<1>, Tensor<1>) {
        let Networks { generator, discriminator } = &self.networks;
        let g = self.g.constants();
        let batch = real.dims()[0];
        let generated = draw.batch();
        let device = real.device();
        let fakes = |rows: Option<&[usize]>| {
            let Some(rows) = rows else {
                let images = draw.images(generator, &g);
                return match &unwanted {
                    Some(unwanted) => Tensor::cat(vec![images, unwanted.clone()], 0),
                    None => images,
                };
            };
            // Rows of a part ascend, so the unwanted images stand behind the generated ones here too.
            let (own, given) = rows.split_at(rows.partition_point(|&row| row < generated));
            let given: Vec<usize> = given.iter().map(|row| row - generated).collect();
            let mut images = Vec::with_capacity(2);
            if !own.is_empty() {
                images.push(draw.select(own).images(generator, &g));
            }
            if let (Some(unwanted), false) = (&unwanted, given.is_empty()) {
                images.push(unwanted.clone().select(0, index_tensor(&given, &device)));
            }
            Tensor::cat(images, 0)
        };
        let rows_of = |labels: &Tensor<2>, rows: Option<&[usize]>| match rows {
            None => labels.clone(),
            Some(rows) => labels.clone().select(0, index_tensor(rows, &device)),
        };
        let fake_labels = generator.labels(&draw.z).map(|own| match &self.labels.unwanted {
            Some(given) if unwanted.is_some() => Tensor::cat(vec![own, given.clone()], 0),
            _ => own,
        });
        accumulate(&self.parts(batch), batch, |rows| {
            let part = match rows {
                None => real.clone(),
                Some(rows) => real.clone().select(0, index_tensor(rows, &device)),
            };
            let d = self.d.leaves();
            let labels = |of: &Option<Tensor<2>>| of.as_ref().map(|labels| rows_of(labels, rows));
            let real_scores = discriminator.forward_labelled(&d, part.into(), labels(&self.labels.real)).value;
            let fake_scores = discriminator.forward_labelled(&d, fakes(rows).into(), labels(&fake_labels)).value;
            let loss = discriminator_loss(real_scores, fake_scores);
            let gradient = d.gradient(&mut loss.backward());
            (loss.inner(), gradient)
        })
    }

    /// Step 2: R1 on the real batch with weight `r1 / 2 * d_reg_every` and its own Adam step; returns the penalty
    /// (mean over the batch), `[1]`.
    pub fn r1_step(&mut self, real: Tensor<4>) -> Tensor<1> {
        let batch = real.dims()[0];
        let parts = self.parts(batch);
        let (penalty, gradient) = accumulate(&parts, batch, |rows| {
            let index = rows.map(|rows| index_tensor(rows, &real.device()));
            let (real, labels) = match index {
                None => (real.clone(), self.labels.real.clone()),
                Some(index) => {
                    let labels = self.labels.real.as_ref().map(|labels| labels.clone().select(0, index.clone()));
                    (real.clone().select(0, index), labels)
                }
            };
            let part = real.dims()[0] as f64;
            let r1 = r1_penalty(&self.networks.discriminator, &self.d, real, labels);
            (r1.value / part, r1.gradient / part)
        });
        let weight = self.config.r1 / 2.0 * self.config.d_reg_every as f64;
        self.update_discriminator(gradient * weight);
        penalty
    }

    /// Step 3: `mean softplus(-D(G(z)))` plus the stage's own term (plus retention of the given images) and an Adam
    /// step; returns the losses without their weights, `[1]`.
    pub fn generator_step(
        &mut self,
        draw: &Draw,
        term: Option<&dyn GeneratorTerm>,
        retained: Option<(Retained, Tensor<4>)>,
    ) -> (Tensor<1>, Option<Tensor<1>>, Option<Tensor<1>>) {
        let (loss, mut gradient) = self.generator_loss_and_gradient(draw);
        let term = term.map(|term| {
            let (value, slope) = term.value_and_gradient(&self.g.values);
            gradient = gradient.clone() + slope;
            value
        });
        let retain = retained.map(|(retained, images)| {
            let (value, slope) = self.retention_loss_and_gradient(&retained, images);
            gradient = gradient.clone() + slope * self.config.retain;
            value
        });
        let gradient = self.movable.restrict(gradient, &self.g.values);
        self.update_generator(gradient);
        (loss, term, retain)
    }

    /// Mean squared difference between what the latents give now and `images`, `[1]`, and its gradient
    /// `[parameters]`.
    pub fn retention_loss_and_gradient(&self, retained: &Retained, images: Tensor<4>) -> (Tensor<1>, Tensor<1>) {
        let generator = &self.networks.generator;
        let [batch, channels, height, width] = images.dims();
        let device = images.device();
        accumulate(&self.parts_alone(batch, 1), batch, |rows| {
            let rows: Vec<usize> = rows.map_or_else(|| (0..batch).collect(), <[usize]>::to_vec);
            let index = index_tensor(&rows, &device);
            let g = self.g.leaves();
            let found = generator.forward(&g, retained.z.clone().select(0, index.clone()), &Noise::Constant);
            let wanted = images.clone().select(0, index.clone());
            let mask = retained.mask.clone().select(0, index).reshape([rows.len(), 1, 1, 1]);
            let mask = mask.expand([rows.len(), channels, height, width]);
            let loss = ((found - wanted).square() * mask).mean();
            let gradient = g.gradient(&mut loss.backward());
            (loss.inner(), gradient)
        })
    }

    /// The generator's adversarial loss `[1]` and gradient `[parameters]`.
    pub fn generator_loss_and_gradient(&self, draw: &Draw) -> (Tensor<1>, Tensor<1>) {
        let Networks { generator, discriminator } = &self.networks;
        let d = self.d.constants();
        let parts = self.parts(draw.batch());
        accumulate(&parts, draw.batch(), |rows| {
            let draw = rows.map_or_else(|| draw.clone(), |rows| draw.select(rows));
            let g = self.g.leaves();
            let fake = draw.images(generator, &g);
            let labels = generator.labels(&draw.z);
            let loss = generator_loss(discriminator.forward_labelled(&d, fake.into(), labels).value);
            let gradient = g.gradient(&mut loss.backward());
            (loss.inner(), gradient)
        })
    }

    /// Step 4: the path length penalty with weight `path_regularize * g_reg_every` and its own Adam step; `noise`
    /// is standard normal like the images. Returns the penalty.
    pub fn path_length_step(&mut self, draw: &Draw, noise: Tensor<4>) -> f32 {
        let (penalty, gradient) = self.path_length_penalty_and_gradient(draw, noise);
        self.path_mean = penalty.mean;
        let weight = self.config.path_regularize * self.config.g_reg_every as f64;
        self.update_generator(gradient * weight);
        penalty.value
    }

    /// The path length penalty at the current running mean and its gradient `[parameters]`.
    pub fn path_length_penalty_and_gradient(&self, draw: &Draw, noise: Tensor<4>) -> (Penalty, Tensor<1>) {
        let generator = &self.networks.generator;
        let [_, _, height, width] = noise.dims();
        let y = noise / ((height * width) as f64).sqrt();
        let device = y.device();
        let batch = draw.batch();
        let parts = self.parts_alone(batch, TANGENT);
        let found = parts.map(|rows| {
            let whole = rows.len() == batch;
            let y = if whole { y.clone() } else { y.clone().select(0, index_tensor(rows, &device)) };
            let draw = if whole { draw.clone() } else { draw.select(rows) };
            let lengths = path_lengths(generator, &self.g, &draw, &y);
            (draw, y, lengths)
        });
        let lengths: Vec<f32> = found.iter().flat_map(|(_, _, part)| to_vec(part.lengths.clone())).collect();
        let penalty = penalty(&lengths, self.path_mean);
        let mut weights = penalty.weights.as_slice();
        let with_weights = |(draw, y, lengths): (Draw, _, _)| {
            let (own, rest) = weights.split_at(draw.batch());
            weights = rest;
            (draw, y, lengths, Tensor::from_data(TensorData::new(own.to_vec(), [own.len()]), &device))
        };
        let found = found.into_iter().map(with_weights).collect();
        let gradients = each(found, parts.beside, |(draw, y, lengths, weights)| {
            length_gradient(generator, &self.g, &draw, &y, lengths, weights)
        });
        let gradient = sum(gradients);
        (penalty, gradient.unwrap_or_else(|| self.g.values.zeros_like()))
    }

    /// A batch in parts, for steps that no discriminator takes part in: down to one sample. `maps` is how many times the maps of a pass
    /// each sample takes.
    fn parts_alone(&self, batch: usize, maps: usize) -> Parts {
        Parts::new(batch, self.config.micro_batch, (maps, 1), &self.g.device())
    }

    /// A batch in parts that keep the discriminator's groups whole.
    fn parts(&self, batch: usize) -> Parts {
        let group = self.networks.discriminator.batch_group(batch);
        Parts::new(batch, self.config.micro_batch, (1, group), &self.g.device())
    }
}

/// The parts in which a batch is computed.
struct Parts {
    /// Which samples of the batch each holds.
    rows: Vec<Vec<usize>>,
    /// Whether they are computed side by side, which takes the memory of the whole batch.
    beside: bool,
}

impl Parts {
    /// In parts of at most `micro` samples, divided by how many times the maps of a pass each takes, one after the other; with 0 side by
    /// side where that keeps more cores busy. Groups of so many samples stay together.
    fn new(batch: usize, micro: usize, (maps, group): (usize, usize), device: &Device) -> Self {
        let (micro, beside) = parts_of(micro, device);
        let micro = if micro == 0 { 0 } else { (micro / maps).max(1) };
        Self { rows: micro_batches(batch, micro, group), beside }
    }

    /// `f` of every part, in their order.
    fn map<R: Send>(&self, f: impl Fn(&[usize]) -> R + Sync + Send) -> Vec<R> {
        each(self.rows.iter().map(Vec::as_slice).collect(), self.beside, f).collect()
    }
}

/// Mean of loss and gradient over parts of a batch, weighted by their sizes; `None` asks for the whole batch.
fn accumulate(
    parts: &Parts,
    batch: usize,
    f: impl Fn(Option<&[usize]>) -> (Tensor<1>, Tensor<1>) + Sync + Send,
) -> (Tensor<1>, Tensor<1>) {
    let [_, _, ..] = parts.rows.as_slice() else { return f(None) };
    let weighed = |rows: &[usize]| {
        let (loss, gradient) = f(Some(rows));
        let share = rows.len() as f64 / batch as f64;
        (loss * share, gradient * share)
    };
    let rows = parts.rows.iter().map(Vec::as_slice).collect();
    let sum = each(rows, parts.beside, weighed).reduce(|(loss, gradient), (l, g)| (loss + l, gradient + g));
    sum.unwrap_or_else(|| f(None))
}
