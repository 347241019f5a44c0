//! `training.networks.Generator` under the names of the rosinality layout.

use super::{
    ADA_MAPPING, NetworkError, Tensors,
    clamps::Clamps,
    convert_mapping,
    objects::Module,
    put_scalar,
    storage::{Storages, Stored},
};
use crate::networks::stylegan2::extension;

/// Largest side that is read; a file could claim any.
const LARGEST_SIDE: usize = 1 << 13;

/// The gain of a filter that follows a 2x upsampling, which the rosinality layout keeps in the kernel.
const UPSAMPLING_GAIN: f32 = 4.0;

pub(super) fn convert(module: &Module, storages: &mut Storages) -> Result<Tensors, NetworkError> {
    let (mapping, synthesis) = (module.required_child("mapping")?, module.required_child("synthesis")?);
    let mut tensors = Tensors::new();
    convert_mapping(&mapping, &ADA_MAPPING, storages, &mut tensors)?;
    if let Some(w_avg) = storages.tensor(&mapping, "w_avg")? {
        tensors.insert(extension::W_AVG.to_owned(), w_avg);
    }
    let mut clamps = Clamps::default();
    let mut side = 4;
    while let Some(block) = synthesis.child(&format!("b{side}")) {
        block.must_have_architecture("skip", "generator")?;
        let mut to = Target { storages: &mut *storages, tensors: &mut tensors, clamps: &mut clamps };
        match side {
            4 => first_block(&block, &mut to)?,
            _ => upsampling_block(&block, side, &mut to)?,
        }
        side *= 2;
        if side > LARGEST_SIDE {
            break;
        }
    }
    if side == 4 {
        return Err(NetworkError::Declined(format!("a generator of the class `{}`", super::short(module.class()))));
    }
    if let Some(clamp) = clamps.common("generator")? {
        put_scalar(&mut tensors, extension::CONV_CLAMP, clamp);
    }
    check(module, &synthesis, &tensors, side / 2)?;
    Ok(tensors)
}

/// Holds the tensors' shapes against the arguments the generator was made with.
fn check(module: &Module, synthesis: &Module, tensors: &Tensors, side: usize) -> Result<(), NetworkError> {
    module.check_argument("img_resolution", side)?;
    let extent = |key: &str, axis: usize| super::extent(tensors, key, axis);
    let classes = extent("embed.weight", 1).unwrap_or(0);
    let embedded = extent("embed.weight", 0).unwrap_or(0);
    module.check_argument("c_dim", classes)?;
    if let Some(inputs) = extent("style.1.weight", 1) {
        module.check_argument("z_dim", inputs.saturating_sub(embedded))?;
    }
    if let Some(style) = extent("conv1.conv.modulation.weight", 1) {
        module.check_argument("w_dim", style)?;
    }
    if let Some(channels) = extent("to_rgb1.conv.weight", 1) {
        module.check_argument("img_channels", channels)?;
    }
    match synthesis.size("img_resolution") {
        Some(claimed) if claimed != side => {
            Err(NetworkError::Bad(format!("its generator claims {claimed} pixels, but has blocks for {side}")))
        }
        _ => Ok(()),
    }
}

/// Where a block's tensors go.
struct Target<'a, 'b> {
    storages: &'a mut Storages<'b>,
    tensors: &'a mut Tensors,
    clamps: &'a mut Clamps,
}

impl Target<'_, '_> {
    fn put(&mut self, key: String, tensor: Stored) {
        self.tensors.insert(key, tensor);
    }

    /// The tensor `name` with another shape: what is given, with the number of values checked later by whoever builds the
    /// network.
    fn reshaped(
        &mut self,
        module: &Module,
        name: &str,
        before: &[usize],
        after: &[usize],
    ) -> Result<Stored, NetworkError> {
        let stored = self.storages.required(module, name)?;
        let shape = [before, &stored.tensor.shape, after].concat();
        Ok(stored.reshaped(shape))
    }
}

fn first_block(block: &Module, to: &mut Target) -> Result<(), NetworkError> {
    let constant = to.reshaped(block, "const", &[1], &[])?;
    to.put("input.input".to_owned(), constant);
    styled_conv(&block.required_child("conv1")?, "conv1", 0, false, to)?;
    to_rgb(&block.required_child("torgb")?, "to_rgb1", to)
}

fn upsampling_block(block: &Module, side: usize, to: &mut Target) -> Result<(), NetworkError> {
    let place = side.ilog2() as usize - 3;
    let layer = 2 * place + 1;
    styled_conv(&block.required_child("conv0")?, &format!("convs.{}", layer - 1), layer, true, to)?;
    styled_conv(&block.required_child("conv1")?, &format!("convs.{layer}"), layer + 1, false, to)?;
    let name = format!("to_rgbs.{place}");
    to_rgb(&block.required_child("torgb")?, &name, to)?;
    let kernel = kernel(block, to.storages, UPSAMPLING_GAIN)?;
    to.put(format!("{name}.upsample.kernel"), kernel);
    Ok(())
}

fn styled_conv(module: &Module, name: &str, layer: usize, upsample: bool, to: &mut Target) -> Result<(), NetworkError> {
    module.must_be_leaky()?;
    to.clamps.note(module)?;
    let weight = to.reshaped(module, "weight", &[1], &[])?;
    to.put(format!("{name}.conv.weight"), weight);
    if upsample {
        let kernel = kernel(module, to.storages, UPSAMPLING_GAIN)?;
        to.put(format!("{name}.conv.blur.kernel"), kernel);
    }
    affine(module, name, to)?;
    let bias = to.storages.required(module, "bias")?;
    to.put(format!("{name}.activate.bias"), bias);
    if module.tensor_node("noise_strength").is_some() {
        let strength = to.reshaped(module, "noise_strength", &[1], &[])?;
        to.put(format!("{name}.noise.weight"), strength);
        let noise = to.reshaped(module, "noise_const", &[1, 1], &[])?;
        to.put(format!("noises.noise_{layer}"), noise);
    }
    Ok(())
}

fn to_rgb(module: &Module, name: &str, to: &mut Target) -> Result<(), NetworkError> {
    to.clamps.note(module)?;
    let weight = to.reshaped(module, "weight", &[1], &[])?;
    to.put(format!("{name}.conv.weight"), weight);
    affine(module, name, to)?;
    let bias = to.reshaped(module, "bias", &[1], &[1, 1])?;
    to.put(format!("{name}.bias"), bias);
    Ok(())
}

fn affine(module: &Module, name: &str, to: &mut Target) -> Result<(), NetworkError> {
    let affine = module.required_child("affine")?;
    affine.must_be_linear()?;
    for part in ["weight", "bias"] {
        let tensor = to.storages.required(&affine, part)?;
        to.put(format!("{name}.conv.modulation.{part}"), tensor);
    }
    Ok(())
}

/// A module's `resample_filter` (sum 1) as a kernel buffer of the given gain.
pub(super) fn kernel(module: &Module, storages: &mut Storages, gain: f32) -> Result<Stored, NetworkError> {
    /// Longest filter; the ones in use have 4 taps.
    const LONGEST: usize = 32;
    let crate::networks::HostTensor { shape, data } = storages.required(module, "resample_filter")?.tensor;
    let (shape, data) = match shape[..] {
        // Long filters are kept as one row of taps.
        [taps] if taps <= LONGEST => {
            (vec![taps, taps], data.iter().flat_map(|a| data.iter().map(move |b| a * b)).collect())
        }
        [rows, columns] if rows <= LONGEST && columns <= LONGEST => (shape, data),
        _ => return Err(NetworkError::Bad(format!("the filter of `{}` has the shape {shape:?}", module.path()))),
    };
    Ok(Stored::made(shape, data.into_iter().map(|tap| tap * gain).collect()))
}
