//! The stack machine a pickle is a program for, reduced to the opcodes that build values; calls are noted, never made.

use std::collections::HashMap;

use super::pickle::{Node, NodeId, Pickle, PickleError};

/// Most values a pickle may make; a checkpoint of 300 tensors makes 20 000.
const MOST_VALUES: usize = 1 << 21;

/// Runs one pickle off the front of `bytes`, leaving what follows it.
pub(super) fn run(bytes: &mut &[u8]) -> Result<Pickle, PickleError> {
    Machine { bytes, nodes: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() }.run()
}

struct Machine<'a, 'b> {
    bytes: &'a mut &'b [u8],
    nodes: Vec<Node>,
    stack: Vec<NodeId>,
    /// Heights of the stack at each open `MARK`.
    marks: Vec<usize>,
    memo: HashMap<u32, NodeId>,
}

impl Machine<'_, '_> {
    fn run(mut self) -> Result<Pickle, PickleError> {
        loop {
            let [opcode] = self.take_array()?;
            if opcode == b'.' {
                let root = self.pop()?;
                return Ok(Pickle { nodes: self.nodes, root });
            }
            self.step(opcode)?;
            if self.nodes.len().max(self.stack.len()).max(self.marks.len()) > MOST_VALUES {
                return Err(PickleError::TooLarge);
            }
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            // Protocol and frame headers say nothing we need.
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'K' => {
                let [value] = self.take_array()?;
                self.push(Node::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take_array()?);
                self.push(Node::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.take_array()?);
                self.push(Node::Int(value.into()));
            }
            b'G' => {
                let value = f64::from_be_bytes(self.take_array()?);
                self.push(Node::Float(value));
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            0x8c | b'U' => self.text(1)?,
            b'X' | b'T' => self.text(4)?,
            0x8d => self.text(8)?,
            b'C' => self.skip_bytes(1)?,
            b'B' => self.skip_bytes(4)?,
            0x8e | 0x96 => self.skip_bytes(8)?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.pop_to_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b')' | b']' | 0x8f => self.push(Node::Sequence(Vec::new())),
            b't' | b'l' | 0x91 => {
                let items = self.pop_to_mark()?;
                self.push(Node::Sequence(items));
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let items = self.pop_many(count)?;
                self.push(Node::Sequence(items));
            }
            b'a' => {
                let items = self.pop_many(1)?;
                self.append(items)?;
            }
            b'e' | 0x90 => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            b'}' => self.push(Node::Dict(Vec::new())),
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Dict(Vec::new()));
                self.insert(&items)?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.insert(&items)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.insert(&items)?;
            }
            b'q' => {
                let [place] = self.take_array()?;
                self.memoize(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.take_array()?);
                self.memoize(place)?;
            }
            0x94 => {
                let place = u32::try_from(self.memo.len()).map_err(|_| PickleError::Inconsistent)?;
                self.memoize(place)?;
            }
            b'h' => {
                let [place] = self.take_array()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.take_array()?);
                self.recall(place)?;
            }
            b'c' => {
                let class = format!("{}.{}", self.line()?, self.line()?);
                self.push(Node::Class(class));
            }
            0x93 => {
                let names = self.pop_many(2)?;
                let class = match (&self.nodes[names[0].0], &self.nodes[names[1].0]) {
                    (Node::Text(module), Node::Text(name)) => format!("{module}.{name}"),
                    _ => return Err(PickleError::Inconsistent),
                };
                self.push(Node::Class(class));
            }
            b'R' | 0x81 => self.call(2)?,
            0x92 => self.call(3)?,
            b'b' => self.build()?,
            b'Q' => {
                self.pop()?;
                self.push(Node::Other);
            }
            unknown => return Err(PickleError::Opcode(unknown)),
        }
        Ok(())
    }

    /// A call is only noted down, never made; an `OrderedDict` is an empty dictionary that `SETITEMS` fills.
    fn call(&mut self, operands: usize) -> Result<(), PickleError> {
        let operands = self.pop_many(operands)?;
        let node = match &self.nodes[operands[0].0] {
            Node::Class(class) if class == "collections.OrderedDict" => Node::Dict(Vec::new()),
            Node::Class(class) => Node::Object { class: class.clone(), state: None },
            _ => Node::Other,
        };
        self.push(node);
        Ok(())
    }

    fn build(&mut self) -> Result<(), PickleError> {
        let given = self.pop()?;
        let target = self.top()?;
        if let Node::Object { state, .. } = &mut self.nodes[target.0] {
            *state = Some(given);
        }
        Ok(())
    }

    fn append(&mut self, items: Vec<NodeId>) -> Result<(), PickleError> {
        let target = self.top()?;
        match &mut self.nodes[target.0] {
            Node::Sequence(list) => list.extend(items),
            Node::Object { .. } | Node::Other => {}
            _ => return Err(PickleError::Inconsistent),
        }
        Ok(())
    }

    fn insert(&mut self, items: &[NodeId]) -> Result<(), PickleError> {
        let target = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        match &mut self.nodes[target.0] {
            Node::Dict(dict) if rest.is_empty() => dict.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            Node::Object { .. } | Node::Other => {}
            _ => return Err(PickleError::Inconsistent),
        }
        Ok(())
    }

    fn memoize(&mut self, place: u32) -> Result<(), PickleError> {
        let top = self.top()?;
        self.memo.insert(place, top);
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), PickleError> {
        let node = *self.memo.get(&place).ok_or(PickleError::Inconsistent)?;
        self.stack.push(node);
        Ok(())
    }

    fn push(&mut self, node: Node) {
        self.stack.push(NodeId(self.nodes.len()));
        self.nodes.push(node);
    }

    /// The lowest place that belongs to values above the innermost mark.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<NodeId, PickleError> {
        self.stack[self.floor().min(self.stack.len())..].last().copied().ok_or(PickleError::Inconsistent)
    }

    fn pop(&mut self) -> Result<NodeId, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<NodeId>, PickleError> {
        let start = self.stack.len().checked_sub(count).ok_or(PickleError::Inconsistent)?;
        if start < self.floor() {
            return Err(PickleError::Inconsistent);
        }
        Ok(self.stack.split_off(start))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<NodeId>, PickleError> {
        let mark = self.marks.pop().ok_or(PickleError::Inconsistent)?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    fn take(&mut self, count: usize) -> Result<&[u8], PickleError> {
        let (head, tail) = self.bytes.split_at_checked(count).ok_or(PickleError::Truncated)?;
        *self.bytes = tail;
        Ok(head)
    }

    fn skip(&mut self, count: usize) -> Result<(), PickleError> {
        self.take(count).map(|_| ())
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        self.take(N)?.try_into().map_err(|_| PickleError::Truncated)
    }

    /// A payload with its length in front, in `width` little-endian bytes.
    fn payload(&mut self, width: usize) -> Result<&[u8], PickleError> {
        let mut length = [0; 8];
        length[..width].copy_from_slice(self.take(width)?);
        let length = usize::try_from(u64::from_le_bytes(length)).map_err(|_| PickleError::Truncated)?;
        self.take(length)
    }

    fn long(&mut self, width: usize) -> Result<(), PickleError> {
        let payload = self.payload(width)?;
        let sign = if payload.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
        let node = if payload.len() <= 8 {
            let mut number = [sign; 8];
            number[..payload.len()].copy_from_slice(payload);
            Node::Int(i64::from_le_bytes(number))
        } else {
            Node::Other
        };
        self.push(node);
        Ok(())
    }

    fn text(&mut self, width: usize) -> Result<(), PickleError> {
        // Python 2 strings may hold raw bytes.
        let node = match std::str::from_utf8(self.payload(width)?) {
            Ok(text) => Node::Text(text.to_owned()),
            Err(_) => Node::Other,
        };
        self.push(node);
        Ok(())
    }

    fn skip_bytes(&mut self, width: usize) -> Result<(), PickleError> {
        self.payload(width)?;
        self.push(Node::Other);
        Ok(())
    }

    fn line(&mut self) -> Result<String, PickleError> {
        let length = self.bytes.iter().position(|byte| *byte == b'\n').ok_or(PickleError::Truncated)?;
        let line = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.skip(1)?;
        Ok(line)
    }
}
