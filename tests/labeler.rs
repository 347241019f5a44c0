//! Labelers on ONNX files: tiny ones written by `scripts/make_labelers.py`, the bundled ones on drawings and on digits
//! that they were not trained on, and the digits classifier where it is.

#[path = "common/skip.rs"]
mod skip;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use unlearn_studio::data::avatars::{self, Attributes, Beard};
use unlearn_studio::metrics::{FrechetBasis, Head, Labeler, Labels, frechet_floor};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/labelers").join(name)
}

fn close(values: &[f32], expected: &[f32]) {
    assert_eq!(values.len(), expected.len());
    for (value, expected) in values.iter().zip(expected) {
        assert!((value - expected).abs() < 1e-4, "{values:?} instead of {expected}");
    }
}

/// Grey 8x8 images whose upper half has one value and whose lower half another, in [0, 1].
fn halves(pairs: &[(f32, f32)]) -> Vec<f32> {
    let half = |value: f32| vec![value * 2.0 - 1.0; 32];
    pairs.iter().flat_map(|&(upper, lower)| [half(upper), half(lower)].concat()).collect()
}

#[test]
fn grey_images_get_the_scores_and_features_of_their_halves() {
    let labeler = Labeler::open(&fixture("grey8.onnx")).unwrap();
    assert_eq!((labeler.class_count(), labeler.has_features(), labeler.input_shape()), (3, true, [1, 8, 8]));
    let labels = labeler.label(&halves(&[(1.0, 0.0), (0.25, 1.0), (0.5, 0.5)]), [3, 1, 8, 8]).unwrap();
    // Sum above, sum below, half of all plus 1.
    close(&labels.scores, &[32.0, 0.0, 17.0, 8.0, 32.0, 21.0, 16.0, 16.0, 17.0]);
    assert_eq!(labels.classes, [0, 1, 2]);
    close(&labels.probabilities[6..], &[0.211942, 0.211942, 0.576117]);
    assert_eq!(labels.frechet_features().unwrap().1, FrechetBasis::Features);
    let features = labels.features.unwrap();
    assert_eq!((features.width, features.rows()), (8, 3));
    close(&features.values[8..16], &[0.25, 0.25, 0.25, 0.25, 1.0, 1.0, 1.0, 1.0]);
}

#[test]
fn every_output_of_scores_is_a_head_with_its_names() {
    let labeler = Labeler::open(&fixture("two8.onnx")).unwrap();
    let heads: Vec<_> = labeler.heads().iter().map(|head| (head.name.as_str(), head.classes.join(" "))).collect();
    assert_eq!(heads, [("half", "upper lower both".to_owned()), ("light", "dark bright".to_owned())]);
    let pairs: Vec<_> = (0..20).map(|i| (i as f32 / 20.0, 0.25)).collect();
    let (images, shape) = (halves(&pairs), [20, 1, 8, 8]);
    let [half, light] = [0, 1].map(|head| labeler.label_head(head, &images, shape).unwrap());
    let expected: Vec<f32> = pairs.iter().flat_map(|(a, b)| [32.0, 32.0 * (a + b)]).collect();
    close(&light.scores, &expected);
    // Sums above 32 need an upper half above 0.75.
    assert_eq!(light.classes, (0..20).map(|i| usize::from(i > 15)).collect::<Vec<_>>());
    assert_eq!(half, labeler.label(&images, shape).unwrap());
    assert_eq!(half.features, light.features);
    assert_eq!(half.features.as_ref().map(|features| (features.width, features.rows())), Some((8, 20)));
    let all = labeler.label_all(&images, shape).unwrap();
    assert_eq!(all, [half.clone(), Labels { features: None, ..light.clone() }]);

    let target = labeler.target("light=bright").unwrap();
    assert_eq!((target.head_number(), light.count_target(&target)), (1, 4));
    let target = labeler.target("half!=both").unwrap();
    let sum = half.probabilities[0] + half.probabilities[1];
    assert!((half.target_probability(0, &target).unwrap() - sum).abs() < 1e-6);
    assert_eq!(
        labeler.target("dim").unwrap_err().to_string(),
        "two8.onnx: it knows half (upper, lower, both), light (dark, bright); there is no class dim"
    );
    assert_eq!(
        labeler.label_head(2, &images, shape).unwrap_err().to_string(),
        "two8.onnx: it has 2 outputs of scores; it has no output 2"
    );

    // Other names of the same length in the file's metadata, and one name less.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("renamed.onnx");
    let whole = std::fs::read(fixture("two8.onnx")).unwrap();
    let renamed = |from: &str, to: &str| {
        let at = whole.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        std::fs::write(&path, [&whole[..at], to.as_bytes(), &whole[at + from.len()..]].concat()).unwrap();
        Labeler::open(&path).map(|labeler| labeler.heads()[1].classes.clone()).map_err(|error| error.to_string())
    };
    assert_eq!(renamed(r#""dark", "#, r#""dusk", "#), Ok(vec!["dusk".to_owned(), "bright".to_owned()]));
    assert_eq!(renamed(r#""light": "#, r#""night": "#), Ok(vec!["0".to_owned(), "1".to_owned()]));
    assert_eq!(renamed(r#"["dark", "#, r#"[        "#).unwrap_err(), NAMELESS);
    assert_eq!(renamed(r#""dark", "bright""#, r#""dark", "dark"  "#).unwrap_err(), NAMELESS);
}

const NAMELESS: &str = "renamed.onnx: its metadata does not give each of the 2 classes of light its own name";

/// Any number of images gives the same labels, in order: full chunks, a partial one, several at once.
#[test]
fn chunks_leave_no_trace() {
    let labeler = Labeler::open(&fixture("grey8.onnx")).unwrap();
    for n in [0, 1, 15, 16, 17, 32, 100] {
        let pairs: Vec<(f32, f32)> = (0..n).map(|i| (i as f32 / 100.0, (i % 7) as f32 / 7.0)).collect();
        let labels = labeler.label(&halves(&pairs), [n, 1, 8, 8]).unwrap();
        let expected: Vec<f32> = pairs.iter().flat_map(|(a, b)| [32.0 * a, 32.0 * b, 16.0 * (a + b) + 1.0]).collect();
        close(&labels.scores, &expected);
        assert_eq!((labels.len(), labels.features.unwrap().rows()), (n, n));
    }
}

#[test]
fn colour_becomes_luma_and_other_sizes_are_resized() {
    let labeler = Labeler::open(&fixture("grey8.onnx")).unwrap();
    // A green image of 4x4, then a red one: luma 0.587 and 0.299.
    let plane = |value: f32| vec![value; 16];
    let green = [plane(-1.0), plane(1.0), plane(-1.0)].concat();
    let red = [plane(1.0), plane(-1.0), plane(-1.0)].concat();
    let labels = labeler.label(&[green, red].concat(), [2, 3, 4, 4]).unwrap();
    close(&labels.scores[..2], &[18.784, 18.784]);
    close(&labels.scores[3..5], &[9.568, 9.568]);
}

#[test]
fn a_fixed_batch_of_colour_probabilities_works_too() {
    let labeler = Labeler::open(&fixture("colour16.onnx")).unwrap();
    assert_eq!((labeler.class_count(), labeler.has_features(), labeler.input_shape()), (3, false, [3, 16, 16]));
    // Three images for batches of two: channel means 1 0 0, 0 0 1 and grey.
    let plane = |value: f32| vec![value; 256];
    let image = |r, g, b| [plane(r), plane(g), plane(b)].concat();
    let images = [image(1.0, -1.0, -1.0), image(-1.0, -1.0, 1.0), image(0.0, 0.0, 0.0)].concat();
    let labels = labeler.label(&images, [3, 3, 16, 16]).unwrap();
    let (high, low) = (0.576117, 0.211942);
    let third = 1.0 / 3.0;
    let expected = [high, low, low, low, low, high, third, third, third];
    close(&labels.scores, &expected);
    close(&labels.probabilities, &expected);
    assert_eq!((labels.classes.as_slice(), labels.features.is_none()), (&[0, 2, 0][..], true));
    // A Fréchet distance then has nothing but the scores.
    let (measured, basis) = labels.frechet_features().unwrap();
    assert_eq!((basis, measured.width, &measured.values), (FrechetBasis::Scores, 3, &labels.scores));

    let shifted = labeler.with_normalization(&[0.5, 0.0, 0.0], &[0.5]).unwrap();
    let labels = shifted.label(&plane(1.0), [1, 1, 16, 16]).unwrap();
    // A grey image for all three channels: 1, 2, 2.
    close(&labels.probabilities, &[0.155362, 0.422319, 0.422319]);
}

#[test]
fn odd_files_and_questions_get_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let whole = std::fs::read(fixture("grey8.onnx")).unwrap();
    // The name of an operator nobody knows, and a weight matrix of another size.
    let swap = |from: &[u8], to: &[u8]| {
        let at = whole.windows(from.len()).position(|window| window == from).unwrap();
        [&whole[..at], to, &whole[at + from.len()..]].concat()
    };
    let table = [
        (fixture("flat.onnx"), "flat.onnx: its input has rank 2, an image labeler takes [N, 1 or 3, H, W]"),
        (
            fixture("channels4.onnx"),
            "channels4.onnx: its input is [N, 4, 8, 8], an image labeler takes [N, 1 or 3, H, W]",
        ),
        (
            fixture("loose.onnx"),
            "loose.onnx: its input is [N, 1, H, W], the image size has to be fixed when a labeler is exported",
        ),
        (fixture("padded.onnx"), "padded.onnx: it computes [1, 2, 131080, 131080] values at once, which is too large"),
        (write("empty.onnx", b""), "empty.onnx: not an ONNX model"),
        (write("text.onnx", b"hello, this is no model"), "text.onnx: not an ONNX model"),
        (write("cut.onnx", &whole[..whole.len() / 2]), "cut.onnx: not an ONNX model"),
        (write("op.onnx", &swap(b"Gemm", b"Gimm")), "op.onnx: it uses the operator `Gimm`, which cannot be run here"),
        (folder.path().join("absent.onnx"), "absent.onnx: cannot be read ("),
    ];
    for (path, expected) in table {
        match Labeler::open(&path) {
            Ok(_) => assert_eq!(expected, "", "{}", path.display()),
            Err(error) => {
                let error = error.to_string();
                assert!(error.starts_with(expected) && error.lines().count() == 1, "{error}");
            }
        }
    }

    let labeler = Labeler::open(&fixture("grey8.onnx")).unwrap();
    assert_eq!(labeler.target("2").unwrap().to_string(), "scores=2");
    assert_eq!(
        labeler.target("12").unwrap_err().to_string(),
        "grey8.onnx: it has 3 classes (0 to 2); there is no class 12"
    );
    for shape in [[1, 1, 8, 8], [2, 2, 4, 4], [0, 0, 0, 0], [2, 3, usize::MAX, usize::MAX]] {
        let error = labeler.label(&[0.0; 63], shape).unwrap_err().to_string();
        let expected = format!("grey8.onnx: 63 values are no images of shape {shape:?} with 1 or 3 channels");
        assert_eq!(error, expected);
    }
    let mut images = halves(&[(0.0, 0.0), (1.0, 1.0)]);
    images[70] = f32::NAN;
    assert_eq!(
        labeler.label(&images, [2, 1, 8, 8]).unwrap_err().to_string(),
        "grey8.onnx: image 1 has values that are not numbers"
    );
    for (mean, std) in [(&[0.0][..], &[0.0][..]), (&[0.0, 0.0], &[1.0]), (&[], &[1.0]), (&[f32::NAN], &[1.0])] {
        let labeler = Labeler::open(&fixture("grey8.onnx")).unwrap();
        let error = labeler.with_normalization(mean, std).unwrap_err().to_string();
        assert_eq!(error, "grey8.onnx: mean and deviation need 1 or 1 finite numbers each, and no deviation may be 0");
    }
}

/// Whatever single byte of a labeler is damaged: an answer or a sentence, never a panic.
#[test]
fn damaged_files_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.onnx");
    for name in ["grey8.onnx", "colour16.onnx", "two8.onnx"] {
        let whole = std::fs::read(fixture(name)).unwrap();
        // The weights in the middle are numbers whatever they are: every byte outside, some inside.
        let structure = (0..whole.len()).filter(|at| whole.len() < 1000 || at % 97 == 0 || !(400..2900).contains(at));
        for at in structure {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x15;
            std::fs::write(&path, &damaged).unwrap();
            if let Ok(labeler) = Labeler::open(&path) {
                let [c, h, w] = labeler.input_shape();
                if c * h * w < 10_000 {
                    let _ = labeler.label(&vec![0.5; c * h * w], [1, c, h, w]);
                }
            }
        }
    }
}

/// An IDX file: its extents and bytes.
fn read_idx(path: &Path) -> (Vec<usize>, Vec<u8>) {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    let rank = usize::from(bytes[3]);
    let extent = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    ((0..rank).map(|dim| extent(4 + 4 * dim)).collect(), bytes.split_off(4 + 4 * rank))
}

fn bundled(name: &str) -> Labeler {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/labelers");
    Labeler::open(&folder.join(name)).unwrap()
}

/// 500 drawings of a seed that the labeler was neither trained nor chosen by.
#[test]
fn the_bundled_labeler_knows_the_attributes_of_fresh_drawings() {
    const COUNT: usize = 500;
    let labeler = bundled("avatars.onnx");
    assert_eq!((labeler.input_shape(), labeler.has_features()), ([3, 64, 64], true));
    let expected: Vec<Head> = Attributes::NAMES
        .iter()
        .zip(Attributes::shares())
        .map(|(name, values)| Head {
            name: (*name).to_owned(),
            classes: values.iter().map(|(value, _)| (*value).to_owned()).collect(),
        })
        .collect();
    assert_eq!(labeler.heads(), expected);

    let drawn: Vec<_> = (0..COUNT as u64).map(|index| avatars::draw(77_000, index, 64)).collect();
    let images: Vec<f32> = drawn
        .iter()
        .flat_map(|drawing| (0..3).flat_map(move |channel| drawing.rgb.iter().skip(channel).step_by(3)))
        .map(|&value| f32::from(value) / 127.5 - 1.0)
        .collect();
    let labels = labeler.label_all(&images, [COUNT, 3, 64, 64]).unwrap();
    for (number, (head, labels)) in labeler.heads().iter().zip(&labels).enumerate() {
        let right = |keep: &dyn Fn(&Attributes) -> bool| {
            let kept = drawn.iter().zip(&labels.classes).filter(|(drawing, _)| keep(&drawing.attributes));
            let right = |drawing: &avatars::Avatar, class: usize| {
                head.classes.get(class).is_some_and(|name| name == drawing.attributes.values()[number])
            };
            let (count, right) =
                kept.fold((0, 0), |(n, sum), (drawing, &class)| (n + 1, sum + usize::from(right(drawing, class))));
            f64::from(right as u32) / f64::from(count)
        };
        // Under a hat little or nothing is left of the hair; its colour shows in a beard, too.
        let hatless = |shown: &Attributes| shown.hat == avatars::Hat::None;
        let visible = |shown: &Attributes| match head.name.as_str() {
            "hair" => hatless(shown),
            "hair_colour" => shown.beard == Beard::Yes || (hatless(shown) && shown.hair != avatars::Hair::Bald),
            _ => true,
        };
        println!("{}: {:.4}, where it can be seen {:.4}", head.name, right(&|_| true), right(&visible));
        assert!(right(&visible) >= 0.99 && right(&|_| true) >= 0.95, "{}", head.name);
    }

    for (text, forgotten) in
        [("hat!=none", "hat=cap|hat=beanie"), ("round", "glasses=round"), ("beard=yes", "beard=yes")]
    {
        assert_eq!(labeler.target(text).unwrap().to_string(), forgotten);
    }
    assert_eq!(
        labeler.target("none").unwrap_err().to_string(),
        "avatars.onnx: none is a class of several outputs: write hat=none or glasses=none"
    );
    let error = labeler.target("hat=fez").unwrap_err().to_string();
    assert!(error.contains("hat (none, cap, beanie), glasses (none, round, square)"), "{error}");
    assert!(error.ends_with("; there is no class hat=fez") && error.lines().count() == 1, "{error}");
}

#[test]
fn the_bundled_labeler_knows_digits() {
    let labeler = bundled("digits.onnx");
    assert_eq!((labeler.input_shape(), labeler.has_features()), ([1, 32, 32], true));
    assert_eq!(labeler.heads(), [Head::numbered("digit", 10)]);
    assert_eq!(labeler.target("digit=4|7").unwrap().classes(), [4, 7]);
}

#[test]
fn the_bundled_labeler_knows_real_digits() {
    let Some((images, digits)) = real(MNIST) else { skip::skip!("{MNIST} is absent") };
    let labels = bundled("digits.onnx").label(&images, [digits.len(), 1, 32, 32]).unwrap();
    // Every fifth digit was held out of the training.
    let held = || labels.classes.iter().zip(&digits).step_by(5);
    let right = held().filter(|&(&class, &digit)| class == usize::from(digit)).count();
    println!("{right} of {} held-out digits right", held().count());
    assert!(right as f64 >= 0.985 * held().count() as f64);
}

#[test]
fn the_bundled_labeler_knows_clothes() {
    let labeler = bundled("clothes.onnx");
    assert_eq!((labeler.input_shape(), labeler.has_features()), ([1, 32, 32], true));
    assert_eq!(labeler.heads().len(), 1);
    assert_eq!(labeler.target("ankle boot").unwrap().classes(), [9]);
}

#[test]
fn the_bundled_labeler_knows_real_clothes() {
    let Some((images, classes)) = real(FASHION) else { skip::skip!("{FASHION} is absent") };
    // It was trained on the other 60 000.
    let labels = bundled("clothes.onnx").label(&images, [classes.len(), 1, 32, 32]).unwrap();
    let right = labels.classes.iter().zip(&classes).filter(|&(&class, &truth)| class == usize::from(truth)).count();
    println!("{right} of {} test pictures right", classes.len());
    assert!(right as f64 >= 0.9 * classes.len() as f64);
}

/// Debian's dataset-fashion-mnist.
const FASHION: &str = "/usr/share/datasets/fashion-mnist";
const MNIST: &str = "../shared/data/mnist";

/// The 10 000 pictures of a test file in MNIST's format as `[n, 1, 32, 32]` and what they are, where there are some.
fn real(folder: &str) -> Option<(Vec<f32>, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    if !folder.exists() {
        return None;
    }
    let (extents, pixels) = read_idx(&folder.join("t10k-images-idx3-ubyte.gz"));
    let (_, classes) = read_idx(&folder.join("t10k-labels-idx1-ubyte.gz"));
    assert_eq!(extents[1..], [28, 28]);
    let mut images = vec![-1.0; extents[0] * 32 * 32];
    for (image, picture) in images.chunks_exact_mut(32 * 32).zip(pixels.chunks_exact(28 * 28)) {
        for (at, &pixel) in picture.iter().enumerate() {
            image[(at / 28 + 2) * 32 + at % 28 + 2] = f32::from(pixel) / 127.5 - 1.0;
        }
    }
    Some((images, classes))
}

#[test]
fn lenet_knows_real_digits() {
    const LENET: &str = "../shared/models/lenet-mnist.onnx";
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join(LENET);
    if !model.exists() {
        skip::skip!("{LENET} is absent");
    }
    let Some((images, digits)) = real(MNIST) else { skip::skip!("{MNIST} is absent") };
    let n = digits.len();

    let labeler = Labeler::open(&model).unwrap();
    assert_eq!((labeler.class_count(), labeler.input_shape()), (10, [1, 32, 32]));
    assert_eq!(
        labeler.target("12").unwrap_err().to_string(),
        "lenet-mnist.onnx: it has 10 classes (0 to 9); there is no class 12"
    );
    let labels = labeler.label(&images, [n, 1, 32, 32]).unwrap();

    // The same network computed by PyTorch from the same weights: 9861 of 10 000 right, 1965 of the first 2000. Scores
    // that nearly tie may fall either way.
    let right = |range: std::ops::Range<usize>| {
        let pairs = labels.classes[range.clone()].iter().zip(&digits[range]);
        pairs.filter(|&(&class, &digit)| class == usize::from(digit)).count()
    };
    let (all, first) = (right(0..n), right(0..2000));
    println!("{all} of {n} right, {first} of the first 2000");
    assert!(all as f64 >= 0.985 * n as f64 && all.abs_diff(9861) <= 1 && first.abs_diff(1965) <= 1);

    // The first output is logarithms: their exponentials are the probabilities.
    let exponentials: Vec<f32> = labels.scores.iter().map(|score| score.exp()).collect();
    close(&labels.probabilities, &exponentials);
    // numpy from PyTorch's features: 3.652254. Of the 84 features several are dead, the covariance is singular.
    let features = labels.features.unwrap();
    assert_eq!((features.width, features.rows()), (84, n));
    let floor = frechet_floor(&features.select(|row| row < 2000)).unwrap();
    assert!((floor - 3.652254).abs() < 1e-3, "{floor}");
}
