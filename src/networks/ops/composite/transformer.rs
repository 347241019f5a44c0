//! Linear layers, attention and layer normalisation.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Scalar, Shape, TensorMetadata};

pub fn linear<B: Backend>(x: FloatTensor<B>, weight: FloatTensor<B>, bias: FloatTensor<B>) -> FloatTensor<B> {
    let [outputs] = bias.shape().dims::<1>();
    let bias = B::float_reshape(bias, Shape::from([1, outputs]));
    B::float_add(B::float_matmul(x, B::float_swap_dims(weight, 0, 1)), bias)
}

/// The gradients of [`linear`] for the weight and the bias.
pub fn linear_grad<B: Backend>(x: FloatTensor<B>, grad: FloatTensor<B>) -> (FloatTensor<B>, FloatTensor<B>) {
    let [_, outputs] = grad.shape().dims::<2>();
    let dbias = B::float_reshape(B::float_sum_dim(grad.clone(), 0), Shape::from([outputs]));
    (B::float_matmul(B::float_swap_dims(grad, 0, 1), x), dbias)
}

/// `[batch * tokens, heads * head]` to `[batch, heads, tokens, head]`.
fn split<B: Backend>(x: FloatTensor<B>, batch: usize, heads: usize) -> FloatTensor<B> {
    let [rows, width] = x.shape().dims::<2>();
    let x = B::float_reshape(x, Shape::from([batch, rows / batch, heads, width / heads]));
    B::float_swap_dims(x, 1, 2)
}

/// The way back.
fn join<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let [batch, heads, tokens, head] = x.shape().dims::<4>();
    B::float_reshape(B::float_swap_dims(x, 1, 2), Shape::from([batch * tokens, heads * head]))
}

fn turned<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_swap_dims(x, 2, 3)
}

fn scaled<B: Backend>(query: FloatTensor<B>) -> (FloatTensor<B>, Scalar) {
    let [.., head] = query.shape().dims::<4>();
    let scale = Scalar::from(1.0 / (head as f32).sqrt());
    (B::float_mul_scalar(query, scale), scale)
}

pub fn attention<B: Backend>(
    query: FloatTensor<B>,
    key: FloatTensor<B>,
    value: FloatTensor<B>,
    batch: usize,
    heads: usize,
) -> FloatTensor<B> {
    let [query, key, value] = [query, key, value].map(|x| split::<B>(x, batch, heads));
    let (query, _) = scaled::<B>(query);
    let shares = B::softmax(B::float_matmul(query, turned::<B>(key)), 3);
    join::<B>(B::float_matmul(shares, value))
}

/// What lies between is computed again.
pub fn attention_grad<B: Backend>(
    [query, key, value]: [FloatTensor<B>; 3],
    grad: FloatTensor<B>,
    batch: usize,
    heads: usize,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let [query, key, value, grad] = [query, key, value, grad].map(|x| split::<B>(x, batch, heads));
    let (query, scale) = scaled::<B>(query);
    let shares = B::softmax(B::float_matmul(query.clone(), turned::<B>(key.clone())), 3);
    let dvalue = B::float_matmul(turned::<B>(shares.clone()), grad.clone());
    let slopes = B::float_mul(shares.clone(), B::float_matmul(grad, turned::<B>(value)));
    let slopes = B::float_sub(slopes.clone(), B::float_mul(shares, B::float_sum_dim(slopes, 3)));
    let dkey = B::float_matmul(turned::<B>(slopes.clone()), query);
    let dquery = B::float_mul_scalar(B::float_matmul(slopes, key), scale);
    (join::<B>(dquery), join::<B>(dkey), join::<B>(dvalue))
}

pub fn layer_norm<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
    epsilon: f32,
) -> FloatTensor<B> {
    B::layer_norm(x, weight, Some(bias), f64::from(epsilon))
}

/// Means and deviations are computed again.
pub fn layer_norm_grad<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    grad: FloatTensor<B>,
    epsilon: f32,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let [_, width] = x.shape().dims::<2>();
    let centred = B::float_sub(x.clone(), B::float_mean_dim(x, 1));
    let variance = B::float_mean_dim(B::float_mul(centred.clone(), centred.clone()), 1);
    let deviation = B::float_sqrt(B::float_add_scalar(variance, Scalar::from(epsilon)));
    let normal = B::float_div(centred, deviation.clone());
    let table = |x: FloatTensor<B>| B::float_reshape(B::float_sum_dim(x, 0), Shape::from([width]));
    let dweight = table(B::float_mul(grad.clone(), normal.clone()));
    let dbias = table(grad.clone());
    let scaled = B::float_mul(grad, B::float_reshape(weight, Shape::from([1, width])));
    let straight = B::float_mean_dim(scaled.clone(), 1);
    let turned = B::float_mean_dim(B::float_mul(scaled.clone(), normal.clone()), 1);
    let dx = B::float_sub(B::float_sub(scaled, straight), B::float_mul(normal, turned));
    (B::float_div(dx, deviation), dweight, dbias)
}
