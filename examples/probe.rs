//! How well a few clicks are learned from: `probe [--rest-may-stay] [--labeler-features] [--regions] MODEL LABELER CLASS...`
//!
//! For each class (as `--forget` takes it) and 12, 24 and 48 `--clicks` of a simulated user, tests the probe on 2000 fresh
//! samples, over several seeds, and prints a line of a Markdown table. The flags are those of `unlearn --clicks`.

use std::path::PathBuf;

use clap::Parser;
use unlearn_studio::{
    device,
    feedback::{
        CollectSettings, LabelerSpec, SimulatedUser, known_region,
        probe_test::{ProbeTest, test_probe},
    },
    model::Model,
    unlearn::Settings,
};

const SEEDS: u64 = 5;
/// Far behind all samples that a person looks at.
const FRESH: std::ops::Range<usize> = 100_000..102_000;

#[derive(Parser)]
struct Args {
    model: PathBuf,
    labeler: PathBuf,
    /// As `--forget` takes them.
    #[arg(required = true)]
    classes: Vec<String>,
    #[arg(long)]
    rest_may_stay: bool,
    #[arg(long)]
    labeler_features: bool,
    #[arg(long)]
    regions: bool,
    #[arg(long, value_delimiter = ',', default_values_t = [12, 24, 48])]
    clicks: Vec<usize>,
}

fn main() -> anyhow::Result<()> {
    let Args { model, labeler, classes, rest_may_stay, labeler_features, regions, clicks: numbers } = Args::parse();
    let model = Model::load(&model, &device::cpu().device)?;
    let labeler = LabelerSpec { path: labeler, mean: None, std: None }.open()?;
    let settings = Settings::default().collect().map_err(anyhow::Error::msg)?;
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
    let features = labeler_features.then_some(&labeler);
    println!("| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
    for class in classes {
        let target = labeler.target(&class)?;
        for &clicks in &numbers {
            let user = SimulatedUser {
                labeler: &labeler,
                target: &target,
                clicks,
                rest_may_stay,
                features,
                region: known_region(&target).filter(|_| regions),
            };
            let mut tests = Vec::new();
            for seed in 0..SEEDS {
                let settings = CollectSettings { seed, ..settings.clone() };
                match test_probe(&model, &user, FRESH, &settings) {
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
