//! Agreement with the authors' PyTorch code, key by key.
//!
//! Runs over every checkpoint in `tests/fixtures/golden`, or in the folder that `UNLEARN_GOLDEN` names. Files that share a
//! name up to the first dot share one `NAME.expected.safetensors`. A checkpoint that no reader takes is a failure.
//! `UNLEARN_DEVICE=gpu` runs it on the GPU. Prints one line per checkpoint and key group with
//! the largest relative error.

mod common;

use std::{collections::BTreeMap, path::PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use common::{Golden, golden_folder};
use unlearn_studio::{
    checkpoint,
    model::Gan,
    networks::{
        CompletionNetwork, Dual, FlatParams, GeneratorNetwork, Noise, PatchOrder, flat::to_vec, read_generator,
        stylegan3, vit_mae::Network,
    },
    train::{Draw, GeneratorTerm, GeneratorTrainer, Movable, TrainConfig, Trainer, adam::AdamConfig, losses},
    unlearn::adapt::{
        ewc::{Ewc, fisher_diagonal},
        repulsion::{Distance, Repulsion, RepulsionConfig, RepulsionLoss},
    },
    unlearn::image_to_image::{self, Seen},
};

const VALUES: f32 = 1e-4;
const GRADIENTS: f32 = 1e-3;
const TRAJECTORY: f32 = 1e-2;

/// `|a - b| / |b|` in the 2-norm.
fn relative_error(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let difference: f64 = found.iter().zip(expected).map(|(a, b)| square(a - b)).sum();
    let norm: f64 = expected.iter().map(|&b| square(b)).sum();
    let error = (difference / norm.max(1e-30)).sqrt() as f32;
    if found.iter().all(|v| v.is_finite()) { error } else { f32::INFINITY }
}

/// The largest error of every key group of one checkpoint, and which expected keys were compared.
struct Checks<'a> {
    golden: &'a Golden,
    worst: BTreeMap<&'static str, (f32, f32, String)>,
    seen: Vec<String>,
}

impl Checks<'_> {
    fn check(&mut self, group: &'static str, bar: f32, key: &str, found: &[f32]) {
        let error = relative_error(found, &self.golden.expected(key).data);
        self.seen.push(key.to_owned());
        let entry = self.worst.entry(group).or_insert((-1.0, bar, String::new()));
        if error > entry.0 {
            *entry = (error, bar, key.to_owned());
        }
    }

    /// Every parameter of a flat vector against `PREFIX.NAME`; a missing key is a failure.
    fn parameters(&mut self, group: &'static str, bar: f32, prefix: &str, like: &FlatParams, flat: Tensor<1>) {
        let values = to_vec(flat);
        for (name, _, range) in like.layout.iter() {
            let key = format!("{prefix}{name}");
            // Parameters that EWC does not hold have no expected information: it is zero.
            if prefix == "fisher." && !self.golden.has(&key) {
                assert!(values[range].iter().all(|value| *value == 0.0), "{key} is not expected, and not zero");
            } else {
                self.check(group, bar, &key, &values[range]);
            }
        }
    }
}

impl Checks<'_> {
    /// Every parameter of a flat vector against `PREFIX.NAME`, NAME being the file's for the parameter.
    fn renamed(
        &mut self,
        group: &'static str,
        bar: f32,
        prefix: &str,
        (names, like): (&BTreeMap<&str, &str>, &FlatParams),
        flat: Tensor<1>,
    ) {
        let values = to_vec(flat);
        for (key, _, range) in like.layout.iter() {
            let name = names[key];
            self.check(group, bar, &format!("{prefix}{name}"), &values[range]);
        }
    }
}

fn golden_run(golden: &Golden, device: &Device) -> Vec<String> {
    let mut checks = Checks { golden, worst: BTreeMap::new(), seen: Vec::new() };
    if golden.model.generator.family() == "DCGAN" {
        dcgan(golden, device, &mut checks);
    } else if golden.model.generator.family() == "StyleGAN3" {
        network_pickle(golden, device, &mut checks);
        layers_and_gradients(golden, device, &mut checks);
    } else if golden.model.generator.family() == "ViT-MAE" {
        masked_autoencoder(golden, device, &mut checks);
    } else if golden.is_pickle() {
        network_pickle(golden, device, &mut checks);
    } else {
        let gan = golden.gan();
        forward(golden, gan, device, &mut checks);
        adversarial(golden, gan, device, &mut checks);
        method(golden, gan, device, &mut checks);
        trajectory(golden, gan, device, &mut checks);
    }

    // `image_train`: what batch normalisation gives by a batch's own statistics, which nothing here does.
    let inputs = ["meta", "z", "c", "z2", "real", "w_mean", "pl_noise", "pl_mean_in", "image_train"];
    // A file without a discriminator has none of its numbers; another form of the same checkpoint has.
    let without_d = golden.model.gan.is_none();
    let mut failures = Vec::new();
    for key in golden.keys() {
        let input = inputs.contains(&key)
            || ["pixel_values", "noise", "i2i_noise"].contains(&key)
            || key.starts_with("i2i_theta.")
            || key.starts_with("ewc_theta.")
            || (key.starts_with("traj")
                && [".z_d", ".z_g", ".z_pl", ".real", ".pl_noise"].iter().any(|e| key.ends_with(e)));
        let of_d = ["d_", "r1"].iter().any(|start| key.starts_with(start));
        let expected = !(input || without_d && of_d);
        if expected && !checks.seen.iter().any(|seen| seen == key) {
            failures.push(format!("{}: {key} was not compared", golden.name));
        }
    }
    for (group, (error, bar, key)) in &checks.worst {
        println!("{:<20} {group:<22} {error:9.2e}  (bar {bar:.0e}; worst: {key})", golden.name);
        if error.is_nan() || error > bar {
            failures.push(format!("{}: {group} is off by {error:.2e} at {key}, bar {bar:.0e}", golden.name));
        }
    }
    failures
}

/// Key biases have no gradient of their own (a softmax does not see them): what is stored is rounding, which the optimizer blows
/// up to about 1e-3.
const KEY_BIAS: &str = ".attention.key.bias";

fn masked_autoencoder(golden: &Golden, device: &Device, checks: &mut Checks) {
    let checkpoint = checkpoint::load(&golden.model.path).expect("a checkpoint");
    let network = Network::read(&checkpoint.g_ema.expect("a network"), device).expect("a masked autoencoder");
    let weights = &golden.model.g_ema;
    let p = weights.constants();
    let images: Tensor<4> = golden.tensor("pixel_values", device);
    let noise = &golden.expected("noise").data;
    let order = network.order(noise);
    let (side, channels) = (network.resolution(), network.image_channels());
    let meta = [side, side / network.patches().isqrt(), channels, order.visible()].map(|n| n as f32);
    checks.check("sizes", 1e-9, "meta", &meta);
    let rank: Vec<f32> = order.rank().iter().map(|place| *place as f32).collect();
    checks.check("order", 1e-9, "ids_restore", &rank);
    checks.check("order", 1e-9, "mask", &order.mask());
    let latent = network.encode(&p, images.clone(), &order);
    checks.check("latent", VALUES, "latent", &to_vec(latent.clone()));
    let whole = PatchOrder::new(noise, network.patches(), network.patches());
    checks.check("latent", VALUES, "latent_unmasked", &to_vec(network.encode(&p, images.clone(), &whole)));
    let logits = network.decode(&p, latent, &order);
    checks.check("logits", VALUES, "logits", &to_vec(logits.clone()));
    let completed = network.reconstruct(logits.clone(), images.clone(), &order);
    checks.check("reconstruction", VALUES, "reconstruction", &to_vec(completed));
    let leaves = weights.leaves();
    let loss = network.training_loss(&leaves, images.clone(), &order);
    checks.check("loss", VALUES, "loss", &to_vec(loss.clone()));
    let gradient = leaves.gradient(&mut loss.backward());
    absolute_on_key_biases(checks, "loss gradients", "loss.grad.", weights, gradient, 1e-7, |_| true);

    let mut theta = to_vec(weights.values.clone());
    for (name, _, range) in weights.layout.iter().filter(|(name, _, _)| network.is_encoder(name)) {
        theta[range].copy_from_slice(&golden.expected(&format!("i2i_theta.{name}")).data);
    }
    let theta = FlatParams::from_vec(weights.layout.clone(), theta, device);
    let patches = network.patches();
    let part =
        |from: usize| (images.clone().narrow(0, from, 2), network.order(&noise[from * patches..(from + 2) * patches]));
    let ((kept, kept_order), (forgotten, forgotten_order)) = (part(0), part(2));
    for (channel, key) in [(0, "i2i_noise_mean"), (1, "i2i_noise_std")] {
        let planes = to_vec(forgotten.clone().swap_dims(0, 1));
        let numbers: Vec<f32> = planes.chunks(planes.len() / 3).map(|plane| statistics(plane)[channel]).collect();
        checks.check("noise", VALUES, key, &numbers);
    }
    let target = network.encode(&p, kept.clone(), &kept_order);
    checks.check("targets", VALUES, "i2i_target_retain", &to_vec(target.clone()));
    let retain = Seen { images: kept, order: kept_order, target };
    let target = network.encode(&p, golden.tensor("i2i_noise", device), &forgotten_order);
    checks.check("targets", VALUES, "i2i_target_forget", &to_vec(target.clone()));
    let forget = Seen { images: forgotten, order: forgotten_order, target };
    let number = |key: &str| golden.metadata(key).parse::<f64>().expect("a number");
    let alpha = number("alpha");
    let step = |theta: &FlatParams| {
        let leaves = theta.leaves();
        let found = image_to_image::losses(&network, &leaves, Some(&retain), &forget);
        let kept = found.retain.expect("pictures that may stay");
        let loss = kept.clone() + found.forget.clone() * alpha;
        let numbers = [kept, found.forget, loss.clone()].map(to_vec);
        (numbers, leaves.gradient(&mut loss.backward()))
    };
    let (numbers, gradient) = step(&theta);
    for (key, number) in ["i2i_retain", "i2i_forget", "i2i_loss"].into_iter().zip(&numbers) {
        checks.check("image to image", VALUES, key, number);
    }
    let of_encoder = |name: &str| network.is_encoder(name);
    absolute_on_key_biases(checks, "i2i gradients", "i2i_loss.grad.", &theta, gradient, 1e-7, of_encoder);
    let config = AdamConfig {
        lr: number("lr"),
        beta1: number("beta1"),
        beta2: number("beta2"),
        eps: number("eps"),
        decay: number("weight_decay"),
    };
    let mask = theta.layout.fill(|name, _| if network.is_encoder(name) { 1.0 } else { 0.0 });
    let shape = [mask.len()];
    let movable = Movable { mask: Some(Tensor::from_data(TensorData::new(mask, shape), device)), ..Movable::default() };
    let generator = golden.model.generator.clone();
    let mut trainer = GeneratorTrainer::with_optimizer(generator, theta.clone(), movable, config, 0.0);
    let mut losses = Vec::new();
    for _ in 0..number("steps") as usize {
        let ([.., loss], gradient) = step(&trainer.g);
        losses.extend(loss);
        trainer.step(gradient, 1.0);
    }
    let [.., last] = step(&trainer.g).0;
    losses.extend(&last);
    checks.check("three steps", VALUES, "i2i_losses", &losses);
    checks.check("three steps", VALUES, "i2i_after.loss", &last);
    let after = trainer.g_ema.values.clone();
    absolute_on_key_biases(checks, "parameters after", "i2i_after.", &theta, after.clone(), 5e-3, of_encoder);
    let (before, after) = (to_vec(theta.values.clone()), to_vec(after));
    for (name, _, range) in theta.layout.iter().filter(|(name, _, _)| !network.is_encoder(name)) {
        assert_eq!(before[range.clone()], after[range], "{name} is the decoder's and moved");
    }
}

/// Mean and deviation (by n - 1).
fn statistics(values: &[f32]) -> [f32; 2] {
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
    let square: f64 = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum();
    [mean as f32, (square / (values.len() as f64 - 1.0)).sqrt() as f32]
}

/// Every parameter that `counts` against `PREFIX.NAME`: of key biases the largest absolute difference must be within `absolute`,
/// of all others the relative error within the bar.
fn absolute_on_key_biases(
    checks: &mut Checks,
    group: &'static str,
    prefix: &str,
    like: &FlatParams,
    flat: Tensor<1>,
    absolute: f32,
    counts: impl Fn(&str) -> bool,
) {
    let values = to_vec(flat);
    for (name, _, range) in like.layout.iter().filter(|(name, _, _)| counts(name)) {
        let key = format!("{prefix}{name}");
        if !name.ends_with(KEY_BIAS) {
            checks.check(group, GRADIENTS, &key, &values[range]);
            continue;
        }
        let expected = &checks.golden.expected(&key).data;
        let apart = values[range].iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart <= absolute, "{key} is off by {apart}");
        checks.seen.push(key);
    }
}

fn forward(golden: &Golden, gan: &Gan, device: &Device, checks: &mut Checks) {
    let generator = &gan.networks.generator;
    let p = gan.g.constants();
    let z: Tensor<2> = golden.tensor("z", device);
    let w = generator.map(&p, z.clone());
    checks.check("w", VALUES, "w", &to_vec(w.clone()));
    let synthesize = |ws: Vec<Tensor<2>>| {
        let ws: Vec<_> = ws.into_iter().map(Dual::from).collect();
        to_vec(generator.synthesize(&p, &ws, &Noise::Constant).value)
    };
    checks.check("image", VALUES, "image", &synthesize(generator.broadcast(w.clone())));
    let truncated = generator.truncate(w.clone(), golden.tensor("w_mean", device), 0.5);
    checks.check("image", VALUES, "image_psi0.5", &synthesize(generator.broadcast(truncated)));
    let second = generator.map(&p, golden.tensor("z2", device));
    checks.check("image", VALUES, "image_mix_inject3", &synthesize(generator.mix(w, second, 3)));
    let ema = generator.forward(&gan.g_ema.constants(), z, &Noise::Constant);
    checks.check("image", VALUES, "image_ema", &to_vec(ema));

    let d = gan.d.constants();
    let score = |images: Tensor<4>| to_vec(gan.networks.discriminator.forward(&d, images.into()).value);
    checks.check("d", VALUES, "d_real", &score(golden.tensor("real", device)));
    let fake = generator.forward(&p, golden.tensor("z", device), &Noise::Constant);
    checks.check("d", VALUES, "d_fake", &score(fake));
}

/// What a DCGAN of PyTorch's tutorial computes.
fn dcgan(golden: &Golden, device: &Device, checks: &mut Checks) {
    let file =
        checkpoint::load(&golden.folder.join(&golden.name)).expect("a checkpoint").dcgan.expect("a DCGAN's file");
    let names: BTreeMap<&str, &str> = file.names("g_ema").collect();
    let generator = &golden.model.generator;
    let parameters = golden.model.g_ema.leaves();
    let images = generator.forward(&parameters, golden.tensor("z", device), &Noise::Constant);
    checks.check("image", VALUES, "image", &to_vec(images.clone().inner()));
    let gradient = parameters.gradient(&mut images.clone().square().mean().backward());
    checks.renamed("image.grad", GRADIENTS, "image.grad.", (&names, &golden.model.g_ema), gradient);

    let Some(gan) = &golden.model.gan else { return };
    let names: BTreeMap<&str, &str> = file.names("d").collect();
    let real: Tensor<4> = golden.tensor("real", device);
    let parameters = gan.d.leaves();
    let logits = gan.networks.discriminator.forward(&parameters, real.clone().into()).value;
    checks.check("d", VALUES, "d_real", &to_vec(logits.clone().inner()));
    let probabilities = to_vec(burn::tensor::activation::sigmoid(logits.clone().inner()));
    checks.check("d", VALUES, "d_prob_real", &probabilities);
    let gradient = parameters.gradient(&mut logits.mean().backward());
    checks.renamed("d_logit.grad", GRADIENTS, "d_logit.grad.", (&names, &gan.d), gradient);
    let fake = gan.networks.discriminator.forward(&gan.d.constants(), images.inner().into()).value;
    checks.check("d", VALUES, "d_fake", &to_vec(fake));

    let batch = real.dims()[0] as f64;
    let r1 = unlearn_studio::train::r1::r1_penalty(&gan.networks.discriminator, &gan.d, real, None);
    checks.check("r1", VALUES, "r1", &to_vec(r1.value / batch));
    checks.renamed("r1.grad", GRADIENTS, "r1.grad.", (&names, &gan.d), r1.gradient / batch);
}

/// What a network pickle of NVlabs computes. Each of its generators has its own mean of `w`.
fn network_pickle(golden: &Golden, device: &Device, checks: &mut Checks) {
    let trained = golden.model.export().g.expect("G");
    let generator = &read_generator(&trained, device).expect("a generator");
    let p = FlatParams::from_host(generator.layout(), &trained, device).constants();
    let z: Tensor<2> = golden.tensor("z", device);
    let z = if generator.classes() > 0 { Tensor::cat(vec![z, golden.tensor("c", device)], 1) } else { z };
    let [batch, _] = z.dims();
    let w = generator.map(&p, z.clone());
    let ws = generator.broadcast(w.clone());
    let rows = ws.iter().map(|w| w.clone().reshape([batch, 1, generator.w_dim()])).collect();
    checks.check("ws", VALUES, "ws", &to_vec(Tensor::<3>::cat(rows, 1)));
    let synthesize = |w: Tensor<2>, noise: Noise| {
        let ws: Vec<_> = generator.broadcast(w).into_iter().map(Dual::from).collect();
        generator.synthesize(&p, &ws, &noise).value
    };
    let image = synthesize(w.clone(), Noise::Constant);
    checks.check("image", VALUES, "image", &to_vec(image.clone()));
    if golden.has("image_none") {
        checks.check("image", VALUES, "image_none", &to_vec(synthesize(w.clone(), Noise::None)));
    }
    let truncated = generator.truncate(w, generator.w_mean(&p), 0.7);
    checks.check("image", VALUES, "image_psi0.7", &to_vec(synthesize(truncated, Noise::Constant)));
    let averaged = &golden.model.generator;
    let ema = averaged.forward(&golden.model.g_ema.constants(), z.clone(), &Noise::Constant);
    checks.check("image", VALUES, "image_ema", &to_vec(ema));
    let Some(gan) = &golden.model.gan else { return };
    let discriminator = &gan.networks.discriminator;
    let scores = discriminator.forward_labelled(&gan.d.constants(), image.into(), generator.labels(&z));
    checks.check("d", VALUES, "d_fake", &to_vec(scores.value));
}

/// What every layer of a StyleGAN3 gives, and the gradients of its parameters.
fn layers_and_gradients(golden: &Golden, device: &Device, checks: &mut Checks) {
    let trained = golden.model.export().g.expect("G");
    let network = stylegan3::Generator::read(&trained, device).expect("a generator");
    let generator = &read_generator(&trained, device).expect("a generator");
    let z: Tensor<2> = golden.tensor("z", device);
    let z = if generator.classes() > 0 { Tensor::cat(vec![z, golden.tensor("c", device)], 1) } else { z };
    let parameters = FlatParams::from_host(generator.layout(), &trained, device);
    let p = parameters.constants();
    let w = generator.map(&p, z.clone()).narrow(0, 0, 1);
    for (i, map) in network.maps(&p, &generator.broadcast(w)).into_iter().enumerate() {
        let key = if i == 0 { "layer.input.out".to_owned() } else { format!("layer.{}.out", i - 1) };
        checks.check("layers", VALUES, &key, &to_vec(map));
    }
    let p = parameters.leaves();
    let image = generator.forward(&p, z, &Noise::Constant);
    let gradient = p.gradient(&mut image.square().mean().backward());
    checks.parameters("image.grad", GRADIENTS, "image.grad.", &parameters, gradient);
}

fn trainer(gan: &Gan, batch: usize) -> Trainer {
    let config = TrainConfig { batch, random_noise: false, mixing: 0.0, ..TrainConfig::default() };
    Trainer::new(gan.networks.clone(), config, gan.g.clone(), gan.d.clone(), gan.g_ema.clone())
}

fn adversarial(golden: &Golden, gan: &Gan, device: &Device, checks: &mut Checks) {
    let real: Tensor<4> = golden.tensor("real", device);
    let batch = real.dims()[0];
    let draw = Draw::constant(golden.tensor("z", device));
    // Gradient accumulation must not change anything, so the whole comparison runs with and without it.
    for micro_batch in [0, 4, 1] {
        let mut trainer = trainer(gan, batch);
        trainer.config.micro_batch = micro_batch;
        let (loss, gradient) = trainer.discriminator_loss_and_gradient(real.clone(), &draw, None);
        checks.check("losses", VALUES, "d_loss", &to_vec(loss));
        checks.parameters("d_loss.grad", GRADIENTS, "d_loss.grad.", &gan.d, gradient);

        let (loss, gradient) = trainer.generator_loss_and_gradient(&draw);
        checks.check("losses", VALUES, "g_loss", &to_vec(loss));
        checks.parameters("g_loss.grad", GRADIENTS, "g_loss.grad.", &gan.g, gradient);

        trainer.path_mean = golden.expected("pl_mean_in").data[0];
        let noise: Tensor<4> = golden.tensor("pl_noise", device);
        let (penalty, gradient) = trainer.path_length_penalty_and_gradient(&draw, noise);
        checks.check("losses", VALUES, "pl_penalty", &[penalty.value]);
        checks.check("losses", VALUES, "pl_mean_out", &[penalty.mean]);
        checks.parameters("pl_penalty.grad", GRADIENTS, "pl.grad.", &gan.g, gradient);
    }
    let [_, _, height, width] = real.dims();
    let y = golden.tensor::<4>("pl_noise", device) / ((height * width) as f64).sqrt();
    let lengths = unlearn_studio::train::path_length::path_lengths(&gan.networks.generator, &gan.g, &draw, &y);
    checks.check("losses", VALUES, "pl_lengths", &to_vec(lengths.lengths));

    let r1 = unlearn_studio::train::r1::r1_penalty(&gan.networks.discriminator, &gan.d, real, None);
    checks.check("losses", VALUES, "r1", &to_vec(r1.value / batch as f64));
    checks.parameters("r1.grad", GRADIENTS, "r1.grad.", &gan.d, r1.gradient / batch as f64);
}

fn repulsion(golden: &Golden, device: &Device, loss: RepulsionLoss) -> Repulsion {
    let gamma = golden.metadata("gamma").parse().expect("gamma is a number");
    let config = RepulsionConfig { loss, distance: Distance::Mean, gamma, weight: 100.0 };
    let adapted = golden.adapted(device);
    Repulsion::new(config, &golden.gan().g.layout, adapted).expect("two adapted generators")
}

fn method(golden: &Golden, gan: &Gan, device: &Device, checks: &mut Checks) {
    let z: Tensor<2> = golden.tensor("z", device);
    let fisher = fisher_diagonal(&gan.networks, &gan.g, &gan.d, &Draw::constant(z));
    checks.parameters("fisher", GRADIENTS, "fisher.", &gan.g, fisher.clone());

    let mut moved = to_vec(gan.g.values.clone());
    for (name, _, range) in gan.g.layout.iter() {
        if golden.has(&format!("ewc_theta.{name}")) {
            moved[range].copy_from_slice(&golden.expected(&format!("ewc_theta.{name}")).data);
        }
    }
    let moved = FlatParams::from_vec(gan.g.layout.clone(), moved, device);
    let ewc = Ewc { lambda: 5e8, fisher, anchor: gan.g.values.clone() };
    checks.check("ewc_loss", GRADIENTS, "ewc_loss", &to_vec(ewc.value_and_gradient(&moved.values).0));

    let names = [
        (RepulsionLoss::El2, "repulsion_exp"),
        (RepulsionLoss::Nl2, "repulsion_l2"),
        (RepulsionLoss::Il2, "repulsion_reci"),
    ];
    for (loss, key) in names {
        let term = repulsion(golden, device, loss);
        checks.check("repulsion", VALUES, "repulsion_distance", &to_vec(term.distance(&gan.g.values)));
        let (value, gradient) = term.value_and_gradient(&gan.g.values);
        checks.check("repulsion", VALUES, key, &to_vec(value));
        let norm = to_vec(gradient.square().sum())[0].sqrt();
        checks.check("repulsion.gradnorm", GRADIENTS, &format!("{key}.gradnorm"), &[norm]);
    }
}

fn trajectory(golden: &Golden, gan: &Gan, device: &Device, checks: &mut Checks) {
    let loss = match golden.metadata("loss_type") {
        "exp" => RepulsionLoss::El2,
        "l2" => RepulsionLoss::Nl2,
        "reci" => RepulsionLoss::Il2,
        other => panic!("unknown loss_type {other}"),
    };
    let term = repulsion(golden, device, loss);
    let batch: usize = golden.metadata("batch").parse().expect("batch is a number");
    let iterations: usize = golden.metadata("iters").parse().expect("iters is a number");
    let mut trainer = trainer(gan, batch);
    for i in 0..iterations {
        let key = |name: &str| format!("traj{i}.{name}");
        let real: Tensor<4> = golden.tensor(&key("real"), device);
        let z = |name: &str| Draw::constant(golden.tensor(&key(name), device));
        let d = trainer.discriminator_step(real.clone(), &z("z_d"), None);
        checks.check("trajectory losses", TRAJECTORY, &key("d_loss"), &to_vec(d));
        if i.is_multiple_of(trainer.config.d_reg_every) {
            let r1 = trainer.r1_step(real);
            checks.check("trajectory losses", TRAJECTORY, &key("r1"), &to_vec(r1));
        }
        let (g, repulsion, _) = trainer.generator_step(&z("z_g"), Some(&term), None);
        checks.check("trajectory losses", TRAJECTORY, &key("g_adv"), &to_vec(g.clone()));
        let total = g + repulsion.expect("stage 2 has a repulsion term");
        checks.check("trajectory losses", TRAJECTORY, &key("g_total"), &to_vec(total));
        if i.is_multiple_of(trainer.config.g_reg_every) {
            let noise = golden.tensor(&key("pl_noise"), device);
            let penalty = trainer.path_length_step(&z("z_pl"), noise);
            checks.check("trajectory losses", TRAJECTORY, &key("pl_penalty"), &[penalty]);
        }
        trainer.ema_step();
    }
    let g = &trainer.g;
    checks.parameters("trajectory g", TRAJECTORY, "traj.g.", g, g.values.clone());
    checks.parameters("trajectory d", TRAJECTORY, "traj.d.", &trainer.d, trainer.d.values.clone());
    checks.parameters("trajectory g_ema", TRAJECTORY, "traj.g_ema.", g, trainer.g_ema.values.clone());
    let z: Tensor<2> = golden.tensor("z", device);
    let image = gan.networks.generator.forward(&g.constants(), z, &Noise::Constant);
    checks.check("trajectory image", TRAJECTORY, "traj.image", &to_vec(image));
}

#[test]
fn agrees_with_the_published_code() {
    let (device, folder): (Device, PathBuf) = (common::device(), golden_folder());
    let checkpoints = common::checkpoints(&folder);
    assert!(!checkpoints.is_empty(), "no golden checkpoint in {}", folder.display());
    let mut failures = Vec::new();
    for name in &checkpoints {
        failures.extend(golden_run(&Golden::open(&folder, name, &device), &device));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn softplus_losses_stay_finite_far_out() {
    let device = common::device();
    let scores = |values: [f32; 2]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [2, 1]), &device);
    // mean softplus(1e4, -1e4) + mean softplus(1e4, -1e4) = 5000 + 5000.
    let loss = losses::discriminator_loss(scores([-1e4, 1e4]), scores([1e4, -1e4]));
    assert!(relative_error(&to_vec(loss), &[1e4]) < 1e-6);
}
