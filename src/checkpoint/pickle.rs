//! The values of a pickle (numbers, texts, lists, dictionaries, noted calls), read without running any of it.
//!
//! Whoever reads a file by it decides what a call means: `pt_read` takes the training arguments from what
//! `pytorch-reader` drops, `nvlabs` takes networks. Every byte is hostile: nodes live in one list and refer to each other
//! by place, so a memo fetch costs a number, never a copy; bytes stay in the file.

use std::io::{self, BufRead, Seek};
use std::ops::Range;
use std::rc::Rc;

use serde_json::{Map, Value};
use thiserror::Error;

use super::pickle_machine;

/// Deepest nesting turned into a JSON value; real arguments nest three deep.
const DEEPEST: usize = 32;
/// Most nodes and bytes of text in one JSON value: a shared node is written out at every use, so a small pickle could
/// otherwise fill the memory.
const LARGEST: usize = 1 << 20;

/// Why a pickle cannot be read.
#[derive(Debug, Error)]
pub(super) enum PickleError {
    #[error("the pickle ends early")]
    Truncated,
    #[error("the pickle has an unknown opcode 0x{0:02x}")]
    Opcode(u8),
    #[error("the pickle contradicts itself")]
    Inconsistent,
    #[error("its pickle holds more values than any checkpoint needs")]
    TooLarge,
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for PickleError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Truncated } else { Self::Io(error) }
    }
}

/// The place of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(pub(super) usize);

pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Where the bytes lie in the input.
    Bytes(Range<u64>),
    Sequence(Vec<NodeId>),
    Dict(Vec<(NodeId, NodeId)>),
    Class(Rc<str>),
    /// What calling `class` with `args` would make, if it were ever called; `state` is what `BUILD` gave it.
    Object {
        class: Rc<str>,
        args: NodeId,
        state: Option<NodeId>,
    },
    /// What the pickle refers to by this id: a tensor's storage.
    Persistent(NodeId),
    /// Integers beyond 64 bits, texts that are not UTF-8, results of calls to what is no class.
    Other,
}

/// A pickle's nodes and the one that stands for the whole.
pub(super) struct Pickle {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
}

/// Modules and functions no checkpoint has a use for, but that an attacker has. Nothing is ever called here; a file
/// that would do so elsewhere deserves to be named.
const HOSTILE_MODULES: &[&str] = &[
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "shutil",
    "socket",
    "runpy",
    "importlib",
    "ctypes",
    "pty",
    "webbrowser",
    "urllib",
    "http",
    "code",
    "pickle",
    "timeit",
    "multiprocessing",
    "_pickle",
    "_posixsubprocess",
    "_thread",
    "aiohttp",
    "asyncio",
    "atexit",
    "bdb",
    "builtin",
    "cProfile",
    "cloudpickle",
    "commands",
    "dill",
    "distutils",
    "doctest",
    "ensurepip",
    "ftplib",
    "gc",
    "inspect",
    "io",
    "joblib",
    "linecache",
    "marshal",
    "operator",
    "pdb",
    "pip",
    "profile",
    "requests",
    "signal",
    "smtplib",
    "tempfile",
];
/// Builtins that make plain values; all others can do harm.
const HARMLESS_BUILTINS: &[&str] = &[
    "bool",
    "bytearray",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "long",
    "object",
    "range",
    "set",
    "slice",
    "str",
    "tuple",
];
/// Functions of harmless packages that load and run what they are given.
const HOSTILE_FUNCTIONS: &[&str] = &[
    "torch.load",
    "torch.serialization.load",
    "torch.jit.load",
    "torch.compile",
    "numpy.load",
    "functools.reduce",
    "numpy.testing._private.utils.runstring",
    "torch._inductor.codecache.compile_file",
    "torch_utils.persistence._src_to_module",
    "types.CodeType",
    "types.FunctionType",
];
/// Packages with nothing but such functions.
const HOSTILE_PACKAGES: &[&str] = &["torch.hub.", "torch.package.", "torch.utils.cpp_extension.", "torch.distributed."];

impl Pickle {
    /// Reads one pickle off the front of `input`, which ends at `end`, leaving what follows it.
    pub(super) fn read(input: &mut (impl BufRead + Seek), end: u64) -> Result<Self, PickleError> {
        pickle_machine::run(input, end)
    }

    /// The name of a function in this pickle that could only be there to do harm.
    pub(super) fn hostile_name(&self) -> Option<&str> {
        self.nodes.iter().find_map(|node| match node {
            Node::Class(class) if is_hostile(class) => Some(&**class),
            _ => None,
        })
    }

    pub(super) fn root(&self) -> NodeId {
        self.root
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// The items of a list, tuple or set; none of anything else.
    pub(super) fn items(&self, id: NodeId) -> &[NodeId] {
        match self.node(id) {
            Node::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The class and arguments of a noted call.
    pub(super) fn call(&self, id: NodeId) -> Option<(&str, &[NodeId])> {
        match self.node(id) {
            Node::Object { class, args, .. } => Some((class, self.items(*args))),
            _ => None,
        }
    }

    pub(super) fn text(&self, id: NodeId) -> Option<&str> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number from 0.
    pub(super) fn size(&self, id: NodeId) -> Option<usize> {
        match self.node(id) {
            Node::Int(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// A plain number.
    pub(super) fn number(&self, id: NodeId) -> Option<f64> {
        match self.node(id) {
            Node::Int(number) => Some(*number as f64),
            Node::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The value at `key` of a dictionary; the last one if the key repeats, as in Python.
    pub(super) fn get(&self, dict: NodeId, key: &str) -> Option<NodeId> {
        let matches = |id: &NodeId| self.key(*id).is_some_and(|name| name == key);
        self.pairs(dict).iter().rev().find(|(id, _)| matches(id)).map(|(_, value)| *value)
    }

    /// The entries of a dictionary in the order they were inserted.
    pub(super) fn entries(&self, dict: NodeId) -> impl Iterator<Item = (String, NodeId)> {
        self.pairs(dict).iter().filter_map(|(key, value)| Some((self.key(*key)?, *value)))
    }

    /// The node as JSON; `None` if it is not a plain value. Entries of a dictionary that are not plain are left out.
    pub(super) fn to_json(&self, id: NodeId) -> Option<Value> {
        let mut budget = LARGEST;
        self.json(id, DEEPEST, &mut budget)
    }

    fn json(&self, id: NodeId, depth: usize, budget: &mut usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        *budget = budget.checked_sub(1)?;
        Some(match &self.nodes[id.0] {
            Node::None => Value::Null,
            Node::Bool(value) => Value::Bool(*value),
            Node::Int(value) => Value::from(*value),
            Node::Float(value) => Value::Number(serde_json::Number::from_f64(*value)?),
            Node::Text(value) => {
                *budget = budget.checked_sub(value.len())?;
                Value::String(value.clone())
            }
            Node::Sequence(items) => {
                Value::Array(items.iter().map(|item| self.json(*item, depth, budget)).collect::<Option<_>>()?)
            }
            Node::Dict(pairs) => {
                let mut map = Map::new();
                for (key, value) in pairs {
                    if let (Some(key), Some(value)) = (self.key(*key), self.json(*value, depth, budget)) {
                        map.insert(key, value);
                    }
                }
                Value::Object(map)
            }
            Node::Object { class, state: Some(state), .. } if &**class == "argparse.Namespace" => {
                self.json(*state, depth, budget)?
            }
            Node::Bytes(_) | Node::Class(_) | Node::Object { .. } | Node::Persistent(_) | Node::Other => return None,
        })
    }

    fn pairs(&self, dict: NodeId) -> &[(NodeId, NodeId)] {
        match &self.nodes[dict.0] {
            Node::Dict(pairs) => pairs,
            _ => &[],
        }
    }

    fn key(&self, id: NodeId) -> Option<String> {
        match &self.nodes[id.0] {
            Node::Text(text) => Some(text.clone()),
            Node::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

fn is_hostile(class: &str) -> bool {
    match class.split_once('.') {
        Some(("builtins" | "__builtin__", name)) => !HARMLESS_BUILTINS.contains(&name),
        Some((module, _)) if HOSTILE_MODULES.contains(&module) => true,
        Some(_) => {
            HOSTILE_FUNCTIONS.contains(&class) || HOSTILE_PACKAGES.iter().any(|package| class.starts_with(package))
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Pickle, PickleError};

    fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
        Pickle::read(&mut std::io::Cursor::new(bytes), bytes.len() as u64)
    }

    #[test]
    fn plain_values() {
        for (bytes, value) in [
            (&b"N."[..], json!(null)),
            (b"\x88.", json!(true)),
            (b"K\x07.", json!(7)),
            (b"M\x00\x01.", json!(256)),
            (b"J\xff\xff\xff\xff.", json!(-1)),
            (b"\x8a\x02\x00\x80.", json!(-32768)),
            (b"G\x3f\xb9\x99\x99\x99\x99\x99\x9a.", json!(0.1)),
            (b"X\x02\0\0\0\xc3\xa9.", json!("é")),
            (b"\x8c\x01a.", json!("a")),
            (b"(K\x01K\x02t.", json!([1, 2])),
            (b"K\x01K\x02K\x03\x87.", json!([1, 2, 3])),
            (b"](K\x01K\x02e.", json!([1, 2])),
            (b"]K\x01a.", json!([1])),
            (b"}(U\x01aK\x01K\x05Nu.", json!({"a": 1, "5": null})),
            // The memo refers to the list itself, so what is appended later shows in both places.
            (b"]q\0h\0\x86q\x01h\0K\x01a0.", json!([[1], [1]])),
            (b"ccollections\nOrderedDict\n)RU\x01aK\x01s.", json!({"a": 1})),
            (b"cargparse\nNamespace\n)\x81}U\x01aK\x01sb.", json!({"a": 1})),
            (b"cdnnlib.util\nEasyDict\n)\x81U\x01aK\x01s.", json!({"a": 1})),
            (b"ccollections\nOrderedDict\n((l(S'a'\nI1\nlatR.", json!({"a": 1})),
            // Protocol 0.
            (
                b"(dp0\nS'a'\np1\nI7\nsV\xc3\xa9\nF0.5\nsS'b'\nI01\nsg1\nL5L\ns.",
                json!({"a": 5, "\u{e9}": 0.5, "b": true}),
            ),
            // A value that is not plain is left out of its dictionary.
            (b"}(U\x01acx\ny\n)RU\x01bK\x02u.", json!({"b": 2})),
        ] {
            let pickle = read(bytes).expect("a pickle");
            assert_eq!(pickle.to_json(pickle.root()), Some(value), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            &b""[..],
            b".",
            b"N",
            b"K.",
            b"e.",
            b"t.",
            b"(.",
            b"(\x85.",
            b"NN\x87.",
            b"h\0.",
            b"q\0.",
            b"Nb.",
            b"KKa.",
            b"X\xff\xff\xff\x7fa.",
            b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.",
            b"cos",
            b"cos\nsys",
            b"}(Nu.",
            b"\xff.",
            b"NN\x93.",
            b"R.",
            b"Q.",
            b"0.",
            b"1.",
            b"2.",
            b"I7",
            b"gx\n.",
            b"(o.",
            b"(ios\nsystem",
        ] {
            assert!(read(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn values_that_contain_themselves_have_no_json() {
        let pickle = read(b"]q\0h\0a.").expect("a pickle");
        assert_eq!(pickle.to_json(pickle.root()), None);
    }

    #[test]
    fn harmful_names_are_found_wherever_they_stand() {
        for (bytes, name) in [
            (&b"cos\nsystem\nX\x02\0\0\0ls\x85R."[..], Some("os.system")),
            (b"\x8c\x05posix\x8c\x06system\x93.", Some("posix.system")),
            (b"}U\x01ac__builtin__\neval\ns.", Some("__builtin__.eval")),
            (b"(S'ls'\nios\nsystem\n.", Some("os.system")),
            (b"(cbuiltins\nexec\nS'ls'\no.", Some("builtins.exec")),
            (b"ctorch\nload\n.", Some("torch.load")),
            (b"ctorch.hub\nload\n.", Some("torch.hub.load")),
            (b"cbuiltins\nset\n.", None),
            (b"ctorch.storage\n_load_from_bytes\n.", None),
            (b"ctorch._utils\n_rebuild_tensor_v2\n.", None),
        ] {
            assert_eq!(read(bytes).expect("a pickle").hostile_name(), name);
        }
    }
}
