//! What tests of audits need.
#![allow(dead_code)]

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use serde_json::Value;
use unlearn_studio::{
    audit::{AUDIT_SEED, AuditBudget, Audited, Findings, Judge, RelearnBudget, Role, SearchBudget, Subject},
    metrics::{Labeler, Target},
    model::Model,
};

pub fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name)
}

pub fn text(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// A budget that takes seconds.
pub fn small() -> AuditBudget {
    AuditBudget {
        samples: 400,
        search: SearchBudget { starts: 24, steps: 48 },
        relearn: RelearnBudget { pictures: vec![5], steps: 4, samples: 100, batch: 8, micro_batch: 0 },
        compared: 24,
        back: 60,
    }
}

fn subject(model: &Model, role: Role) -> Subject {
    Subject { role, generator: model.generator.clone(), weights: model.g_ema.clone(), gan: model.gan.clone() }
}

pub fn audit(original: &Model, result: &Model, labeler: &Labeler, target: &Target, budget: &AuditBudget) -> Findings {
    let (before, after) = (subject(original, Role::Original), subject(result, Role::Result));
    let audited = Audited {
        original: &before,
        result: &after,
        retrained: None,
        judge: Judge { labeler, target },
        second: None,
        seed: AUDIT_SEED,
    };
    let mut last = 0;
    let mut tell = |_, done: usize, of: usize| {
        assert!(done <= of && done >= last, "{done} of {of} after {last}");
        last = done;
        ControlFlow::Continue(())
    };
    audited.run(budget, &mut tell).expect("an audit").expect("nobody stopped it").0
}

/// What an audit on the command line takes, with a small budget.
pub const QUICK: [&str; 16] = [
    "--samples",
    "300",
    "--starts",
    "6",
    "--steps",
    "4",
    "--relearn-pictures",
    "2,5",
    "--relearn-steps",
    "2",
    "--device",
    "cpu",
    "--seed",
    "9",
    "--micro-batch",
    "4",
];

pub fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}

/// Whether a value is what a schema says: types, required and known fields, items. Enough of JSON Schema for this one.
pub fn conforms(value: &Value, schema: &Value, place: &str) {
    let root = schema;
    fn check(value: &Value, schema: &Value, root: &Value, place: &str) {
        if let Some(name) = schema["$ref"].as_str() {
            let definition = &root["$defs"][name.trim_start_matches("#/$defs/")];
            assert!(definition.is_object(), "{name} is not defined");
            return check(value, definition, root, place);
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            let fits = |choice: &&Value| (choice["type"] == "null") == value.is_null();
            let choice = choices.iter().find(fits).unwrap_or_else(|| panic!("{place}: {value} is none of {choices:?}"));
            return check(value, choice, root, place);
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        let is = |name: &&str| match *name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            other => panic!("{other}"),
        };
        assert!(types.is_empty() || types.iter().any(is), "{place}: {value} is none of {types:?}");
        if let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                assert!(fields.contains_key(name), "{place}: {name} is missing");
            }
            for (name, value) in fields {
                let field = known.get(name).unwrap_or_else(|| panic!("{place}: the schema does not know {name}"));
                check(value, field, root, &format!("{place}.{name}"));
            }
        }
        if let (Some(values), Some(items)) = (value.as_array(), schema.get("items")) {
            values.iter().enumerate().for_each(|(i, value)| check(value, items, root, &format!("{place}[{i}]")));
        }
    }
    check(value, schema, root, place);
}
