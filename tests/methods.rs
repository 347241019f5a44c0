//! Every method on small networks: the same bytes again, after an interruption and with images that are drawn again too, and weights that stay where a mask says so.

use std::{path::Path, sync::Arc};

use burn::tensor::{Device, Tensor, TensorData};
use unlearn_studio::{
    feedback::{ImagePool, Origin, SampleRenderer},
    model::{Model, Sampler},
    networks::{Noise, Pictures, flat::to_vec},
    train::losses::generator_loss,
    unlearn::{
        Auxiliary, Base, Ended, Flow, Iteration, LayerShare, METHODS, Method, Monitor, Request, ResumePoint, Settings,
        StateRef, dampen::dampen, mask, method,
    },
};

fn fixture(name: &str) -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name);
    let mut model = Model::load(&path, &Device::flex()).expect(name);
    if model.generator.completion().is_some() {
        model.set_pictures(Arc::new(Gradients(model.generator.resolution())));
    }
    model
}

/// Forty pictures of this side: slopes of many directions.
#[derive(Debug)]
struct Gradients(usize);

impl Pictures for Gradients {
    fn count(&self) -> usize {
        40
    }

    fn side(&self) -> usize {
        self.0
    }

    fn picture(&self, number: usize) -> Vec<f32> {
        let turn = number as f32;
        let value = |at: usize| {
            let (x, y) = ((at % self.0) as f32 / self.0 as f32, (at / self.0 % self.0) as f32 / self.0 as f32);
            (3.0 * (x * turn.sin() + y * turn.cos()) + (at / (self.0 * self.0)) as f32).sin()
        };
        (0..3 * self.0 * self.0).map(value).collect()
    }

    fn digest(&self, number: usize) -> [u8; 32] {
        [number as u8; 32]
    }

    fn find(&self, digest: &[u8; 32]) -> Option<usize> {
        Some(usize::from(digest[0])).filter(|number| *number < self.count())
    }
}

/// Eight samples of each kind: the first eight of a seed must go. Images of so many bytes are kept.
fn pools(model: &Model, kept: usize) -> [ImagePool; 2] {
    let shape = Sampler::new(&model.generator, &model.g_ema).image_shape();
    let renderer = Arc::new(SampleRenderer::new(model));
    [0..8, 8..16].map(|indices| {
        let mut pool = ImagePool::rendered(shape, renderer.clone()).keeping(kept);
        for index in indices {
            pool.push_origin(Origin { z: model.generator.latents(5, [index]), psi: 1.0 });
        }
        pool
    })
}

/// Notes what it is told; stops after so many iterations.
#[derive(Default)]
struct Recorder {
    stop_after: Option<usize>,
    seen: usize,
    saved: Option<ResumePoint>,
    layers: Vec<LayerShare>,
    auxiliary: Vec<Auxiliary>,
}

impl Monitor for Recorder {
    fn after(&mut self, iteration: &Iteration, _: StateRef<'_>, resume: &dyn Fn() -> ResumePoint) -> Flow {
        assert!(iteration.values.iter().all(|(_, value)| value.is_finite()), "{iteration:?}");
        self.seen += 1;
        if Some(self.seen) == self.stop_after {
            self.saved = Some(resume());
            return Flow::Stop;
        }
        Flow::Continue
    }

    fn offer(&mut self, auxiliary: Auxiliary) {
        self.auxiliary.push(auxiliary);
    }

    fn layers(&mut self, shares: Vec<LayerShare>) {
        self.layers = shares;
    }
}

fn run(model: &Model, settings: &Settings, resume: Option<ResumePoint>, monitor: &mut Recorder) -> Option<Vec<f32>> {
    run_on(pools(model, usize::MAX), model, settings, resume, monitor)
}

fn run_on(
    [mut negatives, mut positives]: [ImagePool; 2],
    model: &Model,
    settings: &Settings,
    resume: Option<ResumePoint>,
    monitor: &mut Recorder,
) -> Option<Vec<f32>> {
    let base = Base::of(model);
    let (negatives, positives, values) = (&mut negatives, &mut positives, settings.values());
    let request = Request { base: &base, negatives, positives, values, resume };
    let outcome = settings.method().run(request, monitor).expect("a run");
    assert!(matches!(outcome.ended, Ended::Done | Ended::Stopped), "{:?}", outcome.ended);
    (outcome.ended == Ended::Done).then(|| to_vec(outcome.state.expect("a result").g_ema().values.clone()))
}

/// Few and small iterations of whatever a method has.
fn tiny(method: &'static dyn Method, preset: &str) -> Settings {
    let mut settings = Settings::preset(method, preset).expect(preset);
    let wanted = [
        ("iters", 3),
        ("adapt-iters", 2),
        ("adapted", 1),
        ("polish-iters", 2),
        ("batch", 4),
        ("polish-batch", 4),
        ("fisher-samples", 2),
        ("importance-samples", 8),
    ];
    for (key, value) in wanted.into_iter().filter(|(key, _)| settings.field(key).is_some()).collect::<Vec<_>>() {
        settings.set(key, value).expect(key);
    }
    settings
}

#[test]
fn every_method_changes_the_model_and_gives_the_same_bytes_after_an_interruption() {
    // One with a discriminator, one without, and one that completes pictures.
    for (file, has_discriminator) in [("stylegan2-16.pt", true), ("dcgan-64.pt", false), ("vit-mae-32", false)] {
        let mut model = fixture(file);
        model.gan = model.gan.filter(|_| has_discriminator);
        let original = to_vec(model.g_ema.values.clone());
        for method in METHODS {
            for preset in method.presets() {
                let mut settings = tiny(*method, preset.id);
                if settings.method().id() == "dampen" {
                    // Importances of random networks hardly differ.
                    settings.set("alpha", 1.0).expect("a setting");
                }
                let needs = method.needs(settings.values());
                let completes = model.generator.completion().is_some();
                let judged = needs.discriminator && !has_discriminator && !completes;
                if needs.classes || judged || !needs.samples.fits(completes) {
                    continue;
                }
                let name = format!("{file}, {} {}", method.id(), preset.id);
                let mut whole = Recorder::default();
                let result = run(&model, &settings, None, &mut whole).expect("a result");
                assert!(result != original && result.iter().all(|value| value.is_finite()), "{name} changed nothing");
                let drawn_again = run_on(pools(&model, 0), &model, &settings, None, &mut Recorder::default());
                assert!(drawn_again.as_ref() == Some(&result), "{name}: other bytes where no image is kept");
                for stop_after in 1..whole.seen {
                    let mut first = Recorder { stop_after: Some(stop_after), ..Recorder::default() };
                    assert!(run(&model, &settings, None, &mut first).is_none(), "{name} was not stopped");
                    let again = run(&model, &settings, first.saved, &mut Recorder::default());
                    assert!(again.as_ref() == Some(&result), "{name}, interrupted after {stop_after}: other bytes");
                }
            }
        }
    }
}

/// The gradient of `mean softplus(-D(G(z)))` at the shown weights, over the pool's samples in batches of `batch`, one each.
fn gradients(model: &Model, pool: &ImagePool, batch: usize) -> Vec<Vec<f32>> {
    let gan = model.gan.as_ref().expect("a discriminator");
    let of = |places: &[usize]| {
        let p = model.g_ema.leaves();
        let z: Vec<f32> = places.iter().flat_map(|&place| pool.origin(place).z.clone()).collect();
        let z =
            Tensor::<2>::from_data(TensorData::new(z, [places.len(), model.generator.latent_dim()]), &Device::flex());
        let images = model.generator.forward(&p, z, &Noise::Constant);
        let scores = gan.networks.discriminator.forward(&gan.d.constants(), images.into()).value;
        to_vec(p.gradient(&mut generator_loss(scores).backward()))
    };
    (0..pool.len()).collect::<Vec<_>>().chunks(batch).map(of).collect()
}

#[test]
fn a_mask_lets_the_weights_move_that_matter_most_and_no_others() {
    let model = fixture("stylegan2-16.pt");
    let original = to_vec(model.g_ema.values.clone());
    let [negatives, _] = pools(&model, usize::MAX);
    // One batch of all eight: the mask takes sixteen at once.
    let [saliency] = gradients(&model, &negatives, 8).try_into().expect("one batch");
    let ratio = 0.3;
    let mut ranked: Vec<usize> = (0..original.len()).collect();
    ranked.sort_by(|&a, &b| saliency[b].abs().total_cmp(&saliency[a].abs()));
    let chosen = (ratio * original.len() as f64) as usize;
    let mut expected = vec![0.0; original.len()];
    ranked[..chosen].iter().for_each(|&place| expected[place] = 1.0);
    assert_eq!(mask::largest(&saliency.iter().map(|value| value.abs()).collect::<Vec<_>>(), ratio), expected);

    for name in ["reject", "redirect", "adapt", "saliency", "feature"] {
        let method = method(name).expect(name);
        let mut settings = tiny(method, method.default_preset());
        settings.set("mask-ratio", ratio).expect("a ratio");
        let mut recorder = Recorder::default();
        let result = run(&model, &settings, None, &mut recorder).expect("a result");
        let moved = |place: usize| result[place].to_bits() != original[place].to_bits();
        let outside = (0..original.len()).filter(|&place| expected[place] == 0.0 && moved(place)).count();
        assert_eq!(outside, 0, "{name} moved weights outside of the mask");
        let inside = (0..original.len()).filter(|&place| expected[place] == 1.0 && moved(place)).count();
        assert!(inside * 2 > chosen, "{name} moved {inside} of {chosen}");
        let mut blocks: Vec<&str> = recorder.layers.iter().map(|layer| layer.block.as_str()).collect();
        blocks.sort_unstable();
        blocks.dedup();
        assert_eq!(blocks, ["16 \u{d7} 16", "4 \u{d7} 4", "8 \u{d7} 8", "mapping"], "{name}");
        assert_eq!(recorder.layers, mask::layer_shares(&model.generator, &expected), "{name}");
    }
}

#[test]
fn signed_sums_come_before_absolute_values() {
    let model = fixture("stylegan2-16.pt");
    let [negatives, _] = pools(&model, usize::MAX);
    let parts = gradients(&model, &negatives, 4);
    let signed: Vec<f32> = (0..parts[0].len()).map(|i| (parts[0][i] + parts[1][i]).abs()).collect();
    let unsigned: Vec<f32> = (0..parts[0].len()).map(|i| parts[0][i].abs() + parts[1][i].abs()).collect();
    // The two rules choose other weights here, so a mask of the wrong one would be noticed.
    let differ = mask::largest(&signed, 0.5).iter().zip(mask::largest(&unsigned, 0.5)).filter(|(a, b)| *a != b).count();
    assert!(differ > signed.len() / 100, "{differ}");
}

#[test]
fn pruned_weights_are_zero_and_stay_zero() {
    let model = fixture("stylegan2-16.pt");
    let original = to_vec(model.g_ema.values.clone());
    let kept = mask::largest(&original.iter().map(|value| value.abs()).collect::<Vec<_>>(), 0.75);
    for name in ["reject", "saliency"] {
        let method = method(name).expect(name);
        let mut settings = tiny(method, method.default_preset());
        settings.set("mask-ratio", 1.0).expect("a ratio");
        settings.set("prune", 0.25).expect("a share");
        let result = run(&model, &settings, None, &mut Recorder::default()).expect("a result");
        for place in 0..original.len() {
            assert!(kept[place] == 1.0 || result[place] == 0.0, "{name}: weight {place} is {}", result[place]);
        }
        let moved = (0..original.len()).filter(|&i| kept[i] == 1.0 && result[i] != original[i]).count();
        assert!(moved * 2 > original.len(), "{name} moved {moved}");
    }
}

#[test]
fn dampening_is_what_a_direct_computation_gives() {
    let model = fixture("stylegan2-16.pt");
    let [negatives, _] = pools(&model, usize::MAX);
    let method = method("dampen").expect("dampening");
    let mut settings = tiny(method, "ssd");
    settings.set("alpha", 1.5).expect("alpha");
    settings.set("lambda", 0.8).expect("lambda");
    let mut recorder = Recorder::default();
    let result = run(&model, &settings, None, &mut recorder).expect("a result");
    let [forget, all] = recorder.auxiliary.as_slice() else { panic!("two importances") };
    // Mean over batches of four of the squared gradient of the batch's mean loss.
    let parts = gradients(&model, &negatives, 4);
    let forget = to_vec(forget.weights.values.clone());
    for (place, found) in forget.iter().enumerate() {
        let expected = (parts[0][place].powi(2) + parts[1][place].powi(2)) / 2.0;
        assert!((found - expected).abs() <= 1e-5 * expected.abs() + 1e-20, "{place}: {found} for {expected}");
    }
    let all = to_vec(all.weights.values.clone());
    let original = to_vec(model.g_ema.values.clone());
    let mut dampened = 0;
    for place in 0..original.len() {
        let (f, d, theta) = (f64::from(forget[place]), f64::from(all[place]), f64::from(original[place]));
        let expected = if f > 1.5 * d { theta * (0.8 * d / f).min(1.0) } else { theta };
        dampened += usize::from(expected != theta);
        assert!((f64::from(result[place]) - expected).abs() <= 1e-5 * theta.abs(), "{place}");
    }
    assert!(dampened > 10 && dampened < original.len(), "{dampened} of {}", original.len());
    // Another place of the sliders is one pass over the weights.
    let slid = method.slide(
        &model.g_ema,
        &recorder.auxiliary.iter().map(|auxiliary| auxiliary.weights.clone()).collect::<Vec<_>>(),
        [1.5, 0.8],
    );
    assert!(slid.is_some_and(|weights| to_vec(weights.values) == result));
    let tensors = recorder.auxiliary.iter().map(|auxiliary| auxiliary.weights.values.clone()).collect::<Vec<_>>();
    let none = dampen(&model.g_ema.values, &tensors[0], &tensors[1], 1e30, 1.0);
    assert_eq!(to_vec(none), original);
}
