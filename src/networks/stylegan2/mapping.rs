//! Mapping networks: from a latent and a class to `w`.

use burn::tensor::Tensor;

use super::{
    keys::extension::{EMBED, LR_MULTIPLIER},
    layers::{EqualLinear, pixel_norm},
};
use crate::networks::{ArchitectureError, Dual, Leaves, ParamLayout, params::ShapeReader};

/// Learning-rate multiplier of mapping networks, unless the file says another.
const LR_MUL: f64 = 0.01;

/// `style.1`, `style.2`, ... over the normalised latent, behind which stands the normalised embedding of the class (in
/// class-conditional networks: `embed`, as in stylegan2-ada-pytorch).
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    embed: Option<EqualLinear>,
    layers: Vec<EqualLinear>,
    latent: usize,
    outputs: usize,
}

impl Mapping {
    /// A generator's mapping network: a latent, perhaps a class, at least one layer.
    pub(super) fn of_latents(shapes: &mut ShapeReader, layout: &ParamLayout) -> Result<Self, ArchitectureError> {
        let (embed, layers) = read(shapes, layout)?;
        let (Some(first), Some(last)) = (layers.first(), layers.last()) else {
            shapes.tensor::<2>("style.1.weight")?;
            return Err(shapes.misfit("style.1.weight", "a mapping network".to_owned()));
        };
        let embedded = embed.as_ref().map_or(0, |embed| embed.outputs);
        let Some(latent) = first.inputs.checked_sub(embedded).filter(|latent| *latent > 0) else {
            let fits = format!("[{}, more than {embedded}]", first.outputs);
            return Err(shapes.misfit("style.1.weight", fits));
        };
        let outputs = last.outputs;
        Ok(Self { embed, layers, latent, outputs })
    }

    /// A discriminator's mapping network of classes, with any number of layers; none in unconditional ones.
    pub(super) fn of_classes(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
    ) -> Result<Option<Self>, ArchitectureError> {
        let (Some(embed), layers) = read(shapes, layout)? else { return Ok(None) };
        if let Some(first) = layers.first()
            && first.inputs != embed.outputs
        {
            let fits = format!("[{}, {}]", first.outputs, embed.outputs);
            return Err(shapes.misfit("style.1.weight", fits));
        }
        let outputs = layers.last().map_or(embed.outputs, |last| last.outputs);
        Ok(Some(Self { embed: Some(embed), layers, latent: 0, outputs }))
    }

    /// Length of the latent proper, without the class.
    pub(super) fn latent(&self) -> usize {
        self.latent
    }

    /// Number of classes; 0 in unconditional networks.
    pub(super) fn classes(&self) -> usize {
        self.embed.as_ref().map_or(0, |embed| embed.inputs)
    }

    /// Length of `w`.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of layers.
    pub(super) fn depth(&self) -> usize {
        self.layers.len()
    }

    /// `[batch, latent + classes]` (the class one-hot) to `[batch, outputs]`.
    pub(super) fn forward(&self, p: &Leaves, x: Tensor<2>) -> Tensor<2> {
        let start = match &self.embed {
            None => pixel_norm(x),
            Some(embed) => {
                let class = x.clone().narrow(1, self.latent, embed.inputs);
                let class = pixel_norm(embed.forward(p, class.into()).value);
                match self.latent {
                    0 => class,
                    latent => Tensor::cat(vec![pixel_norm(x.narrow(1, 0, latent)), class], 1),
                }
            }
        };
        self.layers.iter().fold(Dual::from(start), |x, layer| layer.forward(p, x).leaky_relu_gained()).value
    }
}

fn read(
    shapes: &mut ShapeReader,
    layout: &ParamLayout,
) -> Result<(Option<EqualLinear>, Vec<EqualLinear>), ArchitectureError> {
    let embed = match shapes.contains(&format!("{EMBED}.weight")) {
        true => Some(EqualLinear::read(shapes, layout, EMBED, 1.0)?),
        false => None,
    };
    let lr_mul = shapes.scalar(LR_MULTIPLIER, 1e-6, 1e3)?.map_or(LR_MUL, f64::from);
    let mut layers: Vec<EqualLinear> = Vec::new();
    while shapes.contains(&format!("style.{}.weight", layers.len() + 1)) {
        let prefix = format!("style.{}", layers.len() + 1);
        let layer = EqualLinear::read(shapes, layout, &prefix, lr_mul)?;
        if let Some(before) = layers.last()
            && before.outputs != layer.inputs
        {
            let fits = format!("[{}, {}]", layer.outputs, before.outputs);
            return Err(shapes.misfit(&format!("{prefix}.weight"), fits));
        }
        layers.push(layer);
    }
    Ok((embed, layers))
}
