//! A network pickle of stylegan2-ada-pytorch or stylegan3.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| unlearn_studio_fuzz::open_model("model.pkl", bytes));
