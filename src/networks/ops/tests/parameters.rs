//! Parameters laid out for their layers, and their gradients, against the composite definitions.

use std::sync::Arc;

use burn::backend::flex::{FlexDevice, FlexTensor};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Dispatch, Flex, FloatDType, Shape};
use burn::tensor::{Int, Tensor, TensorData};

use super::cube::{Gpu, assert_same};
use super::{Inputs, values};
use crate::networks::ops::{GanOps, MemoryOrder, Parts, Run, Twelve, Usage, composite};

/// More than a run holds, in every order, lengths that are aligned and that are not.
fn parts() -> Arc<Parts> {
    let usage = |shape: &[usize], order, scale| Usage { shape: shape.to_vec(), order, scale };
    let mut usages = vec![
        usage(&[4, 3, 3, 3], MemoryOrder::InnerLast, 0.5),
        usage(&[1], MemoryOrder::RowMajor, 1.0),
        usage(&[5, 7, 3, 2], MemoryOrder::OuterLast, -2.0),
        usage(&[64], MemoryOrder::RowMajor, 0.25),
        usage(&[6, 5], MemoryOrder::RowMajor, 3.0),
        usage(&[3, 8, 1, 1], MemoryOrder::InnerLast, 1.5),
        usage(&[1, 1, 3, 3], MemoryOrder::OuterLast, 1.0),
    ];
    usages.extend((1..8).map(|len| usage(&[len], MemoryOrder::RowMajor, len as f32)));
    let mut end = 0;
    let ranges = usages.into_iter().map(|usage| {
        let start = end;
        end += usage.shape.iter().product::<usize>();
        (start..end, usage)
    });
    Arc::new(Parts::new(ranges))
}

/// Every value once, times its scale, in the order that was asked for, by its own arithmetic.
#[test]
fn parameters_lie_where_their_layers_look() {
    let parts = parts();
    let total = parts.iter().last().expect("a part").range.end;
    let flat: Vec<f32> = (0..total).map(|i| i as f32).collect();
    let flat = Flex::float_from_data(TensorData::new(flat, [total]), &FlexDevice);
    let prepared = values(composite::parameters::prepare::<Flex>(flat, &parts));
    assert_eq!(prepared.len(), parts.values());
    let mut filled = 0;
    for part in parts.iter() {
        let [outer, inner, taps] = part.dims();
        assert!(part.start.is_multiple_of(Parts::ALIGNMENT), "{part:?}");
        for (o, i, t) in (0..outer).flat_map(|o| (0..inner).flat_map(move |i| (0..taps).map(move |t| (o, i, t)))) {
            let place = match part.usage.order {
                MemoryOrder::RowMajor => (o * inner + i) * taps + t,
                MemoryOrder::InnerLast => (o * taps + t) * inner + i,
                MemoryOrder::OuterLast => (i * taps + t) * outer + o,
            };
            let value = (part.range.start + (o * inner + i) * taps + t) as f32;
            assert_eq!(prepared[part.start + place], value * part.usage.scale, "{part:?} at {o}, {i}, {t}");
            filled += usize::from(value != 0.0);
        }
    }
    assert_eq!(prepared.iter().filter(|value| **value != 0.0).count(), filled, "zeros lie between parameters");
}

#[test]
fn gpu_parameters_agree_with_the_composite() {
    let Some(([gpu, _], _turn)) = Gpu::open() else {
        crate::skip::skip!("there is no adapter for kernels on this machine")
    };
    let parts = parts();
    let total = parts.iter().last().expect("a part").range.end;
    let mut inputs = Inputs::new(21);
    let flat = inputs.tensor(&[total]);
    let table = parts.table();
    let rows = table.len();
    let table = Tensor::<1, Int>::from_data(TensorData::new(table, [rows]), &gpu.device).into_dispatch();
    let scales = TensorData::new(parts.scales(), [parts.count()]);
    let scales = Tensor::<1>::from_data(scales, &gpu.device).into_dispatch();
    let prepare = || Dispatch::prepare(gpu.put::<1>(&flat), table.clone(), scales.clone(), parts.clone());
    let expected = composite::parameters::prepare::<Flex>(flat.clone(), &parts);
    assert_same::<1>("prepared", prepare(), expected.clone());
    gpu.assert_launches("prepare", 1, &|| vec![prepare()]);

    let prepared = prepare();
    for (number, part) in parts.iter().enumerate() {
        let found = Dispatch::part(prepared.clone(), parts.clone(), number);
        let expected = composite::parameters::part::<Flex>(expected.clone(), part);
        match part.usage.shape.len() {
            1 => assert_same::<1>(&format!("{part:?}"), found, expected),
            2 => assert_same::<2>(&format!("{part:?}"), found, expected),
            _ => assert_same::<4>(&format!("{part:?}"), found, expected),
        }
    }
    let views = || (0..parts.count()).map(|number| Dispatch::part(prepared.clone(), parts.clone(), number)).collect();
    gpu.assert_launches("part", 0, &views);

    // Gradients that lie as values do; of the last run one is missing, and two.
    let gradients: Vec<FlexTensor> = parts.iter().map(|part| inputs.tensor(&part.usage.shape)).collect();
    let put = |gradient: &FlexTensor| match gradient.layout().shape().num_dims() {
        1 => gpu.put::<1>(gradient),
        2 => Tensor::<2>::from_dispatch(gpu.put::<2>(gradient)).transpose().transpose().into_dispatch(),
        _ => gpu.other_order(gradient),
    };
    let chunks = gradients.chunks(Run::MOST);
    let runs: Vec<(Run, Vec<FlexTensor>)> = chunks
        .enumerate()
        .map(|(number, chunk)| {
            let present = (0..chunk.len()).map(|place| number == 0 || place % 2 == 1).collect();
            (Run { first: number * Run::MOST, present }, chunk.to_vec())
        })
        .collect();
    let zeros = Flex::float_zeros(Shape::from([total]), &FlexDevice, FloatDType::F32);
    let dozen = |chunk: &[FlexTensor]| std::array::from_fn(|place| chunk[place.min(chunk.len() - 1)].clone());
    let expected = runs.iter().fold(zeros.clone(), |into, (run, chunk)| {
        composite::parameters::put_together::<Flex>(into, dozen(chunk), run.parts(&parts), &run.present)
    });
    let on_gpu: Vec<_> = runs.iter().map(|(run, chunk)| (run, dozen(chunk).each_ref().map(put))).collect();
    let found = on_gpu.iter().fold(gpu.put::<1>(&flat), |into, (run, chunk)| {
        Dispatch::put_together(into, Twelve::from_array(chunk.clone()), parts.clone(), (*run).clone())
    });
    assert_same::<1>("gradients", found, expected);
    let into = || Tensor::<1>::empty([total], &gpu.device).into_dispatch();
    let (run, chunk) = &on_gpu[0];
    let put_together =
        || vec![Dispatch::put_together(into(), Twelve::from_array(chunk.clone()), parts.clone(), (*run).clone())];
    gpu.assert_launches("put_together", 1, &put_together);
}
