//! The masked autoencoder, read off its tensors.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::{iter::ParallelIterator, slice::ParallelSlice};
use serde_json::Value;

use super::{
    block::{Block, Linear, Norm},
    keys::{
        CLASS_TOKEN, DECODER_LAYERS, DECODER_NORM, DECODER_POSITIONS, EMBED, ENCODER_NORM, EPSILON, FAMILY, HEADS,
        IMAGE_MEAN, IMAGE_STD, LAYERS, MASK_RATIO, MASK_TOKEN, NORM_PIX_LOSS, POSITIONS, PREDICTION, PROJECTION,
        is_buffer, is_encoder,
    },
    patches::{patch_statistics, patchify, unpatchify},
};
use crate::networks::{
    ArchitectureError, CompletionNetwork, Details, Dual, GeneratorNetwork, LatentAddress, Leaves, Masking, Noise,
    ParamLayout, Params, PatchOrder, Pictures,
    flat::{ParamId, to_vec},
    params::ShapeReader,
    style::id,
};

/// Pictures that are completed together on a processor.
const PART: usize = 8;

/// An encoder that sees a few patches of a picture and a decoder that draws the others.
///
/// A sample is a picture and a mask: the row it begins with holds the picture's number and one number a patch, of which the
/// smallest mark the patches that are seen.
#[derive(Clone, Debug)]
pub struct Network {
    layout: Arc<ParamLayout>,
    side: usize,
    patch: usize,
    channels: usize,
    /// Width of the encoder and of the decoder.
    widths: [usize; 2],
    heads: [usize; 2],
    projection: [ParamId; 2],
    class_token: ParamId,
    /// `[1 + patches, width]`.
    positions: Tensor<2>,
    encoder: Vec<Block>,
    encoder_norm: Norm,
    embed: Linear,
    mask_token: ParamId,
    decoder_positions: Tensor<2>,
    decoder: Vec<Block>,
    decoder_norm: Norm,
    prediction: Linear,
    mask_ratio: f32,
    norm_pix_loss: bool,
    mean: Vec<f32>,
    std: Vec<f32>,
    pictures: Option<Arc<dyn Pictures>>,
    masking: Masking,
}

impl Network {
    /// Reads the architecture off the tensors' shapes and the numbers that no shape says; position tables go to `device`.
    pub fn read(params: &Params, device: &Device) -> Result<Self, ArchitectureError> {
        let layout = Arc::new(ParamLayout::of(params, is_buffer));
        let mut shapes = ShapeReader::new("masked autoencoder", params);
        let projection = format!("{PROJECTION}.weight");
        let ([width, channels, patch, columns], _) = shapes.tensor::<4>(&projection)?;
        if patch != columns || ![1, 3].contains(&channels) {
            return Err(shapes.misfit(&projection, "square patches of one or three channels".to_owned()));
        }
        let projection_bias = format!("{PROJECTION}.bias");
        shapes.expect(&projection_bias, [width])?;
        shapes.expect(CLASS_TOKEN, [1, 1, width])?;
        let ([_, tokens, _], table) = shapes.tensor::<3>(POSITIONS)?;
        shapes.expect(POSITIONS, [1, tokens, width])?;
        let across = (tokens - 1).isqrt();
        if across == 0 || across * across + 1 != tokens {
            return Err(shapes.misfit(POSITIONS, "one row more than a square number".to_owned()));
        }
        let positions = Tensor::from_data(TensorData::new(table.data.clone(), [tokens, width]), device);
        let heads = shapes.expect(HEADS, [2])?.data.clone();
        let epsilon = f64::from(shapes.scalar(EPSILON, 0.0, 1.0)?.unwrap_or(1e-12));
        let block_numbers = |shapes: &ShapeReader<'_>, width: usize, heads: f32| {
            let count = heads as usize;
            match heads >= 1.0 && heads.fract() == 0.0 && width.is_multiple_of(count.max(1)) {
                true => Ok((width, count, epsilon)),
                false => Err(shapes.value(HEADS, &[heads])),
            }
        };
        let numbers = block_numbers(&shapes, width, heads[0])?;
        let mut encoder = Vec::new();
        while shapes.contains(&format!("{LAYERS}.{}.output.dense.weight", encoder.len())) {
            encoder.push(Block::read(&mut shapes, &layout, &format!("{LAYERS}.{}", encoder.len()), numbers)?);
        }
        let encoder_norm = Norm::read(&mut shapes, &layout, ENCODER_NORM, width, epsilon)?;
        let embed = Linear::read(&mut shapes, &layout, EMBED, width, None, true)?;
        let decoder_width = embed.outputs;
        shapes.expect(MASK_TOKEN, [1, 1, decoder_width])?;
        let table = shapes.expect(DECODER_POSITIONS, [1, tokens, decoder_width])?;
        let decoder_positions = Tensor::from_data(TensorData::new(table.data.clone(), [tokens, decoder_width]), device);
        let numbers = block_numbers(&shapes, decoder_width, heads[1])?;
        let [usual, other] = DECODER_LAYERS;
        let name = if shapes.contains(&format!("{other}.0.output.dense.weight")) { other } else { usual };
        let mut decoder = Vec::new();
        while shapes.contains(&format!("{name}.{}.output.dense.weight", decoder.len())) {
            decoder.push(Block::read(&mut shapes, &layout, &format!("{name}.{}", decoder.len()), numbers)?);
        }
        let decoder_norm = Norm::read(&mut shapes, &layout, DECODER_NORM, decoder_width, epsilon)?;
        let values = patch * patch * channels;
        let prediction = Linear::read(&mut shapes, &layout, PREDICTION, decoder_width, Some(values), true)?;
        let mask_ratio = shapes.scalar(MASK_RATIO, 0.0, 1.0)?.unwrap_or(0.75);
        let patches = tokens - 1;
        let visible = (patches as f64 * (1.0 - f64::from(mask_ratio))) as usize;
        if visible == 0 || visible == patches {
            return Err(shapes.value(MASK_RATIO, &[mask_ratio]));
        }
        let norm_pix_loss = shapes.scalar(NORM_PIX_LOSS, 0.0, 1.0)?.unwrap_or(0.0) == 1.0;
        let mean = shapes.expect(IMAGE_MEAN, [channels])?.data.clone();
        let std = shapes.expect(IMAGE_STD, [channels])?.data.clone();
        if !std.iter().all(|value| value.is_finite() && *value > 0.0) || !mean.iter().all(|value| value.is_finite()) {
            return Err(shapes.value(IMAGE_STD, &std));
        }
        shapes.finish()?;
        Ok(Self {
            side: across * patch,
            patch,
            channels,
            widths: [width, decoder_width],
            heads: [heads[0] as usize, heads[1] as usize],
            projection: [id(&layout, &projection)?, id(&layout, &projection_bias)?],
            class_token: id(&layout, CLASS_TOKEN)?,
            positions,
            encoder,
            encoder_norm,
            embed,
            mask_token: id(&layout, MASK_TOKEN)?,
            decoder_positions,
            decoder,
            decoder_norm,
            prediction,
            mask_ratio,
            norm_pix_loss,
            mean,
            std,
            pictures: None,
            masking: Masking::default(),
            layout,
        })
    }

    /// Patches that are seen of a picture with this share hidden; at least one is seen and one hidden.
    fn seen_of(&self, share: f32) -> usize {
        let patches = self.patches();
        ((patches as f64 * (1.0 - f64::from(share))) as usize).clamp(1, patches - 1)
    }

    /// The order of the patches of samples as they are shown.
    fn shown_order(&self, rows: &[f32]) -> PatchOrder {
        let noise: Vec<f32> = rows.chunks_exact(self.z_dim()).flat_map(|row| row[1..].iter().copied()).collect();
        PatchOrder::new(&noise, self.patches(), self.seen_of(self.masking.share.unwrap_or(self.mask_ratio)))
    }

    /// `[batch, channels, side, side]` from `[-1, 1]` to what the network sees, or back.
    fn scale(&self, images: Tensor<4>, normalise: bool) -> Tensor<4> {
        let device = images.device();
        let table = |values: &[f32], f: &dyn Fn(f32) -> f32| {
            let values: Vec<f32> = values.iter().map(|value| f(*value)).collect();
            Tensor::<4>::from_data(TensorData::new(values, [1, self.channels, 1, 1]), &device)
        };
        // In [-1, 1] means and deviations are these.
        let (mean, std) = (table(&self.mean, &|m| 2.0 * m - 1.0), table(&self.std, &|s| 2.0 * s));
        if normalise { (images - mean) / std } else { images * std + mean }
    }

    /// The decoder's output without the class token, `[batch, patches, patch * patch * channels]`.
    pub fn decode(&self, p: &Leaves, latent: Tensor<3>, order: &PatchOrder) -> Tensor<3> {
        let [batch, tokens, width] = latent.dims();
        let [_, decoder_width] = self.widths;
        let x = self.embed.forward(p, latent.reshape([batch * tokens, width]));
        let x = Tensor::cat(vec![x, p.get(self.mask_token, [1, decoder_width])], 0);
        let count = 1 + self.patches();
        let x = x.select(0, order.token_rows(&p.device())).reshape([batch, count, decoder_width]);
        let x = (x + self.decoder_positions.clone().unsqueeze()).reshape([batch * count, decoder_width]);
        let x = self.decoder.iter().fold(x, |x, block| block.forward(p, x, batch));
        let x = self.prediction.forward(p, self.decoder_norm.forward(p, x));
        x.reshape([batch, count, self.prediction.outputs]).narrow(1, 1, count - 1)
    }

    /// The loss of training: squared error per patch, averaged over hidden patches. `images` are normalised.
    pub fn loss(&self, logits: Tensor<3>, images: Tensor<4>, order: &PatchOrder) -> Tensor<1> {
        let mut target = patchify(images, self.patch);
        if self.norm_pix_loss {
            let (mean, deviation) = patch_statistics(target.clone());
            target = (target - mean) / deviation;
        }
        let [batch, patches, _] = target.dims();
        let mask = order.mask();
        let hidden: f32 = mask.iter().sum();
        let mask = Tensor::<3>::from_data(TensorData::new(mask, [batch, patches, 1]), &target.device());
        ((logits - target).square().mean_dim(2) * mask).sum() / f64::from(hidden.max(1.0))
    }

    /// Pictures from the decoder's output, hidden patches drawn and visible ones taken from `images`; both are normalised.
    pub fn reconstruct(&self, logits: Tensor<3>, images: Tensor<4>, order: &PatchOrder) -> Tensor<4> {
        let patches = patchify(images, self.patch);
        let mut drawn = logits;
        if self.norm_pix_loss {
            let (mean, deviation) = patch_statistics(patches.clone());
            drawn = drawn * deviation + mean;
        }
        let [batch, count, _] = patches.dims();
        let mask = Tensor::<3>::from_data(TensorData::new(order.mask(), [batch, count, 1]), &patches.device());
        let together = patches.clone() + (drawn - patches) * mask;
        unpatchify(together, self.patch, self.channels)
    }
}

impl CompletionNetwork for Network {
    fn pictures(&self) -> Option<&Arc<dyn Pictures>> {
        self.pictures.as_ref()
    }

    fn with_pictures(&self, pictures: Arc<dyn Pictures>) -> Arc<dyn GeneratorNetwork> {
        Arc::new(Self { pictures: Some(pictures), ..self.clone() })
    }

    fn masking(&self) -> Masking {
        self.masking
    }

    fn with_masking(&self, masking: Masking) -> Arc<dyn GeneratorNetwork> {
        Arc::new(Self { masking, ..self.clone() })
    }

    fn mask_ratio(&self) -> f32 {
        self.mask_ratio
    }

    fn patches(&self) -> usize {
        self.positions.dims()[0] - 1
    }

    fn is_encoder(&self, parameter: &str) -> bool {
        is_encoder(parameter)
    }

    fn normalised(&self, pictures: &[f32], device: &Device) -> Tensor<4> {
        let plane = self.side * self.side;
        let values = match self.channels {
            3 => pictures.to_vec(),
            // A grey picture is the mean of its colours.
            _ => pictures
                .chunks_exact(3 * plane)
                .flat_map(|picture| {
                    (0..plane).map(|at| (picture[at] + picture[plane + at] + picture[2 * plane + at]) / 3.0)
                })
                .collect(),
        };
        let batch = pictures.len() / (3 * plane).max(1);
        let shape = [batch, self.channels, self.side, self.side];
        self.scale(Tensor::from_data(TensorData::new(values, shape), device), true)
    }

    fn order(&self, noise: &[f32]) -> PatchOrder {
        PatchOrder::new(noise, self.patches(), self.seen_of(self.mask_ratio))
    }

    fn seen(&self, rows: &[f32], device: &Device) -> (Tensor<4>, PatchOrder) {
        let noise: Vec<f32> = rows.chunks_exact(self.z_dim()).flat_map(|row| row[1..].iter().copied()).collect();
        (self.normalised(&self.picture_values(rows), device), self.order(&noise))
    }

    fn whole(&self, batch: usize) -> PatchOrder {
        PatchOrder::new(&vec![0.0; batch * self.patches()], self.patches(), self.patches())
    }

    /// He et al.'s encoder: embedded patches and their positions, those that are seen, a class token before them, blocks, a layer
    /// normalisation.
    fn encode(&self, p: &Leaves, images: Tensor<4>, order: &PatchOrder) -> Tensor<3> {
        let [batch, ..] = images.dims();
        let [width, _] = self.widths;
        let device = p.device();
        let values = self.patch * self.patch * self.channels;
        let [weight, bias] = self.projection;
        let weight = p.get(weight, [width, self.channels, self.patch, self.patch]).permute([0, 2, 3, 1]);
        let patches = patchify(images, self.patch).reshape([batch * self.patches(), values]);
        let x = patches.select(0, order.seen_rows(&device)).matmul(weight.reshape([width, values]).transpose());
        let places = self.positions.clone().narrow(0, 1, self.patches()).select(0, order.seen_patches(&device));
        let x = x + p.get(bias, [1, width]) + places;
        let class = p.get(self.class_token, [1, 1, width]) + self.positions.clone().narrow(0, 0, 1).unsqueeze();
        let seen = order.visible();
        let x = Tensor::cat(vec![class.repeat_dim(0, batch), x.reshape([batch, seen, width])], 1);
        let x = x.reshape([batch * (1 + seen), width]);
        let x = self.encoder.iter().fold(x, |x, block| block.forward(p, x, batch));
        self.encoder_norm.forward(p, x).reshape([batch, 1 + seen, width])
    }

    fn training_loss(&self, p: &Leaves, images: Tensor<4>, order: &PatchOrder) -> Tensor<1> {
        let logits = self.decode(p, self.encode(p, images.clone(), order), order);
        self.loss(logits, images, order)
    }

    fn originals(&self, rows: &[f32]) -> Vec<f32> {
        let device = self.positions.device();
        let pictures = self.picture_values(rows);
        match self.channels {
            3 => pictures,
            _ => to_vec(self.scale(self.normalised(&pictures, &device), false)),
        }
    }

    fn hidden(&self, rows: &[f32]) -> Vec<bool> {
        let width = self.z_dim();
        let mut out = Vec::with_capacity(rows.len() / width * self.side * self.side);
        for row in rows.chunks_exact(width) {
            let mask = self.shown_order(row).mask();
            let across = self.side / self.patch;
            let pixel = |at: usize| mask[at / self.side / self.patch * across + at % self.side / self.patch] == 1.0;
            out.extend((0..self.side * self.side).map(pixel));
        }
        out
    }
}

impl Network {
    /// The pictures of rows, `[rows, 3, side, side]` in `[-1, 1]`; a number that no picture has gives grey.
    fn picture_values(&self, rows: &[f32]) -> Vec<f32> {
        let size = 3 * self.side * self.side;
        let picture = |row: &[f32]| {
            let found = self.pictures.as_ref().filter(|pictures| (row[0] as usize) < pictures.count());
            found.map_or_else(|| vec![0.0; size], |pictures| pictures.picture(row[0] as usize))
        };
        rows.chunks_exact(self.z_dim()).flat_map(picture).collect()
    }
}

impl GeneratorNetwork for Network {
    fn family(&self) -> &'static str {
        FAMILY
    }

    fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    fn resolution(&self) -> usize {
        self.side
    }

    fn image_channels(&self) -> usize {
        self.channels
    }

    /// The picture's number and one number a patch.
    fn z_dim(&self) -> usize {
        1 + self.patches()
    }

    fn classes(&self) -> usize {
        0
    }

    fn w_dim(&self) -> usize {
        self.z_dim()
    }

    fn num_ws(&self) -> usize {
        1
    }

    /// A block holds its tokens some ten times (queries, keys, values, what is within its MLP), and twice how each looks at each.
    fn sample_bytes(&self, _device: &Device) -> usize {
        let tokens = 1 + self.patches();
        let block = |stack: usize| 10 * self.widths[stack] * tokens + 2 * self.heads[stack] * tokens * tokens;
        let images = 4 * self.channels * self.side * self.side;
        (block(0).max(block(1)) + images) * size_of::<f32>()
    }

    fn drawing_bytes(&self, device: &Device) -> usize {
        self.sample_bytes(device)
    }

    /// A block keeps its tokens some eighteen times (what each normalisation takes and gives, queries, keys, values, what is attended,
    /// what its MLP takes and gives within); how each looks at each is computed again.
    fn training_bytes(&self) -> usize {
        let (seen, all) = (1 + self.seen_of(self.mask_ratio), 1 + self.patches());
        let block = |stack: usize, tokens: usize| 18 * self.widths[stack] * tokens;
        let blocks = self.encoder.len() * block(0, seen) + self.decoder.len() * block(1, all);
        (blocks + 4 * self.channels * self.side * self.side) * size_of::<f32>()
    }

    /// Width of the encoder and of the decoder.
    fn channels(&self) -> Vec<usize> {
        self.widths.to_vec()
    }

    fn sides(&self) -> Vec<usize> {
        vec![self.side / self.patch; 2]
    }

    fn details(&self) -> Details {
        let intermediate = |blocks: &[Block]| blocks.first().map_or(0, Block::intermediate);
        Details::from_iter([
            ("patch size", Value::from(self.patch)),
            ("share hidden", Value::from((f64::from(self.mask_ratio) * 1e6).round() / 1e6)),
            ("encoder", Value::from(stack(&self.encoder, self.widths[0], self.heads[0], intermediate(&self.encoder)))),
            ("decoder", Value::from(stack(&self.decoder, self.widths[1], self.heads[1], intermediate(&self.decoder)))),
            ("patches normalised", Value::from(self.norm_pix_loss)),
        ])
    }

    fn is_consolidated(&self, _parameter: &str) -> bool {
        true
    }

    fn input(&self, address: LatentAddress) -> Option<Vec<f32>> {
        // A picture's number is exact below 2^24.
        let mut row = vec![address.index as f32];
        row.extend(self.masking.noise(address, self.side / self.patch));
        Some(row)
    }

    fn map(&self, _p: &Leaves, z: Tensor<2>) -> Tensor<2> {
        z
    }

    fn w_mean(&self, p: &Leaves) -> Tensor<2> {
        Tensor::zeros([1, self.z_dim()], &p.device())
    }

    /// Nothing of a picture is truncated.
    fn truncate(&self, w: Tensor<2>, _w_mean: Tensor<2>, _psi: f32) -> Tensor<2> {
        w
    }

    fn synthesize(&self, p: &Leaves, ws: &[Dual<2>], _noise: &Noise) -> Dual<4> {
        let rows = to_vec(ws[0].value.clone());
        let device = p.device();
        let complete = |rows: &[f32]| {
            let order = self.shown_order(rows);
            let images = self.normalised(&self.picture_values(rows), &device);
            let logits = self.decode(p, self.encode(p, images.clone(), &order), &order);
            self.scale(self.reconstruct(logits, images, &order), false)
        };
        if device != Device::flex() {
            return complete(&rows).into();
        }
        // On a processor few pictures at a time keep every core busy.
        let parts: Vec<Tensor<4>> = rows.par_chunks(PART * self.z_dim()).map(complete).collect();
        Tensor::cat(parts, 0).into()
    }

    /// What the encoder makes of the whole picture: the tokens of its patches, as maps. They tell
    /// more than the class token, which nothing was trained to say of a picture.
    fn trunk(&self, p: &Leaves, ws: &[Dual<2>]) -> Option<Tensor<4>> {
        let pictures = self.picture_values(&to_vec(ws[0].value.clone()));
        let images = self.normalised(&pictures, &p.device());
        let batch = images.dims()[0];
        let latent = self.encode(p, images, &self.whole(batch));
        let (width, across) = (self.widths[0], self.side / self.patch);
        let tokens = latent.narrow(1, 1, self.patches()).swap_dims(1, 2);
        Some(tokens.reshape([batch, width, across, across]))
    }

    fn completion(&self) -> Option<&dyn CompletionNetwork> {
        Some(self)
    }
}

/// `12 layers of 768, 12 heads, 3072 within`.
fn stack(blocks: &[Block], width: usize, heads: usize, intermediate: usize) -> String {
    format!("{} layers of {width}, {heads} heads, {intermediate} within", blocks.len())
}
