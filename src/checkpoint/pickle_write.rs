//! Writes pickles of protocol 2, the one `torch.save` writes, holding only what `torch.load(weights_only=True)` allows.

use serde_json::{Number, Value};

/// A pickle under construction. Values are written in the order Python would push them on its stack.
pub(super) struct PickleWriter {
    bytes: Vec<u8>,
}

impl PickleWriter {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0x80, 2] }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.push(b'.');
        self.bytes
    }

    /// `{key: value, ...}`: `fill` writes keys and values in turn.
    pub(super) fn dict(&mut self, fill: impl FnOnce(&mut Self)) {
        self.bytes.extend(b"}(");
        fill(self);
        self.bytes.push(b'u');
    }

    /// `collections.OrderedDict`, what a `state_dict` is.
    pub(super) fn ordered_dict(&mut self, fill: impl FnOnce(&mut Self)) {
        self.global("collections", "OrderedDict");
        self.bytes.extend(b")R(");
        fill(self);
        self.bytes.push(b'u');
    }

    pub(super) fn tuple(&mut self, fill: impl FnOnce(&mut Self)) {
        self.bytes.push(b'(');
        fill(self);
        self.bytes.push(b't');
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes.push(b'X');
        // A text of 4 GiB does not come out of a model file, whose pickle is limited to far less.
        let text = text.get(..u32::MAX as usize).unwrap_or(text);
        self.bytes.extend((text.len() as u32).to_le_bytes());
        self.bytes.extend(text.as_bytes());
    }

    pub(super) fn int(&mut self, value: i64) {
        if let Ok(value) = u8::try_from(value) {
            self.bytes.extend([b'K', value]);
        } else if let Ok(value) = i32::try_from(value) {
            self.bytes.push(b'J');
            self.bytes.extend(value.to_le_bytes());
        } else {
            self.bytes.extend([0x8a, 8]);
            self.bytes.extend(value.to_le_bytes());
        }
    }

    pub(super) fn float(&mut self, value: f64) {
        self.bytes.push(b'G');
        self.bytes.extend(value.to_be_bytes());
    }

    /// A plain value; see [`json_under`](Self::json_under) for the one thing JSON cannot say.
    pub(super) fn json(&mut self, value: &Value) {
        match value {
            Value::Null => self.bytes.push(b'N'),
            Value::Bool(true) => self.bytes.push(0x88),
            Value::Bool(false) => self.bytes.push(0x89),
            Value::Number(number) => self.number(number),
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.bytes.extend(b"](");
                items.iter().for_each(|item| self.json(item));
                self.bytes.push(b'e');
            }
            Value::Object(map) => self.dict(|pickle| {
                for (key, value) in map {
                    pickle.text(key);
                    pickle.json_under(key, value);
                }
            }),
        }
    }

    /// A dictionary's value: Adam's `betas` are a tuple, which JSON has not.
    fn json_under(&mut self, key: &str, value: &Value) {
        match value {
            Value::Array(items) if key == "betas" => {
                self.tuple(|pickle| items.iter().for_each(|item| pickle.json(item)));
            }
            value => self.json(value),
        }
    }

    fn number(&mut self, number: &Number) {
        match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => self.int(value),
            (None, value) => self.float(value.unwrap_or_default()),
        }
    }

    /// A contiguous `f32` tensor over the whole of storage `key`, which the archive holds as `data/KEY`.
    pub(super) fn tensor(&mut self, key: usize, shape: &[usize]) {
        let mut strides: Vec<usize> = shape
            .iter()
            .rev()
            .scan(1, |stride, extent| {
                let this = *stride;
                *stride *= (*extent).max(1);
                Some(this)
            })
            .collect();
        strides.reverse();
        self.global("torch._utils", "_rebuild_tensor_v2");
        self.tuple(|pickle| {
            pickle.tuple(|pickle| {
                pickle.text("storage");
                pickle.global("torch", "FloatStorage");
                pickle.text(&key.to_string());
                pickle.text("cpu");
                pickle.size(shape.iter().product());
            });
            // The tuple is the persistent id of a storage.
            pickle.bytes.push(b'Q');
            pickle.int(0);
            pickle.tuple(|pickle| shape.iter().for_each(|extent| pickle.size(*extent)));
            pickle.tuple(|pickle| strides.iter().for_each(|stride| pickle.size(*stride)));
            // `requires_grad` and an empty dictionary of hooks.
            pickle.json(&Value::Bool(false));
            pickle.ordered_dict(|_| {});
        });
        self.bytes.push(b'R');
    }

    /// Sizes are those of tensors in memory, below 2^63.
    fn size(&mut self, size: usize) {
        self.int(size as i64);
    }

    fn global(&mut self, module: &str, name: &str) {
        self.bytes.extend(format!("c{module}\n{name}\n").bytes());
    }
}
