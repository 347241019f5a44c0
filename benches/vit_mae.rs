//! A masked autoencoder of 64x64 pictures on the CPU: completing a batch, a step of training it, a step of unlearning.
//!
//! `cargo bench --bench vit_mae`, and in the same minute `scripts/bench_vit_mae_in_pytorch.py` for the first two in PyTorch.
//! What was measured is written down in `benches/README.md`.

use std::sync::Arc;

use burn::tensor::Tensor;
use divan::Bencher;
use unlearn_studio::{
    data::{ImageSource, PictureSet, avatars},
    device,
    engine::training::{Card, CompletionChoices, CompletionTraining, Training},
    model::{Model, Sampler},
    networks::{CompletionArchitecture, CompletionNetwork, NormalSource, Pictures, flat::to_vec, vit_mae::Network},
    train::passes,
    unlearn::image_to_image::{Seen, gaussian_like, losses},
};

const BATCH: usize = 64;
const ARCHITECTURE: CompletionArchitecture = CompletionArchitecture {
    resolution: 64,
    patch: 8,
    channels: 3,
    encoder: [128, 6, 4],
    decoder: [96, 3, 4],
    mask_ratio: 0.75,
    norm_pix_loss: false,
};

/// A folder of drawn faces: reading them costs a training nothing, drawing them would.
fn training() -> CompletionTraining {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..4 * BATCH {
        let rgb = avatars::draw(0, number as u64, 64).rgb;
        let face = image::RgbImage::from_raw(64, 64, rgb).expect("a face");
        face.save(folder.path().join(format!("{number:03}.png"))).expect("a file");
    }
    let images = ImageSource::Folder(folder.path().to_owned()).open(Some(64), 4 * BATCH).expect("faces").0;
    let card = Card { data: "faces".to_owned(), date: None, excluded: None, licence: None };
    let choices = CompletionChoices { batch: BATCH, ..CompletionChoices::default() };
    let fresh = CompletionTraining::fresh(&ARCHITECTURE, (choices, 0), images, card, &device::cpu().device);
    let mut training = fresh.expect("a training");
    training.begin(1000);
    training
}

#[divan::bench]
fn completing(bencher: Bencher) {
    let training = training();
    let (generator, weights) = training.shown();
    bencher.bench_local(|| Sampler::new(generator, weights).render_at(0, 0..BATCH as u64, 1.0));
}

#[divan::bench]
fn training_step(bencher: Bencher) {
    let mut training = training();
    bencher.bench_local(|| training.step().expect("a finite loss"));
}

/// 32 pictures that may stay and 32 that must go: the original's encoder on pictures and noise, the encoder's gradient.
#[divan::bench]
fn unlearning_step(bencher: Bencher) {
    let device = device::cpu().device;
    let params = ARCHITECTURE.params(&mut NormalSource::new(0, 0));
    let network = Network::read(&params, &device).expect("a network");
    let checkpoint = unlearn_studio::checkpoint::Checkpoint { g_ema: Some(params), ..Default::default() };
    let mut model = Model::new("new".as_ref(), String::new(), checkpoint, &device).expect("a model");
    let (pictures, _) = PictureSet::open(&ImageSource::Avatars, 64).expect("drawn faces");
    let half = BATCH / 2;
    let pixels: Vec<f32> = (0..BATCH).flat_map(|number| pictures.picture(number)).collect();
    model.set_pictures(Arc::new(pictures));
    let images = network.normalised(&pixels, &device);
    let mut rng = NormalSource::new(1, 0);
    let original = model.g_ema.constants();
    bencher.bench_local(|| {
        let (kept, forgotten) = (images.clone().narrow(0, 0, half), images.clone().narrow(0, half, half));
        let noise = gaussian_like(&forgotten, &mut rng);
        let masks = rng.normals(BATCH * network.patches());
        let pass = passes::pass_of(half, 0, &device);
        let parts: Vec<usize> = (0..half).step_by(pass).collect();
        let see = |images: &Tensor<4>, shown: &Tensor<4>, from: usize, mask: usize| {
            let order =
                network.order(&masks[(mask + from) * network.patches()..(mask + from + pass) * network.patches()]);
            let target = network.encode(&original, shown.clone().narrow(0, from, pass), &order);
            Seen { images: images.clone().narrow(0, from, pass), order, target }
        };
        let gradients = passes::side_by_side(parts, &device, |from| {
            let (retain, forget) = (see(&kept, &kept, from, 0), see(&forgotten, &noise, from, half));
            let p = model.g_ema.leaves();
            let found = losses(&network, &p, Some(&retain), &forget);
            let loss = found.forget + found.retain.expect("pictures that may stay");
            p.gradient(&mut loss.backward())
        });
        to_vec(passes::sum(gradients).expect("a gradient").narrow(0, 0, 1))
    });
}

fn main() {
    divan::main();
}
