//! Functions with a backward pass of their own, against what autodiff does with the same.

use burn::tensor::{Device, Tensor};

use crate::networks::{
    flat::to_vec,
    ops::{AnyTensor, Gradient, pull, with_backward},
};

fn leaf(values: [f32; 3]) -> Tensor<1> {
    Tensor::<1>::from_floats(values, &Device::flex()).autodiff().require_grad()
}

fn plain(tensor: &Tensor<1>) -> AnyTensor {
    tensor.clone().inner().into_dispatch()
}

/// `(a b, a + b)`, whose gradients are given by hand.
fn product_and_sum(a: &Tensor<1>, b: &Tensor<1>) -> [Tensor<1>; 2] {
    let [plain_a, plain_b] = [a, b].map(|x| x.clone().inner());
    let outputs = [plain_a.clone() * plain_b.clone(), plain_a.clone() + plain_b.clone()].map(Tensor::into_dispatch);
    let backward = move |gradients: Vec<Gradient>| {
        let of = |output: usize| gradients[output].clone().map(Tensor::<1>::from_dispatch);
        let with = |other: Tensor<1>| match (of(0), of(1)) {
            (Some(product), Some(sum)) => Some(product * other + sum),
            (Some(product), None) => Some(product * other),
            (None, sum) => sum,
        };
        [with(plain_b), with(plain_a)].map(|gradient| gradient.map(Tensor::into_dispatch)).to_vec()
    };
    let inputs = [a, b].map(|x| x.clone().into_dispatch()).to_vec();
    let outputs = with_backward(inputs, outputs.to_vec(), backward);
    [0, 1].map(|output| Tensor::from_dispatch(outputs[output].clone()))
}

#[test]
fn gradients_flow_through_a_function_whichever_outputs_are_used() {
    let values = ([1.0, -2.0, 3.0], [0.5, 4.0, -1.0]);
    let uses: [fn([Tensor<1>; 2], Tensor<1>) -> Tensor<1>; 3] = [
        |[product, sum], a| (product * a).sum() + sum.square().sum(),
        |[product, _], _| product.sum(),
        |[_, sum], a| (sum * a).sum(),
    ];
    for (case, loss) in uses.into_iter().enumerate() {
        let gradients = |f: fn(&Tensor<1>, &Tensor<1>) -> [Tensor<1>; 2]| {
            let (a, b) = (leaf(values.0), leaf(values.1));
            // What comes before and after stands in the graph as ever.
            let inner = a.clone() * 2.0;
            let mut found = loss(f(&inner, &b), a.clone()).backward();
            [a, b].map(|leaf| leaf.grad_remove(&mut found).map(to_vec))
        };
        let own = gradients(product_and_sum);
        assert_eq!(own, gradients(|a, b| [a.clone() * b.clone(), a.clone() + b.clone()]), "case {case}");
        assert!(own.iter().flatten().flatten().any(|value| *value != 0.0));
    }
}

#[test]
fn an_input_that_the_function_gives_no_gradient_gets_zeros() {
    let (a, b) = (leaf([1.0, 2.0, 3.0]), leaf([4.0, 5.0, 6.0]));
    let inner = a.clone() * 3.0;
    let inputs = vec![inner.clone().into_dispatch(), b.clone().into_dispatch()];
    let outputs = with_backward(inputs, vec![plain(&b)], |gradients| vec![None, gradients[0].clone()]);
    let mut found = (Tensor::<1>::from_dispatch(outputs[0].clone()) * 7.0).sum().backward();
    assert_eq!(a.grad_remove(&mut found).map(to_vec), Some(vec![0.0; 3]));
    assert_eq!(b.grad_remove(&mut found).map(to_vec), Some(vec![7.0; 3]));
}

#[test]
fn gradients_can_be_given_to_begin_with() {
    let (a, b) = (leaf([1.0, 2.0, 3.0]), leaf([1.0, 1.0, 1.0]));
    let given = Tensor::<1>::from_floats([0.1, 0.2, 0.3], &Device::flex()).into_dispatch();
    let constant = Tensor::<1>::from_floats([0.0; 3], &Device::flex()).autodiff().into_dispatch();
    let square = (a.clone() * a.clone()).into_dispatch();
    let pairs =
        vec![(square, given.clone()), (constant.clone(), given.clone()), (b.clone().into_dispatch(), given.clone())];
    let mut found = pull(pairs).unwrap().backward();
    assert_eq!(a.grad_remove(&mut found).map(to_vec), Some(vec![0.2, 0.8, 0.3 * 3.0 + 0.3 * 3.0]));
    assert_eq!(b.grad_remove(&mut found).map(to_vec), Some(vec![0.1, 0.2, 0.3]));
    assert!(pull(vec![(constant, given)]).is_none(), "nothing to pull at");
}
