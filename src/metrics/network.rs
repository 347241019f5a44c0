//! An ONNX network in `tract`, seen as a function from a batch of prepared images to each head's scores and features.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use tract_onnx::pb::tensor_shape_proto::dimension::Value as DimValue;
use tract_onnx::pb::{GraphProto, ModelProto, TensorShapeProto, ValueInfoProto, tensor_proto, type_proto};
use tract_onnx::prelude::*;

use super::guard::guarded;
use super::heads::{ClassNames, Head, METADATA_KEY};
use super::labeler_error::LabelerProblem;

/// Images run at once where the network leaves it open: enough to keep a core busy, few enough to share among cores.
const BATCH: usize = 16;
/// The largest file protobuf allows.
const MAX_FILE_BYTES: u64 = 2 << 30;
/// The largest input, in values: 256 MiB.
const MAX_INPUT: usize = 1 << 26;
/// The largest of the tensors computed on the way, in values: 1 GiB. What could not be allocated would end the program.
const MAX_TENSOR: usize = 1 << 28;

/// A network ready to run.
#[derive(Debug)]
pub(super) struct Network {
    plan: Arc<TypedRunnableModel>,
    /// `[batch, channels, height, width]`, channels 1 or 3.
    pub input: [usize; 4],
    /// The outputs of scores, at least one, in the file's order.
    pub heads: Vec<Head>,
    /// Number of features, if there is an output of that name.
    pub feature_width: Option<usize>,
    /// Which of the outputs is what; `heads_at` goes with `heads`.
    heads_at: Vec<usize>,
    features_at: Option<usize>,
}

/// What a network says of one batch, row-major.
#[derive(Debug)]
pub(super) struct Output {
    /// For each head, `[batch, classes]`.
    pub scores: Vec<Vec<f32>>,
    /// `[batch, feature_width]`; empty without features.
    pub features: Vec<f32>,
}

impl Network {
    pub fn open(path: &Path) -> Result<Self, LabelerProblem> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(LabelerProblem::Read)?;
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(LabelerProblem::Read)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(LabelerProblem::FileTooLarge(MAX_FILE_BYTES));
        }
        let proto = guarded(|| tract_onnx::onnx().proto_model_for_read(&mut bytes.as_slice()))
            .map_err(|_| LabelerProblem::NotOnnx)?;
        let graph = proto.graph.as_ref().filter(|graph| !graph.node.is_empty()).ok_or(LabelerProblem::NotOnnx)?;
        let (batch, [channels, height, width]) = declared_input(graph)?;
        let known = tract_onnx::onnx().op_register.0;
        if let Some(node) = graph.node.iter().find(|node| !known.contains_key(&node.op_type)) {
            return Err(LabelerProblem::Operator(node.op_type.chars().take(40).collect()));
        }

        // A network with an open batch may still have one fixed somewhere inside; then it runs image by image.
        let candidates = batch.map_or(vec![BATCH, 1], |fixed| vec![fixed]);
        let mut problem = LabelerProblem::NotOnnx;
        for batch in candidates {
            match Self::prepare(&proto, graph, path.parent(), [batch, channels, height, width]) {
                Ok(network) => return Ok(network),
                Err(found) => problem = found,
            }
        }
        Err(problem)
    }

    fn prepare(
        proto: &ModelProto,
        graph: &GraphProto,
        folder: Option<&Path>,
        input: [usize; 4],
    ) -> Result<Self, LabelerProblem> {
        // Shapes follow from the input's; what the file says of them may name another batch.
        let onnx = tract_onnx::onnx().with_ignore_output_shapes(true).with_ignore_value_info(true);
        let model = guarded(|| {
            let model = onnx.parse(proto, folder.and_then(Path::to_str))?.model;
            model.with_input_fact(0, f32::fact(input).into())?.into_typed()
        })
        .map_err(LabelerProblem::Run)?;
        if let Some(shape) = too_large(&model) {
            return Err(LabelerProblem::TensorTooLarge(shape));
        }
        let (plan, shapes) = guarded(|| {
            let model = model.into_optimized()?;
            let mut shapes = Vec::new();
            for number in 0..model.outputs.len() {
                shapes.push(model.output_fact(number)?.shape.as_concrete().map(<[usize]>::to_vec));
            }
            Ok((model.into_runnable()?, shapes))
        })
        .map_err(LabelerProblem::Run)?;

        let names: Vec<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
        let features_at = names.iter().position(|&name| name == "features").filter(|_| names.len() > 1);
        let shape_of = |number: usize| shapes.get(number).cloned().flatten().unwrap_or_default();
        let batch = input[0];

        let class_names = names_of_classes(proto);
        let (mut heads, mut heads_at) = (Vec::new(), Vec::new());
        for (number, &name) in names.iter().enumerate().filter(|&(number, _)| Some(number) != features_at) {
            let shape = shape_of(number);
            match shape.as_slice() {
                // Trailing ones are harmless: [N, classes, 1, 1] is what a convolution at the end gives.
                [n, count, ones @ ..] if *n == batch && *count > 1 && ones.iter().all(|&one| one == 1) => {
                    heads.push(Head::named(name, *count, &class_names)?);
                    heads_at.push(number);
                }
                // The first must be scores, and what has names for its classes; others may be anything.
                _ if heads.is_empty() || class_names.has(name) => {
                    return Err(LabelerProblem::Scores { name: name.to_owned(), shape, batch });
                }
                _ => {}
            }
        }
        if heads.is_empty() {
            return Err(LabelerProblem::Scores { name: String::new(), shape: Vec::new(), batch });
        }
        let feature_width = match features_at.map(shape_of) {
            None => None,
            Some(shape) => match shape.as_slice() {
                [n, width @ ..] if *n == batch && !width.is_empty() && !width.contains(&0) => {
                    Some(width.iter().product())
                }
                _ => return Err(LabelerProblem::Features { shape, batch }),
            },
        };
        Ok(Self { plan, input, heads, feature_width, heads_at, features_at })
    }

    /// Runs one batch; `input` holds as many values as [`Network::input`] says.
    pub fn run(&self, input: &[f32]) -> Result<Output, LabelerProblem> {
        guarded(|| {
            let outputs = self.plan.run(tvec!(Tensor::from_shape(&self.input, input)?.into()))?;
            let values = |number: usize, width: usize| -> TractResult<Vec<f32>> {
                let output = outputs.get(number).ok_or_else(|| TractError::msg("an output is missing"))?;
                let floats = output.cast_to::<f32>()?;
                let values: Vec<f32> = floats.to_plain_array_view::<f32>()?.iter().copied().collect();
                if values.len() != self.input[0] * width {
                    return Err(TractError::msg("an output has another size than announced"));
                }
                Ok(values)
            };
            let features = match (self.features_at, self.feature_width) {
                (Some(number), Some(width)) => values(number, width)?,
                _ => Vec::new(),
            };
            let heads = self.heads_at.iter().zip(&self.heads);
            let scores = heads.map(|(&number, head)| values(number, head.classes.len())).collect::<TractResult<_>>()?;
            Ok(Output { scores, features })
        })
        .map_err(LabelerProblem::Run)
    }
}

/// The shape of a tensor that no labeler needs to compute, if there is one.
fn too_large(model: &TypedModel) -> Option<Vec<usize>> {
    let shapes =
        model.nodes().iter().flat_map(|node| &node.outputs).filter_map(|output| output.fact.shape.as_concrete());
    let fits = |shape: &&[usize]| {
        let values = shape.iter().try_fold(1_usize, |values, &extent| values.checked_mul(extent));
        values.is_some_and(|values| values <= MAX_TENSOR)
    };
    shapes.into_iter().find(|shape| !fits(shape)).map(<[usize]>::to_vec)
}

/// The names that the file's metadata gives to classes.
fn names_of_classes(proto: &ModelProto) -> ClassNames {
    let entry = proto.metadata_props.iter().find(|entry| entry.key == METADATA_KEY);
    entry.map(|entry| ClassNames::from_json(&entry.value)).unwrap_or_default()
}

/// The batch, if it is fixed, and channels, height and width of a graph's only input.
fn declared_input(graph: &GraphProto) -> Result<(Option<usize>, [usize; 3]), LabelerProblem> {
    // Old files list the weights among the inputs.
    let is_weight = |input: &&ValueInfoProto| graph.initializer.iter().any(|weight| weight.name == input.name);
    let inputs: Vec<_> = graph.input.iter().filter(|input| !is_weight(input)).collect();
    let [input] = inputs.as_slice() else {
        return Err(LabelerProblem::Inputs(inputs.len()));
    };
    let Some(type_proto::Value::TensorType(tensor)) = input.r#type.as_ref().and_then(|kind| kind.value.as_ref()) else {
        return Err(LabelerProblem::NotFloat);
    };
    if tensor.elem_type != tensor_proto::DataType::Float as i32 {
        return Err(LabelerProblem::NotFloat);
    }
    let Some(shape) = &tensor.shape else {
        return Err(LabelerProblem::Input("of unknown shape".to_owned()));
    };
    let fixed: Vec<Option<usize>> = shape
        .dim
        .iter()
        .map(|dim| match dim.value {
            // Some exporters write -1 or 0 for an open dimension.
            Some(DimValue::DimValue(extent)) => usize::try_from(extent).ok().filter(|&extent| extent > 0),
            _ => None,
        })
        .collect();
    let &[batch, channels, height, width] = fixed.as_slice() else {
        return Err(LabelerProblem::Rank(fixed.len()));
    };
    let Some(channels @ (1 | 3)) = channels else {
        return Err(LabelerProblem::Input(describe(shape)));
    };
    let (Some(height), Some(width)) = (height, width) else {
        return Err(LabelerProblem::NoSize(describe(shape)));
    };
    let values = [channels, height, width].iter().try_fold(batch.unwrap_or(BATCH), |total, &n| total.checked_mul(n));
    if values.is_none_or(|values| values > MAX_INPUT) {
        return Err(LabelerProblem::InputTooLarge(describe(shape)));
    }
    Ok((batch, [channels, height, width]))
}

/// A declared shape as a person writes it: `[N, 3, 64, 64]`.
fn describe(shape: &TensorShapeProto) -> String {
    let dims: Vec<String> = shape
        .dim
        .iter()
        .map(|dim| match &dim.value {
            Some(DimValue::DimValue(extent)) => extent.to_string(),
            Some(DimValue::DimParam(name)) => name.chars().take(20).collect(),
            None => "?".to_owned(),
        })
        .collect();
    format!("[{}]", dims.join(", "))
}
