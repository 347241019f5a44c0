//! A `.pt` file in any of PyTorch's containers: zip, tar, legacy stream, bare pickle.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| unlearn_studio_fuzz::open_model("model.pt", bytes));
