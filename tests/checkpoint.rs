//! Model files: round trips bit for bit, PyTorch's order, and one sentence for everything that is not a model.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::TempDir;
use unlearn_studio::checkpoint::{
    AdamMoments, Checkpoint, OptimState, load, parameter_names, read_tensors, save, sha256, state_dict_order,
    write_tensors,
};
use unlearn_studio::device;
use unlearn_studio::model::Model;
use unlearn_studio::networks::{HostTensor, Params};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// The golden checkpoint with optimizer states, which it comes without; values no rounding would survive.
fn trained() -> Checkpoint {
    let mut checkpoint = load(&golden("stylegan2-16.pt")).expect("the golden checkpoint");
    let moments = |params: &Params| {
        parameter_names(params)
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let shape = params[name].shape.clone();
                let count: usize = shape.iter().product();
                let values = |seed: u32| {
                    let bits = (0..count as u32).map(|i| (i + seed).wrapping_mul(2_654_435_761) & 0xbf7f_ffff);
                    HostTensor::new(shape.clone(), bits.map(f32::from_bits).collect())
                };
                let moments = AdamMoments {
                    step: 3000.0 + index as f32,
                    exp_avg: values(index as u32),
                    exp_avg_sq: values(77 + index as u32),
                };
                (index, moments)
            })
            .collect()
    };
    for (optimizer, params) in [(&mut checkpoint.g_optim, &checkpoint.g), (&mut checkpoint.d_optim, &checkpoint.d)] {
        let state: &mut OptimState = optimizer.as_mut().expect("param_groups");
        state.moments = moments(params.as_ref().expect("a network"));
    }
    checkpoint.metadata = [("source", "a \"quoted\"\nname"), ("z", "é"), ("a", "")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    checkpoint
}

fn assert_same_tensors(a: &Checkpoint, b: &Checkpoint) {
    let bits = |params: &Option<Params>| -> Vec<(String, Vec<usize>, Vec<u32>)> {
        let bits = |data: &[f32]| data.iter().map(|value| value.to_bits()).collect();
        params.iter().flatten().map(|(key, tensor)| (key.clone(), tensor.shape.clone(), bits(&tensor.data))).collect()
    };
    // Vectors, so the order counts.
    assert_eq!(bits(&a.g_ema), bits(&b.g_ema));
    assert_eq!(bits(&a.g), bits(&b.g));
    assert_eq!(bits(&a.d), bits(&b.d));
    for (a, b) in [(&a.g_optim, &b.g_optim), (&a.d_optim, &b.d_optim)] {
        let moments = |state: &Option<OptimState>| state.as_ref().map(|state| state.moments.clone());
        assert_eq!(moments(a), moments(b));
    }
}

/// Equal but for the last bit of a number, which `serde_json` may lose when it parses metadata.
fn assert_close(a: &Value, b: &Value) {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) if x.is_f64() && y.is_f64() => {
            let (x, y) = (x.as_f64().expect("a float"), y.as_f64().expect("a float"));
            assert!((x - y).abs() <= f64::EPSILON * x.abs(), "{x} is not {y}");
        }
        (Value::Array(x), Value::Array(y)) => {
            assert_eq!(x.len(), y.len());
            x.iter().zip(y).for_each(|(x, y)| assert_close(x, y));
        }
        (Value::Object(x), Value::Object(y)) => {
            assert!(x.keys().eq(y.keys()));
            x.values().zip(y.values()).for_each(|(x, y)| assert_close(x, y));
        }
        (x, y) => assert_eq!(x, y),
    }
}

#[test]
fn round_trips_are_bit_for_bit() {
    let folder = folder();
    for name in ["stylegan2-16.pt", "stylegan2-16.adapted0.pt", "stylegan2-16.adapted1.pt", ""] {
        let original = match name {
            "" => trained(),
            name => load(&golden(name)).expect("a golden checkpoint"),
        };
        for extension in ["pt", "pth", "safetensors"] {
            let path = folder.path().join("model").with_extension(extension);
            save(&path, &original).expect("saved");
            let again = load(&path).expect("loaded");
            assert_same_tensors(&original, &again);
            assert_eq!(original.metadata, again.metadata);
            assert_eq!(original.ada_aug_p, again.ada_aug_p);
            assert_close(&Value::from(original.args.clone()), &Value::from(again.args.clone()));
            for (a, b) in [(&original.g_optim, &again.g_optim), (&original.d_optim, &again.d_optim)] {
                let groups = |state: &Option<OptimState>| state.as_ref().map(|state| state.param_groups.clone());
                assert_close(&groups(a).unwrap_or_default(), &groups(b).unwrap_or_default());
            }
            if extension != "safetensors" {
                assert_eq!(original, again);
            }
        }
    }
}

#[test]
fn the_same_checkpoint_gives_the_same_bytes() {
    let folder = folder();
    for extension in ["pt", "safetensors"] {
        let bytes = |name: &str| {
            let path = folder.path().join(name).with_extension(extension);
            save(&path, &trained()).expect("saved");
            (fs::read(&path).expect("the file"), sha256(&path).expect("its digest"))
        };
        assert_eq!(bytes("one"), bytes("other"));
    }
}

#[test]
fn arguments_and_optimizer_settings_are_read() {
    let checkpoint = load(&golden("stylegan2-16.pt")).expect("the golden checkpoint");
    let expected = serde_json::json!({
        "size": 16, "latent": 32, "n_mlp": 3, "r1": 10, "path_regularize": 2, "lr": 0.002, "mixing": 0.9
    });
    assert_eq!(Value::from(checkpoint.args), expected);
    assert_eq!(checkpoint.ada_aug_p, Some(0.0));
    let groups = checkpoint.g_optim.expect("an optimizer").param_groups;
    assert_eq!(groups[0]["lr"], 0.0016);
    assert_eq!(groups[0]["params"].as_array().map(Vec::len), Some(44));
    let groups = checkpoint.d_optim.expect("an optimizer").param_groups;
    assert_eq!(groups[0]["params"].as_array().map(Vec::len), Some(18));
}

#[test]
fn keys_stand_in_the_order_pytorch_lists_them() {
    let checkpoint = load(&golden("stylegan2-16.pt")).expect("the golden checkpoint");
    let keys = |params: &Option<Params>| params.iter().flat_map(|params| params.keys().cloned()).collect::<Vec<_>>();
    // Printed by PyTorch from the same file.
    let discriminator = "convs.0.0.weight convs.0.1.bias convs.1.conv1.0.weight convs.1.conv1.1.bias \
        convs.1.conv2.0.kernel convs.1.conv2.1.weight convs.1.conv2.2.bias convs.1.skip.0.kernel convs.1.skip.1.weight \
        convs.2.conv1.0.weight convs.2.conv1.1.bias convs.2.conv2.0.kernel convs.2.conv2.1.weight convs.2.conv2.2.bias \
        convs.2.skip.0.kernel convs.2.skip.1.weight final_conv.0.weight final_conv.1.bias final_linear.0.weight \
        final_linear.0.bias final_linear.1.weight final_linear.1.bias";
    assert_eq!(keys(&checkpoint.d), discriminator.split_whitespace().collect::<Vec<_>>());
    let generator = "style.1.weight style.1.bias style.2.weight style.2.bias style.3.weight style.3.bias input.input \
        conv1.conv.weight conv1.conv.modulation.weight conv1.conv.modulation.bias conv1.noise.weight \
        conv1.activate.bias to_rgb1.bias to_rgb1.conv.weight to_rgb1.conv.modulation.weight \
        to_rgb1.conv.modulation.bias convs.0.conv.weight convs.0.conv.blur.kernel convs.0.conv.modulation.weight \
        convs.0.conv.modulation.bias convs.0.noise.weight convs.0.activate.bias convs.1.conv.weight \
        convs.1.conv.modulation.weight convs.1.conv.modulation.bias convs.1.noise.weight convs.1.activate.bias \
        convs.2.conv.weight convs.2.conv.blur.kernel convs.2.conv.modulation.weight convs.2.conv.modulation.bias \
        convs.2.noise.weight convs.2.activate.bias convs.3.conv.weight convs.3.conv.modulation.weight \
        convs.3.conv.modulation.bias convs.3.noise.weight convs.3.activate.bias to_rgbs.0.bias \
        to_rgbs.0.upsample.kernel to_rgbs.0.conv.weight to_rgbs.0.conv.modulation.weight \
        to_rgbs.0.conv.modulation.bias to_rgbs.1.bias to_rgbs.1.upsample.kernel to_rgbs.1.conv.weight \
        to_rgbs.1.conv.modulation.weight to_rgbs.1.conv.modulation.bias noises.noise_0 noises.noise_1 noises.noise_2 \
        noises.noise_3 noises.noise_4";
    let generator: Vec<_> = generator.split_whitespace().collect();
    assert_eq!(keys(&checkpoint.g), generator);
    assert_eq!(keys(&checkpoint.g_ema), generator);
    let params = checkpoint.g.expect("a generator");
    let trained: Vec<_> =
        generator.into_iter().filter(|key| !key.starts_with("noises.") && !key.ends_with(".kernel")).collect();
    assert_eq!(parameter_names(&params), trained);
    assert_eq!(trained.len(), 44);
}

#[test]
fn numbers_in_keys_sort_as_numbers() {
    let mut keys =
        vec!["convs.10.conv.weight", "convs.9.conv.weight", "noises.noise_10", "noises.noise_9", "style.8.bias"];
    keys.sort_by_cached_key(|key| state_dict_order(key));
    assert_eq!(
        keys,
        ["style.8.bias", "convs.9.conv.weight", "convs.10.conv.weight", "noises.noise_9", "noises.noise_10"]
    );
}

#[test]
fn tensor_files_keep_values_and_metadata() {
    let (tensors, metadata) = read_tensors(&golden("stylegan2-16.expected.safetensors")).expect("the expected values");
    assert_eq!(tensors["meta"].data[..3], [16.0, 32.0, 3.0]);
    assert_eq!(tensors["z"].shape[1], 32);
    assert!(metadata.contains_key("loss_type"));
    let folder = folder();
    let path = folder.path().join("again.safetensors");
    write_tensors(&path, &tensors, &metadata).expect("written");
    assert_eq!(read_tensors(&path).expect("read"), (tensors, metadata));
}

#[test]
fn bare_generators_are_the_averaged_generator() {
    let checkpoint = load(&golden("stylegan2-16.adapted0.pt")).expect("a golden checkpoint");
    let generator = checkpoint.g_ema.expect("a generator");
    let folder = folder();
    let path = folder.path().join("bare.safetensors");
    write_tensors(&path, &generator, &Default::default()).expect("written");
    let again = load(&path).expect("loaded");
    assert!(again.g_ema.expect("a generator").iter().eq(&generator));
    assert!(again.g.is_none() && again.d.is_none());
}

/// Asserts that loading fails with one line that names the file and says `expected`.
fn assert_refused(path: &Path, expected: &str) {
    let error = load(path).expect_err("not a model").to_string();
    assert!(error.starts_with(&format!("{}: ", path.display())), "{error}");
    assert!(error.contains(expected), "{error}");
    assert!(!error.contains('\n') && !error.contains(". "), "not one sentence: {error}");
}

/// A PyTorch archive around any pickle.
fn archive(entry: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file(entry, options).expect("an entry");
    archive.write_all(content).expect("its content");
    archive.finish().expect("an archive").into_inner()
}

#[test]
fn what_is_not_a_model_gets_one_sentence() {
    let folder = folder();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a file");
        path
    };
    assert_refused(&folder.path().join("missing.pt"), "cannot be read: no such file");
    assert_refused(folder.path(), "it has neither a config.json nor a model.safetensors");
    assert_refused(&file("empty.pt", b""), "the file is empty");
    assert_refused(&file("text.pt", b"just some text"), "like no file of PyTorch, Python or safetensors");
    assert_refused(&file("text.safetensors", b"just some text"), "its header claims");
    assert_refused(&file("short.safetensors", b"abc"), "too short");
    let mut huge = (1_u64 << 60).to_le_bytes().to_vec();
    huge.extend(b"{}");
    assert_refused(&file("huge.safetensors", &huge), "its header claims 1152921504606846976 bytes");
    let header = br#"{"g.a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#;
    let mut overflow = (header.len() as u64).to_le_bytes().to_vec();
    overflow.extend(header);
    overflow.extend([0; 4]);
    assert_refused(&file("overflow.safetensors", &overflow), "its header does not make sense");
    assert_refused(&file("no-pickle.pt", &archive("archive/version", b"3\n")), "No data.pkl");
    assert_refused(&file("no-pickle.pth", &archive("x/data.pkl", b"")), "damaged or incomplete");
    assert_refused(
        &file("hostile.pt", &archive("x/data.pkl", b"\x80\x02cposix\nsystem\nX\x04\0\0\0echo\x85R.")),
        "it would call `posix.system`",
    );
    assert_refused(
        &file("other.pt", &archive("x/data.pkl", b"\x80\x02}(X\x04\0\0\0bodyK\x01X\x04\0\0\0headK\x02u.")),
        "not a StyleGAN2 checkpoint in the rosinality layout: it has keys body, head but no g or g_ema",
    );
    // A pickle of nothing but values, and a list that would fill the memory if its shares were copied.
    let mut many = vec![b'N'; 3 << 20];
    many.push(b'.');
    assert_refused(&file("many.pt", &archive("x/data.pkl", &many)), "more values than any checkpoint");
    let mut laughs = b"\x80\x02}(X\x04\0\0\0args]q\0".to_vec();
    for level in 0..30 {
        laughs.extend([b']', b'q', level + 1, b'(']);
        laughs.extend([b'h', level].repeat(50));
        laughs.push(b'e');
    }
    laughs.extend(b"0u.");
    assert!(load(&file("laughs.pt", &archive("x/data.pkl", &laughs))).is_err());
}

#[test]
fn truncated_files_get_one_sentence() {
    let folder = folder();
    for extension in ["pt", "safetensors"] {
        let whole = folder.path().join("whole").with_extension(extension);
        save(&whole, &trained()).expect("saved");
        let bytes = fs::read(&whole).expect("the file");
        let path = folder.path().join("cut").with_extension(extension);
        for kept in [2, 7, 100, bytes.len() / 4, bytes.len() / 2, bytes.len() - 30, bytes.len() - 1] {
            fs::write(&path, &bytes[..kept]).expect("a file");
            assert_refused(&path, "");
        }
    }
}

#[test]
fn networks_must_be_what_their_keys_say() {
    let folder = folder();
    let changed = |change: fn(&mut Checkpoint)| {
        let mut checkpoint = trained();
        change(&mut checkpoint);
        let paths = ["pt", "safetensors"].map(|extension| folder.path().join("model").with_extension(extension));
        for path in &paths {
            save(path, &checkpoint).expect("saved");
        }
        paths
    };
    type Case = (fn(&mut Checkpoint), &'static str);
    let cases: [Case; 6] = [
        (|checkpoint| (checkpoint.g, checkpoint.g_ema) = (None, None), "but no g or g_ema"),
        (
            |checkpoint| {
                let network = Params::from([("conv1.weight".to_owned(), HostTensor::new(vec![1], vec![0.5]))]);
                checkpoint.g_ema = Some(network);
            },
            "`g_ema` has no `style.1.weight`",
        ),
        (|checkpoint| checkpoint.d = checkpoint.g.clone(), "`d` has no `convs.0.0.weight`"),
        (
            |checkpoint| {
                let state = checkpoint.g_optim.as_mut().expect("an optimizer");
                state.moments[2].exp_avg = HostTensor::new(vec![2], vec![0.0; 2]);
            },
            "the exp_avg of parameter 2 (`style.2.weight`) has shape [2] instead of [32, 32]",
        ),
        (
            |checkpoint| {
                let state = checkpoint.d_optim.as_mut().expect("an optimizer");
                let moments = state.moments[0].clone();
                state.moments.insert(99, moments);
            },
            "`d_optim`: a state for parameter 99, but there are 18 parameters",
        ),
        (
            |checkpoint| {
                let generator = checkpoint.g.as_mut().expect("a generator");
                generator.shift_remove("to_rgb1.conv.weight");
            },
            "`g` has no `to_rgb1.conv.weight`",
        ),
    ];
    for (change, expected) in cases {
        for path in changed(change) {
            assert_refused(&path, expected);
        }
    }
}

#[test]
fn writing_fails_without_a_trace() {
    let folder = folder();
    let checkpoint = load(&golden("stylegan2-16.adapted0.pt")).expect("a golden checkpoint");
    let refused = |path: &Path, expected: &str| {
        let error = save(path, &checkpoint).expect_err("not writable").to_string();
        assert!(error.starts_with(&format!("{}: ", path.display())), "{error}");
        assert!(error.contains(expected), "{error}");
    };
    let file = folder.path().join("file");
    fs::write(&file, b"a file").expect("a file");
    for extension in ["pt", "safetensors"] {
        let inside = |parent: &Path| parent.join("model").with_extension(extension);
        refused(
            &inside(&folder.path().join("missing")),
            "cannot be written: no such file or directory; nothing was changed",
        );
        refused(&inside(&file), "cannot be written: not a directory");
    }
    refused(&folder.path().join("model.onnx"), "unknown extension; save as .safetensors, .pt, .pth or .pkl");
    refused(&folder.path().join("model"), "unknown extension");
    let taken = folder.path().join("folder.pt");
    fs::create_dir(&taken).expect("a folder");
    refused(&taken, "is a directory");
    let mut left: Vec<_> =
        fs::read_dir(folder.path()).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left, ["file", "folder.pt"]);
}

#[cfg(unix)]
#[test]
fn written_files_have_ordinary_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let mode = |path: &Path| fs::metadata(path).expect("the file").permissions().mode() & 0o777;
    let (ordinary, model) = (folder.path().join("ordinary"), folder.path().join("model.safetensors"));
    fs::write(&ordinary, b"x").expect("a file");
    write_tensors(&model, &Params::new(), &Default::default()).expect("written");
    assert_eq!(mode(&model), mode(&ordinary));
}

/// Random damage, the same on every run: flipped bytes, runs of one byte, cuts, repeats.
fn damage(bytes: &mut Vec<u8>, random: &mut ChaCha8Rng) {
    for _ in 0..random.random_range(1..6) {
        // Half of the damage goes where the structure is: the first and the last kilobytes.
        let last = bytes.len() - 1;
        let place = match random.random_range(0..4) {
            0 => random.random_range(0..=last.min(300)),
            1 => last - random.random_range(0..=last.min(6000)),
            _ => random.random_range(0..=last),
        };
        match random.random_range(0..6) {
            0 => bytes.truncate(place.max(1)),
            1 => bytes[place..(place + 8).min(last)].fill(0xff),
            2 => bytes[place..(place + 8).min(last)].fill(0),
            3 => bytes.insert(place, random.next_u32() as u8),
            _ => bytes[place] ^= 1 << random.random_range(0..8),
        }
    }
}

#[test]
fn damaged_files_never_panic() {
    let folder = folder();
    let mut checkpoint = trained();
    // Two networks are enough and keep the files small.
    checkpoint.g_ema = None;
    for extension in ["pt", "safetensors"] {
        let path = folder.path().join("model").with_extension(extension);
        save(&path, &checkpoint).expect("saved");
        let whole = fs::read(&path).expect("the file");
        let mut random = ChaCha8Rng::seed_from_u64(2309_14054);
        let mut refused = 0;
        for _ in 0..300 {
            let mut bytes = whole.clone();
            damage(&mut bytes, &mut random);
            fs::write(&path, &bytes).expect("a file");
            if let Err(error) = load(&path) {
                let error = error.to_string();
                assert!(error.starts_with(&format!("{}: ", path.display())), "{error}");
                assert!(!error.contains('\n'), "{error}");
                // A panic of the reader's library, caught.
                assert!(!error.contains("the reader gave up"), "{error}");
                refused += 1;
            }
        }
        assert!(refused > 100, "{refused} of 300 damaged {extension} files were refused");
    }
}

/// A result that names the wrong file as its source could never be traced back.
#[test]
fn a_file_that_changes_while_it_is_read_is_not_opened() {
    let (folder, device) = (folder(), device::cpu().device);
    let path = folder.path().join("model.pt");
    let other = golden("stylegan2-16.adapted0.pt");
    let replace = || {
        let beside = folder.path().join("other.pt");
        fs::copy(&other, &beside).and_then(|_| fs::rename(&beside, &path)).expect("replaced");
    };
    let write_into = || {
        let mut file = fs::OpenOptions::new().write(true).open(&path).expect("opened");
        file.write_all(&fs::read(&other).expect("the other")[..64]).expect("written");
    };
    let changes: [(&str, &dyn Fn()); 2] = [("replaced", &replace), ("written into", &write_into)];
    for (name, change) in changes {
        // When the first tensor was read, and when the last one was and the digest is being taken.
        for at in [0, 1] {
            fs::copy(golden("stylegan2-16.pt"), &path).expect("a model");
            let mut done = false;
            let result = Model::load_watched(&path, &device, &mut |read, of| {
                if !done && (at == 0 || 2 * read > of) {
                    change();
                    done = true;
                }
            });
            let sentence = result.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(done, "{name}");
            assert_eq!(sentence, format!("{}: it changed while it was read; open it again", path.display()), "{name}");
        }
    }
    fs::copy(golden("stylegan2-16.pt"), &path).expect("a model");
    assert!(Model::load(&path, &device).is_ok());
}
