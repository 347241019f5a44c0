//! The values of a pickle (numbers, texts, lists, dictionaries, noted calls), read without running any of it.
//!
//! Whoever reads a file by it decides what a call means: `pt_values` takes the training arguments from what
//! `pytorch-reader` drops, `nvlabs` takes networks. `machine` runs the opcodes over an `input` and a `stack`. Every byte is hostile: nodes live in one list and refer to each other
//! by place, so a memo fetch costs a number, never a copy; bytes stay in the file.

mod hostile;
mod input;
mod json;
mod machine;
mod stack;

use std::io::{self, BufRead, Seek};
use std::ops::Range;
use std::rc::Rc;

use thiserror::Error;

/// Why a pickle cannot be read.
#[derive(Debug, Error)]
pub(super) enum PickleError {
    /// The input ends before the pickle does, or a length points beyond it.
    #[error("the pickle ends early")]
    Truncated,
    /// No pickle of any protocol has this opcode.
    #[error("the pickle has an unknown opcode 0x{0:02x}")]
    Opcode(u8),
    /// An opcode does not fit what is on the stack or in the memo.
    #[error("the pickle contradicts itself")]
    Inconsistent,
    /// A limit is reached.
    #[error("its pickle holds more values than any checkpoint needs")]
    TooLarge,
    /// The system failed.
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

/// A value.
pub(super) enum Node {
    /// Python's `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number of at most 64 bits.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A text in UTF-8.
    Text(String),
    /// Where the bytes lie in the input; bytes of a text too, if it is long or not UTF-8.
    Bytes(Range<u64>),
    /// A list, tuple or set.
    Sequence(Vec<NodeId>),
    /// Keys and values in the order they came in; a later one replaces an earlier one of the same key.
    Dict(Vec<(NodeId, NodeId)>),
    /// A class or function, `module.name`.
    Class(Rc<str>),
    /// What calling `class` with `args` would make, if it were ever called; `state` is what `BUILD` gave it.
    Object { class: Rc<str>, args: NodeId, state: Option<NodeId> },
    /// What the pickle refers to by this id: a tensor's storage.
    Persistent(NodeId),
    /// Integers beyond 64 bits, results of calls to what is no class.
    Other,
}

/// A pickle's nodes and the one that stands for the whole.
pub(super) struct Pickle {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
}

impl Pickle {
    /// Reads one pickle off the front of `input`, which ends at `end`, leaving what follows it.
    pub(super) fn read(input: &mut (impl BufRead + Seek), end: u64) -> Result<Self, PickleError> {
        machine::run(input, end)
    }

    /// The name of a function in this pickle that could only be there to do harm.
    pub(super) fn hostile_name(&self) -> Option<&str> {
        self.nodes.iter().find_map(|node| match node {
            Node::Class(class) if hostile::is_hostile(class) => Some(&**class),
            _ => None,
        })
    }

    /// The node that stands for the whole.
    pub(super) fn root(&self) -> NodeId {
        self.root
    }

    /// The node at a place.
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

    /// The places of all values.
    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> {
        (0..self.nodes.len()).map(NodeId)
    }

    /// All lists, tuples and sets, wherever they stand.
    pub(super) fn sequences(&self) -> impl Iterator<Item = &[NodeId]> {
        (0..self.nodes.len()).map(|place| self.items(NodeId(place)))
    }

    /// A text.
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
        let matches = |id: &NodeId| match self.node(*id) {
            Node::Text(text) => text == key,
            Node::Int(_) => self.key(*id).is_some_and(|name| name == key),
            _ => false,
        };
        self.pairs(dict).iter().rev().find(|(id, _)| matches(id)).map(|(_, value)| *value)
    }

    /// The entries of a dictionary in the order they were inserted.
    pub(super) fn entries(&self, dict: NodeId) -> impl Iterator<Item = (String, NodeId)> {
        self.pairs(dict).iter().filter_map(|(key, value)| Some((self.key(*key)?, *value)))
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

#[cfg(test)]
mod tests;
