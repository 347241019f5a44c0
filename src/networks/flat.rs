//! A network's parameters on a device, as one flat vector.
//!
//! Optimizer, EMA, EWC, repulsion and extrapolation are all arithmetic on whole parameter vectors, so a network keeps
//! one `[parameters]` tensor and layers take their slices of it. One iteration then costs a handful of large
//! operations instead of hundreds of small ones.

use std::{
    any::Any,
    ops::Range,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use burn::tensor::{Device, Gradients, Tensor, TensorData};

use super::{
    ops::{MemoryOrder, Usage},
    params::{HostTensor, Params},
    prepared::{Leaf, Prepared},
};

/// Where each parameter lies in the flat vector; in the order of PyTorch's `module.parameters()`.
#[derive(Debug)]
pub struct ParamLayout {
    entries: Vec<Entry>,
    total: usize,
    prepared: OnceLock<Arc<Prepared>>,
}

#[derive(Debug)]
struct Entry {
    name: String,
    shape: Vec<usize>,
    range: Range<usize>,
    /// How its layer uses it, if that is not as it is.
    usage: OnceLock<Usage>,
}

/// By names, shapes and places.
impl PartialEq for ParamLayout {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl ParamLayout {
    /// The layout of a `state_dict`: its entries in order, without the buffers.
    pub fn of(params: &Params, is_buffer: impl Fn(&str) -> bool) -> Self {
        let mut total = 0;
        let entries = params
            .iter()
            .filter(|(key, _)| !is_buffer(key))
            .map(|(key, tensor)| {
                let range = total..total + tensor.shape.iter().product::<usize>();
                total = range.end;
                Entry { name: key.clone(), shape: tensor.shape.clone(), range, usage: OnceLock::new() }
            })
            .collect();
        Self { entries, total, prepared: OnceLock::new() }
    }

    /// Number of values in all parameters.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Number of parameter tensors.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no parameter at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Name, shape and place of every parameter, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[usize], Range<usize>)> {
        self.entries.iter().map(|entry| (entry.name.as_str(), entry.shape.as_slice(), entry.range.clone()))
    }

    pub(super) fn id(&self, name: &str) -> Option<ParamId> {
        self.entries.iter().position(|entry| entry.name == name).map(ParamId)
    }

    /// A parameter that its layer multiplies by `scale`, in the shape (two or four dimensions, or one) and the order in memory in
    /// which it does.
    pub(super) fn weight(&self, name: &str, shape: &[usize], order: MemoryOrder, scale: f64) -> Option<WeightId> {
        let id = self.id(name)?;
        let usage = Usage { shape: shape.to_vec(), order, scale: scale as f32 };
        let known = self.entries[id.0].usage.get_or_init(|| usage.clone());
        debug_assert_eq!(*known, usage, "{name} is used in two ways");
        Some(WeightId { id, scale })
    }

    /// How every parameter is used.
    pub(super) fn usages(&self) -> impl Iterator<Item = (Range<usize>, Usage)> {
        self.entries.iter().map(|entry| {
            let as_it_is = || Usage { shape: vec![entry.range.len()], order: MemoryOrder::RowMajor, scale: 1.0 };
            (entry.range.clone(), entry.usage.get().cloned().unwrap_or_else(as_it_is))
        })
    }

    /// A flat vector holding, for each parameter, one value of `f(name, number of values)` throughout.
    pub fn fill(&self, f: impl Fn(&str, usize) -> f32) -> Vec<f32> {
        let mut out = vec![0.0; self.total];
        for (name, _, range) in self.iter() {
            let value = f(name, range.len());
            out[range].fill(value);
        }
        out
    }
}

/// A parameter's number in its layout, resolved when a network is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamId(pub(super) usize);

/// A parameter that its layer multiplies by a factor, which [`Leaves::weight`] has done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightId {
    id: ParamId,
    scale: f64,
}

impl WeightId {
    /// The parameter, for what is derived from it.
    pub(super) fn id(self) -> ParamId {
        self.id
    }
}

/// The values of a network's parameters, `[layout.total()]`, outside any autodiff graph.
#[derive(Clone, Debug)]
pub struct FlatParams {
    /// Which value belongs to which parameter.
    pub layout: Arc<ParamLayout>,
    /// The values, `[layout.total()]`.
    pub values: Tensor<1>,
}

impl FlatParams {
    /// The parameters (not the buffers) of a `state_dict`, copied to the device.
    ///
    /// # Panics
    /// If a parameter is missing or of another size: `params` was not checked against the layout.
    pub fn from_host(layout: &Arc<ParamLayout>, params: &Params, device: &Device) -> Self {
        Self::from_vec(layout.clone(), gather(layout, params), device)
    }

    /// Like [`from_host`](Self::from_host), but values move: what is now on the device is left out of `params`, whose
    /// shapes and buffers stay. So a large network is never held twice. What `is_kept` names stays as well.
    pub fn take_from_host(
        layout: &Arc<ParamLayout>,
        params: &mut Params,
        is_kept: impl Fn(&str) -> bool,
        device: &Device,
    ) -> Self {
        let mut values = Vec::with_capacity(layout.total());
        for (name, _, range) in layout.iter() {
            let Some(tensor) = params.get_mut(name) else { continue };
            assert_eq!(tensor.data.len(), range.len(), "{name}");
            values.extend_from_slice(&tensor.data);
            if !is_kept(name) {
                tensor.data = Vec::new();
            }
        }
        Self::from_vec(layout.clone(), values, device)
    }

    /// Parameters from their flat values.
    ///
    /// # Panics
    /// If the number of values is not the layout's.
    pub fn from_vec(layout: Arc<ParamLayout>, values: Vec<f32>, device: &Device) -> Self {
        assert_eq!(values.len(), layout.total());
        let shape = [values.len()];
        Self { layout, values: Tensor::from_data(TensorData::new(values, shape), device) }
    }

    /// A copy of `template` with every parameter replaced by the value here; buffers stay bit for bit.
    pub fn to_host(&self, template: &Params) -> Params {
        let values = to_vec(self.values.clone());
        let mut out = template.clone();
        for (name, shape, range) in self.layout.iter() {
            out.insert(name.to_owned(), HostTensor::new(shape.to_vec(), values[range].to_vec()));
        }
        out
    }

    /// The parameters as constants: no gradient will be computed for them.
    pub fn constants(&self) -> Leaves {
        self.split(false)
    }

    /// The parameters as [`constants`](Self::constants) of many passes: what layers make of them before they use them (scaled
    /// weights, their energies) is made once and kept, which takes about as much memory again.
    pub fn constants_of_many_passes(&self) -> Leaves {
        let derived = self.layout.iter().map(|_| Default::default()).collect();
        Leaves { derived: Some(derived), ..self.constants() }
    }

    /// The parameters as constants in the places they have in another layout, which may hold more; what is missing here
    /// is empty there.
    pub(super) fn constants_as(&self, layout: &Arc<ParamLayout>) -> Leaves {
        let empty = Tensor::zeros([0], &self.device());
        let place = |name: &str| {
            let range = self.layout.iter().find(|(own, _, _)| *own == name).map(|(_, _, range)| range);
            range.map_or_else(|| empty.clone(), |range| self.values.clone().slice([range]))
        };
        let tensors = layout.iter().map(|(name, _, _)| Leaf::Vector(place(name))).collect();
        Leaves { layout: layout.clone(), tensors, prepared: None, derived: None, taken: None }
    }

    /// The parameters as leaves of a new autodiff graph.
    pub fn leaves(&self) -> Leaves {
        self.split(true)
    }

    fn split(&self, tracked: bool) -> Leaves {
        let prepared = self.prepared();
        let leaves: Vec<Leaf> = match &prepared {
            Some(prepared) => prepared.split(&self.values),
            None => self.layout.iter().map(|(_, _, range)| Leaf::Vector(self.values.clone().slice([range]))).collect(),
        };
        let tensors = if tracked { leaves.into_iter().map(Leaf::track).collect() } else { leaves };
        Leaves { layout: self.layout.clone(), tensors, prepared, derived: None, taken: None }
    }

    /// How the parameters are prepared, where they are.
    fn prepared(&self) -> Option<Arc<Prepared>> {
        let device = self.device();
        if self.layout.is_empty() || !Prepared::is_for(&device) {
            return None;
        }
        let new = || Arc::new(Prepared::new(self.layout.usages(), &device));
        let kept = self.layout.prepared.get_or_init(new);
        // Values may have moved to another device than those that were there first.
        Some(if kept.device() == device { kept.clone() } else { new() })
    }

    /// The same layout with other values.
    pub fn with_values(&self, values: Tensor<1>) -> Self {
        Self { layout: self.layout.clone(), values }
    }

    /// The device that holds the values.
    pub fn device(&self) -> Device {
        self.values.device()
    }
}

/// The parameters of `params` named by `layout`, flattened in its order.
///
/// # Panics
/// If a parameter is missing or of another size: `params` was not checked against the layout.
pub fn gather(layout: &ParamLayout, params: &Params) -> Vec<f32> {
    let mut values = Vec::with_capacity(layout.total());
    for (name, _, range) in layout.iter() {
        let data = &params[name].data;
        assert_eq!(data.len(), range.len(), "{name}");
        values.extend_from_slice(data);
    }
    values
}

/// The values of a tensor, row-major, on the host.
pub fn to_vec<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data_as::<f32>();
    data.try_to_vec().unwrap_or_else(|_| data.iter::<f32>().collect())
}

/// One tensor per parameter for a single forward (and backward) pass.
pub struct Leaves {
    layout: Arc<ParamLayout>,
    tensors: Vec<Leaf>,
    /// How parameters were prepared, if they are as their layers use them.
    prepared: Option<Arc<Prepared>>,
    /// What was made of each parameter, where that is kept.
    derived: Option<Vec<[Derived; DERIVED]>>,
    /// Within a block: what it has taken of the parameters, which stand in a graph of the block's own.
    taken: Option<Mutex<Taken>>,
}

/// A parameter within a block.
#[derive(Clone)]
pub(super) struct BlockParameter {
    pub(super) id: ParamId,
    /// In the block's graph if there is one.
    pub(super) leaf: Leaf,
    /// Whether its gradient is asked for.
    pub(super) is_tracked: bool,
}

/// How the parameters of a pass lie.
#[derive(Clone)]
pub(super) struct PassLayout {
    layout: Arc<ParamLayout>,
    prepared: Option<Arc<Prepared>>,
}

struct Taken {
    /// Whether parameters become leaves of the block's graph.
    as_leaves: bool,
    parameters: Vec<BlockParameter>,
}

/// A tensor that is made once, of any number of dimensions.
type Derived = OnceLock<Box<dyn Any + Send + Sync>>;

/// Tensors that are kept of one parameter at most.
const DERIVED: usize = 2;

impl Leaves {
    /// The parameter with the shape a layer wants (its number of values must agree).
    pub fn get<const D: usize>(&self, id: ParamId, shape: [usize; D]) -> Tensor<D> {
        debug_assert!(self.layout.entries[id.0].usage.get().is_none(), "a weight is asked for as it is");
        self.leaf(id).reshape(shape)
    }

    /// A linear map, `map`, of a parameter, times its scale; `shape` is the one it was registered in, or one like it.
    pub(super) fn weight<const D: usize, const E: usize>(
        &self,
        weight: WeightId,
        shape: [usize; D],
        map: impl FnOnce(Tensor<D>) -> Tensor<E>,
    ) -> Tensor<E> {
        let mapped = map(self.leaf(weight.id).reshape(shape));
        if self.is_prepared() || weight.scale == 1.0 { mapped } else { mapped * weight.scale }
    }

    /// Whether parameters are as their layers use them, in the order in memory that was registered: they are on GPUs.
    pub(super) fn is_prepared(&self) -> bool {
        self.prepared.is_some()
    }

    /// A parameter of this pass.
    fn leaf(&self, id: ParamId) -> Leaf {
        match &self.taken {
            None => self.tensors[id.0].clone(),
            Some(taken) => self.take(id, &mut taken.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// A parameter within a block, which enters it when it is first asked for.
    fn take(&self, id: ParamId, taken: &mut Taken) -> Leaf {
        if let Some(known) = taken.parameters.iter().find(|known| known.id == id) {
            return known.leaf.clone();
        }
        let outside = &self.tensors[id.0];
        let is_tracked = outside.is_tracked();
        let leaf = outside.clone().inner();
        let leaf = if is_tracked && taken.as_leaves { leaf.track() } else { leaf };
        taken.parameters.push(BlockParameter { id, leaf: leaf.clone(), is_tracked });
        leaf
    }

    /// Whether gradients of some parameter are asked for.
    pub(super) fn is_tracked(&self) -> bool {
        self.tensors.iter().any(Leaf::is_tracked)
    }

    /// These parameters as they enter a block: as leaves of its own graph, or outside any.
    pub(super) fn within(&self, as_leaves: bool) -> Self {
        let taken = Some(Mutex::new(Taken { as_leaves, parameters: Vec::new() }));
        let (layout, prepared) = (self.layout.clone(), self.prepared.clone());
        Self { layout, tensors: self.tensors.clone(), prepared, derived: None, taken }
    }

    /// Parameters that a block took outside any graph of a pass like this, now as leaves of its own.
    pub(super) fn of_block(pass: &PassLayout, mut parameters: Vec<BlockParameter>) -> Self {
        for parameter in parameters.iter_mut().filter(|parameter| parameter.is_tracked) {
            parameter.leaf = parameter.leaf.clone().track();
        }
        let taken = Some(Mutex::new(Taken { as_leaves: true, parameters }));
        let PassLayout { layout, prepared } = pass.clone();
        Self { layout, tensors: Vec::new(), prepared, derived: None, taken }
    }

    /// How these parameters lie.
    pub(super) fn pass_layout(&self) -> PassLayout {
        PassLayout { layout: self.layout.clone(), prepared: self.prepared.clone() }
    }

    /// What a block has taken, in the order in which it was first asked for.
    pub(super) fn taken(self) -> Vec<BlockParameter> {
        let taken = self.taken.map(|taken| taken.into_inner().unwrap_or_else(PoisonError::into_inner).parameters);
        taken.unwrap_or_default()
    }

    /// A parameter as it is outside blocks.
    pub(super) fn outside(&self, id: ParamId) -> &Leaf {
        &self.tensors[id.0]
    }

    /// A tensor that follows from a parameter alone, the same whenever it is made. `place`, below 2, tells several of one parameter
    /// apart.
    pub(super) fn derived<const D: usize>(
        &self,
        id: ParamId,
        place: usize,
        make: impl FnOnce() -> Tensor<D>,
    ) -> Tensor<D> {
        let Some(kept) = self.derived.as_ref().map(|derived| &derived[id.0][place]) else { return make() };
        if let Some(made) = kept.get().and_then(|made| made.downcast_ref::<Tensor<D>>()) {
            return made.clone();
        }
        // Two passes side by side may both make it. If one waited for the other, the thread that makes it, itself waiting for
        // a part of its work, could take up a pass that waits for it.
        let made = make();
        let _ = kept.set(Box::new(made.clone()));
        made
    }

    /// The gradient of every parameter, flat, `[layout.total()]`; zero where the loss does not depend on it.
    pub fn gradient(&self, gradients: &mut Gradients) -> Tensor<1> {
        if let Some(prepared) = &self.prepared {
            return prepared.put_together(&self.tensors, self.layout.total, gradients);
        }
        Tensor::cat(self.tensors.iter().map(|leaf| leaf.flat_gradient(gradients)).collect(), 0)
    }

    /// The device that holds the parameters.
    pub fn device(&self) -> Device {
        let filled = self.tensors.iter().find_map(Leaf::device);
        filled.or_else(|| self.device_of_taken()).unwrap_or_else(Device::flex)
    }

    fn device_of_taken(&self) -> Option<Device> {
        let taken = self.taken.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        taken.parameters.iter().find_map(|parameter| parameter.leaf.device())
    }

    /// The layout these tensors follow.
    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_follows_from_a_constant_is_made_once() {
        let params = ["a", "b"].map(|name| (name.to_owned(), HostTensor::new(vec![2, 3], vec![1.5; 6])));
        let params = Params::from_iter(params);
        let layout = Arc::new(ParamLayout::of(&params, |_| false));
        let weights = FlatParams::from_host(&layout, &params, &Device::flex());
        let [a, b] = ["a", "b"].map(|name| layout.id(name).expect("a parameter"));
        for (leaves, made_again) in
            [(weights.constants_of_many_passes(), false), (weights.constants(), true), (weights.leaves(), true)]
        {
            let made = Cell::new(0);
            let scaled = |id, factor: f64| {
                let scale = || {
                    made.set(made.get() + 1);
                    leaves.get(id, [2, 3]).transpose() * factor
                };
                leaves.derived(id, 0, scale)
            };
            let first = scaled(a, 2.0);
            assert_eq!((first.dims(), to_vec(first)), ([3, 2], vec![3.0; 6]));
            assert_eq!(to_vec(scaled(a, 2.0)), [3.0; 6]);
            assert_eq!(to_vec(scaled(b, 4.0)), [6.0; 6]);
            assert_eq!(made.get(), if made_again { 3 } else { 2 });
            // Something else of the same parameter has a place of its own.
            let energy = leaves.derived(a, 1, || leaves.get(a, [6]).square());
            assert_eq!(to_vec(energy), [2.25; 6]);
        }
    }
}
