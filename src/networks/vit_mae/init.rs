//! A new masked autoencoder's tensors.

use super::keys::{
    CLASS_TOKEN, DECODER_LAYERS, DECODER_NORM, DECODER_POSITIONS, EMBED, ENCODER_NORM, EPSILON, HEADS, IMAGE_MEAN,
    IMAGE_STD, LAYERS, MASK_RATIO, MASK_TOKEN, NORM_PIX_LOSS, POSITIONS, PREDICTION, PROJECTION,
};
use crate::networks::{HostTensor, NormalSource, Params};

/// Sizes of a masked autoencoder that is trained from scratch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Architecture {
    /// Pixels along a side of its pictures, a multiple of `patch`.
    pub resolution: usize,
    /// Pixels along a side of a patch.
    pub patch: usize,
    /// 1 or 3.
    pub channels: usize,
    /// Width, layers and heads of the encoder; the perceptrons are four times as wide. Heads divide widths, and widths are multiples of 4.
    pub encoder: [usize; 3],
    /// Width, layers and heads of the decoder.
    pub decoder: [usize; 3],
    /// Share of the patches that is hidden.
    pub mask_ratio: f32,
    /// Whether patches are normalised before they are compared.
    pub norm_pix_loss: bool,
}

/// Deviation of the tokens that stand for a class and for what is hidden.
const TOKEN_STD: f32 = 0.02;
const LAYER_NORM_EPSILON: f32 = 1e-6;
/// How much wider a perceptron is than its block.
const MLP_RATIO: usize = 4;

impl Architecture {
    /// The tensors, as the authors of the MAE start them: linear layers uniform by Glorot and Bengio (2010), biases 0.
    pub fn params(&self, rng: &mut NormalSource) -> Params {
        let Self { resolution, patch, channels, encoder, decoder, mask_ratio, norm_pix_loss } = *self;
        let ([width, layers, heads], [decoder_width, decoder_layers, decoder_heads]) = (encoder, decoder);
        let across = resolution / patch.max(1);
        let values = patch * patch * channels;
        let mut out = Params::new();
        let mut put = |key: String, shape: Vec<usize>, data: Vec<f32>| {
            out.insert(key, HostTensor::new(shape, data));
        };
        put(CLASS_TOKEN.to_owned(), vec![1, 1, width], tokens(rng, width));
        put(format!("{PROJECTION}.weight"), vec![width, channels, patch, patch], glorot(rng, values, width));
        put(format!("{PROJECTION}.bias"), vec![width], vec![0.0; width]);
        put(POSITIONS.to_owned(), vec![1, 1 + across * across, width], position_table(across, width));
        let block =
            |name: &str, width: usize, rng: &mut NormalSource, put: &mut dyn FnMut(String, Vec<usize>, Vec<f32>)| {
                let within = MLP_RATIO * width;
                for (part, inputs, outputs) in [
                    ("attention.attention.query", width, width),
                    ("attention.attention.key", width, width),
                    ("attention.attention.value", width, width),
                    ("attention.output.dense", width, width),
                    ("intermediate.dense", width, within),
                    ("output.dense", within, width),
                ] {
                    put(format!("{name}.{part}.weight"), vec![outputs, inputs], glorot(rng, inputs, outputs));
                    put(format!("{name}.{part}.bias"), vec![outputs], vec![0.0; outputs]);
                }
                for part in ["layernorm_before", "layernorm_after"] {
                    put(format!("{name}.{part}.weight"), vec![width], vec![1.0; width]);
                    put(format!("{name}.{part}.bias"), vec![width], vec![0.0; width]);
                }
            };
        for layer in 0..layers {
            block(&format!("{LAYERS}.{layer}"), width, rng, &mut put);
        }
        for (norm, width) in [(ENCODER_NORM, width), (DECODER_NORM, decoder_width)] {
            put(format!("{norm}.weight"), vec![width], vec![1.0; width]);
            put(format!("{norm}.bias"), vec![width], vec![0.0; width]);
        }
        put(format!("{EMBED}.weight"), vec![decoder_width, width], glorot(rng, width, decoder_width));
        put(format!("{EMBED}.bias"), vec![decoder_width], vec![0.0; decoder_width]);
        put(MASK_TOKEN.to_owned(), vec![1, 1, decoder_width], tokens(rng, decoder_width));
        let table = position_table(across, decoder_width);
        put(DECODER_POSITIONS.to_owned(), vec![1, 1 + across * across, decoder_width], table);
        for layer in 0..decoder_layers {
            block(&format!("{}.{layer}", DECODER_LAYERS[0]), decoder_width, rng, &mut put);
        }
        put(format!("{PREDICTION}.weight"), vec![values, decoder_width], glorot(rng, decoder_width, values));
        put(format!("{PREDICTION}.bias"), vec![values], vec![0.0; values]);
        put(HEADS.to_owned(), vec![2], vec![heads as f32, decoder_heads as f32]);
        put(EPSILON.to_owned(), Vec::new(), vec![LAYER_NORM_EPSILON]);
        put(MASK_RATIO.to_owned(), Vec::new(), vec![mask_ratio]);
        put(NORM_PIX_LOSS.to_owned(), Vec::new(), vec![if norm_pix_loss { 1.0 } else { 0.0 }]);
        put(IMAGE_MEAN.to_owned(), vec![channels], vec![0.5; channels]);
        put(IMAGE_STD.to_owned(), vec![channels], vec![0.5; channels]);
        out
    }
}

fn tokens(rng: &mut NormalSource, count: usize) -> Vec<f32> {
    rng.normals(count).into_iter().map(|value| TOKEN_STD * value).collect()
}

/// Uniform within `sqrt(6 / (inputs + outputs))` of 0.
fn glorot(rng: &mut NormalSource, inputs: usize, outputs: usize) -> Vec<f32> {
    let bound = (6.0 / (inputs + outputs) as f64).sqrt();
    (0..inputs * outputs).map(|_| (bound * (2.0 * rng.uniform() - 1.0)) as f32).collect()
}

/// The 2-d table of sines and cosines, `[1 + across * across, width]`, a row of zeros for the class token first: the first half
/// of a row encodes the column, the second half the row, each all sines, then all cosines.
fn position_table(across: usize, width: usize) -> Vec<f32> {
    let quarter = width / 4;
    let mut table = vec![0.0; width];
    for place in 0..across * across {
        for at in [place % across, place / across] {
            let angle = |i: usize| at as f64 / libm::pow(10_000.0, i as f64 / quarter as f64);
            table.extend((0..quarter).map(|i| libm::sin(angle(i)) as f32));
            table.extend((0..quarter).map(|i| libm::cos(angle(i)) as f32));
        }
    }
    table
}
