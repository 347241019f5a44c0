//! Which weights are meant.

/// A set of the generator's weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Weights {
    /// The model as it was loaded.
    Original,
    /// The result so far; the original if nothing was trained.
    Current,
    /// Weights that the method made on the way, by their number.
    Auxiliary(usize),
    /// A snapshot of the run.
    Snapshot(usize),
    /// A node of the project, by its number.
    Node(u64),
    /// A place of the method's sliders.
    Slider([f64; 2]),
    /// None: the pictures that a model completes, as they are.
    Picture,
    /// None: what a model sees of the pictures that it completes.
    Masked,
}
