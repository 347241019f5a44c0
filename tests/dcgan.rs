//! DCGANs as people save them: what is read, what is written, and what is refused with which sentence.
//!
//! The files of `tests/fixtures/dcgan` are made by `scripts/make_dcgan_fixtures.py`.

use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use unlearn_studio::{
    checkpoint::{self, Checkpoint},
    device,
    model::{Model, Sampler},
    networks::{LatentAddress, NormalSource, Params, flat::to_vec},
    train::{BatchInputs, TrainConfig, Trainer},
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dcgan").join(name)
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/dcgan-64.pt")
}

fn open(path: &Path, classes: Option<usize>) -> Result<Model, String> {
    let opened = Model::load_with_classes(path, classes, &device::cpu().device, &mut |_, _| {});
    opened.map_err(|error| error.to_string())
}

fn load(path: &Path) -> Checkpoint {
    checkpoint::load(path).unwrap_or_else(|error| panic!("{error}"))
}

const READABLE: [&str; 4] = ["conditional-16.pt", "averaged-16.pth", "strided-16.pt", "strided-16.legacy.pth"];

#[test]
fn sizes_are_read_off_shapes() {
    let card = open(&golden(), None).expect("a DCGAN").card();
    assert_eq!((card.family, card.resolution, card.image_channels, card.latent), ("DCGAN", 64, 3, 20));
    assert_eq!((card.classes, card.can_be_conditional, card.w_dim), (0, true, 20));
    assert_eq!((card.channels, card.contents), (vec![64, 32, 16, 8], vec!["g_ema", "d"]));
    for name in READABLE {
        let card = open(&fixture(name), None).expect(name).card();
        assert_eq!((card.family, card.resolution), ("DCGAN", 16), "{name}");
    }
    let averaged = open(&fixture("averaged-16.pth"), None).expect("a DCGAN").card();
    assert_eq!(averaged.contents, ["g_ema", "g", "d"]);
}

/// Adam's first step moves every parameter by the learning rate: a fifth of what suits equalised layers, times the ratio of
/// lazy regularisation.
#[test]
fn steps_are_a_fifth_of_those_of_equalised_layers() {
    let model = open(&golden(), None).expect("a DCGAN");
    let gan = model.gan().expect("a discriminator");
    let config = TrainConfig { batch: 4, ..TrainConfig::default() };
    let mut trainer = Trainer::new(gan.networks.clone(), config, gan.g.clone(), gan.d.clone(), gan.g_ema.clone());
    let real = NormalSource::new(3, 0).normals(4 * 3 * 64 * 64);
    let real = Tensor::from_data(TensorData::new(real, [4, 3, 64, 64]), &device::cpu().device);
    trainer.iterate(1, real, BatchInputs::default(), None, &mut NormalSource::new(1, 0));
    let largest = |after: &Tensor<1>, before: &Tensor<1>| to_vec((after.clone() - before.clone()).abs().max())[0];
    for (moved, ratio) in [
        (largest(&trainer.g.values, &gan.g.values), 4.0 / 5.0),
        (largest(&trainer.d.values, &gan.d.values), 16.0 / 17.0),
    ] {
        let expected = 0.002 * 0.2 * ratio;
        assert!((moved / expected - 1.0).abs() < 0.01, "{moved} instead of {expected}");
    }
}

#[test]
fn the_average_is_what_is_shown() {
    let path = fixture("averaged-16.pth");
    let checkpoint = load(&path);
    let (g_ema, g) = (checkpoint.g_ema.expect("an average"), checkpoint.g.expect("a trained generator"));
    assert_ne!(g_ema["layers.0.weight"], g["layers.0.weight"]);
    let model = open(&path, None).expect("a DCGAN");
    assert_eq!(model.export().g_ema.as_ref(), Some(&g_ema));
}

#[test]
fn an_export_without_training_is_the_same_file_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in READABLE.map(fixture).into_iter().chain([golden()]) {
        let out = folder.path().join("out.pth");
        checkpoint::save(&out, &open(&path, None).expect("a DCGAN").export()).expect("written");
        let (before, after) = (std::fs::read(&path).expect("a file"), std::fs::read(&out).expect("a file"));
        assert!(before == after, "{}", path.display());
    }
}

/// All values of a network moved by a little.
fn moved(params: &mut Params) {
    for tensor in params.values_mut() {
        // Exact in half precision.
        tensor.data.iter_mut().enumerate().for_each(|(i, value)| *value = (i % 64) as f32 / 64.0 + 0.5);
    }
}

#[test]
fn new_weights_go_into_the_old_places() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in READABLE {
        let path = fixture(name);
        let mut checkpoint = load(&path);
        for params in [&mut checkpoint.g_ema, &mut checkpoint.g, &mut checkpoint.d].into_iter().flatten() {
            moved(params);
        }
        let out = folder.path().join(name);
        checkpoint::save(&out, &checkpoint).expect("written");
        let again = load(&out);
        assert_eq!((&again.g_ema, &again.g, &again.d), (&checkpoint.g_ema, &checkpoint.g, &checkpoint.d), "{name}");
        assert_eq!(
            std::fs::metadata(&path).expect("a file").len(),
            std::fs::metadata(&out).expect("a file").len(),
            "{name}: nothing was added"
        );
        if std::fs::read(&out).expect("a file").starts_with(b"PK") {
            // Reading an entry to its end compares its checksum.
            let mut archive = zip::ZipArchive::new(std::fs::File::open(&out).expect("a file")).expect("an archive");
            for index in 0..archive.len() {
                let mut entry = archive.by_index(index).expect("an entry");
                std::io::copy(&mut entry, &mut std::io::sink()).expect("a checksum that holds");
            }
        }
    }
}

#[test]
fn a_safetensors_file_holds_all_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.safetensors");
    let model = open(&fixture("conditional-16.pt"), Some(3)).expect("a DCGAN");
    checkpoint::save(&out, &model.export()).expect("written");
    // The number of classes is remembered.
    let again = open(&out, None).expect("a DCGAN");
    assert_eq!((again.generator.classes(), again.generator.z_dim()), (3, 10));
    let images = |model: &Model| Sampler::new(&model.generator, &model.g_ema).render_at(5, 0..4, 0.8);
    assert_eq!(images(&model), images(&again));
    // PyTorch's layout is that of the file it came in; there is none any more.
    let refused = checkpoint::save(&folder.path().join("out.pth"), &again.export()).expect_err("refused").to_string();
    assert!(refused.contains("cannot hold a DCGAN that was not opened from a .pt or .pth file"), "{refused}");
}

#[test]
fn a_class_stands_behind_the_latent_and_truncation_leaves_it_alone() {
    let model = open(&fixture("conditional-16.pt"), Some(3)).expect("a DCGAN");
    let generator = &model.generator;
    assert_eq!((generator.latent_dim(), generator.w_dim(), generator.image_channels()), (13, 13, 1));
    let latent = generator.latent_of(LatentAddress { seed: 1, index: 2 }, Some(2));
    assert_eq!(latent[10..], [0.0, 0.0, 1.0]);
    let p = model.g_ema.constants();
    let device = &device::cpu().device;
    let w = burn::tensor::Tensor::from_data(burn::tensor::TensorData::new(latent.clone(), [1, 13]), device);
    let truncated = unlearn_studio::networks::flat::to_vec(generator.truncate(w, generator.w_mean(&p), 0.5));
    let expected: Vec<f32> = latent.iter().enumerate().map(|(i, v)| if i < 10 { v * 0.5 } else { *v }).collect();
    assert_eq!(truncated, expected);
}

#[test]
fn what_is_no_dcgan_gets_one_sentence() {
    let table = [
        ("broken-chain.pth", None, "`3.weight` has shape [7, 4, 4, 4] where [6, 4, 4, 4] fits"),
        ("classifier.pth", None, "`3.weight` [10, 16] is a fully connected layer, which no DCGAN has"),
        ("mlp-gan.pt", None, "`0.weight` [16, 8] is a fully connected layer, which no DCGAN has"),
        ("only-discriminator.pth", None, "it has a discriminator but no generator"),
        ("conditional-16.pt", Some(13), "13 classes do not fit into the generator's input of 13 numbers"),
    ];
    for (name, classes, reason) in table {
        let refused = open(&fixture(name), classes).expect_err(name);
        assert!(refused.contains(name) && refused.contains(reason) && !refused.contains('\n'), "{refused}");
    }
    let stylegan = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/stylegan2-16.pt");
    let refused = open(&stylegan, Some(2)).expect_err("it says so itself");
    assert!(refused.contains("this file says itself how many classes its model has"), "{refused}");
}

#[test]
fn a_damaged_file_is_refused_or_read_but_never_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("damaged.pth");
    for name in ["strided-16.pt", "strided-16.legacy.pth"] {
        let whole = std::fs::read(fixture(name)).expect("a file");
        let mut refused = 0;
        for (number, place) in (0..whole.len()).step_by(37).enumerate() {
            let mut bytes = whole.clone();
            match number % 3 {
                0 => bytes.truncate(place),
                1 => bytes[place] ^= 0xff,
                _ => bytes[place] = bytes[place].wrapping_add(1),
            }
            std::fs::write(&path, bytes).expect("written");
            match open(&path, None) {
                Ok(model) => drop(checkpoint::save(&folder.path().join("out.pth"), &model.export())),
                Err(sentence) => {
                    assert!(sentence.contains("damaged.pth") && !sentence.contains('\n'), "{sentence}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 50, "{refused} damaged files were refused");
    }
}
