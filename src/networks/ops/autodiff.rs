//! The backward passes, the same for every backend.
//!
//! A step keeps only what a gradient somebody asked for will need: with constant weights the
//! input is not kept and no weight gradient is computed, and the other way round.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Shape, TensorMetadata};

use super::activation::Activation;
use super::extension::{FEW_ROWS, GanOps};
use super::filtered::FilteredActivation;
use super::fir::Fir;

/// Which convolution: the numbers every one of the three needs.
#[derive(Clone, Copy, Debug)]
struct ConvGeometry {
    kernel: [usize; 2],
    size: [usize; 2],
    stride: usize,
    padding: usize,
}

/// Height and width of an image tensor, or of a kernel.
fn plane_size(x: &impl TensorMetadata) -> [usize; 2] {
    let [_, _, h, w] = x.shape().dims::<4>();
    [h, w]
}

#[derive(Debug)]
struct ConvForward;

impl<B: GanOps> Backward<B, 2> for ConvForward {
    /// The input if the weight is tracked, the weight if the input is.
    type State = (Option<FloatTensor<B>>, Option<FloatTensor<B>>, ConvGeometry);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node_x, node_weight] = ops.parents;
        let (x, weight, at) = ops.state;
        let grad = grads.consume::<B>(&ops.node);

        if let (Some(node), Some(weight)) = (node_x, weight) {
            let grad = B::conv_input_grad(weight, grad.clone(), at.size, at.stride, at.padding);
            grads.register::<B>(node.id, grad);
        }
        if let (Some(node), Some(x)) = (node_weight, x) {
            let grad = B::conv_weight_grad(x, grad, at.kernel, at.stride, at.padding);
            grads.register::<B>(node.id, grad);
        }
    }
}

#[derive(Debug)]
struct ConvInputGrad;

impl<B: GanOps> Backward<B, 2> for ConvInputGrad {
    /// The weight if the gradient is tracked, the gradient if the weight is.
    type State = (Option<FloatTensor<B>>, Option<FloatTensor<B>>, ConvGeometry);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node_weight, node_inner] = ops.parents;
        let (weight, inner, at) = ops.state;
        let grad = grads.consume::<B>(&ops.node);

        if let (Some(node), Some(inner)) = (node_weight, inner) {
            let grad = B::conv_weight_grad(grad.clone(), inner, at.kernel, at.stride, at.padding);
            grads.register::<B>(node.id, grad);
        }
        if let (Some(node), Some(weight)) = (node_inner, weight) {
            let grad = B::conv_forward(grad, weight, at.stride, at.padding);
            grads.register::<B>(node.id, grad);
        }
    }
}

#[derive(Debug)]
struct Resample;

impl<B: GanOps> Backward<B, 1> for Resample {
    type State = Fir;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let adjoint = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::fir(grad, adjoint));
    }
}

#[derive(Debug)]
struct BiasAct;

impl<B: GanOps> Backward<B, 2> for BiasAct {
    type State = (FloatTensor<B>, Activation);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (y, act) = ops.state;
        let grad = grads.consume::<B>(&ops.node);

        match ops.parents {
            [node_x, Some(node_bias)] => {
                let (dx, dbias) = B::bias_act_grad(y, grad, act);
                if let Some(node) = node_x {
                    grads.register::<B>(node.id, dx);
                }
                grads.register::<B>(node_bias.id, dbias);
            }
            [Some(node), None] => grads.register::<B>(node.id, B::slope_mul(y, grad, act)),
            [None, None] => {}
        }
    }
}

#[derive(Debug)]
struct SlopeMul;

impl<B: GanOps> Backward<B, 1> for SlopeMul {
    type State = (FloatTensor<B>, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (y, act) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::slope_mul(y, grad, act));
    }
}

#[derive(Debug)]
struct Gelu;

impl<B: GanOps> Backward<B, 1> for Gelu {
    /// The input.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let x = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| B::exact_gelu_grad(x, grad));
    }
}

#[derive(Debug)]
struct Linear;

impl<B: GanOps> Backward<B, 3> for Linear {
    /// The input if gradients of the weight are asked for, the weight if those of the input are.
    type State = (Option<FloatTensor<B>>, Option<FloatTensor<B>>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let (x, weight) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let [x_node, weight_node, bias_node] = ops.parents;
        if let (Some(node), Some(weight)) = (x_node, weight) {
            grads.register::<B>(node.id, B::float_matmul(grad.clone(), weight));
        }
        let x = match (weight_node, bias_node.as_ref(), x) {
            (Some(weight_node), Some(bias_node), Some(x)) if grad.shape()[0] <= FEW_ROWS => {
                let (dweight, dbias) = B::affine_grad(x, grad);
                grads.register::<B>(weight_node.id, dweight);
                return grads.register::<B>(bias_node.id, dbias);
            }
            (weight_node, _, x) => weight_node.zip(x),
        };
        if let Some((node, x)) = x {
            grads.register::<B>(node.id, B::float_matmul(B::float_swap_dims(grad.clone(), 0, 1), x));
        }
        if let Some(node) = bias_node {
            let [_, outputs] = grad.shape().dims::<2>();
            grads.register::<B>(node.id, B::float_reshape(B::float_sum_dim(grad, 0), Shape::from([outputs])));
        }
    }
}

#[derive(Debug)]
struct Attention;

impl<B: GanOps> Backward<B, 3> for Attention {
    /// Queries, keys, values; the batch and the heads.
    type State = ([FloatTensor<B>; 3], [usize; 2]);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([query, key, value], [batch, heads]) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let (dquery, dkey, dvalue) = B::dot_attention_grad(query, key, value, grad, batch, heads);
        for (node, grad) in ops.parents.into_iter().zip([dquery, dkey, dvalue]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct LayerNorm;

impl<B: GanOps> Backward<B, 3> for LayerNorm {
    /// The input, the weight, epsilon.
    type State = ([FloatTensor<B>; 2], f32);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([x, weight], epsilon) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let (dx, dweight, dbias) = B::layer_normal_grad(x, weight, grad, epsilon);
        for (node, grad) in ops.parents.into_iter().zip([dx, dweight, dbias]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct Scale;

impl<B: GanOps> Backward<B, 2> for Scale {
    /// The input if the factors are tracked; the factors are small and always kept.
    type State = (Option<FloatTensor<B>>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [node_x, node_s] = ops.parents;
        let (x, s) = ops.state;
        let grad = grads.consume::<B>(&ops.node);

        match (node_s, x) {
            (Some(node_s), Some(x)) => {
                let (dx, ds) = B::scale_grad(x, s, grad);
                if let Some(node) = node_x {
                    grads.register::<B>(node.id, dx);
                }
                grads.register::<B>(node_s.id, ds);
            }
            _ => {
                if let Some(node) = node_x {
                    grads.register::<B>(node.id, B::scale(grad, s));
                }
            }
        }
    }
}

#[derive(Debug)]
struct NoiseAct;

impl<B: GanOps> Backward<B, 4> for NoiseAct {
    /// The output, the input, the factors and the noise.
    type State = [FloatTensor<B>; 4];

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [y, x, scale, noise] = ops.state;
        let grad = grads.consume::<B>(&ops.node);

        if let [Some(node), None, None, None] = &ops.parents {
            let grad = B::scale(B::slope_mul(y, grad, Activation::LEAKY), scale);
            grads.register::<B>(node.id, grad);
            return;
        }
        let (dx, dscale, dstrength, dbias) = B::noise_act_grad(y, x, scale, noise, grad);
        for (node, grad) in ops.parents.into_iter().zip([dx, dscale, dstrength, dbias]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct FilteredAct;

impl<B: GanOps> Backward<B, 3> for FilteredAct {
    /// The input, the factors, the biases.
    type State = ([FloatTensor<B>; 3], FilteredActivation);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let ([x, scale, bias], filtered) = ops.state;
        let grad = grads.consume::<B>(&ops.node);
        let (dx, dscale, dbias) = B::filtered_act_grad(x, scale, bias, grad, filtered);
        for (node, grad) in ops.parents.into_iter().zip([dx, dscale, dbias]) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

impl<B: GanOps, C: CheckpointStrategy> GanOps for Autodiff<B, C> {
    fn conv_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        let at =
            ConvGeometry { kernel: plane_size(weight.primitive()), size: plane_size(x.primitive()), stride, padding };
        let keep_x = weight.is_tracked().then(|| x.primitive().clone());
        let keep_weight = x.is_tracked().then(|| weight.primitive().clone());
        let prep = ConvForward.prepare::<C>([x.node(), weight.node()]);
        let output = B::conv_forward(x.into_primitive(), weight.into_primitive(), stride, padding);
        match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((keep_x, keep_weight, at), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn conv_input_grad(
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        size: [usize; 2],
        stride: usize,
        padding: usize,
    ) -> FloatTensor<Self> {
        let at = ConvGeometry { kernel: plane_size(weight.primitive()), size, stride, padding };
        let keep_weight = grad.is_tracked().then(|| weight.primitive().clone());
        let keep_grad = weight.is_tracked().then(|| grad.primitive().clone());
        let prep = ConvInputGrad.prepare::<C>([weight.node(), grad.node()]);
        let output = B::conv_input_grad(weight.into_primitive(), grad.into_primitive(), size, stride, padding);
        match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((keep_weight, keep_grad, at), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn fir(x: FloatTensor<Self>, fir: Fir) -> FloatTensor<Self> {
        let adjoint = fir.adjoint(plane_size(x.primitive()));
        let prep = Resample.prepare::<C>([x.node()]);
        let output = B::fir(x.into_primitive(), fir);
        match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(adjoint, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn bias_act(x: FloatTensor<Self>, bias: FloatTensor<Self>, act: Activation) -> FloatTensor<Self> {
        let prep = BiasAct.prepare::<C>([x.node(), bias.node()]);
        let output = B::bias_act(x.into_primitive(), bias.into_primitive(), act);
        match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((output.clone(), act), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn slope_mul(y: FloatTensor<Self>, t: FloatTensor<Self>, act: Activation) -> FloatTensor<Self> {
        let y = y.into_primitive();
        let prep = SlopeMul.prepare::<C>([t.node()]);
        let output = B::slope_mul(y.clone(), t.into_primitive(), act);
        match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((y, act), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn affine(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>) -> FloatTensor<Self> {
        let keep_x = weight.is_tracked().then(|| x.primitive().clone());
        let keep_weight = x.is_tracked().then(|| weight.primitive().clone());
        let prep = Linear.prepare::<C>([x.node(), weight.node(), bias.node()]);
        let output = B::affine(x.into_primitive(), weight.into_primitive(), bias.into_primitive());
        match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((keep_x, keep_weight), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn exact_gelu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let x_kept = x.primitive().clone();
        let prep = Gelu.prepare::<C>([x.node()]);
        let output = B::exact_gelu(x.into_primitive());
        match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(x_kept, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn dot_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        batch: usize,
        heads: usize,
    ) -> FloatTensor<Self> {
        let prep = Attention.prepare::<C>([query.node(), key.node(), value.node()]).compute_bound().stateful();
        let [query, key, value] = [query, key, value].map(|x| x.into_primitive());
        match prep {
            OpsKind::Tracked(prep) => {
                let kept = [query.clone(), key.clone(), value.clone()];
                prep.finish((kept, [batch, heads]), B::dot_attention(query, key, value, batch, heads))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::dot_attention(query, key, value, batch, heads)),
        }
    }

    fn layer_normal(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let prep = LayerNorm.prepare::<C>([x.node(), weight.node(), bias.node()]).compute_bound().stateful();
        let [x, weight, bias] = [x, weight, bias].map(|x| x.into_primitive());
        match prep {
            OpsKind::Tracked(prep) => {
                let kept = [x.clone(), weight.clone()];
                prep.finish((kept, epsilon), B::layer_normal(x, weight, bias, epsilon))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::layer_normal(x, weight, bias, epsilon)),
        }
    }

    fn scale(x: FloatTensor<Self>, s: FloatTensor<Self>) -> FloatTensor<Self> {
        let keep_x = s.is_tracked().then(|| x.primitive().clone());
        let keep_s = s.primitive().clone();
        let prep = Scale.prepare::<C>([x.node(), s.node()]);
        let output = B::scale(x.into_primitive(), s.into_primitive());
        match prep.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((keep_x, keep_s), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }

    fn noise_act(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        noise: FloatTensor<Self>,
        strength: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), scale.node(), strength.node(), bias.node()];
        let prep = NoiseAct.prepare::<C>(nodes).compute_bound().stateful();
        let (x, scale, noise) = (x.into_primitive(), scale.into_primitive(), noise.into_primitive());
        let (strength, bias) = (strength.into_primitive(), bias.into_primitive());
        match prep {
            OpsKind::Tracked(prep) => {
                let (keep_x, keep_scale, keep_noise) = (x.clone(), scale.clone(), noise.clone());
                let y = B::noise_act(x, scale, noise, strength, bias);
                prep.finish([y.clone(), keep_x, keep_scale, keep_noise], y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::noise_act(x, scale, noise, strength, bias)),
        }
    }
    fn filtered_act(
        x: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        filtered: FilteredActivation,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), scale.node(), bias.node()];
        let prep = FilteredAct.prepare::<C>(nodes).compute_bound().stateful();
        let (x, scale, bias) = (x.into_primitive(), scale.into_primitive(), bias.into_primitive());
        match prep {
            OpsKind::Tracked(prep) => {
                let kept = [x.clone(), scale.clone(), bias.clone()];
                let y = B::filtered_act(x, scale, bias, filtered.clone());
                prep.finish((kept, filtered), y)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::filtered_act(x, scale, bias, filtered)),
        }
    }
}
