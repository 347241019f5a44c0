//! Files made by hand: calls of what does harm, archives that unpack without end, values that contain themselves.

use std::io::{Cursor, Write};

use unlearn_studio::{
    checkpoint::{Checkpoint, save},
    networks::HostTensor,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{open, tiny};

const PICKLE: &[u8] = include_bytes!("../fixtures/golden/ada-8-conditional.pkl");
const STYLEGAN3: &[u8] = include_bytes!("../fixtures/golden/sg3-t-16-conditional.pkl");

/// What opening these bytes under this name says; they must not be a model.
fn refused(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    match open(&path, name) {
        Ok(_) => panic!("{name} was opened"),
        Err(sentence) => sentence,
    }
}

/// A pickle that calls `module.name(argument)` and would leave a file behind if it were run.
fn calling(protocol: u8, module: &str, name: &str, argument: &str) -> Vec<u8> {
    let argument = argument.as_bytes();
    match protocol {
        0 => [format!("c{module}\n{name}\n(S'").as_bytes(), argument, b"'\ntR."].concat(),
        2 => {
            let call = format!("\x02c{module}\n{name}\nX");
            [b"\x80", call.as_bytes(), &(argument.len() as u32).to_le_bytes(), argument, b"\x85R."].concat()
        }
        _ => {
            let short = |text: &[u8]| [b"\x8c", &[text.len() as u8][..], text].concat();
            let names = [short(module.as_bytes()), short(name.as_bytes())].concat();
            [b"\x80\x04", &names[..], b"\x93", &short(argument), b"\x85R."].concat()
        }
    }
}

/// A PyTorch archive around a pickle.
fn archive(pickle: &[u8], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in [("archive/data.pkl", pickle), ("archive/version", b"3\n")] {
        archive.start_file(name, options).expect("an entry");
        archive.write_all(bytes).expect("an entry");
    }
    archive.finish().expect("an archive").into_inner()
}

#[test]
fn harmful_calls_are_named_and_not_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let touch = format!("touch {}", trace.display());
    let open = format!("open({:?}, \"w\")", trace.display().to_string());
    for (module, name, argument) in [
        ("os", "system", touch.as_str()),
        ("posix", "system", &touch),
        ("subprocess", "check_output", &touch),
        ("builtins", "eval", &open),
        ("builtins", "exec", &open),
        ("__builtin__", "eval", &open),
        ("torch", "load", "other.pt"),
        ("torch.hub", "load", "other"),
    ] {
        let call = format!("{module}.{name}");
        for protocol in [0, 2, 4] {
            let pickle = calling(protocol, module, name, argument);
            let sentence = refused("model.pkl", &pickle);
            assert!(sentence.contains(&format!("it would call `{call}`")), "{sentence}");
            let sentence = refused("model.pt", &archive(&pickle, CompressionMethod::Stored));
            assert!(sentence.contains(&format!("it would call `{call}`")), "{sentence}");
            if protocol != 0 {
                // Content decides, not the name.
                let sentence = refused("model.pt", &pickle);
                assert!(sentence.contains(&format!("it would call `{call}`")), "{sentence}");
            }
        }
    }
    assert!(!trace.exists());
}

#[test]
fn harm_is_found_in_the_streams_inside() {
    // Every storage is a pickle stream of its own: exchange a storage's class for a call of the same length.
    let class = b"ctorch\nFloatStorage\n";
    let place = PICKLE.windows(class.len()).position(|part| part == class).expect("a storage");
    let mut bytes = PICKLE.to_vec();
    bytes[place..place + class.len()].copy_from_slice(b"cos\nsystemsystemsys\n");
    let sentence = refused("model.pkl", &bytes);
    assert!(sentence.contains("it would call `os.systemsystemsys`"), "{sentence}");
}

#[test]
fn archives_that_unpack_without_end() {
    // 256 MiB of one byte are 256 KiB in the archive; no pickle is that long.
    let bomb = archive(&vec![b'N'; 1 << 28], CompressionMethod::Deflated);
    assert!(bomb.len() < 4 << 20);
    let sentence = refused("model.pt", &bomb);
    assert!(sentence.contains("holds more values than any checkpoint needs"), "{sentence}");
}

/// A tar archive whose only entry claims 8 GiB of zeros: PyTorch's oldest container, older than any StyleGAN.
#[test]
fn a_tar_archive_is_not_unpacked() {
    let octal = |number: u64| format!("{number:011o}\0");
    let mut header = [0; 512];
    let mut put = |place: usize, text: &str| header[place..place + text.len()].copy_from_slice(text.as_bytes());
    put(0, "storages");
    put(124, &octal(0));
    // A sparse file that consists of one hole.
    put(156, "S");
    put(257, "ustar  \0");
    put(386, &octal((8 << 30) - 1));
    put(398, &octal(0));
    put(483, &octal((8 << 30) - 1));
    put(148, "        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let sentence = refused("model.pt", &[&header[..], &[0; 1024]].concat());
    assert!(sentence.contains("not a model file (it is a tar archive)"), "{sentence}");
}

/// Reading one number here costs reading everything before it, for every tensor again.
#[test]
fn tensors_that_reach_far_for_little() {
    let opened = |pickle: &[u8], method| {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(method);
        for (name, bytes) in [("archive/data.pkl", pickle), ("archive/data/0", &[0; 4 << 20])] {
            archive.start_file(name, options).expect("an entry");
            archive.write_all(bytes).expect("an entry");
        }
        refused("model.pt", &archive.finish().expect("an archive").into_inner())
    };
    // {'g_ema': {'input.input': two numbers of a storage of 2^20, as far from each other as there are}}
    let tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuJ\0\0\x10\0tQ\
        K\0K\x02\x85J\xff\xff\x0f\0\x85\x89ccollections\nOrderedDict\n)RtR";
    let pickle = [&b"\x80\x02}X\x05\0\0\0g_ema}X\x0b\0\0\0input.input"[..], tensor, b"ss."].concat();
    let sentence = opened(&pickle, CompressionMethod::Stored);
    assert!(sentence.contains("a tensor takes few numbers out of a large storage"), "{sentence}");
    let sentence = opened(&pickle, CompressionMethod::Deflated);
    assert!(sentence.contains("its tensors are compressed"), "{sentence}");
}

#[test]
fn values_that_contain_themselves() {
    // A dictionary that is its own `G`; a network whose modules are itself.
    for pickle in [
        &b"\x80\x02}q\0X\x01\0\0\0Gh\0s."[..],
        b"\x80\x02ctraining.networks\nGenerator\n)\x81q\0}q\x01(X\x08\0\0\0_modules}q\x02(X\x07\0\0\0mappingh\0X\x09\0\0\0synthesish\0ub.",
        b"\x80\x02]q\0h\0a.",
    ] {
        refused("model.pkl", pickle);
    }
}

#[test]
fn what_no_checkpoint_needs_is_too_large() {
    let header = format!("{{\"__metadata__\":{{\"note\":\"{}\"}}}}", "x".repeat(1 << 23));
    let sentence =
        refused("model.safetensors", &[&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat());
    assert!(sentence.contains("above the limit of 8388608"), "{sentence}");

    // A dictionary of 16385 entries, filled at once, one by one, and made by its class.
    let pairs = |before: &[u8], after: &[u8]| -> Vec<u8> {
        (0..=1_u32 << 14).flat_map(|i| [before, b"J", &i.to_le_bytes(), b"N", after].concat()).collect()
    };
    for pickle in [
        [&b"\x80\x02}("[..], &pairs(b"", b""), b"u."].concat(),
        [&b"\x80\x02}"[..], &pairs(b"", b"s"), b"."].concat(),
        [&b"\x80\x02ccollections\nOrderedDict\n]("[..], &pairs(b"", b"\x86"), b"e\x85R."].concat(),
    ] {
        let sentence = refused("model.pkl", &pickle);
        assert!(sentence.contains("more values than any checkpoint needs"), "{sentence}");
    }
}

#[test]
fn names_in_a_file_do_not_steer_the_terminal() {
    let name = "convs.0\n\u{1b}[2J\u{202e}.weight";
    let mut unknown = tiny::checkpoint();
    unknown.d.as_mut().expect("a discriminator").insert(name.to_owned(), HostTensor::new(vec![1], vec![0.0]));
    let tensors = [(name.to_owned(), HostTensor::new(vec![1], vec![0.0]))];
    let without = Checkpoint { g: Some(tensors.into_iter().collect()), ..Checkpoint::default() };
    let mut optimizer = tiny::checkpoint();
    let discriminator = optimizer.d.as_mut().expect("a discriminator");
    *discriminator = discriminator.drain(..).map(|(key, tensor)| (key.replace("convs", "co\nvs"), tensor)).collect();
    for (i, checkpoint) in [unknown, without, optimizer].into_iter().enumerate() {
        for extension in ["pt", "safetensors"] {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join(format!("{i}.{extension}"));
            save(&path, &checkpoint).expect("a file");
            let Err(sentence) = open(&path, "names") else { panic!("it was opened") };
            assert!(!sentence.contains(char::is_control) && !sentence.contains('\u{202e}'), "{sentence:?}");
        }
    }
}

#[test]
fn what_is_declined_is_named() {
    let tensorflow = b"\x80\x02cdnnlib.tflib.network\nNetwork\n)\x81cdnnlib.tflib.network\nNetwork\n)\x81\x86.";
    let sentence = refused("model.pkl", tensorflow);
    assert!(sentence.contains("TensorFlow networks"), "{sentence}");
    let replaced = |from: &[u8], to: &[u8]| {
        assert_eq!(from.len(), to.len());
        let place = PICKLE.windows(from.len()).position(|part| part == from).expect("there is one");
        let mut bytes = PICKLE.to_vec();
        bytes[place..place + from.len()].copy_from_slice(to);
        refused("model.pkl", &bytes)
    };
    let sentence = replaced(b"\x8c\x04skip", b"\x8c\x04orig");
    assert!(sentence.contains("a `orig` generator"), "{sentence}");
    let sentence = replaced(b"\x8c\x06resnet", b"\x8c\x06skippy");
    assert!(sentence.contains("a `skippy` discriminator"), "{sentence}");
    let sentence = replaced(b"\x8c\x05lrelu", b"\x8c\x05swish");
    assert!(sentence.contains("the activation `swish`"), "{sentence}");
    let sentence = replaced(b"\x8c\x05z_dim\x94K\x05", b"\x8c\x05z_dim\x94K\x06");
    assert!(sentence.contains("was made with z_dim 6, but its tensors are of one with 5"), "{sentence}");
}

/// StyleGAN3 pickles of other programs than NVlabs' own, and such as contradict themselves.
#[test]
fn what_is_no_stylegan3_of_nvlabs_is_named() {
    // Lengths of frames are not read, so a name may be longer than the one it replaces.
    let replaced = |from: &str, to: &str| {
        let text = |text: &str| [b"\x8c", &[text.len() as u8][..], text.as_bytes()].concat();
        let (from, to) = (text(from), text(to));
        let place = STYLEGAN3.windows(from.len()).position(|part| part == from).expect("there is one");
        let bytes = [&STYLEGAN3[..place], &to, &STYLEGAN3[place + from.len()..]].concat();
        refused("model.pkl", &bytes)
    };
    for (from, to, said) in [
        (
            "SynthesisLayer",
            "EditableLayer",
            "renamed classes (`G_ema.synthesis.L0_14_5` is a `EditableLayer`, NVlabs' is",
        ),
        (
            "SynthesisInput",
            "FourierInput",
            "`G_ema.synthesis.input` is a `FourierInput`, NVlabs' is a `SynthesisInput`",
        ),
        ("Generator", "SuperresGenerator", "it holds a StyleGAN-XL generator, which is not read"),
        ("Discriminator", "ProjectedDiscriminator", "it holds a projected GAN's discriminator, which is not read"),
        ("lrelu", "swish", "the activation `swish`"),
        ("up_filter", "up_filler", "has a filter of 1 taps where up_taps says another number"),
        ("down_factor", "down_tractor", "does not say its down_factor"),
        ("layer_names", "player_names", "does not say which layers it has"),
        ("freqs", "frogs", "it holds a generator of the class `Generator`, which is not read"),
        ("magnitude_ema", "magnitude_emu", "has no tensor `magnitude_ema`"),
    ] {
        let sentence = replaced(from, to);
        assert!(sentence.contains(said), "{sentence}");
    }
    // A layer that halves and says it does not.
    let bytes = b"down_factor\x94K\x02";
    let place = STYLEGAN3.windows(bytes.len()).position(|part| part == bytes).expect("an attribute");
    let mut file = STYLEGAN3.to_vec();
    file[place + bytes.len() - 1] = 1;
    let sentence = refused("model.pkl", &file);
    assert!(sentence.contains("the filters of `G.synthesis.L0_14_5` contradict its sizes"), "{sentence}");
}

#[test]
fn content_decides_and_not_the_name() {
    // A network pickle under another extension is still one.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.pt");
    std::fs::write(&path, PICKLE).expect("a file");
    let model = open(&path, "a pickle called .pt").expect("a model");
    assert_eq!((model.generator.classes(), model.generator.resolution()), (3, 8));
}
