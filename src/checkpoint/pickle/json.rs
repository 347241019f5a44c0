//! The plain values of a pickle as JSON.

use serde_json::{Map, Value};

use super::{Node, NodeId, Pickle};

/// Deepest nesting turned into a JSON value; real arguments nest three deep.
const DEEPEST: usize = 32;
/// Most nodes and bytes of text in one JSON value: a shared node is written out at every use, so a small pickle could
/// otherwise fill the memory.
const LARGEST: usize = 1 << 20;

impl Pickle {
    /// The node as JSON; `None` if it is not a plain value. Entries of a dictionary that are not plain are left out.
    pub(in super::super) fn to_json(&self, id: NodeId) -> Option<Value> {
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
}
