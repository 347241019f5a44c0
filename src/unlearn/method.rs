//! What a method is.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    chart::Chart,
    compute::{ComputeSettings, uses_half_precision},
    field::Field,
    monitor::{Monitor, Stage, StageRound, State},
    resume::ResumePoint,
    values::Values,
};
use crate::{
    device::ComputeDevice,
    feedback::{CollectSettings, ImagePool},
    model::{Gan, Model},
    networks::{FlatParams, Generator},
    train::Checkpointing,
};

/// A way to make a generator forget.
///
/// Its settings are [`Values`]; [`Method::fields`] describes those that a person may change. Everything else about them,
/// like everything else about its stages, is the method's own business.
pub trait Method: Send + Sync {
    /// Its name in commands and files.
    fn id(&self) -> &'static str;

    /// Its name for people.
    fn name(&self) -> &'static str;

    /// Where it was published.
    fn reference(&self) -> &'static str;

    /// Settings to start from, the default first.
    fn presets(&self) -> &'static [Preset];

    /// The id of the default preset.
    fn default_preset(&self) -> &'static str {
        self.presets().first().map_or("", |preset| preset.id)
    }

    /// All settings of a run with this preset, the method's own and those of looking for feedback.
    fn preset(&self, id: &str) -> Option<Values>;

    /// Takes what a checkpoint says of its own training over into a preset that wants it.
    fn follow(&self, _preset: &str, _values: &mut Values, _args: &Map<String, Value>) {}

    /// What it does, in one or two sentences for people.
    fn help(&self) -> &'static str;

    /// The method's own settings, in the order in which they are shown.
    fn fields(&self) -> &'static [Field];

    /// Whether it trains, so that its settings have a [`Restriction`](super::Restriction) named `restriction`.
    fn trains(&self) -> bool {
        true
    }

    /// The settings, each with a value of its own kind; the error is one clause.
    fn normalize(&self, values: &Values) -> Result<Values, String>;

    /// Whether settings can be run; the error is one sentence.
    fn check(&self, values: &Values) -> Result<(), String>;

    /// What it works on.
    fn needs(&self, values: &Values) -> Needs;

    /// How much there is to do; `None` for settings that cannot be run.
    fn plan(&self, values: &Values) -> Option<Plan>;

    /// Its stages in their order; the last one makes the result.
    fn stages(&self) -> &'static [Stage];

    /// How what it measures is drawn.
    fn charts(&self) -> &'static [Chart];

    /// Sliders through weights that need no training, once the auxiliary weights of a run are there: two at most.
    fn sliders(&self) -> &'static [Slider] {
        &[]
    }

    /// The weights at a place of the sliders, in their order; `None` if there is nothing to make them from.
    fn slide(&self, _original: &FlatParams, _auxiliary: &[FlatParams], _places: [f64; 2]) -> Option<FlatParams> {
        None
    }

    /// Makes the base forget what the negatives show and keep what the positives show.
    fn run(&self, request: Request<'_>, monitor: &mut dyn Monitor) -> Result<Outcome, MethodError>;
}

/// A named set of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name in commands and files.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// What it is good for.
    pub help: &'static str,
}

/// What a method works on, beside a generator and samples of what must go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// A discriminator; one is warmed up where there is none.
    pub discriminator: bool,
    /// Samples of what must stay.
    pub positives: bool,
    /// A class-conditional generator.
    pub classes: bool,
    /// What a sample begins with.
    pub samples: SampleSource,
}

/// What samples begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SampleSource {
    /// Latents.
    #[default]
    Latents,
    /// Pictures, which the model completes.
    Pictures,
    /// Whatever the model takes.
    Any,
}

impl SampleSource {
    /// Whether a method for these is for a model that completes pictures (or for one that does not).
    pub fn fits(self, completes_pictures: bool) -> bool {
        match self {
            Self::Latents => !completes_pictures,
            Self::Pictures => completes_pictures,
            Self::Any => true,
        }
    }
}

/// How much a method will do, for estimates of time and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Iterations of all stages.
    pub iterations: usize,
    /// Iterations that make the result.
    pub result_iterations: usize,
    /// Samples in one of these.
    pub batch: usize,
    /// Samples in one of their passes; 0 means the whole batch.
    pub micro_batch: usize,
    /// Samples of all iterations.
    pub samples: usize,
    /// Samples in one pass at most.
    pub pass: usize,
    /// Generators that are kept beside the result.
    pub auxiliary: usize,
}

/// What a method starts from. Tensors are shared, not copied.
#[derive(Clone, Debug)]
pub struct Base {
    /// The generator's architecture.
    pub generator: Generator,
    /// Its averaged parameters: what is shown.
    pub g_ema: FlatParams,
    /// All that adversarial training needs, where there is a discriminator.
    pub gan: Option<Gan>,
}

impl Base {
    /// A model as it was opened.
    pub fn of(model: &Model) -> Self {
        Self { generator: model.generator.clone(), g_ema: model.g_ema.clone(), gan: model.gan.clone() }
    }

    /// The same with activation checkpointing on or off, in families that know it.
    pub fn with_checkpointing(self, on: bool) -> Self {
        let gan = self.gan.map(|gan| Gan { networks: gan.networks.with_checkpointing(on), ..gan });
        Self { generator: self.generator.with_checkpointing(on), gan, ..self }
    }

    /// The same with half precision on or off, in families that know it.
    pub fn with_half_precision(self, half: bool) -> Self {
        let gan = self.gan.map(|gan| Gan { networks: gan.networks.with_half_precision(half), ..gan });
        Self { generator: self.generator.with_half_precision(half), gan, ..self }
    }

    /// The same as it is computed on a device with these settings; the error is one sentence.
    pub fn computed(self, settings: &ComputeSettings, device: &ComputeDevice) -> Result<Self, String> {
        let half = uses_half_precision(settings.half_precision, device)?;
        Ok(self.with_checkpointing(settings.checkpointing == Checkpointing::On).with_half_precision(half))
    }

    /// All that adversarial training needs.
    pub fn gan(&self) -> Result<&Gan, MethodError> {
        self.gan.as_ref().ok_or_else(|| MethodError("this method needs a discriminator".to_owned()))
    }
}

/// What a method is asked to do.
pub struct Request<'a> {
    /// What it starts from.
    pub base: &'a Base,
    /// Images that show what must be forgotten.
    pub negatives: &'a mut ImagePool,
    /// Images that show what must stay.
    pub positives: &'a mut ImagePool,
    /// All settings.
    pub values: &'a Values,
    /// Where an interrupted run of the same request stood, to go on from there.
    pub resume: Option<ResumePoint>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The last good state of the stage that makes the result; `None` if it was not reached.
    pub state: Option<State>,
    /// How it ended.
    pub ended: Ended,
}

/// How a method ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It did all it had to do.
    Done,
    /// The monitor stopped it.
    Stopped,
    /// A number was not finite any more.
    NonFinite {
        /// Where.
        at: StageRound,
        /// In which iteration, from 0.
        iteration: usize,
        /// Which number.
        what: &'static str,
    },
}

/// A way through weights that is not training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slider {
    /// What it does.
    pub name: &'static str,
    /// What its places mean.
    pub help: &'static str,
    /// What weights made by it are called; a comma and the place follow.
    pub caption: &'static str,
    /// What a file says of weights made by it; the place follows.
    pub note: &'static str,
    /// Its lowest place.
    pub min: f64,
    /// Its highest place.
    pub max: f64,
    /// Distance between places; 0 of a slider whose places are spread by their logarithms.
    pub step: f64,
    /// The place that is the original.
    pub original: f64,
    /// The key of the setting that starts a run at a place.
    pub setting: Option<&'static str>,
}

/// All values of a preset: the method's own, how negatives and positives are looked for, and how it is computed.
pub(super) fn preset_values<T: Serialize>(own: &T, collect: &CollectSettings) -> Values {
    values_of(own, collect, &ComputeSettings::default())
}

fn values_of<T: Serialize>(own: &T, collect: &CollectSettings, compute: &ComputeSettings) -> Values {
    let mut values = Values::of(own);
    values.merge(Values::of(collect));
    values.merge(Values::of(compute));
    values
}

/// The values, each of the kind that the settings `T` want; the error is one clause.
pub(super) fn normal_values<T: Serialize + DeserializeOwned>(values: &Values) -> Result<Values, String> {
    Ok(values_of(&values.read::<T>()?, &values.read()?, &values.read()?))
}

/// Why a method could not begin, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MethodError(pub String);
