//! Element types a file may store, and their conversion to `f32`.

use half::{bf16, f16};

use crate::gan::HostTensor;

/// A number format with little-endian storage.
#[derive(Clone, Copy)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
}

impl Element {
    /// A tensor of `f32` from stored bytes, or what is wrong with them.
    pub(super) fn tensor(self, shape: Vec<usize>, bytes: &[u8]) -> Result<HostTensor, String> {
        fn convert<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks().0.iter().map(|chunk| number(*chunk)).collect()
        }
        let data = match self {
            Self::F32 => convert(bytes, f32::from_le_bytes),
            Self::F64 => convert(bytes, |b| f64::from_le_bytes(b) as f32),
            Self::F16 => convert(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => convert(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Self::I64 => convert(bytes, |b| i64::from_le_bytes(b) as f32),
            Self::I32 => convert(bytes, |b| i32::from_le_bytes(b) as f32),
            Self::I16 => convert(bytes, |b| f32::from(i16::from_le_bytes(b))),
            Self::I8 => convert(bytes, |b| f32::from(i8::from_le_bytes(b))),
            Self::U64 => convert(bytes, |b| u64::from_le_bytes(b) as f32),
            Self::U32 => convert(bytes, |b| u32::from_le_bytes(b) as f32),
            Self::U16 => convert(bytes, |b| f32::from(u16::from_le_bytes(b))),
            Self::U8 => convert(bytes, |b: [u8; 1]| f32::from(b[0])),
        };
        let count = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
        if count != Some(data.len()) {
            return Err(format!("shape {shape:?} does not hold {} values", data.len()));
        }
        Ok(HostTensor { shape, data })
    }
}
