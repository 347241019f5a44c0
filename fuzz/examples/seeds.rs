//! Writes the seeds that this program can write itself: `cargo run --release --example seeds`, in this folder.

#[path = "../../tests/hostile/tiny.rs"]
mod tiny;

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use unlearn_studio::checkpoint::{Checkpoint, save};
use zip::ZipArchive;

fn main() -> io::Result<()> {
    let seed = |target: &str, name: &str| -> io::Result<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
        fs::create_dir_all(&folder)?;
        Ok(folder.join(name))
    };
    let everything = tiny::checkpoint();
    let bare = Checkpoint { g_ema: everything.g_ema.clone(), ..Checkpoint::default() };
    for (name, checkpoint) in [("everything", &everything), ("bare", &bare)] {
        save(&seed("safetensors", &format!("{name}.safetensors"))?, checkpoint).map_err(io::Error::other)?;
        let pt = seed("pt", &format!("{name}.pt"))?;
        save(&pt, checkpoint).map_err(io::Error::other)?;
        let mut pickle = Vec::new();
        ZipArchive::new(File::open(pt)?)?.by_name("archive/data.pkl")?.read_to_end(&mut pickle)?;
        fs::write(seed("pt_pickle", &format!("{name}.pkl"))?, pickle)?;
    }
    let model = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let feedback = serde_json::json!({
        "version": 1,
        "model_sha256": model,
        "negatives": [{ "seed": 0, "index": 12, "psi": 0.7 }, { "seed": 0, "index": 13, "psi": 1.0, "class": 3 }],
        "positives": [{ "seed": 18446744073709551615u64, "index": 0, "psi": 0.0 }],
    });
    fs::write(seed("feedback", "feedback.json")?, feedback.to_string())?;
    let images = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 5][..], &[7; 30]].concat();
    fs::write(seed("idx", "images")?, images)?;
    fs::write(seed("idx", "labels")?, [0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9])
}
