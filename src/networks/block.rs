//! A network's blocks as single nodes of the autodiff graph, so that a block's maps can be computed again when its gradients are
//! asked for (activation checkpointing; Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").
//!
//! What happens inside a block stands in a graph of its own. Either that graph is kept until the backward pass comes to it, or only
//! what enters the block is, and the graph is made again then. Both give the same bits: it is the same graph.

use burn::tensor::Tensor;

use super::{
    dual::Dual,
    flat::{BlockParameter, Leaves, PassLayout},
    ops::{self, AnyTensor, Gradient},
};

/// Bytes that a pass with gradients takes of one sample where blocks are computed again: an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointedBytes {
    /// What enters the blocks, and what is kept outside blocks, until the backward pass has come to it.
    pub kept: usize,
    /// What the largest block keeps while its backward pass goes on.
    pub block: usize,
}

/// What enters a block: maps `[batch, channels, height, width]` and latents `[batch, w_dim]`.
pub(super) struct Entering<const M: usize, const L: usize> {
    pub(super) maps: [Dual<4>; M],
    pub(super) latents: [Dual<2>; L],
}

impl<const M: usize, const L: usize> Entering<M, L> {
    /// The same of other tensors: values and their tangents, maps first.
    fn map(&self, mut f: impl FnMut(AnyTensor) -> AnyTensor) -> Self {
        Self {
            maps: self.maps.each_ref().map(|dual| map_dual(dual, &mut f)),
            latents: self.latents.each_ref().map(|dual| map_dual(dual, &mut f)),
        }
    }
}

fn map_dual<const D: usize>(dual: &Dual<D>, f: &mut impl FnMut(AnyTensor) -> AnyTensor) -> Dual<D> {
    let mut map = |tensor: &Tensor<D>| Tensor::from_dispatch(f(tensor.clone().into_dispatch()));
    Dual { value: map(&dual.value), tangent: dual.tangent.as_ref().map(map) }
}

/// Values and their tangents.
fn tensors_of(duals: &[Dual<4>]) -> Vec<AnyTensor> {
    let both = duals.iter().flat_map(|dual| std::iter::once(&dual.value).chain(&dual.tangent));
    both.map(|tensor| tensor.clone().into_dispatch()).collect()
}

fn outside_graphs(tensor: AnyTensor) -> AnyTensor {
    Tensor::<1>::from_dispatch(tensor).inner().into_dispatch()
}

/// The graph of a block's own.
struct Graph {
    /// Values and tangents.
    outputs: Vec<AnyTensor>,
    /// What gradients are asked for.
    leaves: Vec<AnyTensor>,
}

impl Graph {
    /// The gradients of the leaves from those of the outputs.
    fn backward(self, gradients: Vec<Gradient>) -> Vec<Gradient> {
        let Self { outputs, leaves } = self;
        let pairs = outputs.into_iter().zip(gradients).filter_map(|(output, gradient)| Some((output, gradient?)));
        let Some(pulled) = ops::pull(pairs.collect()) else { return vec![None; leaves.len()] };
        let mut found = pulled.backward();
        let leaves = leaves.into_iter().map(Tensor::<1>::from_dispatch);
        leaves.map(|leaf| leaf.grad_remove(&mut found).map(Tensor::into_dispatch)).collect()
    }
}

/// A block, and what it takes to compute it, outside any graph.
struct Block<const M: usize, const L: usize, F> {
    entering: Entering<M, L>,
    /// Which of the tensors that enter gradients are asked for.
    is_tracked: Vec<bool>,
    layout: PassLayout,
    f: F,
}

impl<const M: usize, const L: usize, const O: usize, F> Block<M, L, F>
where
    F: Fn(&Leaves, Entering<M, L>) -> [Dual<4>; O],
{
    /// The outputs in a graph of the block's own, that graph, and the parameters in it, which `parameters` enter as they are asked for.
    fn graph(&self, parameters: Leaves) -> ([Dual<4>; O], Graph, Vec<BlockParameter>) {
        let mut leaves = Vec::new();
        let mut is_tracked = self.is_tracked.iter();
        let entering = self.entering.map(|tensor| {
            if is_tracked.next() != Some(&true) {
                return tensor;
            }
            let leaf = Tensor::<1>::from_dispatch(tensor).autodiff().require_grad().into_dispatch();
            leaves.push(leaf.clone());
            leaf
        });
        let given = (self.f)(&parameters, entering);
        let taken = parameters.taken();
        leaves.extend(taken.iter().filter(|taken| taken.is_tracked).map(|taken| taken.leaf.clone().into_dispatch()));
        let outputs = tensors_of(&given);
        let given = given.map(|dual| map_dual(&dual, &mut outside_graphs));
        (given, Graph { outputs, leaves }, taken)
    }
}

/// Runs a block `f` on what enters it, as one node of the graph in which this stands, if any of it is in one. With `checkpointing` the
/// block's maps are computed again in the backward pass instead of being kept.
pub(super) fn run<const M: usize, const L: usize, const O: usize>(
    p: &Leaves,
    entering: Entering<M, L>,
    checkpointing: bool,
    f: impl Fn(&Leaves, Entering<M, L>) -> [Dual<4>; O] + Send + 'static,
) -> [Dual<4>; O] {
    let mut outside = Vec::new();
    let plain = entering.map(|tensor| {
        outside.push(tensor.clone());
        outside_graphs(tensor)
    });
    let is_tracked: Vec<bool> = outside.iter().map(ops::is_tracked).collect();
    if !p.is_tracked() && !is_tracked.contains(&true) {
        return f(p, entering);
    }
    drop(entering);
    let block = Block { entering: plain, is_tracked, layout: p.pass_layout(), f };
    let mut inputs: Vec<AnyTensor> = outside.into_iter().filter(ops::is_tracked).collect();
    let (given, taken, backward) = if checkpointing {
        let parameters = p.within(false);
        let given = (block.f)(&parameters, block.entering.map(|tensor| tensor));
        let taken = parameters.taken();
        let kept = taken.clone();
        let backward = move |gradients: Vec<Gradient>| {
            let (_, graph, _) = block.graph(Leaves::of_block(&block.layout, kept));
            drop(block);
            graph.backward(gradients)
        };
        (given, taken, Box::new(backward) as Box<dyn FnOnce(Vec<Gradient>) -> Vec<Gradient> + Send>)
    } else {
        let (given, graph, taken) = block.graph(p.within(true));
        (given, taken, Box::new(move |gradients: Vec<Gradient>| graph.backward(gradients)) as Box<_>)
    };
    inputs
        .extend(taken.iter().filter(|taken| taken.is_tracked).map(|taken| p.outside(taken.id).clone().into_dispatch()));
    let mut outputs = ops::with_backward(inputs, tensors_of(&given), backward).into_iter();
    given.map(|dual| map_dual(&dual, &mut |tensor| outputs.next().unwrap_or(tensor)))
}
