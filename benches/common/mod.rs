//! What benches share.

use unlearn_studio::networks::ops;

/// Says which vector instructions are measured: those of this processor, or fewer if `UNLEARN_VECTOR` is `avx2`.
pub fn vector() {
    match std::env::var("UNLEARN_VECTOR").as_deref() {
        Ok("avx2") => ops::leave_out_avx512(),
        Ok(other) => panic!("UNLEARN_VECTOR is {other}, and can only be avx2"),
        Err(_) => {}
    }
    eprintln!("our kernels: {}", ops::vector_instructions());
}
