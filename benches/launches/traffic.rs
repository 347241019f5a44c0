//! What the blocks of operations that Burn runs read and write, from the shapes that its fusion tells an observer.
//!
//! A block is one operation, or a chain that became one kernel. It reads each tensor from outside once and writes each result that outlives it
//! once; a view (no launch) is free, a slice or a choice of rows reads what it gives. Not seen: what lies in between where one operation takes
//! several launches (copies into another order, columns and pieces of convolutions, partial sums).
//!
//! Networks are counted with few channels and samples; every dimension is recognised by its size and stands for the published one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use burn::backend::fusion::observer::{BlockOperations, FusionObserver};
use burn::backend::ir::{
    BaseOperationIr, FloatOperationIr, ModuleOperationIr, OperationIr, TensorId, TensorIr, TensorStatus,
};
use burn_cubecl::cubecl::logging::LaunchObserver;

/// What a dimension of the counted network stands for.
#[derive(Clone, Debug, Default)]
pub struct Scale {
    /// Channels, what is as long as a row of them, and lengths of flat vectors.
    pub dimensions: HashMap<usize, usize>,
    /// Samples: counted, and meant.
    pub batch: [usize; 2],
}

impl Scale {
    fn dimension(&self, size: usize) -> usize {
        let [counted, meant] = self.batch;
        let known = |size: usize| self.dimensions.get(&size).copied();
        let planes = || known(size.checked_div(counted)?).filter(|_| size.is_multiple_of(counted)).map(|n| n * meant);
        match size == counted {
            true => meant,
            false => known(size).or_else(planes).unwrap_or(size),
        }
    }

    /// The values of a tensor of the published network.
    fn values(&self, tensor: &TensorIr) -> f64 {
        let dims: Vec<usize> = tensor.shape.iter().copied().collect();
        let meant = |(place, size): (usize, usize)| match (dims.len(), place) {
            (4, 2 | 3) => size,
            _ => self.dimension(size),
        };
        dims.iter().copied().enumerate().map(|each| meant(each) as f64).product()
    }

    fn bytes(&self, tensor: &TensorIr) -> f64 {
        self.values(tensor) * tensor.dtype.size() as f64
    }
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Launches by kernel.
    pub kernels: BTreeMap<String, f64>,
    /// Launches by the operation they belong to and by kernel.
    pub by_operation: BTreeMap<(String, String), f64>,
    /// Bytes by operation.
    pub traffic: BTreeMap<String, f64>,
    /// Multiplications and additions of convolutions and products of matrices.
    pub flops: f64,
    /// The most bytes that tensors took at a time, above what there was before.
    pub peak: f64,
}

impl Counted {
    /// All bytes that were read and written.
    pub fn bytes(&self) -> f64 {
        self.traffic.values().sum()
    }

    /// Adds `times` as much as was counted elsewhere, but for memory.
    pub fn add(&mut self, other: &Self, times: f64) {
        for (name, count) in &other.by_operation {
            *self.by_operation.entry(name.clone()).or_default() += count * times;
        }
        for (name, bytes) in &other.traffic {
            *self.traffic.entry(name.clone()).or_default() += bytes * times;
        }
        self.flops += other.flops * times;
    }
}

#[derive(Default)]
struct State {
    scale: Scale,
    counted: Counted,
    block: Option<Block>,
    live: HashMap<TensorId, f64>,
    held: f64,
}

struct Block {
    name: String,
    bytes: f64,
    flops: f64,
    launches: usize,
}

/// Watches launches and blocks.
#[derive(Default)]
pub struct Traffic(Mutex<State>);

impl Traffic {
    pub fn new(scale: Scale) -> Self {
        Self(Mutex::new(State { scale, ..State::default() }))
    }

    pub fn counted(&self) -> Counted {
        self.0.lock().expect("no panic while counting").counted.clone()
    }
}

impl LaunchObserver for Traffic {
    fn launched(&self, kernel: &'static str) {
        let mut state = self.0.lock().expect("no panic while counting");
        let name = match &mut state.block {
            Some(block) => {
                block.launches += 1;
                block.name.clone()
            }
            None => "outside".to_owned(),
        };
        let short = kernel.split('<').next().unwrap_or(kernel).to_owned();
        *state.counted.by_operation.entry((name, short)).or_default() += 1.0;
        *state.counted.kernels.entry(kernel.to_owned()).or_default() += 1.0;
    }
}

impl FusionObserver for Traffic {
    fn registered(&self, _: &OperationIr) {}

    fn block_starts(&self, block: BlockOperations<'_>) {
        let mut state = self.0.lock().expect("no panic while counting");
        let operations: Vec<&OperationIr> = block.iter().collect();
        let name = name(&operations);
        let (read, written) = external(&operations);
        let bytes = bytes(&state.scale, &operations, &read, &written);
        let flops = operations.iter().map(|operation| flops(&state.scale, operation)).sum();
        state.hold(&operations, &written);
        state.block = Some(Block { name, bytes, flops, launches: 0 });
    }

    fn block_ran(&self) {
        let mut state = self.0.lock().expect("no panic while counting");
        let Some(block) = state.block.take() else { return };
        if block.launches > 0 {
            *state.counted.traffic.entry(block.name).or_default() += block.bytes;
            state.counted.flops += block.flops;
        }
    }
}

impl State {
    /// Results come to be, and what was used for the last time goes.
    fn hold(&mut self, operations: &[&OperationIr], written: &[TensorIr]) {
        let view = matches!(operations, [operation] if is_view(operation));
        for tensor in written {
            let bytes = if view { 0.0 } else { self.scale.bytes(tensor) };
            self.held += bytes;
            self.live.insert(tensor.id, bytes);
        }
        self.counted.peak = self.counted.peak.max(self.held);
        let last = operations.iter().flat_map(|operation| operation.inputs());
        let last: Vec<TensorId> =
            last.filter(|tensor| tensor.status == TensorStatus::ReadWrite).map(|tensor| tensor.id).collect();
        // A view keeps the memory of what it looks at.
        match (view, last.first(), written.first()) {
            (true, Some(from), Some(to)) => {
                if let Some(bytes) = self.live.remove(from) {
                    self.live.insert(to.id, bytes);
                }
            }
            _ => last.iter().for_each(|id| self.free(*id)),
        }
    }

    fn free(&mut self, id: TensorId) {
        if let Some(bytes) = self.live.remove(&id) {
            self.held -= bytes;
        }
    }
}

/// Tensors that operations take from outside, and results that outlive them.
fn external(operations: &[&OperationIr]) -> (Vec<TensorIr>, Vec<TensorIr>) {
    let mut made: BTreeMap<u64, TensorIr> = BTreeMap::new();
    let mut read: BTreeMap<u64, TensorIr> = BTreeMap::new();
    for operation in operations {
        if let OperationIr::Drop(tensor) = operation {
            made.remove(&tensor.id.value());
            continue;
        }
        for input in operation.inputs() {
            let id = input.id.value();
            match (made.contains_key(&id), input.status == TensorStatus::ReadWrite) {
                (true, true) => drop(made.remove(&id)),
                (true, false) => {}
                (false, _) => drop(read.insert(id, input.clone())),
            }
        }
        for output in operation.outputs() {
            made.insert(output.id.value(), output.clone());
        }
    }
    (read.into_values().collect(), made.into_values().collect())
}

/// What a block reads and writes.
fn bytes(scale: &Scale, operations: &[&OperationIr], read: &[TensorIr], written: &[TensorIr]) -> f64 {
    let all = |tensors: &[TensorIr]| tensors.iter().map(|tensor| scale.bytes(tensor)).sum::<f64>();
    match operations {
        // The flat vector is written into, part by part.
        [OperationIr::Custom(custom)] if custom.id == "put_together" => {
            let inputs: BTreeSet<u64> = custom.inputs[1..].iter().map(|tensor| tensor.id.value()).collect();
            2.0 * read.iter().filter(|tensor| inputs.contains(&tensor.id.value())).map(|t| scale.bytes(t)).sum::<f64>()
        }
        [
            OperationIr::BaseFloat(BaseOperationIr::Slice(_) | BaseOperationIr::Select(_) | BaseOperationIr::Gather(_)),
        ] => 2.0 * all(written),
        [OperationIr::BaseFloat(BaseOperationIr::SliceAssign(slice))] => 2.0 * scale.bytes(&slice.value),
        _ => all(read) + all(written),
    }
}

/// Multiplications and additions.
fn flops(scale: &Scale, operation: &OperationIr) -> f64 {
    // Each value of `map` meets each weight of one of its channels, which `channels` of the weights have.
    let convolution = |map: &TensorIr, weight: &TensorIr| {
        2.0 * scale.values(map) * scale.values(weight) / scale.dimension(weight.shape[0]) as f64
    };
    match operation {
        OperationIr::Module(ModuleOperationIr::Conv2d(at)) => convolution(&at.out, &at.weight),
        OperationIr::Module(ModuleOperationIr::ConvTranspose2d(at)) => convolution(&at.x, &at.weight),
        OperationIr::Module(ModuleOperationIr::Conv2dWeightBackward(at)) => convolution(&at.output_grad, &at.weight),
        OperationIr::Module(ModuleOperationIr::Conv2dXBackward(at)) => convolution(&at.output_grad, &at.weight),
        OperationIr::Custom(at) if at.id == "conv_forward" => convolution(&at.outputs[0], &at.inputs[1]),
        OperationIr::Custom(at) if at.id == "affine_grad" => {
            2.0 * scale.values(&at.outputs[0]) * scale.dimension(at.inputs[0].shape[0]) as f64
        }
        OperationIr::Custom(at) if at.id == "conv_input_grad" => convolution(&at.inputs[1], &at.inputs[0]),
        OperationIr::Custom(at) if at.id == "conv_weight_grad" => convolution(&at.inputs[1], &at.outputs[0]),
        OperationIr::Float(_, FloatOperationIr::Matmul(at)) => {
            2.0 * scale.values(&at.out) * scale.dimension(at.lhs.shape[at.lhs.shape.num_dims() - 1]) as f64
        }
        _ => 0.0,
    }
}

fn is_view(operation: &OperationIr) -> bool {
    match operation {
        OperationIr::BaseFloat(base) => matches!(
            base,
            BaseOperationIr::Reshape(_)
                | BaseOperationIr::SwapDims(_)
                | BaseOperationIr::Permute(_)
                | BaseOperationIr::Expand(_)
                | BaseOperationIr::Unfold(_)
        ),
        OperationIr::Custom(custom) => custom.id == "part",
        _ => false,
    }
}

/// One operation's name, or that of a chain.
fn name(operations: &[&OperationIr]) -> String {
    match operations {
        [OperationIr::Custom(custom)] => custom.id.clone(),
        [operation] => {
            let text = format!("{operation:?}");
            let mut words =
                text.split(|c: char| !c.is_alphanumeric()).filter(|word| word.starts_with(char::is_uppercase));
            let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let name = if name == "F32" { words.next().unwrap_or_default() } else { name };
            format!("{kind} {name}")
        }
        many => {
            let any = |word: &str| many.iter().any(|operation| format!("{operation:?}").contains(word));
            let (sums, products) = (any("Sum"), any("Matmul"));
            match (products, sums) {
                (true, _) => "chain with a product of matrices".to_owned(),
                (_, true) => "chain with a sum".to_owned(),
                _ => format!("chain of {}", many.len()),
            }
        }
    }
}
