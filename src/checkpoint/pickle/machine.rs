//! The stack machine a pickle is a program for, reduced to the opcodes that build values; calls are noted, never made.

use std::io::{BufRead, Seek};
use std::rc::Rc;

use super::{Node, NodeId, Pickle, PickleError, input::Input, stack::Stack};

/// Longest name of a class.
const LONGEST_NAME: usize = 512;
/// Longest text that is kept; bytes that are disguised as text can be as long as a tensor.
const LONGEST_TEXT: u64 = 1 << 20;

/// Runs one pickle off the front of `reader`, leaving what follows it. `end` is where the input ends.
pub(super) fn run(reader: &mut (impl BufRead + Seek), end: u64) -> Result<Pickle, PickleError> {
    Machine { input: Input::new(reader, end)?, stack: Stack::default() }.run()
}

struct Machine<'a, R> {
    input: Input<'a, R>,
    stack: Stack,
}

impl<R: BufRead + Seek> Machine<'_, R> {
    fn run(mut self) -> Result<Pickle, PickleError> {
        loop {
            let [opcode] = self.input.take()?;
            if opcode == b'.' {
                let root = self.stack.pop()?;
                return Ok(Pickle { nodes: self.stack.into_nodes(), root });
            }
            self.step(opcode)?;
            self.stack.check_size()?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            // Protocol and frame headers say nothing we need.
            0x80 => self.input.skip(1)?,
            0x95 => self.input.skip(8)?,
            b'N' => self.stack.push(Node::None),
            0x88 => self.stack.push(Node::Bool(true)),
            0x89 => self.stack.push(Node::Bool(false)),
            b'K' => {
                let [value] = self.input.take()?;
                self.stack.push(Node::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.input.take()?);
                self.stack.push(Node::Int(value.into()));
            }
            b'J' => {
                let value = i32::from_le_bytes(self.input.take()?);
                self.stack.push(Node::Int(value.into()));
            }
            b'G' => {
                let value = f64::from_be_bytes(self.input.take()?);
                self.stack.push(Node::Float(value));
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
            b'(' => self.stack.mark(),
            b'0' => {
                self.stack.pop()?;
            }
            b'1' => {
                self.stack.pop_to_mark()?;
            }
            b'2' => {
                let top = self.stack.top()?;
                self.stack.push_again(top);
            }
            b')' | b']' | 0x8f => self.stack.push(Node::Sequence(Vec::new())),
            b't' | b'l' | 0x91 => {
                let items = self.stack.pop_to_mark()?;
                self.stack.push(Node::Sequence(items));
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let items = self.stack.pop_many(count)?;
                self.stack.push(Node::Sequence(items));
            }
            b'a' => {
                let items = self.stack.pop_many(1)?;
                self.stack.append(items)?;
            }
            b'e' | 0x90 => {
                let items = self.stack.pop_to_mark()?;
                self.stack.append(items)?;
            }
            b'}' => self.stack.push(Node::Dict(Vec::new())),
            b'd' => {
                let items = self.stack.pop_to_mark()?;
                self.stack.push(Node::Dict(Vec::new()));
                self.stack.insert(&items)?;
            }
            b's' => {
                let items = self.stack.pop_many(2)?;
                self.stack.insert(&items)?;
            }
            b'u' => {
                let items = self.stack.pop_to_mark()?;
                self.stack.insert(&items)?;
            }
            b'q' => {
                let [place] = self.input.take()?;
                self.stack.memoize(place.into())?;
            }
            b'r' => {
                let place = u32::from_le_bytes(self.input.take()?);
                self.stack.memoize(place)?;
            }
            b'p' => {
                let place = self.place_line()?;
                self.stack.memoize(place)?;
            }
            0x94 => self.stack.memoize_next()?,
            b'h' => {
                let [place] = self.input.take()?;
                self.stack.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(self.input.take()?);
                self.stack.recall(place)?;
            }
            b'g' => {
                let place = self.place_line()?;
                self.stack.recall(place)?;
            }
            b'c' => {
                let class = self.class_lines()?;
                self.stack.push(Node::Class(class));
            }
            0x93 => self.class_of_stack()?,
            b'R' | 0x81 => self.call(2)?,
            0x92 => self.call(3)?,
            b'i' => {
                let class = self.class_lines()?;
                let args = self.stack.pop_to_mark()?;
                self.stack.push(Node::Class(class));
                self.stack.push(Node::Sequence(args));
                self.call(2)?;
            }
            b'o' => {
                let mut args = self.stack.pop_to_mark()?;
                if args.is_empty() {
                    return Err(PickleError::Inconsistent);
                }
                self.stack.push_again(args.remove(0));
                self.stack.push(Node::Sequence(args));
                self.call(2)?;
            }
            b'b' => self.stack.build()?,
            b'Q' => {
                let id = self.stack.pop()?;
                self.stack.push(Node::Persistent(id));
            }
            b'P' => {
                self.input.line()?;
                self.stack.push(Node::Other);
            }
            unknown => return Err(PickleError::Opcode(unknown)),
        }
        Ok(())
    }

    /// A call is only noted down, never made; a dictionary class is an empty dictionary that `SETITEMS` fills.
    fn call(&mut self, operands: usize) -> Result<(), PickleError> {
        let operands = self.stack.pop_many(operands)?;
        let [callable, args, ..] = operands[..] else { return Err(PickleError::Inconsistent) };
        match self.stack.node(callable) {
            Node::Class(class) if is_dict(class) => return self.stack.push_dict(self.initial_pairs(args)),
            Node::Class(class) => {
                let class = class.clone();
                self.stack.push(Node::Object { class, args, state: None });
            }
            _ => self.stack.push(Node::Other),
        }
        Ok(())
    }

    /// The pairs that a dictionary class is called with, as old pickles do it: `OrderedDict([[key, value], ...])`.
    fn initial_pairs(&self, args: NodeId) -> Vec<(NodeId, NodeId)> {
        let items = |id: NodeId| match self.stack.node(id) {
            Node::Sequence(items) => items.as_slice(),
            _ => &[],
        };
        let pair = |id: &NodeId| match items(*id) {
            [key, value] => Some((*key, *value)),
            _ => None,
        };
        items(args).first().map(|first| items(*first).iter().filter_map(pair).collect()).unwrap_or_default()
    }

    fn long(&mut self, width: usize) -> Result<(), PickleError> {
        let length = self.input.length(width)?;
        if length > 8 {
            self.input.skip(length)?;
            self.stack.push(Node::Other);
            return Ok(());
        }
        let payload = self.input.take_vec(length)?;
        let sign = if payload.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
        let mut number = [sign; 8];
        number[..payload.len()].copy_from_slice(&payload);
        self.stack.push(Node::Int(i64::from_le_bytes(number)));
        Ok(())
    }

    fn text(&mut self, width: usize) -> Result<(), PickleError> {
        let length = self.input.length(width)?;
        if length > LONGEST_TEXT {
            return self.bytes_of(length);
        }
        let start = self.input.position();
        // Python 2 has no bytes: its texts may hold any.
        let node = match String::from_utf8(self.input.take_vec(length)?) {
            Ok(text) => Node::Text(text),
            Err(_) => Node::Bytes(start..self.input.position()),
        };
        self.stack.push(node);
        Ok(())
    }

    fn bytes(&mut self, width: usize) -> Result<(), PickleError> {
        let length = self.input.length(width)?;
        self.bytes_of(length)
    }

    /// Bytes stay in the file; what is kept is where they lie.
    fn bytes_of(&mut self, length: u64) -> Result<(), PickleError> {
        let start = self.input.position();
        self.input.skip(length)?;
        self.stack.push(Node::Bytes(start..self.input.position()));
        Ok(())
    }

    fn number_line(&mut self, opcode: u8) -> Result<(), PickleError> {
        let line = self.input.line()?;
        let node = match (opcode, line.trim_end_matches('L')) {
            (b'I', "00") => Node::Bool(false),
            (b'I', "01") => Node::Bool(true),
            (b'F', number) => number.parse().map_or(Node::Other, Node::Float),
            (_, number) => number.parse().map_or(Node::Other, Node::Int),
        };
        self.stack.push(node);
        Ok(())
    }

    /// A text in quotes (without them) or without; escapes are left as they stand.
    fn text_line(&mut self) -> Result<(), PickleError> {
        let line = self.input.line()?;
        let bare = ['\'', '"'].iter().find_map(|quote| line.strip_prefix(*quote)?.strip_suffix(*quote));
        let bare = bare.map(str::to_owned);
        self.stack.push(Node::Text(bare.unwrap_or(line)));
        Ok(())
    }

    fn place_line(&mut self) -> Result<u32, PickleError> {
        self.input.line()?.parse().map_err(|_| PickleError::Inconsistent)
    }

    fn class_lines(&mut self) -> Result<Rc<str>, PickleError> {
        let (module, name) = (self.input.line()?, self.input.line()?);
        class_name(&module, &name)
    }

    fn class_of_stack(&mut self) -> Result<(), PickleError> {
        let names = self.stack.pop_many(2)?;
        let class = match (self.stack.node(names[0]), self.stack.node(names[1])) {
            (Node::Text(module), Node::Text(name)) => class_name(module, name)?,
            _ => return Err(PickleError::Inconsistent),
        };
        self.stack.push(Node::Class(class));
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
