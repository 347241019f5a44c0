//! Learning from a handful of marks: suggestions, and runs that start from them.

use std::{collections::HashMap, path::Path, time::Duration};

use burn::tensor::{Tensor, TensorData};
use unlearn_studio::{
    device,
    engine::{Command, Engine, Event, RunReport, RunRequest, SampleKind, SampleRequest, SuggestRequest, Weights},
    feedback::{
        Feedback, FeedbackSource, LabelerSpec, Mark, Region, Sample, Suggestions,
        probe::{Confidence, FEWEST, auc},
    },
    model::{Model, Sampler},
    networks::{LatentAddress, flat::to_vec},
    unlearn::{FIRST, Settings},
};

const PATIENCE: Duration = Duration::from_secs(60);
const SEED: u64 = 4;
/// Samples that are marked from, and that are known.
const KNOWN: u64 = 300;

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn sample(index: u64) -> Sample {
    Sample::new(LatentAddress { seed: SEED, index }, 1.0).expect("a usable psi")
}

/// What comes back: the picked event or the sentence of a failure.
fn answer<T>(engine: &Engine, mut pick: impl FnMut(Event) -> Option<T>) -> Result<T, String> {
    loop {
        match engine.events.recv_timeout(PATIENCE).expect("an answer in time") {
            Event::Failed(sentence) => return Err(sentence),
            event => {
                if let Some(found) = pick(event) {
                    return Ok(found);
                }
            }
        }
    }
}

/// An engine with the golden model, its digest, and the brightness of its samples.
fn open() -> (Engine, String, Vec<f64>) {
    let engine = Engine::start(device::cpu()).expect("a thread");
    engine.send(Command::Load(fixture("golden/stylegan2-16.pt").into()));
    let card = answer(&engine, |e| if let Event::Loaded(card) = e { Some(card) } else { None }).expect("a model");
    let brightness = brightness_within(&engine, |_, _| true);
    (engine, card.sha256, brightness)
}

/// The mean brightness of every known sample, of those parts of the picture that are within.
fn brightness_within(engine: &Engine, within: impl Fn(f64, f64) -> bool) -> Vec<f64> {
    engine.send(Command::Sample(SampleRequest {
        kind: SampleKind::Grid,
        weights: Weights::Original,
        seed: SEED,
        indices: (0..KNOWN).collect(),
        psi: 1.0,
        class: None,
    }));
    let tiles = answer(engine, |e| if let Event::Tiles(tiles) = e { Some(tiles) } else { None }).expect("tiles");
    let side = tiles.side;
    let at = |pixel: usize| (pixel as f64 + 0.5) / side as f64;
    let pixels: Vec<usize> = (0..side * side).filter(|i| within(at(i % side), at(i / side))).collect();
    let mean = |tile: &[u8]| {
        let sum: f64 = pixels.iter().flat_map(|i| &tile[3 * i..3 * i + 3]).map(|&v| f64::from(v)).sum();
        sum / (3 * pixels.len()) as f64
    };
    tiles.rgb.chunks_exact(side * side * 3).map(mean).collect()
}

/// Marks the first clearly bright samples negative and the first clearly dark ones positive, `each` of both.
fn marks(sha256: &str, brightness: &[f64], each: usize) -> Feedback {
    let mut feedback = Feedback::new(sha256);
    let mut left = HashMap::from([(true, each), (false, each)]);
    for (index, value) in brightness.iter().enumerate() {
        let bright = *value > quantile(brightness, 0.75);
        if !bright && *value > quantile(brightness, 0.25) {
            continue;
        }
        let left = left.get_mut(&bright).expect("both kinds");
        if *left > 0 {
            *left -= 1;
            feedback.mark(sample(index as u64), if bright { Mark::Negative } else { Mark::Positive });
        }
    }
    feedback
}

fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(part * sorted.len() as f64) as usize]
}

fn suggest(engine: &Engine, feedback: &Feedback) -> Result<Suggestions, String> {
    suggest_with(engine, feedback, None)
}

fn suggest_with(engine: &Engine, feedback: &Feedback, labeler: Option<LabelerSpec>) -> Result<Suggestions, String> {
    let request = SuggestRequest { feedback: feedback.clone(), seed: SEED, psi: 1.0, labeler, count: 12 };
    engine.send(Command::Suggest(Box::new(request)));
    answer(engine, |e| if let Event::Suggested(found) = e { Some(*found) } else { None })
}

#[test]
fn suggestions_rank_what_was_not_marked() {
    let (engine, sha256, brightness) = open();
    let feedback = marks(&sha256, &brightness, 10);
    let found = suggest(&engine, &feedback).expect("suggestions");
    let known: Vec<_> = found.ranked.iter().filter(|r| r.sample.address().index < KNOWN).collect();
    assert_eq!(known.len(), KNOWN as usize - 20, "all but the marked ones");
    let middle = quantile(&brightness, 0.5);
    let scores: Vec<f64> = known.iter().map(|r| r.probability).collect();
    let kinds: Vec<bool> = known.iter().map(|r| brightness[r.sample.address().index as usize] > middle).collect();
    let area = auc(&scores, &kinds).expect("both kinds");
    assert!(area > 0.9, "{area}");
    assert!((found.quality.negatives, found.quality.positives) == (10, 10) && found.quality.auc > 0.8);
    assert!((0.3..0.7).contains(&found.quality.share), "half of the samples are bright: {:?}", found.quality);
    assert!(found.ranked.is_sorted_by(|a, b| a.probability >= b.probability));
    assert_eq!(found.proposals.len(), 12);
    assert!(found.proposals.iter().all(|sample| feedback.get(*sample).is_none()));
    // The same question, the same answer, from what was kept.
    let again = suggest(&engine, &feedback).expect("suggestions");
    assert_eq!((again.ranked, again.proposals), (found.ranked, found.proposals));
}

#[test]
fn a_labelers_features_count() {
    let (engine, sha256, brightness) = open();
    let feedback = marks(&sha256, &brightness, 4);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/labelers/avatars.onnx");
    let without = suggest(&engine, &feedback).expect("suggestions");
    let with =
        suggest_with(&engine, &feedback, Some(LabelerSpec { path, mean: None, std: None })).expect("suggestions");
    assert_ne!(without.ranked, with.ranked, "more features, other answers");
    let missing = LabelerSpec { path: "missing.onnx".into(), mean: None, std: None };
    let refused = suggest_with(&engine, &feedback, Some(missing)).expect_err("no such file");
    assert!(refused.starts_with("missing.onnx"), "{refused}");
}

/// Where marks say where to look, others come first: samples that are bright there, whatever the rest of them looks like.
#[test]
fn a_painted_place_is_looked_at_first() {
    let (engine, sha256, _) = open();
    let corner = brightness_within(&engine, |x, y| x < 0.5 && y < 0.5);
    let order = |found: &Suggestions| {
        let known: Vec<_> = found.ranked.iter().filter(|r| r.sample.address().index < KNOWN).collect();
        let scores: Vec<f64> = known.iter().map(|r| r.probability).collect();
        let middle = quantile(&corner, 0.5);
        let kinds: Vec<bool> = known.iter().map(|r| corner[r.sample.address().index as usize] > middle).collect();
        auc(&scores, &kinds).expect("both kinds")
    };
    let mut feedback = marks(&sha256, &corner, 8);
    let without = suggest(&engine, &feedback).expect("suggestions");
    let negatives: Vec<Sample> = feedback.negatives().collect();
    for sample in negatives.iter().take(3) {
        feedback.set_region(*sample, Some(Region::between([0.0, 0.0], [0.5, 0.5]).expect("a box")));
    }
    let with = suggest(&engine, &feedback).expect("suggestions");
    assert_ne!(with.ranked, without.ranked);
    assert!(order(&with) > order(&without) && order(&with) > 0.85, "{} {}", order(&with), order(&without));
    // Taken back, everything is as it was.
    for sample in negatives {
        feedback.set_region(sample, None);
    }
    assert_eq!(suggest(&engine, &feedback).expect("suggestions").ranked, without.ranked);
}

#[test]
fn finer_maps_of_a_discriminator_end_in_the_last_ones() {
    let table =
        [("golden/stylegan2-16.pt", vec![[16, 16], [8, 8], [4, 4]]), ("dcgan/averaged-16.pth", vec![[8, 8], [4, 4]])];
    for (file, sides) in table {
        let model = Model::load(&fixture(file), &device::cpu().device).expect("a model");
        let gan = model.gan.as_ref().expect("a discriminator");
        let weights = gan.d.constants();
        let images = Sampler::new(&model.generator, &model.g_ema).render_at(SEED, 0..3, 1.0);
        let images = TensorData::new(images, [3, model.generator.image_channels(), 16, 16]);
        let images = Tensor::<4>::from_data(images, &weights.device());
        let maps = gan.networks.discriminator.maps(&weights, images.clone().into(), &[16, 8, 4]);
        let found: Vec<[usize; 2]> = maps.iter().map(|maps| [maps.dims()[2], maps.dims()[3]]).collect();
        assert_eq!(found, sides, "{file}");
        let trunk = gan.networks.discriminator.trunk(&weights, images.clone().into()).value;
        assert_eq!(to_vec(maps[maps.len() - 1].clone()), to_vec(trunk), "{file}");
        let one = gan.networks.discriminator.maps(&weights, images.into(), &[8]);
        assert_eq!((one.len(), one[0].dims()[3]), (1, 8), "{file}");
    }
}

#[test]
fn marks_that_teach_nothing_are_refused_in_one_sentence() {
    let (engine, sha256, brightness) = open();
    let few = suggest(&engine, &marks(&sha256, &brightness, 2)).expect_err("too few");
    assert_eq!(few, "2 negative and 2 positive samples are marked; mark at least 3 of each to learn from");
    // Bright and dark ones alternate among both kinds.
    let mut mixed = Feedback::new(&sha256);
    let mut order: Vec<usize> = (0..brightness.len()).collect();
    order.sort_by(|&a, &b| brightness[a].total_cmp(&brightness[b]));
    for (i, index) in order.iter().step_by(15).enumerate() {
        mixed.mark(sample(*index as u64), if i % 2 == 0 { Mark::Negative } else { Mark::Positive });
    }
    let contradictory = suggest(&engine, &mixed).expect_err("nothing to learn");
    assert!(
        contradictory.starts_with("the marked samples do not differ in a way that can be learned"),
        "{contradictory}"
    );
    assert!(suggest(&engine, &marks(&sha256, &brightness, 10)).is_ok(), "the engine goes on");
}

fn short() -> Settings {
    let mut settings = Settings::of(FIRST);
    let counts =
        [("adapted", 1), ("fisher-samples", 2), ("labelled", 200), ("adapt-iters", 1), ("iters", 1), ("batch", 4)];
    for (key, value) in counts.into_iter().chain([("seed", SEED)]) {
        settings.set(key, value).expect(key);
    }
    settings
}

fn run(engine: &Engine, feedback: FeedbackSource, settings: Settings) -> Result<RunReport, String> {
    engine.send(Command::Start(Box::new(RunRequest {
        feedback,
        settings,
        evaluation: None,
        out: None,
        retain: None,
        preview: false,
    })));
    answer(engine, |e| if let Event::Done(report) = e { Some(*report) } else { None })
}

#[test]
fn a_run_on_few_marks_says_how_sure_it_is() {
    let (engine, sha256, brightness) = open();
    let quick = short();
    for (count, sure) in [(5, false), (40, true)] {
        let feedback = FeedbackSource::Marks(Box::new(marks(&sha256, &brightness, count)));
        let settings = quick.clone();
        engine.send(Command::Start(Box::new(RunRequest {
            feedback,
            settings,
            evaluation: None,
            out: None,
            retain: None,
            preview: false,
        })));
        let mut warnings = Vec::new();
        let report = answer(&engine, |event| match event {
            Event::Done(report) => Some(report),
            Event::Warning(sentence) => {
                warnings.push(sentence);
                None
            }
            _ => None,
        });
        let quality = report.expect("a run").feedback.learned.expect("a probe").quality;
        assert_eq!((quality.confidence == Confidence::High, warnings.is_empty()), (sure, sure), "{quality:?}");
        assert!(warnings.iter().all(|warning| warning.contains(" 10 marks ")), "{warnings:?}");
    }
}

#[test]
fn a_few_marks_become_hundreds_unless_told_otherwise() {
    let (engine, sha256, brightness) = open();
    let feedback = marks(&sha256, &brightness, 8);
    let source = || FeedbackSource::Marks(Box::new(feedback.clone()));
    let quick = short();
    let learned = run(&engine, source(), quick.clone()).expect("a run").feedback;
    assert!(learned.negatives > 8 && learned.positives > 60, "{learned:?}");
    assert!(learned.negatives + learned.positives <= 200 + 16);
    let probe = learned.learned.expect("a probe");
    assert_eq!((probe.quality.negatives, probe.quality.positives, probe.looked_at), (8, 8, 200));
    let mut exact = quick;
    exact.set("few-marks", 16).expect("a number of marks");
    let exact = run(&engine, source(), exact).expect("a run").feedback;
    assert_eq!((exact.negatives, exact.positives, exact.learned), (8, 8, None));
    assert_ne!(learned.sha256, exact.sha256);
}

/// A person who clicks `clicks` samples, this labeler answering; either negatives alone, where the `rest_may_stay`, or both
/// kinds; with `features` the probe sees what the labeler saw.
fn clicks(labeler: &str, clicks: usize, [rest_may_stay, features]: [bool; 2]) -> FeedbackSource {
    let labeler = LabelerSpec { path: fixture(labeler), mean: None, std: None };
    FeedbackSource::Clicks { labeler, forget: "0".to_owned(), clicks, rest_may_stay, features, regions: false }
}

#[test]
fn a_simulated_person_marks_as_many_as_asked() {
    let (engine, ..) = open();
    let mut pools = Vec::new();
    for (count, features) in [(12, false), (24, false), (24, true)] {
        let source = clicks("labelers/grey8.onnx", count, [false, features]);
        let report = run(&engine, source, short()).expect("a run");
        let probe = report.feedback.learned.expect("a probe");
        assert_eq!(probe.quality.negatives + probe.quality.positives, count, "{probe:?}");
        assert!(probe.quality.negatives >= 6 && report.feedback.negatives > probe.quality.negatives);
        pools.push(report.feedback.sha256);
    }
    assert_ne!(pools[1], pools[2]);
}

#[test]
fn a_simulated_person_clicks_only_what_must_go_where_the_rest_may_stay() {
    let (engine, ..) = open();
    for count in [5, 30] {
        let source = clicks("labelers/grey8.onnx", count, [true, false]);
        let report = run(&engine, source, short()).expect("a run");
        let quality = report.feedback.learned.expect("a probe").quality;
        assert_eq!(quality.negatives, count, "{quality:?}");
        // What was looked at on the way, not all that there is.
        assert!((FEWEST..1000).contains(&quality.positives), "{quality:?}");
    }
}

#[test]
fn a_place_that_nobody_knows_is_refused() {
    let (engine, ..) = open();
    let FeedbackSource::Clicks { labeler, forget, clicks, rest_may_stay, features, .. } =
        clicks("labelers/grey8.onnx", 12, [true, false])
    else {
        panic!("clicks")
    };
    let source = FeedbackSource::Clicks { labeler, forget, clicks, rest_may_stay, features, regions: true };
    let refused = run(&engine, source, short()).expect_err("no place");
    assert!(refused.starts_with("nobody knows where in the picture that is"), "{refused}");
}

#[test]
fn a_labeler_without_features_has_none_to_show() {
    let (engine, ..) = open();
    let source = clicks("labelers/colour16.onnx", 12, [false, true]);
    let refused = run(&engine, source, short()).expect_err("no features");
    assert_eq!(refused, "the labeler has no output called features to show to the probe");
}
