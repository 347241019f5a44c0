//! `training.networks_stylegan3.Generator` under its own names, with what the objects say beside their tensors in buffers.

use super::{
    MAPPING, NetworkError, Tensors,
    clamps::Clamps,
    convert_mapping, extent,
    objects::Module,
    put_scalar, short,
    storage::{Storages, Stored},
};
use crate::networks::stylegan3::keys::{CONV_CLAMP, GEOMETRY, INPUT, OUTPUT_SCALE, W_AVG, layer};

/// Whether a generator is a StyleGAN3: its synthesis begins with Fourier features. Everything else has the same class names as
/// in StyleGAN2.
pub(super) fn is_stylegan3(module: &Module) -> bool {
    let input = module.child("synthesis").and_then(|synthesis| synthesis.child("input"));
    input.is_some_and(|input| input.tensor_node("freqs").is_some())
}

pub(super) fn convert(module: &Module, storages: &mut Storages) -> Result<Tensors, NetworkError> {
    let (mapping, synthesis) = (module.required_child("mapping")?, module.required_child("synthesis")?);
    let superresolution = [module.class(), synthesis.class()].iter().any(|class| class.starts_with("Superres"));
    if superresolution || mapping.child("embed_proj").is_some() {
        return Err(NetworkError::Declined("a StyleGAN-XL generator".to_owned()));
    }
    let input = synthesis.required_child("input")?;
    must_be(module, "Generator")?;
    must_be(&mapping, "MappingNetwork")?;
    must_be(&synthesis, "SynthesisNetwork")?;
    must_be(&input, "SynthesisInput")?;

    let mut tensors = Tensors::new();
    convert_input(&input, storages, &mut tensors)?;
    let names = layer_names(&synthesis)?;
    let mut clamps = Clamps::default();
    let mut sides = None;
    for (index, name) in names.iter().enumerate() {
        let layer = synthesis.required_child(name)?;
        must_be(&layer, "SynthesisLayer")?;
        clamps.note(&layer)?;
        let is_last = index + 1 == names.len();
        if layer.flag("is_torgb").is_some_and(|is_torgb| is_torgb != is_last) {
            let reason = format!("`{}` is not where the layer of colours stands", layer.path());
            return Err(NetworkError::Bad(reason));
        }
        sides = Some(convert_layer(&layer, index, storages, &mut tensors)?);
    }
    let Some((side, channels)) = sides else { return Err(NetworkError::Bad("its synthesis has no layers".to_owned())) };
    let scale = storages.number(&synthesis, "output_scale").unwrap_or(0.25);
    put_scalar(&mut tensors, OUTPUT_SCALE, scale as f32);
    if let Some(clamp) = clamps.common("generator")? {
        put_scalar(&mut tensors, CONV_CLAMP, clamp);
    }
    convert_mapping(&mapping, &MAPPING, storages, &mut tensors)?;
    if let Some(w_avg) = storages.tensor(&mapping, "w_avg")? {
        tensors.insert(W_AVG.to_owned(), w_avg);
    }
    check(module, &tensors, (side, channels))?;
    Ok(tensors)
}

/// Holds the tensors' shapes against the arguments the generator was made with.
fn check(module: &Module, tensors: &Tensors, (side, channels): (usize, usize)) -> Result<(), NetworkError> {
    module.check_argument("img_resolution", side)?;
    module.check_argument("img_channels", channels)?;
    module.check_argument("c_dim", extent(tensors, "mapping.embed.weight", 1).unwrap_or(0))?;
    let embedded = extent(tensors, "mapping.embed.weight", 0).unwrap_or(0);
    if let Some(inputs) = extent(tensors, "mapping.fc0.weight", 1) {
        module.check_argument("z_dim", inputs.saturating_sub(embedded))?;
    }
    match extent(tensors, "synthesis.input.affine.weight", 1) {
        Some(w_dim) => module.check_argument("w_dim", w_dim),
        None => Ok(()),
    }
}

/// An editor's class under another name may compute anything.
fn must_be(module: &Module, class: &str) -> Result<(), NetworkError> {
    if module.class() == class {
        return Ok(());
    }
    let (found, path) = (short(module.class()), module.path());
    let place = if path.is_empty() { "it".to_owned() } else { format!("`{path}`") };
    Err(NetworkError::Declined(format!(
        "a StyleGAN3 generator with renamed classes ({place} is a `{found}`, NVlabs' is a `{class}`)"
    )))
}

/// Names of the layers in their order.
fn layer_names(synthesis: &Module) -> Result<Vec<String>, NetworkError> {
    /// The networks in use have 15.
    const MOST: usize = 64;
    let names = synthesis.texts("layer_names");
    let names = names.filter(|names| !names.is_empty() && names.len() <= MOST);
    names.ok_or_else(|| NetworkError::Bad(format!("`{}` does not say which layers it has", synthesis.path())))
}

fn convert_input(input: &Module, storages: &mut Storages, tensors: &mut Tensors) -> Result<(), NetworkError> {
    for name in ["weight", "transform", "freqs", "phases"] {
        tensors.insert(format!("{INPUT}.{name}"), storages.required(input, name)?);
    }
    affine(input, INPUT, storages, tensors)?;
    let side = storages.side(input, "size");
    let (rate, bandwidth) = (storages.number(input, "sampling_rate"), storages.number(input, "bandwidth"));
    let (Some(side), Some(rate), Some(bandwidth)) = (side, rate, bandwidth) else {
        let reason = format!("`{}` does not say its size, sampling rate and bandwidth", input.path());
        return Err(NetworkError::Bad(reason));
    };
    if let Some(channels) = extent(tensors, &format!("{INPUT}.weight"), 0) {
        input.check_argument("channels", channels)?;
    }
    let values = vec![side as f32, rate as f32, bandwidth as f32];
    tensors.insert(format!("{INPUT}.{GEOMETRY}"), Stored::made(vec![3], values));
    Ok(())
}

fn affine(module: &Module, prefix: &str, storages: &mut Storages, tensors: &mut Tensors) -> Result<(), NetworkError> {
    let affine = module.required_child("affine")?;
    affine.must_be_linear()?;
    for part in ["weight", "bias"] {
        tensors.insert(format!("{prefix}.affine.{part}"), storages.required(&affine, part)?);
    }
    Ok(())
}

/// Side and channels of what the layer gives.
fn convert_layer(
    module: &Module,
    index: usize,
    storages: &mut Storages,
    tensors: &mut Tensors,
) -> Result<(usize, usize), NetworkError> {
    let unsaid = |what: &str| NetworkError::Bad(format!("`{}` does not say its {what}", module.path()));
    let mut side = |name: &str| storages.side(module, name).ok_or_else(|| unsaid(name));
    let (input, output) = (side("in_size")?, side("out_size")?);
    let factor = |name: &str| module.size(name).ok_or_else(|| unsaid(name));
    let (up, down) = (factor("up_factor")?, factor("down_factor")?);
    let weight = storages.required(module, "weight")?;
    let [outputs, inputs, kernel, _] = weight.tensor.shape[..] else {
        return Err(NetworkError::Bad(format!("the weight of `{}` is no convolution's", module.path())));
    };
    module.check_argument("in_channels", inputs)?;
    module.check_argument("out_channels", outputs)?;

    let prefix = layer(index, output, outputs);
    tensors.insert(format!("{prefix}.weight"), weight);
    for name in ["bias", "magnitude_ema"] {
        tensors.insert(format!("{prefix}.{name}"), storages.required(module, name)?);
    }
    affine(module, &prefix, storages, tensors)?;
    let mut taps = [1; 2];
    for (name, taps) in ["up_filter", "down_filter"].into_iter().zip(&mut taps) {
        if let Some(filter) = storages.tensor(module, name)? {
            *taps = filter.tensor.shape.first().copied().unwrap_or(0);
            tensors.insert(format!("{prefix}.{name}"), filter);
        }
    }
    check_padding(module, [input, output], [up, down], kernel, taps)?;
    let values = [input, output, up, down].map(|value| value as f32).to_vec();
    tensors.insert(format!("{prefix}.{GEOMETRY}"), Stored::made(vec![4], values));
    Ok((output, outputs))
}

/// Holds sides, factors and filters against the padding that the layer derived from them.
fn check_padding(
    module: &Module,
    [input, output]: [usize; 2],
    [up, down]: [usize; 2],
    kernel: usize,
    [up_taps, down_taps]: [usize; 2],
) -> Result<(), NetworkError> {
    for (name, found) in [("up_taps", up_taps), ("down_taps", down_taps)] {
        if module.size(name).is_some_and(|taps| taps != found) {
            let reason = format!("`{}` has a filter of {found} taps where {name} says another number", module.path());
            return Err(NetworkError::Bad(reason));
        }
    }
    let product = |a: usize, b: usize| i64::try_from(a).ok()?.checked_mul(i64::try_from(b).ok()?);
    let total = || {
        let (n, wide) = (product(output.saturating_sub(1), down)?, product(input.saturating_add(kernel) - 1, up)?);
        n.checked_add(1)?.checked_sub(wide)?.checked_add(i64::try_from(up_taps + down_taps).ok()?)?.checked_sub(2)
    };
    let padding = total().and_then(|total| {
        let low = total.checked_add(i64::try_from(up).ok()?)?.div_euclid(2);
        Some([low, total - low, low, total - low])
    });
    match module.integers("padding") {
        Some(given) if padding.is_none_or(|padding| given != padding) => {
            Err(NetworkError::Bad(format!("the filters of `{}` contradict its sizes", module.path())))
        }
        _ => Ok(()),
    }
}
