//! What a report says of the model itself.

use serde_json::Value;

use crate::{audit::Facts, model::ModelCard};

/// What the file says of the model, by the fields of a model card and of Annex XI of Regulation (EU) 2024/1689.
pub(super) fn facts(card: &ModelCard) -> Facts {
    let mut fields = vec![
        (
            "Task".to_owned(),
            match card.completes {
                Some(_) => "Completes pictures of which a part is hidden (masked autoencoding)".to_owned(),
                None => "Draws pictures from random latents (unsupervised image generation)".to_owned(),
            },
        ),
        (
            "Architecture".to_owned(),
            format!("{}, {} pixels, {} channels", card.family, card.resolution, card.image_channels),
        ),
        (
            "Parameters".to_owned(),
            match card.discriminator_parameters {
                Some(discriminator) => {
                    format!("{} (generator), {discriminator} (discriminator)", card.generator_parameters)
                }
                None => format!("{} (generator)", card.generator_parameters),
            },
        ),
        (
            "Input".to_owned(),
            match (card.completes, card.classes) {
                (Some(completes), _) => {
                    format!("a picture, of which {:.0} % of the patches are hidden", completes.mask_ratio * 100.0)
                }
                (None, 0) => format!("a latent of {} normal numbers", card.latent),
                (None, classes) => format!("a latent of {} normal numbers and one of {classes} classes", card.latent),
            },
        ),
        ("Output".to_owned(), format!("a picture of {0}x{0} pixels", card.resolution)),
    ];
    // What `train` wrote down, field by field.
    let training = card.metadata.get("card").and_then(|text| serde_json::from_str::<Value>(text).ok());
    for (key, name) in [
        ("data", "Training data"),
        ("excluded", "Left out of the training data"),
        ("images", "Training images"),
        ("iterations", "Training iterations"),
        ("date", "Date of the training"),
        ("licence", "Licence"),
    ] {
        match training.as_ref().and_then(|card| card.get(key)) {
            Some(Value::String(text)) => fields.push((name.to_owned(), text.clone())),
            Some(Value::Number(number)) => fields.push((name.to_owned(), number.to_string())),
            _ => {}
        }
    }
    let known = ["program", "source_sha256", "method", "feedback_sha256", "licence", "license"];
    for (key, value) in card.metadata.iter().filter(|(key, _)| known.contains(&key.as_str())) {
        fields.push((format!("The file says: {key}"), value.clone()));
    }
    let open = [
        "intended use and acceptable use policy",
        "date of release and ways of distribution",
        "licence, where the file does not say it",
        "training data: provenance, curation, number of examples",
        "computing resources and energy of the training",
        "contact",
    ];
    Facts { fields, open: open.map(str::to_owned).to_vec() }
}
