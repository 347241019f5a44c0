//! How well a few clicks are learned from: `probe [--rest-may-stay] [--labeler-features] MODEL LABELER CLASS...`
//!
//! For each class (as `--forget` takes it) and 12, 24 and 48 clicks of a simulated person, tests the probe on 2000 fresh
//! samples, over several seeds, and prints a line of a Markdown table. The flags are those of `unlearn --clicks`.

use std::{env, path::PathBuf};

use anyhow::bail;
use unlearn_studio::{
    device,
    engine::{
        LabelerSpec, Model,
        clicks::{Person, ProbeTest, test_probe},
    },
    unlearn::{Preset, Settings},
};

const SEEDS: u64 = 5;
/// Far behind all samples that a person looks at.
const FRESH: std::ops::Range<u64> = 100_000..102_000;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let (flags, args): (Vec<_>, Vec<_>) = args.into_iter().partition(|arg| arg.starts_with("--"));
    let [model, labeler, classes @ ..] = args.as_slice() else {
        bail!("usage: probe [--rest-may-stay] [--labeler-features] MODEL LABELER CLASS...")
    };
    let model = Model::load(&PathBuf::from(model), &device::cpu().device)?;
    let labeler = LabelerSpec { path: labeler.into(), mean: None, std: None }.open()?;
    let columns = [
        "forget",
        "clicks",
        "balanced accuracy %",
        "AUC %",
        "own AUC %",
        "share % (estimated)",
        "taken for negatives % (wrong %)",
        "for positives % (wrong %)",
        "refused",
    ];
    let given = |flag: &str| flags.iter().any(|given| given == flag);
    let features = given("--labeler-features").then_some(&labeler);
    let rest_may_stay = given("--rest-may-stay");
    println!("| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
    for class in classes {
        let target = labeler.target(class)?;
        for clicks in [12, 24, 48] {
            let person = Person { labeler: &labeler, target: &target, clicks, rest_may_stay, features };
            let mut tests = Vec::new();
            for seed in 0..SEEDS {
                let settings = Settings { seed, ..Settings::preset(Preset::Quick) };
                match test_probe(&model, &person, FRESH, &settings) {
                    Ok(test) => tests.push(test),
                    Err(error) => eprintln!("{class}, {clicks} clicks, seed {seed}: {error}"),
                }
            }
            if tests.is_empty() {
                println!("| {class} | {clicks} | - | - | - | - | - | - | {SEEDS} of {SEEDS} |");
                continue;
            }
            let mean = |f: &dyn Fn(&ProbeTest) -> f64| 100.0 * tests.iter().map(f).sum::<f64>() / tests.len() as f64;
            println!(
                "| {class} | {clicks} | {:.1} | {:.1} | {:.1} | {:.1} ({:.1}) | {:.1} ({:.1}) | {:.1} ({:.2}) | {} of {SEEDS} |",
                mean(&|t| t.balanced_accuracy),
                mean(&|t| t.auc),
                mean(&|t| t.quality.auc),
                mean(&|t| t.share),
                mean(&|t| t.quality.share),
                mean(&|t| t.pools[0].size),
                mean(&|t| t.pools[0].wrong),
                mean(&|t| t.pools[1].size),
                mean(&|t| t.pools[1].wrong),
                SEEDS as usize - tests.len(),
            );
        }
    }
    Ok(())
}
