//! The stack machine a pickle is a program for, reduced to the opcodes that build values; calls are noted, never made.

use std::collections::HashMap;
use std::io::{BufRead, Seek};
use std::rc::Rc;

use super::pickle::{Node, NodeId, Pickle, PickleError};

/// Most values a pickle may make, and most places in its lists; a checkpoint of 300 tensors makes 20 000.
const MOST_VALUES: usize = 1 << 21;
/// Most bytes of text; the source text of a network's module is 40 000.
const MOST_TEXT: u64 = 64 << 20;
/// Longest name of a class, and longest line of a text opcode that is not a text.
const LONGEST_NAME: usize = 512;

/// Runs one pickle off the front of `input`, leaving what follows it. `end` is where the input ends: nothing is
/// believed that would reach beyond it.
pub(super) fn run(input: &mut (impl BufRead + Seek), end: u64) -> Result<Pickle, PickleError> {
    let position = input.stream_position()?;
    Machine {
        input,
        position,
        end,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        places: 0,
        text: 0,
    }
    .run()
}

struct Machine<'a, R> {
    input: &'a mut R,
    position: u64,
    end: u64,
    nodes: Vec<Node>,
    stack: Vec<NodeId>,
    /// Heights of the stack at each open `MARK`.
    marks: Vec<usize>,
    memo: HashMap<u32, NodeId>,
    /// Places taken in lists and dictionaries: one value can stand in many.
    places: usize,
    /// Bytes of text so far.
    text: u64,
}

impl<R: BufRead + Seek> Machine<'_, R> {
    fn run(mut self) -> Result<Pickle, PickleError> {
        loop {
            let [opcode] = self.take()?;
            if opcode == b'.' {
                let root = self.pop()?;
                return Ok(Pickle { nodes: self.nodes, root });
            }
            self.step(opcode)?;
            let sizes = [self.nodes.len(), self.stack.len(), self.marks.len(), self.memo.len(), self.places];
            if sizes.into_iter().any(|size| size > MOST_VALUES) || self.text > MOST_TEXT {
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
                let [value] = self.take()?;
                self.push(Node::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.take()?);
                self.push(Node::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.take()?);
                self.push(Node::Int(value.into()));
            }
            b'G' => {
                let value = f64::from_be_bytes(self.take()?);
                self.push(Node::Float(value));
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'I' | b'L' | b'F' => self.number_line(opcode)?,
            0x8c | b'U' => self.text(1)?,
            b'X' | b'T' => self.text(4)?,
            0x8d => self.text(8)?,
            b'S' | b'V' => self.text_line()?,
            b'C' => self.bytes(1)?,
            b'B' => self.bytes(4)?,
            0x8e | 0x96 => self.bytes(8)?,
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
                let [place] = self.take()?;
                self.memoize(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.take()?);
                self.memoize(place)?;
            }
            b'p' => {
                let place = self.place_line()?;
                self.memoize(place)?;
            }
            0x94 => {
                let place = u32::try_from(self.memo.len()).map_err(|_| PickleError::Inconsistent)?;
                self.memoize(place)?;
            }
            b'h' => {
                let [place] = self.take()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.take()?);
                self.recall(place)?;
            }
            b'g' => {
                let place = self.place_line()?;
                self.recall(place)?;
            }
            b'c' => {
                let class = self.class_lines()?;
                self.push(Node::Class(class));
            }
            0x93 => self.class_of_stack()?,
            b'R' | 0x81 => self.call(2)?,
            0x92 => self.call(3)?,
            b'i' => {
                let class = self.class_lines()?;
                let args = self.pop_to_mark()?;
                self.push(Node::Class(class));
                self.push(Node::Sequence(args));
                self.call(2)?;
            }
            b'o' => {
                let mut args = self.pop_to_mark()?;
                if args.is_empty() {
                    return Err(PickleError::Inconsistent);
                }
                self.stack.push(args.remove(0));
                self.push(Node::Sequence(args));
                self.call(2)?;
            }
            b'b' => self.build()?,
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Persistent(id));
            }
            b'P' => {
                self.line()?;
                self.push(Node::Other);
            }
            unknown => return Err(PickleError::Opcode(unknown)),
        }
        Ok(())
    }

    /// A call is only noted down, never made; a dictionary class is an empty dictionary that `SETITEMS` fills.
    fn call(&mut self, operands: usize) -> Result<(), PickleError> {
        let operands = self.pop_many(operands)?;
        let [callable, args, ..] = operands[..] else { return Err(PickleError::Inconsistent) };
        let node = match &self.nodes[callable.0] {
            Node::Class(class) if is_dict(class) => Node::Dict(self.initial_pairs(args)),
            Node::Class(class) => Node::Object { class: class.clone(), args, state: None },
            _ => Node::Other,
        };
        if let Node::Dict(pairs) = &node {
            self.places += pairs.len();
        }
        self.push(node);
        Ok(())
    }

    /// The pairs that a dictionary class is called with, as old pickles do it: `OrderedDict([[key, value], ...])`.
    fn initial_pairs(&self, args: NodeId) -> Vec<(NodeId, NodeId)> {
        let items = |id: NodeId| match &self.nodes[id.0] {
            Node::Sequence(items) => items.as_slice(),
            _ => &[],
        };
        let pair = |id: &NodeId| match items(*id) {
            [key, value] => Some((*key, *value)),
            _ => None,
        };
        items(args).first().map(|first| items(*first).iter().filter_map(pair).collect()).unwrap_or_default()
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
        self.places += items.len();
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
        self.places += pairs.len();
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
        let items = self.stack.split_off(mark.min(self.stack.len()));
        self.places += items.len();
        Ok(items)
    }

    /// Accounts for `count` bytes of the input, which must be there.
    fn claim(&mut self, count: u64) -> Result<(), PickleError> {
        let after = self.position.checked_add(count).filter(|after| *after <= self.end);
        self.position = after.ok_or(PickleError::Truncated)?;
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        self.claim(N as u64)?;
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn take_vec(&mut self, count: u64) -> Result<Vec<u8>, PickleError> {
        self.claim(count)?;
        self.text += count;
        if self.text > MOST_TEXT {
            return Err(PickleError::TooLarge);
        }
        let mut bytes = vec![0; count as usize];
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn skip(&mut self, count: u64) -> Result<(), PickleError> {
        self.claim(count)?;
        let distance = i64::try_from(count).map_err(|_| PickleError::Truncated)?;
        Ok(self.input.seek_relative(distance)?)
    }

    /// The length in front of a payload, in `width` little-endian bytes.
    fn length(&mut self, width: usize) -> Result<u64, PickleError> {
        Ok(match width {
            1 => self.take::<1>()?[0].into(),
            4 => u32::from_le_bytes(self.take()?).into(),
            _ => u64::from_le_bytes(self.take()?),
        })
    }

    fn long(&mut self, width: usize) -> Result<(), PickleError> {
        let length = self.length(width)?;
        if length > 8 {
            self.skip(length)?;
            self.push(Node::Other);
            return Ok(());
        }
        let payload = self.take_vec(length)?;
        let sign = if payload.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
        let mut number = [sign; 8];
        number[..payload.len()].copy_from_slice(&payload);
        self.push(Node::Int(i64::from_le_bytes(number)));
        Ok(())
    }

    fn text(&mut self, width: usize) -> Result<(), PickleError> {
        let length = self.length(width)?;
        // Python 2 strings may hold raw bytes.
        let node = match String::from_utf8(self.take_vec(length)?) {
            Ok(text) => Node::Text(text),
            Err(_) => Node::Other,
        };
        self.push(node);
        Ok(())
    }

    /// Bytes stay in the file; what is kept is where they lie.
    fn bytes(&mut self, width: usize) -> Result<(), PickleError> {
        let length = self.length(width)?;
        let start = self.position;
        self.skip(length)?;
        self.push(Node::Bytes(start..self.position));
        Ok(())
    }

    /// The rest of a line of a text opcode.
    fn line(&mut self) -> Result<String, PickleError> {
        let mut line = Vec::new();
        loop {
            match self.take()? {
                [b'\n'] => return Ok(String::from_utf8_lossy(&line).into_owned()),
                [byte] => line.push(byte),
            }
            self.text += 1;
            if self.text > MOST_TEXT {
                return Err(PickleError::TooLarge);
            }
        }
    }

    fn number_line(&mut self, opcode: u8) -> Result<(), PickleError> {
        let line = self.line()?;
        let node = match (opcode, line.trim_end_matches('L')) {
            (b'I', "00") => Node::Bool(false),
            (b'I', "01") => Node::Bool(true),
            (b'F', number) => number.parse().map_or(Node::Other, Node::Float),
            (_, number) => number.parse().map_or(Node::Other, Node::Int),
        };
        self.push(node);
        Ok(())
    }

    /// A text in quotes (without them) or without; escapes are left as they stand.
    fn text_line(&mut self) -> Result<(), PickleError> {
        let line = self.line()?;
        let bare = ['\'', '"'].iter().find_map(|quote| line.strip_prefix(*quote)?.strip_suffix(*quote));
        let bare = bare.map(str::to_owned);
        self.push(Node::Text(bare.unwrap_or(line)));
        Ok(())
    }

    fn place_line(&mut self) -> Result<u32, PickleError> {
        self.line()?.parse().map_err(|_| PickleError::Inconsistent)
    }

    fn class_lines(&mut self) -> Result<Rc<str>, PickleError> {
        let (module, name) = (self.line()?, self.line()?);
        class_name(&module, &name)
    }

    fn class_of_stack(&mut self) -> Result<(), PickleError> {
        let names = self.pop_many(2)?;
        let class = match (&self.nodes[names[0].0], &self.nodes[names[1].0]) {
            (Node::Text(module), Node::Text(name)) => class_name(module, name)?,
            _ => return Err(PickleError::Inconsistent),
        };
        self.push(Node::Class(class));
        Ok(())
    }
}

fn class_name(module: &str, name: &str) -> Result<Rc<str>, PickleError> {
    if module.len() + name.len() > LONGEST_NAME {
        return Err(PickleError::TooLarge);
    }
    Ok(format!("{module}.{name}").into())
}

/// Classes that are dictionaries.
fn is_dict(class: &str) -> bool {
    ["collections.OrderedDict", "dnnlib.util.EasyDict", "dnnlib.EasyDict", "builtins.dict"].contains(&class)
}
