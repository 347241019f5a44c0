//! The pickle within a `.pt` file. An archive is made around it with valid checksums, which a mutation of the whole file
//! would break at once.

#![no_main]

use std::io::{Cursor, Write};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Bytes of pickle for every storage beside it: enough storages for those of the seeds, not many more.
const PICKLE_PER_STORAGE: usize = 128;
/// Bytes of each: those of the largest tensor of the seed.
const STORAGE: [u8; 256] = [0; 256];

libfuzzer_sys::fuzz_target!(|pickle: &[u8]| unlearn_studio_fuzz::open_model("pickle.pt", &archive(pickle)));

fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        archive.start_file(name, options).expect("an entry");
        archive.write_all(bytes).expect("an entry");
    };
    add("archive/data.pkl", pickle);
    (0..pickle.len() / PICKLE_PER_STORAGE).for_each(|key| add(&format!("archive/data/{key}"), &STORAGE));
    add("archive/version", b"3\n");
    archive.finish().expect("an archive").into_inner()
}
