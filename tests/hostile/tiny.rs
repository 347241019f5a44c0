//! The smallest model file there is something in; the fuzz targets begin with it too.

use unlearn_studio::{
    checkpoint::{AdamMoments, Checkpoint, OptimState, parameter_names},
    networks::{Architecture, HostTensor, NormalSource, Params},
};

/// A file of the smallest networks with everything a checkpoint can hold.
pub fn checkpoint() -> Checkpoint {
    let a = Architecture { channels: vec![2, 1], image_channels: 1, latent: 2, mapping_layers: 1 };
    let mut rng = NormalSource::new(3, 0);
    let (g, d) = (a.generator(&mut rng), a.discriminator(&mut rng));
    let moments = |params: &Params| {
        let names = parameter_names(params);
        let of = |name: &String| {
            let HostTensor { shape, data } = params[name].clone();
            let exp_avg = HostTensor::new(shape, data);
            AdamMoments { step: 3.0, exp_avg_sq: exp_avg.clone(), exp_avg }
        };
        let moments = names.iter().map(of).enumerate().collect();
        Some(OptimState { moments, param_groups: serde_json::json!([{"lr": 0.002, "betas": [0.0, 0.99]}]) })
    };
    let (g_optim, d_optim) = (moments(&g), moments(&d));
    let args = serde_json::json!({"r1": 10, "size": 8}).as_object().cloned().unwrap_or_default();
    let metadata = [("card".to_owned(), "tiny".to_owned())].into();
    Checkpoint {
        g_ema: Some(g.clone()),
        g: Some(g),
        d: Some(d),
        g_optim,
        d_optim,
        args,
        ada_aug_p: Some(0.5),
        metadata,
        dcgan: None,
        pickle: None,
    }
}
