//! All settings of a run: which method, its own settings, and how negatives and positives are looked for.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{
    compute::{self, CHECKPOINTING, ComputeSettings},
    field::{Field, FieldKind},
    method::{Method, Plan},
    registry::{DEFAULT, FIRST, method},
    restriction,
    values::Values,
};
use crate::feedback::CollectSettings;

/// The key of the method's name; without it, in files of earlier versions, the method is the first.
const METHOD: &str = "method";

/// The seed, which stands beside the settings that matter most.
pub const SEED: Field = Field {
    key: "seed",
    paths: &["seed"],
    label: "Seed",
    help: "The same seed and settings give the same result on the same device.",
    group: "",
    kind: FieldKind::Integer { min: 0, max: u64::MAX, step: 1.0 },
};

/// How negatives and positives are looked for.
pub const COLLECT_FIELDS: &[Field] = &[
    Field {
        key: "few-marks",
        paths: &["few_marks"],
        label: "Find more below",
        help: "With fewer marks than this, the program learns from them and finds more samples by itself. 0 turns this \
               off.",
        group: COLLECT,
        kind: FieldKind::Integer { min: 0, max: 100_000, step: 5.0 },
    },
    Field {
        key: "labelled",
        paths: &["labelled"],
        label: "Samples to sort",
        help: "How many samples the labeler, or what was learned from a few marks, sorts.",
        group: COLLECT,
        kind: FieldKind::Integer { min: 1, max: 1_000_000, step: 50.0 },
    },
    Field {
        key: "positive-below",
        paths: &["positive_below"],
        label: "May stay below",
        help: "A sample may stay if the labeler sees what must go in it with at most this probability.",
        group: COLLECT,
        kind: FieldKind::Real { min: 0.0, max: 1.0, step: 0.01, decimals: 3 },
    },
];
const COLLECT: &str = "Marks and labeler";

/// All settings of a run.
#[derive(Clone)]
pub struct Settings {
    method: &'static dyn Method,
    values: Values,
}

impl Settings {
    /// The settings of a method's preset, by their names.
    pub fn preset(method: &'static dyn Method, preset: &str) -> Option<Self> {
        Some(Self { method, values: method.preset(preset)? })
    }

    /// The settings of a method's default preset.
    pub fn of(method: &'static dyn Method) -> Self {
        Self { method, values: method.preset(method.default_preset()).unwrap_or_default() }
    }

    /// The method.
    pub fn method(&self) -> &'static dyn Method {
        self.method
    }

    /// All values.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Every setting that a person may change, in the order in which they are shown.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        let own = self.method.fields();
        let (main, others) = own.split_at(own.iter().position(|field| !field.group.is_empty()).unwrap_or(own.len()));
        let (restriction, compute) =
            if self.method.trains() { (restriction::FIELDS, compute::FIELDS) } else { Default::default() };
        main.iter().chain([&SEED]).chain(others).chain(restriction).chain(compute).chain(COLLECT_FIELDS)
    }

    /// The setting of this key; `_` stands for `-`.
    pub fn field(&self, key: &str) -> Option<&'static Field> {
        let key = key.replace('_', "-");
        self.fields().find(|field| field.key == key)
    }

    /// Sets the setting of this key; the error is one sentence.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> Result<(), String> {
        let field = self.field(key).ok_or_else(|| self.no_setting(key))?;
        field.set(&mut self.values, value.into())
    }

    /// Sets the setting of this key (or at this path of the values) to what a text stands for; the error is one sentence.
    pub fn set_text(&mut self, key: &str, text: &str) -> Result<(), String> {
        if let Some(field) = self.field(key) {
            let value = field.parse(text)?;
            return field.set(&mut self.values, value);
        }
        let mut changed = self.values.clone();
        let value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        if !changed.set(key, value) {
            return Err(self.no_setting(key));
        }
        self.values = self.method.normalize(&changed).map_err(|reason| format!("{key}: {reason}"))?;
        Ok(())
    }

    fn no_setting(&self, key: &str) -> String {
        let keys: Vec<&str> = self.fields().map(|field| field.key).collect();
        format!("{} has no setting `{key}`; it has {}", self.method.name(), keys.join(", "))
    }

    /// The value of the setting of this key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.field(key)?.get(&self.values)
    }

    /// Whether these settings can be run; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        let collect: CollectSettings = self.values.read()?;
        if collect.labelled == 0 {
            return Err("a labeler must look at one sample at least".to_owned());
        }
        self.method.check(&self.values)
    }

    /// How much there is to do; `None` if these settings cannot be run.
    pub fn plan(&self) -> Option<Plan> {
        self.method.plan(&self.values)
    }

    /// How negatives and positives are looked for; the error is one clause.
    pub fn collect(&self) -> Result<CollectSettings, String> {
        self.values.read()
    }

    /// How it is computed; the error is one clause.
    pub fn compute(&self) -> Result<ComputeSettings, String> {
        self.values.read()
    }

    /// Takes what a checkpoint says of its own training over into a preset that wants it.
    pub fn follow(&mut self, preset: &str, args: &Map<String, Value>) {
        self.method.follow(preset, &mut self.values, args);
    }

    /// The method, the nearest preset if it is not the default, and where the settings differ from it: what sets one run
    /// apart from another on the same marks. `args` are the checkpoint's, which some presets follow.
    pub fn summary(&self, args: &Map<String, Value>) -> String {
        let is_result = |key: &str| ![SEED.key, "micro-batch", CHECKPOINTING].contains(&key);
        let matters = |field: &&Field| is_result(field.key) && field.group != COLLECT;
        let changes = |preset: &'static str| {
            let mut own = Self::preset(self.method, preset)?;
            own.follow(preset, args);
            let differs = |field: &&Field| field.get(&self.values) != field.get(&own.values);
            Some(self.fields().filter(matters).filter(differs).collect::<Vec<_>>())
        };
        let presets = self.method.presets().iter();
        let nearest = presets.filter_map(|preset| Some((preset, changes(preset.id)?))).min_by_key(|(_, c)| c.len());
        let mut parts = vec![self.method.name().to_owned()];
        if let Some((preset, changes)) = nearest {
            parts.extend((preset.id != self.method.default_preset()).then(|| preset.name.to_owned()));
            let value = |field: &&Field| Some(format!("{} {}", field.key, field.get(&self.values)?));
            match changes.len() {
                0..=2 => parts.extend(changes.iter().filter_map(value)),
                more => parts.push(format!("{more} settings changed")),
            }
        }
        parts.join(", ")
    }
}

impl Default for Settings {
    /// The default preset of the default method.
    fn default() -> Self {
        Self::of(DEFAULT)
    }
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        self.method.id() == other.method.id() && self.values == other.values
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field(METHOD, &self.method.id()).field("values", &self.values).finish()
    }
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(METHOD, self.method.id())?;
        for (name, value) in self.values.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Settings {
    /// Values that are missing are those of the method's default preset; values that no setting has are left out.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut values = Values::deserialize(deserializer)?;
        let found = match values.remove(METHOD) {
            None => Self::of(FIRST),
            Some(name) => {
                let known = name.as_str().and_then(method);
                let method = known.ok_or_else(|| D::Error::custom(format!("there is no method {name}")))?;
                Self::of(method)
            }
        };
        let Self { method, values: mut complete } = found;
        complete.merge(values);
        Ok(Self { method, values: method.normalize(&complete).map_err(D::Error::custom)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::registry::METHODS, *};

    #[test]
    fn every_preset_can_be_run_and_comes_back_from_a_file() {
        for method in METHODS {
            for preset in method.presets() {
                let settings = Settings::preset(*method, preset.id).unwrap();
                assert_eq!(settings.check(), Ok(()), "{}", preset.id);
                assert!(settings.plan().is_some_and(|plan| plan.iterations >= plan.result_iterations));
                let text = serde_json::to_string(&settings).unwrap();
                assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
            }
        }
    }

    #[test]
    fn every_field_leads_to_a_value_of_its_kind_and_has_a_key_of_its_own() {
        for method in METHODS {
            let settings = Settings::preset(*method, method.presets()[0].id).unwrap();
            let mut keys = std::collections::HashSet::new();
            for field in settings.fields() {
                assert!(keys.insert(field.key), "{} twice", field.key);
                let value = field.get(&settings.values).unwrap_or_else(|| panic!("{} has no value", field.key));
                let mut same = settings.clone();
                field.set(&mut same.values, value.clone()).unwrap();
                assert!(field.paths.len() > 1 || same == settings, "{}", field.key);
                assert!(field.help.ends_with('.') && !field.label.is_empty(), "{}", field.key);
            }
        }
    }

    #[test]
    fn what_a_file_lacks_is_the_default_and_what_nobody_knows_is_left_out() {
        let read = |text: &str| serde_json::from_str::<Settings>(text);
        assert_eq!(read("{}").unwrap(), Settings::of(FIRST));
        assert_eq!(read(r#"{"an earlier": 1, "adapt": {"later": 2}}"#).unwrap(), Settings::of(FIRST));
        let other = read(r#"{"seed": 9, "unlearn": {"train": {"lr": 1}}}"#).unwrap();
        assert_eq!((other.get("seed"), other.get("unlearn_lr")), (Some(&9.into()), Some(&1.0.into())));
        for (text, expected) in [
            (r#"{"method": "magic"}"#, "there is no method \"magic\""),
            (r#"{"seed": "none"}"#, "invalid type: string \"none\", expected u64"),
            ("[]", "invalid type"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_summary_says_what_sets_a_run_apart() {
        let args = Map::new();
        for method in METHODS {
            assert_eq!(Settings::of(*method).summary(&args), method.name());
            for preset in method.presets().iter().skip(1) {
                let summary = Settings::preset(*method, preset.id).unwrap().summary(&args);
                assert_eq!(summary, format!("{}, {}", method.name(), preset.name), "{}", preset.id);
            }
        }
        let mut settings = Settings::default();
        settings.set("seed", 7).unwrap();
        settings.set("labelled", 9).unwrap();
        assert_eq!(settings.summary(&args), DEFAULT.name());
        settings.set("retain", 0.5).unwrap();
        assert_eq!(settings.summary(&args), format!("{}, retain 0.5", DEFAULT.name()));
        for (key, value) in [("iters", 3), ("batch", 4)] {
            settings.set(key, value).unwrap();
        }
        assert_eq!(settings.summary(&args), format!("{}, 3 settings changed", DEFAULT.name()));
    }

    #[test]
    fn a_setting_is_found_by_key_or_path() {
        let mut settings = Settings::of(FIRST);
        settings.set_text("unlearn-lr", "0.5").unwrap();
        settings.set_text("adapt.train.lr", "0.25").unwrap();
        assert_eq!((settings.get("unlearn_lr"), settings.get("adapt-lr")), (Some(&0.5.into()), Some(&0.25.into())));
        settings.set("seed", 4).unwrap();
        assert_eq!(settings.collect().unwrap().seed, 4);
        let error = settings.set_text("magic", "1").unwrap_err();
        assert!(error.starts_with("Adapt then Unlearn has no setting `magic`; it has iters, "), "{error}");
        assert!(settings.set_text("adapt.train.lr", "fast").is_err());
    }
}
