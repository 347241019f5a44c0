//! Images and labels in the format of MNIST.

#![no_main]

use libfuzzer_sys::fuzz_target;
use unlearn_studio::data::idx::{read_images, read_labels};
use unlearn_studio_fuzz::{file, limited};

fuzz_target!(|bytes: &[u8]| {
    let path = file("images.idx", bytes);
    limited(|| {
        for side in [None, Some(8)] {
            let Ok(set) = read_images(&path, side) else { continue };
            assert!(!set.is_empty() && set.side().is_power_of_two());
            assert_eq!(set.images(&[set.len() - 1]).len(), 3 * set.side() * set.side());
        }
        let _ = read_labels(&path);
    });
});
