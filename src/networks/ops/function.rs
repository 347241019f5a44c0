//! Functions of several tensors with a backward pass of their own: nodes of the autodiff graph that know nothing of how their outputs
//! came about.
//!
//! A node of Burn's graph has one output and a fixed number of inputs. A function is a chain of gates, one an input, which end in
//! a join, and an outlet for each output behind it. Outlets collect the gradients of the outputs; the first gate that is
//! reached asks for all gradients of the inputs, and each gate hands on its own.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, BackendTensor, Cube, DType, DispatchKindConversion, DispatchTensor, DispatchTensorKind, Flex,
    Shape, TensorMetadata,
};
use burn::tensor::Tensor;

type Graph<B> = Autodiff<B, NoCheckpointing>;
/// A tensor of any number of dimensions.
pub type AnyTensor = DispatchTensor;
/// A gradient outside any graph, where there is one.
pub type Gradient = Option<AnyTensor>;

/// Gives `outputs`, tensors outside any graph, as results of `inputs`, tensors in one. `backward` takes the gradients of the outputs
/// and gives those of the inputs, each in their order; what has none is `None`, and an input without one gets zeros.
///
/// It is called once, within the backward pass, in which it may run others of graphs of its own.
pub fn with_backward(
    inputs: Vec<AnyTensor>,
    outputs: Vec<AnyTensor>,
    backward: impl FnOnce(Vec<Gradient>) -> Vec<Gradient> + Send + 'static,
) -> Vec<AnyTensor> {
    let call = Call::new(State::Waiting { outputs: vec![None; outputs.len()], backward: Box::new(backward) });
    match backend_of(&inputs) {
        Some(Kind::Flex) => through::<Flex>(inputs, outputs, call),
        Some(Kind::Cube) => through::<Cube>(inputs, outputs, call),
        None => outputs,
    }
}

/// A number, `[1]`, whose gradients of tensors in a graph are the given ones; `None` if none of them is tracked.
pub fn pull(pairs: Vec<(AnyTensor, AnyTensor)>) -> Option<Tensor<1>> {
    let (tensors, gradients): (Vec<_>, Vec<_>) = pairs.into_iter().filter(|(tensor, _)| is_tracked(tensor)).unzip();
    let call = Call::new(State::Done(gradients.into_iter().map(Some).collect()));
    match backend_of(&tensors)? {
        Kind::Flex => Some(Tensor::from_dispatch(to_any::<Graph<Flex>>(join::<Flex>(tensors, &call)?))),
        Kind::Cube => Some(Tensor::from_dispatch(to_any::<Graph<Cube>>(join::<Cube>(tensors, &call)?))),
    }
}

/// Whether gradients flow to a tensor.
pub fn is_tracked(tensor: &AnyTensor) -> bool {
    Tensor::<1>::from_dispatch(tensor.clone()).is_tracked()
}

/// Which backend the graphs stand on.
enum Kind {
    Flex,
    Cube,
}

fn backend_of(tensors: &[AnyTensor]) -> Option<Kind> {
    let DispatchTensorKind::Autodiff(inner) = &tensors.first()?.kind else { return None };
    match **inner {
        DispatchTensorKind::Flex(_) => Some(Kind::Flex),
        DispatchTensorKind::Cube(_) => Some(Kind::Cube),
        DispatchTensorKind::Autodiff(_) => None,
    }
}

type BackwardPass = Box<dyn FnOnce(Vec<Gradient>) -> Vec<Gradient> + Send>;

/// Where a call stands.
enum State {
    /// Gradients of outputs come in.
    Waiting { outputs: Vec<Gradient>, backward: BackwardPass },
    /// The gradients of the inputs are there.
    Done(Vec<Gradient>),
}

/// One call of a function, which its nodes share.
struct Call(Mutex<State>);

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Call")
    }
}

impl Call {
    fn new(state: State) -> Arc<Self> {
        Arc::new(Self(Mutex::new(state)))
    }

    /// Takes in the gradient of an output; gives whether it is the first.
    fn put(&self, output: usize, gradient: AnyTensor) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Waiting { outputs, .. } = &mut *state else { return false };
        let is_first = outputs.iter().all(Option::is_none);
        outputs[output] = Some(gradient);
        is_first
    }

    /// Gives the gradient of an input away.
    fn take(&self, input: usize) -> Gradient {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Waiting { .. } = &*state
            && let State::Waiting { outputs, backward } = std::mem::replace(&mut *state, State::Done(Vec::new()))
        {
            *state = State::Done(backward(outputs));
        }
        let State::Done(gradients) = &mut *state else { return None };
        gradients.get_mut(input).and_then(Option::take)
    }
}

fn to_any<B: Backend>(tensor: FloatTensor<B>) -> AnyTensor
where
    AnyTensor: DispatchKindConversion<B>,
{
    DispatchTensor::from_backend(BackendTensor::<B>::Float(tensor))
}

fn from_any<B: Backend>(tensor: AnyTensor) -> Option<FloatTensor<B>>
where
    AnyTensor: DispatchKindConversion<B>,
{
    match DispatchTensor::try_into_backend(tensor) {
        Ok(BackendTensor::<B>::Float(tensor)) => Some(tensor),
        _ => None,
    }
}

/// Puts the nodes of a call between inputs and outputs.
fn through<B: Backend>(inputs: Vec<AnyTensor>, outputs: Vec<AnyTensor>, call: Arc<Call>) -> Vec<AnyTensor>
where
    AnyTensor: DispatchKindConversion<B> + DispatchKindConversion<Graph<B>>,
{
    let Some(join) = join::<B>(inputs, &call) else { return outputs };
    let outlet = |(place, output): (usize, AnyTensor)| {
        let Some(output) = from_any::<B>(output.clone()) else { return output };
        let token = join.primitive().clone();
        let prep = Backward::<B, 1>::prepare::<NoCheckpointing>(Outlet, [join.node()]);
        to_any::<Graph<B>>(match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((call.clone(), place, token), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        })
    };
    outputs.into_iter().enumerate().map(outlet).collect()
}

/// The end of a chain of gates, a number `[1]`; `None` of no inputs.
fn join<B: Backend>(inputs: Vec<AnyTensor>, call: &Arc<Call>) -> Option<FloatTensor<Graph<B>>>
where
    AnyTensor: DispatchKindConversion<B> + DispatchKindConversion<Graph<B>>,
{
    let inputs = inputs.into_iter().enumerate();
    let mut inputs = inputs.filter_map(|(place, input)| Some((place, from_any::<Graph<B>>(input)?))).peekable();
    let first = inputs.peek()?.1.primitive();
    // Nothing reads what it holds, so nothing is launched to fill it.
    let token = B::float_empty(Shape::from([1]), &first.device(), first.dtype().into());
    let start = FloatTensor::<Graph<B>>::new(token.clone());
    Some(inputs.fold(start, |previous, (place, input)| {
        let like = (input.shape(), input.dtype());
        let prep = Backward::<B, 2>::prepare::<NoCheckpointing>(Gate, [previous.node(), input.node()]);
        match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((call.clone(), place, like), token.clone()),
            OpsKind::UnTracked(prep) => prep.finish(token.clone()),
        }
    }))
}

/// Hands the gradient of an input on. Its own gradient is nothing but a token.
#[derive(Debug)]
struct Gate;

impl<B: Backend> Backward<B, 2> for Gate
where
    AnyTensor: DispatchKindConversion<B>,
{
    /// The call, the input's place, its shape and what it is stored in.
    type State = (Arc<Call>, usize, (Shape, DType));

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (call, place, (shape, dtype)) = ops.state;
        let token = grads.consume::<B>(&ops.node);
        let [previous, input] = ops.parents;
        if let Some(node) = input {
            let gradient = call.take(place).and_then(from_any::<B>);
            let gradient = gradient.unwrap_or_else(|| B::float_zeros(shape, &token.device(), dtype.into()));
            grads.register::<B>(node.id, gradient);
        }
        if let Some(node) = previous {
            grads.register::<B>(node.id, token);
        }
    }
}

/// Keeps the gradient of an output until the inputs' are asked for.
#[derive(Debug)]
struct Outlet;

impl<B: Backend> Backward<B, 1> for Outlet
where
    AnyTensor: DispatchKindConversion<B>,
{
    /// The call, the output's place, a token.
    type State = (Arc<Call>, usize, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (call, place, token) = ops.state;
        let gradient = grads.consume::<B>(&ops.node);
        let is_first = call.put(place, to_any::<B>(gradient));
        if let ([Some(node)], true) = (ops.parents, is_first) {
            grads.register::<B>(node.id, token);
        }
    }
}
