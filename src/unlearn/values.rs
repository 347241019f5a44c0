//! Settings as named values: what a method's own settings are to everybody else.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// A tree of named values. A path such as `unlearn.train.lr` leads to one of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Values(Map<String, Value>);

impl Values {
    /// The fields of a struct; nothing of anything else.
    pub fn of<T: Serialize>(fields: &T) -> Self {
        match serde_json::to_value(fields) {
            Ok(Value::Object(map)) => Self(map),
            _ => Self::default(),
        }
    }

    /// The values as a struct; values that it does not have are left out. The error is one clause.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_value(Value::Object(self.0.clone())).map_err(|error| error.to_string())
    }

    /// The value at a path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        let mut names = path.split('.');
        let first = self.0.get(names.next()?)?;
        names.try_fold(first, |value, name| value.get(name))
    }

    /// Replaces the value at a path; `false` if there is none.
    pub fn set(&mut self, path: &str, value: Value) -> bool {
        let mut names = path.split('.');
        let first = names.next().and_then(|name| self.0.get_mut(name));
        match names.try_fold(first, |value, name| Some(value?.get_mut(name))) {
            Some(Some(found)) => {
                *found = value;
                true
            }
            _ => false,
        }
    }

    /// Takes over the other's values, tree by tree; those that only `self` has stay.
    pub fn merge(&mut self, other: Self) {
        for (name, value) in other.0 {
            merge(self.0.entry(name).or_insert(Value::Null), value);
        }
    }

    /// The values at the top.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter()
    }

    /// Takes the top value of this name out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }
}

fn merge(base: &mut Value, other: Value) {
    match (base, other) {
        (Value::Object(base), Value::Object(other)) => {
            for (name, value) in other {
                merge(base.entry(name).or_insert(Value::Null), value);
            }
        }
        (base, other) => *base = other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn values(value: Value) -> Values {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn paths_lead_to_values_and_to_nothing_else() {
        let mut tree = values(json!({ "a": 1, "b": { "c": { "d": 2.5 } } }));
        assert_eq!((tree.get("a"), tree.get("b.c.d")), (Some(&json!(1)), Some(&json!(2.5))));
        for path in ["", "x", "a.b", "b.x", "b.c.d.e"] {
            assert_eq!(tree.get(path), None, "{path}");
            assert!(!tree.set(path, json!(9)), "{path}");
        }
        assert!(tree.set("b.c.d", json!(7)));
        assert_eq!(tree, values(json!({ "a": 1, "b": { "c": { "d": 7 } } })));
    }

    #[test]
    fn merging_keeps_what_the_other_does_not_name() {
        let mut tree = values(json!({ "a": 1, "b": { "c": 2, "d": 3 } }));
        tree.merge(values(json!({ "b": { "c": 5 }, "e": true })));
        assert_eq!(tree, values(json!({ "a": 1, "b": { "c": 5, "d": 3 }, "e": true })));
    }
}
