//! Mapping networks: from a latent and a class to `w`.

use burn::tensor::Tensor;

use super::linear::{EqualLinear, pixel_norm};
use crate::networks::{ArchitectureError, Dual, Leaves, ParamLayout, params::ShapeReader};

/// Learning-rate multiplier of mapping networks, unless the file says another.
const LR_MUL: f64 = 0.01;

/// What a family calls the tensors of its mapping networks.
#[derive(Clone, Copy, Debug)]
pub(in crate::networks) struct MappingNames {
    /// Prefix of the class embedding.
    pub(in crate::networks) embed: &'static str,
    /// What precedes a layer's number.
    pub(in crate::networks) layers: &'static str,
    /// Number of the first layer.
    pub(in crate::networks) first: usize,
    /// Buffer with the learning-rate multiplier, if it is not 0.01.
    pub(in crate::networks) lr_multiplier: &'static str,
}

impl MappingNames {
    /// Prefix of the layer at `place` from 0.
    fn layer(&self, place: usize) -> String {
        format!("{}{}", self.layers, self.first + place)
    }

    /// Whether a key names a parameter of the mapping network.
    pub(in crate::networks) fn is_parameter(&self, key: &str) -> bool {
        let inside = |prefix: &str| key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'));
        key != self.lr_multiplier && (inside(self.embed) || key.starts_with(self.layers))
    }
}

/// Linear layers over the normalised latent, behind which stands the normalised embedding of the class (in
/// class-conditional networks, as in stylegan2-ada-pytorch).
#[derive(Clone, Debug)]
pub(in crate::networks) struct Mapping {
    embed: Option<EqualLinear>,
    layers: Vec<EqualLinear>,
    latent: usize,
    outputs: usize,
}

impl Mapping {
    /// A generator's mapping network: a latent, perhaps a class, at least one layer.
    pub(in crate::networks) fn of_latents(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        names: &MappingNames,
    ) -> Result<Self, ArchitectureError> {
        let (embed, layers) = read(shapes, layout, names)?;
        let weight = format!("{}.weight", names.layer(0));
        let (Some(first), Some(last)) = (layers.first(), layers.last()) else {
            shapes.tensor::<2>(&weight)?;
            return Err(shapes.misfit(&weight, "a mapping network".to_owned()));
        };
        let embedded = embed.as_ref().map_or(0, |embed| embed.outputs);
        let Some(latent) = first.inputs.checked_sub(embedded).filter(|latent| *latent > 0) else {
            let fits = format!("[{}, more than {embedded}]", first.outputs);
            return Err(shapes.misfit(&weight, fits));
        };
        let outputs = last.outputs;
        Ok(Self { embed, layers, latent, outputs })
    }

    /// A discriminator's mapping network of classes, with any number of layers; none in unconditional ones.
    pub(in crate::networks) fn of_classes(
        shapes: &mut ShapeReader,
        layout: &ParamLayout,
        names: &MappingNames,
    ) -> Result<Option<Self>, ArchitectureError> {
        let (Some(embed), layers) = read(shapes, layout, names)? else { return Ok(None) };
        if let Some(first) = layers.first()
            && first.inputs != embed.outputs
        {
            let fits = format!("[{}, {}]", first.outputs, embed.outputs);
            return Err(shapes.misfit(&format!("{}.weight", names.layer(0)), fits));
        }
        let outputs = layers.last().map_or(embed.outputs, |last| last.outputs);
        Ok(Some(Self { embed: Some(embed), layers, latent: 0, outputs }))
    }

    /// Length of the latent proper, without the class.
    pub(in crate::networks) fn latent(&self) -> usize {
        self.latent
    }

    /// Number of classes; 0 in unconditional networks.
    pub(in crate::networks) fn classes(&self) -> usize {
        self.embed.as_ref().map_or(0, |embed| embed.inputs)
    }

    /// Length of `w`.
    pub(in crate::networks) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of layers.
    pub(in crate::networks) fn depth(&self) -> usize {
        self.layers.len()
    }

    /// `[batch, latent + classes]` (the class one-hot) to `[batch, outputs]`.
    pub(in crate::networks) fn forward(&self, p: &Leaves, x: Tensor<2>) -> Tensor<2> {
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
    names: &MappingNames,
) -> Result<(Option<EqualLinear>, Vec<EqualLinear>), ArchitectureError> {
    let embed = match shapes.contains(&format!("{}.weight", names.embed)) {
        true => Some(EqualLinear::read(shapes, layout, names.embed, 1.0)?),
        false => None,
    };
    let lr_mul = shapes.scalar(names.lr_multiplier, 1e-6, 1e3)?.map_or(LR_MUL, f64::from);
    let mut layers: Vec<EqualLinear> = Vec::new();
    while shapes.contains(&format!("{}.weight", names.layer(layers.len()))) {
        let prefix = names.layer(layers.len());
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
