//! The values of a pickle under construction: the stack, its marks and the memo.

use std::collections::HashMap;

use super::{Node, NodeId, PickleError};

/// Most values a pickle may make, and most places in its lists; a checkpoint of 300 tensors makes 20 000.
const MOST_VALUES: usize = 1 << 21;
/// Most entries of one dictionary, which is searched from one end to the other; the largest of a checkpoint has 300.
const MOST_ENTRIES: usize = 1 << 14;

/// What the opcodes work on. Every value is made once; the stack, the memo and all lists hold places.
#[derive(Default)]
pub(super) struct Stack {
    nodes: Vec<Node>,
    stack: Vec<NodeId>,
    /// Heights of the stack at each open `MARK`.
    marks: Vec<usize>,
    memo: HashMap<u32, NodeId>,
    /// Places taken in lists and dictionaries: one value can stand in many.
    places: usize,
}

impl Stack {
    /// All values, in the order they were made.
    pub(super) fn into_nodes(self) -> Vec<Node> {
        self.nodes
    }

    /// The value at a place.
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Fails once there is more than any checkpoint needs.
    pub(super) fn check_size(&self) -> Result<(), PickleError> {
        let sizes = [self.nodes.len(), self.stack.len(), self.marks.len(), self.memo.len(), self.places];
        if sizes.into_iter().any(|size| size > MOST_VALUES) { Err(PickleError::TooLarge) } else { Ok(()) }
    }

    /// Begins a group of values, which [`Self::pop_to_mark`] ends.
    pub(super) fn mark(&mut self) {
        self.marks.push(self.stack.len());
    }

    /// Puts a value on the stack that is somewhere already.
    pub(super) fn push_again(&mut self, id: NodeId) {
        self.stack.push(id);
    }

    /// The dictionary that a dictionary class makes of these pairs.
    pub(super) fn push_dict(&mut self, pairs: Vec<(NodeId, NodeId)>) -> Result<(), PickleError> {
        if pairs.len() > MOST_ENTRIES {
            return Err(PickleError::TooLarge);
        }
        self.places += pairs.len();
        self.push(Node::Dict(pairs));
        Ok(())
    }

    /// What `BUILD` does: the top of the stack is the state of the object below it.
    pub(super) fn build(&mut self) -> Result<(), PickleError> {
        let given = self.pop()?;
        let target = self.top()?;
        if let Node::Object { state, .. } = &mut self.nodes[target.0] {
            *state = Some(given);
        }
        Ok(())
    }

    /// Adds items to the list on top.
    pub(super) fn append(&mut self, items: Vec<NodeId>) -> Result<(), PickleError> {
        let target = self.top()?;
        self.places += items.len();
        match &mut self.nodes[target.0] {
            Node::Sequence(list) => list.extend(items),
            Node::Object { .. } | Node::Other => {}
            _ => return Err(PickleError::Inconsistent),
        }
        Ok(())
    }

    /// Adds keys and values in turn to the dictionary on top.
    pub(super) fn insert(&mut self, items: &[NodeId]) -> Result<(), PickleError> {
        let target = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        self.places += pairs.len();
        match &mut self.nodes[target.0] {
            Node::Dict(dict) if rest.is_empty() && dict.len() + pairs.len() > MOST_ENTRIES => {
                return Err(PickleError::TooLarge);
            }
            Node::Dict(dict) if rest.is_empty() => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            Node::Object { .. } | Node::Other => {}
            _ => return Err(PickleError::Inconsistent),
        }
        Ok(())
    }

    /// Notes the top under a number.
    pub(super) fn memoize(&mut self, place: u32) -> Result<(), PickleError> {
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    /// Puts a noted value on the stack again.
    pub(super) fn recall(&mut self, place: u32) -> Result<(), PickleError> {
        let node = *self.memo.get(&place).ok_or(PickleError::Inconsistent)?;
        self.stack.push(node);
        Ok(())
    }

    /// Puts a new value on the stack.
    pub(super) fn push(&mut self, node: Node) {
        self.stack.push(NodeId(self.nodes.len()));
        self.nodes.push(node);
    }

    /// The lowest place that belongs to values above the innermost mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    /// The value on top.
    pub(super) fn top(&self) -> Result<NodeId, PickleError> {
        self.stack[self.floor().min(self.stack.len())..].last().copied().ok_or(PickleError::Inconsistent)
    }

    /// Takes the value on top.
    pub(super) fn pop(&mut self) -> Result<NodeId, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// Takes this many values, the lowest first.
    pub(super) fn pop_many(&mut self, count: usize) -> Result<Vec<NodeId>, PickleError> {
        let start = self.stack.len().checked_sub(count).ok_or(PickleError::Inconsistent)?;
        if start < self.floor() {
            return Err(PickleError::Inconsistent);
        }
        Ok(self.stack.split_off(start))
    }

    /// Takes everything above the innermost mark, and the mark.
    pub(super) fn pop_to_mark(&mut self) -> Result<Vec<NodeId>, PickleError> {
        let mark = self.marks.pop().ok_or(PickleError::Inconsistent)?;
        let items = self.stack.split_off(mark.min(self.stack.len()));
        self.places += items.len();
        Ok(items)
    }

    /// Notes the top under the next free number.
    pub(super) fn memoize_next(&mut self) -> Result<(), PickleError> {
        let place = u32::try_from(self.memo.len()).map_err(|_| PickleError::Inconsistent)?;
        self.memoize(place)
    }
}
