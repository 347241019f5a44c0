//! A feedback file: what is read must be written and read again as the same feedback.

#![no_main]

use libfuzzer_sys::fuzz_target;
use unlearn_studio::feedback::Feedback;
use unlearn_studio_fuzz::{file, limited};

fuzz_target!(|bytes: &[u8]| limited(|| {
    // The digest of the model in the seed.
    let model = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let Ok(feedback) = Feedback::parse(bytes, "feedback.json", model) else { return };
    let path = file("feedback.json", b"");
    feedback.save(&path).expect("what was read can be written");
    assert_eq!(Feedback::load(&path, model).expect("what was written can be read"), feedback);
}));
