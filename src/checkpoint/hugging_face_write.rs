//! Writing a masked autoencoder's folder as Hugging Face lays it out.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::hugging_face::{CONFIG, MODEL_TYPE, PREPROCESSOR, WEIGHTS};
use super::safetensors_file::write_tensors;
use super::{Checkpoint, CheckpointError};
use crate::atomic_file;
use crate::networks::vit_mae::keys::{EPSILON, HEADS, IMAGE_MEAN, IMAGE_STD, MASK_RATIO, NORM_PIX_LOSS, is_config};
use crate::networks::{Params, vit_mae::Sizes, vit_mae::is_vit_mae};

/// Writes a folder: whole, if there is none yet, else file by file, the tensors last.
pub(super) fn save(folder: &Path, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
    let Some(params) = checkpoint.g_ema.as_ref().filter(|params| is_vit_mae(params)) else {
        return Err(CheckpointError::UnknownExtension { file: folder.to_owned() });
    };
    let failed = |error: std::io::Error| CheckpointError::write(folder, &error);
    let mut metadata = checkpoint.metadata.clone();
    let config = metadata.remove(CONFIG).unwrap_or_else(|| config_of(params).to_string());
    let preprocessor = metadata.remove(PREPROCESSOR).unwrap_or_else(|| preprocessor_of(params).to_string());
    metadata.insert("format".to_owned(), "pt".to_owned());
    let write = |folder: &Path| {
        for (name, text) in [(CONFIG, &config), (PREPROCESSOR, &preprocessor)] {
            atomic_file::write(&folder.join(name), pretty(text).as_bytes()).map_err(failed)?;
        }
        write_tensors(&folder.join(WEIGHTS), params.iter().filter(|(key, _)| !is_config(key)), &metadata)
    };
    if folder.is_dir() {
        return write(folder);
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = tempfile::Builder::new().prefix(".unlearn-").tempdir_in(parent).map_err(failed)?;
    write(unfinished.path())?;
    let made = unfinished.keep();
    // A temporary folder is its owner's alone.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&made, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    fs::rename(&made, folder).map_err(|error| {
        let _ = fs::remove_dir_all(&made);
        failed(error)
    })
}

/// What `transformers` has to know of a model that was not opened from a folder.
fn config_of(params: &Params) -> Value {
    let Sizes { resolution, patch, channels, encoder, decoder } = Sizes::of(params);
    let scalar = |key: &str| params.get(key).and_then(|tensor| tensor.data.first()).copied().unwrap_or_default();
    let heads = |at: usize| params.get(HEADS).and_then(|tensor| tensor.data.get(at)).copied().unwrap_or(1.0) as usize;
    json!({
        "architectures": ["ViTMAEForPreTraining"],
        "attention_probs_dropout_prob": 0.0,
        "decoder_hidden_size": decoder.width,
        "decoder_intermediate_size": decoder.within,
        "decoder_num_attention_heads": heads(1),
        "decoder_num_hidden_layers": decoder.layers,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "hidden_size": encoder.width,
        "image_size": resolution,
        "initializer_range": 0.02,
        "intermediate_size": encoder.within,
        "layer_norm_eps": shortest(scalar(EPSILON)),
        "mask_ratio": shortest(scalar(MASK_RATIO)),
        "model_type": MODEL_TYPE,
        "norm_pix_loss": scalar(NORM_PIX_LOSS) == 1.0,
        "num_attention_heads": heads(0),
        "num_channels": channels,
        "num_hidden_layers": encoder.layers,
        "patch_size": patch,
        "qkv_bias": encoder.qkv_bias,
        "torch_dtype": "float32",
    })
}

/// How pixels are scaled.
fn preprocessor_of(params: &Params) -> Value {
    let values = |key: &str| params.get(key).map_or_else(Vec::new, |t| t.data.iter().map(|v| shortest(*v)).collect());
    let side = Sizes::of(params).resolution;
    json!({
        "do_normalize": true,
        "do_rescale": true,
        "do_resize": true,
        "image_mean": values(IMAGE_MEAN),
        "image_processor_type": "ViTImageProcessor",
        "image_std": values(IMAGE_STD),
        "rescale_factor": 1.0 / 255.0,
        "size": { "height": side, "width": side },
    })
}

/// The number with the fewest digits that is this one in 32 bits.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn pretty(text: &str) -> String {
    let value = serde_json::from_str::<Value>(text).unwrap_or_default();
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}
