//! A setting as a person sees it: so that a window and a command line can offer any method's settings without knowing
//! them.

use serde_json::Value;

use super::values::Values;

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// Its short name, words joined by `-`.
    pub key: &'static str,
    /// Where its value stands in the [`Values`]. The first place is read, all are written.
    pub paths: &'static [&'static str],
    /// What it is called.
    pub label: &'static str,
    /// One or two sentences on what it does.
    pub help: &'static str,
    /// Title of the settings it stands among; empty for those that matter most.
    pub group: &'static str,
    /// What its value is.
    pub kind: FieldKind,
}

/// What a setting's value is. Ranges are those that are offered; [`super::Method::check`] says what can be run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldKind {
    /// A whole number.
    Integer {
        /// The least that is offered.
        min: u64,
        /// The most that is offered.
        max: u64,
        /// How much a small movement changes it.
        step: f64,
    },
    /// A number.
    Real {
        /// The least that is offered.
        min: f64,
        /// The most that is offered.
        max: f64,
        /// How much a small movement changes it.
        step: f64,
        /// Digits behind the point at most.
        decimals: usize,
    },
    /// One of a few.
    Choice(&'static [Choice]),
    /// Yes or no.
    Bool,
}

/// One of the values of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// As it is written.
    pub value: &'static str,
    /// As it is shown.
    pub label: &'static str,
}

impl Field {
    /// Its value.
    pub fn get<'a>(&self, values: &'a Values) -> Option<&'a Value> {
        values.get(self.paths.first()?)
    }

    /// Sets its value; the error is one sentence.
    pub fn set(&self, values: &mut Values, value: Value) -> Result<(), String> {
        let fits = match self.kind {
            FieldKind::Integer { .. } => value.is_u64(),
            // Numbers that are not finite have no value in JSON.
            FieldKind::Real { .. } if value.is_null() => {
                return Err(format!("{}: every setting must be a finite number", self.key));
            }
            FieldKind::Real { .. } => value.is_number(),
            FieldKind::Choice(choices) => choices.iter().any(|choice| value == choice.value),
            FieldKind::Bool => value.is_boolean(),
        };
        if !fits {
            return Err(format!("{}: {value} cannot be used; it must be {}", self.key, self.expected()));
        }
        let value = match self.kind {
            FieldKind::Real { .. } => value.as_f64().map_or(Value::Null, Value::from),
            _ => value,
        };
        let found = self.paths.iter().filter(|path| values.set(path, value.clone())).count();
        if found == self.paths.len() { Ok(()) } else { Err(format!("these settings have no {}", self.key)) }
    }

    /// The value that a text stands for; the error is one sentence.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let wrong = || format!("{}: `{text}` cannot be used; it must be {}", self.key, self.expected());
        match self.kind {
            FieldKind::Integer { .. } => text.parse::<u64>().map(Value::from).map_err(|_| wrong()),
            FieldKind::Real { .. } => text.parse::<f64>().map(Value::from).map_err(|_| wrong()),
            FieldKind::Bool => text.parse::<bool>().map(Value::from).map_err(|_| wrong()),
            FieldKind::Choice(choices) => {
                let known = choices.iter().find(|choice| choice.value.eq_ignore_ascii_case(text));
                known.map(|choice| Value::from(choice.value)).ok_or_else(wrong)
            }
        }
    }

    /// What a value must be, in words.
    pub fn expected(&self) -> String {
        match self.kind {
            FieldKind::Integer { .. } => "a whole number from 0".to_owned(),
            FieldKind::Real { .. } => "a number".to_owned(),
            FieldKind::Bool => "true or false".to_owned(),
            FieldKind::Choice(choices) => choices.iter().map(|choice| choice.value).collect::<Vec<_>>().join(" or "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LOSSES: &[Choice] = &[Choice { value: "el2", label: "EL2" }, Choice { value: "il2", label: "IL2" }];

    fn field(kind: FieldKind) -> Field {
        Field { key: "k", paths: &["a.x", "b.x"], label: "K", help: "", group: "", kind }
    }

    #[test]
    fn a_value_is_read_at_one_place_and_written_at_all() {
        let rate = field(FieldKind::Real { min: 0.0, max: 1.0, step: 0.1, decimals: 3 });
        let mut values = Values::of(&json!({ "a": { "x": 1.5 }, "b": { "x": 2.5 } }));
        assert_eq!(rate.get(&values), Some(&json!(1.5)));
        // A whole number becomes the kind of number that all others are.
        rate.set(&mut values, json!(3)).unwrap();
        assert_eq!(values, Values::of(&json!({ "a": { "x": 3.0 }, "b": { "x": 3.0 } })));
        assert!(rate.set(&mut Values::of(&json!({ "a": { "x": 1.5 } })), json!(3)).is_err());
    }

    #[test]
    fn only_values_of_the_right_kind_are_taken() {
        let integer = FieldKind::Integer { min: 1, max: 9, step: 1.0 };
        let real = FieldKind::Real { min: 0.0, max: 1.0, step: 0.1, decimals: 3 };
        let table = [
            (integer, "12", Ok(json!(12))),
            (integer, "many", Err("k: `many` cannot be used; it must be a whole number from 0")),
            (integer, "-1", Err("k: `-1` cannot be used; it must be a whole number from 0")),
            (real, "1e-3", Ok(json!(0.001))),
            (FieldKind::Bool, "true", Ok(json!(true))),
            (FieldKind::Choice(LOSSES), "IL2", Ok(json!("il2"))),
            (FieldKind::Choice(LOSSES), "el3", Err("k: `el3` cannot be used; it must be el2 or il2")),
        ];
        for (kind, text, expected) in table {
            assert_eq!(field(kind).parse(text), expected.map_err(str::to_owned), "{text}");
        }
        let mut values = Values::of(&json!({ "a": { "x": 1 }, "b": { "x": 1 } }));
        assert!(field(integer).set(&mut values, json!("one")).is_err());
        let error = field(real).set(&mut values, Value::from(f64::INFINITY)).unwrap_err();
        assert_eq!(error, "k: every setting must be a finite number");
    }
}
