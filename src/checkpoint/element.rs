//! Element types a file may store, and their conversion to `f32`.

use std::io::{self, Read};

use half::{bf16, f16};

use crate::networks::HostTensor;

/// A number format with little-endian storage.
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// The type of a PyTorch storage class such as `torch.FloatStorage`.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        Some(match class.rsplit('.').next()? {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::BF16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" => Self::U8,
            _ => return None,
        })
    }

    /// Bytes of one number.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 => 1,
        }
    }

    /// The next `count` numbers of a file, without a second copy of them. The caller has made sure that they are there.
    pub(super) fn read(self, file: &mut impl Read, count: usize) -> io::Result<Vec<f32>> {
        /// Numbers converted at a time.
        const CHUNK: usize = 1 << 16;
        if let Self::F32 = self {
            // Every platform this program runs on is little-endian.
            let mut values = vec![0.0f32; count];
            file.read_exact(bytemuck::cast_slice_mut(&mut values))?;
            return Ok(values);
        }
        let mut values = Vec::with_capacity(count);
        let mut bytes = vec![0; CHUNK.min(count) * self.size()];
        while values.len() < count {
            let part = &mut bytes[..CHUNK.min(count - values.len()) * self.size()];
            file.read_exact(part)?;
            values.extend(self.values(part));
        }
        Ok(values)
    }

    /// A tensor of `f32` from stored bytes, or what is wrong with them.
    pub(super) fn tensor(self, shape: Vec<usize>, bytes: &[u8]) -> Result<HostTensor, String> {
        let data = self.values(bytes);
        let count = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
        if count != Some(data.len()) {
            return Err(format!("shape {shape:?} does not hold {} values", data.len()));
        }
        Ok(HostTensor { shape, data })
    }

    fn values(self, bytes: &[u8]) -> Vec<f32> {
        fn convert<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
            bytes.as_chunks().0.iter().map(|chunk| number(*chunk)).collect()
        }
        match self {
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
        }
    }
}
