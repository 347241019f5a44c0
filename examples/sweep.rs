//! Compares settings of the method on one model: `sweep MODEL LABELER CLASS SETTINGS.json...`
//!
//! Each settings file is a JSON object merged into the `quick` preset. Samples are labelled once per seed, adapted
//! generators are trained once for each different stage 1, so that many variants of stage 2 can be compared quickly.
//! Prints one line per settings file: PUL, Fréchet distance and its floor, seconds of each stage.

use std::{collections::HashMap, env, fs, ops::ControlFlow, path::PathBuf, time::Instant};

use anyhow::{Context, bail};
use unlearn_studio::{
    device,
    engine::evaluate::{EVALUATION_SEED, compare},
    feedback::{LabelerSpec, by_labeler},
    model::Model,
    networks::flat::to_vec,
    train::{Losses, Trainer},
    unlearn::{
        Flow, Restricted, Settings,
        adapt::{repulsion::Repulsion, settings::AdaptSettings, stages},
        adversarial::{Cursors, StageEnd},
    },
};

fn state(ended: Result<StageEnd, String>) -> anyhow::Result<Box<Trainer>> {
    match ended.map_err(anyhow::Error::msg)? {
        StageEnd::Done(state) | StageEnd::Stopped(state) => Ok(state),
        StageEnd::NonFinite { loss, iteration, .. } => bail!("iteration {iteration}: {loss} is not finite"),
    }
}

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [model, labeler, class, files @ ..] = args.as_slice() else {
        bail!("usage: sweep MODEL LABELER CLASS SETTINGS.json...");
    };
    let samples: usize = env::var("SWEEP_SAMPLES").ok().and_then(|s| s.parse().ok()).unwrap_or(2000);
    let model = Model::load(&PathBuf::from(model), &device::cpu().device)?;
    let labeler = LabelerSpec { path: labeler.into(), mean: None, std: None }.open()?;
    let target = labeler.target(class)?;
    let gan = model.gan()?;
    let mut quiet = |_: usize, _: &Losses, _: &Trainer, _: &dyn Fn() -> Cursors| Flow::Continue;
    let mut adapted_by_settings: HashMap<String, (Vec<_>, f64)> = HashMap::new();
    for file in files {
        // What a file does not say is the `quick` preset's.
        let settings: Settings = serde_json::from_str(&fs::read_to_string(file)?).context(file.clone())?;
        let collect = settings.collect().map_err(anyhow::Error::msg)?;
        let settings: AdaptSettings = settings.values().read().map_err(anyhow::Error::msg)?;
        let mut pools = by_labeler(&model, &labeler, &target, &collect, &mut |_| ControlFlow::Continue(()))?
            .context("nothing stops labelling here")?;
        let key = format!(
            "{:?} {} {} {} {} {}",
            settings.adapt,
            settings.adapted,
            settings.ewc_lambda,
            collect.labelled,
            collect.positive_below,
            settings.seed
        );
        if !adapted_by_settings.contains_key(&key) {
            let clock = Instant::now();
            let mut adapted = Vec::new();
            for member in 0..settings.adapted {
                let ended = stages::adapt(gan, &mut pools.negatives, &settings, member, None, &mut quiet);
                adapted.push(state(ended)?.g_ema);
            }
            adapted_by_settings.insert(key.clone(), (adapted, clock.elapsed().as_secs_f64()));
        }
        let (adapted, adapt_seconds) = &adapted_by_settings[&key];
        let clock = Instant::now();
        let values: Vec<_> = adapted.iter().map(|a| a.values.clone()).collect();
        let trained = state(stages::unlearn(
            gan,
            stages::Pools {
                positives: &mut pools.positives,
                negatives: &mut pools.negatives,
                adapted: &values,
                restricted: &Restricted::default(),
            },
            &settings,
            None,
            &mut quiet,
        ))?;
        let unlearn_seconds = clock.elapsed().as_secs_f64();
        let generator = &gan.networks.generator;
        let evaluate = |after: &_| {
            let weights = [(generator, &gan.g_ema), (generator, after)];
            compare(weights, &labeler, &target, EVALUATION_SEED, samples, &mut |_| ControlFlow::Continue(()))
        };
        let result = evaluate(&trained.g_ema)?.context("nothing stops the measurement here")?;
        let ones = evaluate(&adapted[0])?.context("nothing stops the measurement here")?;
        let percent = |x: Option<f64>| x.map_or(f64::NAN, |x| 100.0 * x);
        let name = PathBuf::from(file).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let repulsion = Repulsion::new(settings.repulsion, &gan.g.layout, values).context("adapted generators")?;
        let [start, end] = [&gan.g_ema, &trained.g_ema]
            .map(|theta| to_vec(repulsion.distance(&theta.values)).first().copied().unwrap_or(f32::NAN));
        println!(
            "{name:<28} {target} PUL {:5.1} FD {:6.1} floor {:4.1} | adapted share {:4.1} | adapt {adapt_seconds:4.0} s unlearn {unlearn_seconds:4.0} s | d {start:.2e} -> {end:.2e}",
            percent(result.pul),
            result.frechet.unwrap_or(f64::NAN),
            result.frechet_floor.unwrap_or(f64::NAN),
            percent(target.classes().iter().map(|&class| ones.shares_after.get(class).copied()).sum()),
        );
        let shares = |shares: &[f64]| shares.iter().map(|s| format!("{:.1}", 100.0 * s)).collect::<Vec<_>>().join(" ");
        println!("  shares {} -> {}", shares(&result.shares_before), shares(&result.shares_after));
    }
    Ok(())
}
