//! `training.networks.Discriminator` under the names of the rosinality layout.

use super::clamps::Clamps;
use super::generator::kernel;
use super::{ADA_MAPPING, NetworkError, Tensors, convert_mapping, objects::Module, put_scalar, storage::Storages};
use crate::networks::{discriminator::BATCH_GROUP, stylegan2::extension};

pub(super) fn convert(module: &Module, storages: &mut Storages) -> Result<Tensors, NetworkError> {
    if module.class() == "ProjectedDiscriminator" || module.child("feature_network").is_some() {
        return Err(NetworkError::Declined("a projected GAN's discriminator".to_owned()));
    }
    let epilogue = module.required_child("b4")?;
    epilogue.must_have_architecture("resnet", "discriminator")?;
    let mut tensors = Tensors::new();
    let mut clamps = Clamps::default();
    // The file has one block per side, the largest first in the network.
    let sides: Vec<usize> =
        (3..=13).map(|power| 1 << power).take_while(|side| module.child(&format!("b{side}")).is_some()).collect();
    for (place, side) in sides.iter().rev().enumerate() {
        let block = module.required_child(&format!("b{side}"))?;
        block.must_have_architecture("resnet", "discriminator")?;
        let mut layer = |name: &str, target: &str, first: usize| {
            let layer = block.required_child(name)?;
            convolution(&layer, target, first, storages, &mut tensors, &mut clamps)
        };
        if place == 0 {
            layer("fromrgb", "convs.0", 0)?;
        }
        let name = format!("convs.{}", place + 1);
        layer("conv0", &format!("{name}.conv1"), 0)?;
        layer("conv1", &format!("{name}.conv2"), 1)?;
        let skip = block.required_child("skip")?;
        skip.must_be_linear()?;
        tensors.insert(format!("{name}.skip.1.weight"), storages.required(&skip, "weight")?);
        for (of, target) in [(block.required_child("conv1")?, "conv2.0"), (skip, "skip.0")] {
            tensors.insert(format!("{name}.{target}.kernel"), kernel(&of, storages, 1.0)?);
        }
    }
    if sides.is_empty() {
        return Err(NetworkError::Declined(format!("a discriminator of the class `{}`", super::short(module.class()))));
    }
    convolution(&epilogue.required_child("conv")?, "final_conv", 0, storages, &mut tensors, &mut clamps)?;
    let (fc, out) = (epilogue.required_child("fc")?, epilogue.required_child("out")?);
    fc.must_be_leaky()?;
    out.must_be_linear()?;
    for (layer, name) in [(fc, "final_linear.0"), (out, "final_linear.1")] {
        for part in ["weight", "bias"] {
            tensors.insert(format!("{name}.{part}"), storages.required(&layer, part)?);
        }
    }
    stddev(&epilogue, &mut tensors)?;
    if let Some(mapping) = module.child("mapping") {
        convert_mapping(&mapping, &ADA_MAPPING, storages, &mut tensors)?;
    }
    if let Some(clamp) = clamps.common("discriminator")? {
        put_scalar(&mut tensors, extension::CONV_CLAMP, clamp);
    }
    module.check_argument("img_resolution", 4 << sides.len())?;
    let extent = |key: &str, axis: usize| super::extent(&tensors, key, axis);
    module.check_argument("c_dim", extent("embed.weight", 1).unwrap_or(0))?;
    if let Some(channels) = extent("convs.0.0.weight", 1) {
        module.check_argument("img_channels", channels)?;
    }
    Ok(tensors)
}

/// `TARGET.{first}.weight` and `TARGET.{first + 1}.bias`.
fn convolution(
    layer: &Module,
    target: &str,
    first: usize,
    storages: &mut Storages,
    tensors: &mut Tensors,
    clamps: &mut Clamps,
) -> Result<(), NetworkError> {
    layer.must_be_leaky()?;
    clamps.note(layer)?;
    tensors.insert(format!("{target}.{first}.weight"), storages.required(layer, "weight")?);
    tensors.insert(format!("{target}.{}.bias", first + 1), storages.required(layer, "bias")?);
    Ok(())
}

/// What the minibatch standard deviation has that the reference has not.
fn stddev(epilogue: &Module, tensors: &mut Tensors) -> Result<(), NetworkError> {
    let (group, features) = match epilogue.child("mbstd") {
        None => (Some(BATCH_GROUP as f64), 0),
        Some(layer) => {
            let features = layer
                .size("num_channels")
                .ok_or_else(|| NetworkError::Bad(format!("`{}` does not say its number of channels", layer.path())))?;
            (layer.optional_number("group_size")?, features)
        }
    };
    if group != Some(BATCH_GROUP as f64) {
        put_scalar(tensors, extension::STDDEV_GROUP, group.unwrap_or(0.0) as f32);
    }
    if features != 1 {
        put_scalar(tensors, extension::STDDEV_FEATURES, features as f32);
    }
    Ok(())
}
