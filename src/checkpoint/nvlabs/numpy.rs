//! Numbers that stand in a network pickle as numpy's scalars and arrays: sizes and rates of a StyleGAN3.

use super::super::pickle::{Node, NodeId, Pickle};
use super::objects::Module;
use super::storage::Storages;
use super::stream::bytes_of_latin1;

/// Most bytes of an array of settings.
const LARGEST: u64 = 64;

impl Storages<'_> {
    /// The number that a module was made with under this name, or has as an attribute: Python's or numpy's.
    pub(super) fn number(&mut self, module: &Module, name: &str) -> Option<f64> {
        let id = module.argument(name).or_else(|| module.attribute(name))?;
        match self.numbers(id)?[..] {
            [number] => Some(number),
            _ => None,
        }
    }

    /// The side that a module was made with under this name; one side where two are given, which must agree.
    pub(super) fn side(&mut self, module: &Module, name: &str) -> Option<usize> {
        let id = module.argument(name).or_else(|| module.attribute(name))?;
        let numbers = self.numbers(id)?;
        let side = match numbers[..] {
            [side] => side,
            [width, height] if width == height => width,
            _ => return None,
        };
        (side.fract() == 0.0 && (1.0..1e6).contains(&side)).then_some(side as usize)
    }

    fn numbers(&mut self, id: NodeId) -> Option<Vec<f64>> {
        let pickle = self.pickle();
        if let Some(number) = pickle.number(id) {
            return Some(vec![number]);
        }
        let Node::Object { class, args, state } = pickle.node(id) else {
            return pickle.items(id).iter().map(|item| pickle.number(*item)).collect();
        };
        // Before numpy 2.0 the module was called `numpy.core`.
        let name = class.strip_prefix("numpy.")?.split_once("core.multiarray.")?.1;
        let (dtype, bytes) = match (name, pickle.items(*args), state.map(|state| pickle.items(state))) {
            ("scalar", [dtype, bytes], _) => (*dtype, *bytes),
            ("_reconstruct", _, Some([_, _, dtype, _, bytes])) => (*dtype, *bytes),
            _ => return None,
        };
        let kind = Kind::of(pickle, dtype)?;
        let bytes = match (pickle.node(bytes), pickle.call(bytes)) {
            (Node::Bytes(range), _) if range.end - range.start <= LARGEST => self.bytes(range.clone()).ok()?,
            (_, Some(("_codecs.encode", [text, _]))) => bytes_of_latin1(pickle.text(*text)?.as_bytes().to_vec())?,
            _ => return None,
        };
        kind.numbers(&bytes)
    }
}

/// A type of numbers in little-endian bytes.
enum Kind {
    F64,
    F32,
    I64,
    I32,
    U8,
}

impl Kind {
    fn of(pickle: &Pickle, dtype: NodeId) -> Option<Self> {
        let ("numpy.dtype", [name, ..]) = pickle.call(dtype)? else { return None };
        if let Node::Object { state: Some(state), .. } = pickle.node(dtype)
            && let [_, order, ..] = pickle.items(*state)
            && pickle.text(*order) == Some(">")
        {
            return None;
        }
        Some(match pickle.text(*name)? {
            "f8" => Self::F64,
            "f4" => Self::F32,
            "i8" => Self::I64,
            "i4" => Self::I32,
            "b1" | "u1" => Self::U8,
            _ => return None,
        })
    }

    fn numbers(&self, bytes: &[u8]) -> Option<Vec<f64>> {
        fn convert<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
            let (numbers, rest) = bytes.as_chunks::<N>();
            rest.is_empty().then(|| numbers.iter().map(|bytes| number(*bytes)).collect())
        }
        match self {
            Self::F64 => convert(bytes, f64::from_le_bytes),
            Self::F32 => convert(bytes, |bytes| f32::from_le_bytes(bytes).into()),
            Self::I64 => convert(bytes, |bytes| i64::from_le_bytes(bytes) as f64),
            Self::I32 => convert(bytes, |bytes| i32::from_le_bytes(bytes).into()),
            Self::U8 => convert(bytes, |[byte]: [u8; 1]| byte.into()),
        }
    }
}
