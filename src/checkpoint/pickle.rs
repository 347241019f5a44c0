//! The plain values of a pickle (numbers, texts, lists, dictionaries), read without running any of it.
//!
//! `pytorch-reader` reads the tensors but drops every object it does not know, among them the `argparse.Namespace`
//! with the training arguments. This reader keeps those and skips the tensors. Every byte is hostile: nodes live in one
//! list and refer to each other by place, so a memo fetch costs a number, never a copy.

use serde_json::{Map, Value};
use thiserror::Error;

use super::pickle_machine;

/// Deepest nesting turned into a JSON value; real arguments nest three deep.
const DEEPEST: usize = 32;
/// Most nodes and bytes of text in one JSON value: a shared node is written out at every use, so a small pickle could
/// otherwise fill the memory.
const LARGEST: usize = 1 << 24;

/// Why a pickle cannot be read.
#[derive(Debug, Error, PartialEq)]
pub(super) enum PickleError {
    #[error("the pickle ends early")]
    Truncated,
    #[error("the pickle has an unknown opcode 0x{0:02x}")]
    Opcode(u8),
    #[error("the pickle contradicts itself")]
    Inconsistent,
    #[error("its pickle holds more values than any checkpoint needs")]
    TooLarge,
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
    Sequence(Vec<NodeId>),
    Dict(Vec<(NodeId, NodeId)>),
    Class(String),
    /// Made by calling a class; `state` is what `BUILD` gave it.
    Object {
        class: String,
        state: Option<NodeId>,
    },
    /// Bytes, tensor storages, integers beyond 64 bits.
    Other,
}

/// A pickle's nodes and the one that stands for the whole.
pub(super) struct Pickle {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
}

/// Modules and functions no checkpoint has a use for, but that an attacker has. Nothing is ever called here; a file
/// that would do so elsewhere deserves to be named.
const HOSTILE_MODULES: [&str; 18] = [
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
];
const HOSTILE_BUILTINS: [&str; 9] =
    ["eval", "exec", "compile", "open", "getattr", "setattr", "__import__", "breakpoint", "globals"];

impl Pickle {
    /// Reads one pickle (protocol 2 and later) off the front of `bytes`, leaving what follows it.
    pub(super) fn read(bytes: &mut &[u8]) -> Result<Self, PickleError> {
        pickle_machine::run(bytes)
    }

    /// The name of a function in this pickle that could only be there to do harm.
    pub(super) fn hostile_name(&self) -> Option<&str> {
        self.nodes.iter().find_map(|node| match node {
            Node::Class(class) if is_hostile(class) => Some(class.as_str()),
            _ => None,
        })
    }

    pub(super) fn root(&self) -> NodeId {
        self.root
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
            Node::Object { class, state: Some(state) } if class == "argparse.Namespace" => {
                self.json(*state, depth, budget)?
            }
            Node::Class(_) | Node::Object { .. } | Node::Other => return None,
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
        Some(("builtins" | "__builtin__", name)) => HOSTILE_BUILTINS.contains(&name),
        Some((module, _)) => HOSTILE_MODULES.contains(&module),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Pickle, PickleError};

    fn read(bytes: &[u8]) -> Result<Pickle, PickleError> {
        Pickle::read(&mut &*bytes)
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
            (b"cbuiltins\nset\n.", None),
            (b"ctorch._utils\n_rebuild_tensor_v2\n.", None),
        ] {
            assert_eq!(read(bytes).expect("a pickle").hostile_name(), name);
        }
    }
}
