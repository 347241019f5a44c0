//! Why a model could not be opened, changed or written, each in one sentence.

use std::path::PathBuf;

use crate::{checkpoint::CheckpointError, networks::ArchitectureError};

fn no_class(class: usize, classes: usize) -> String {
    match classes {
        0 => format!("no class {class}, as this model draws no classes"),
        _ => format!("no class {class}; this model draws the classes 0 to {}", classes - 1),
    }
}

/// What can go wrong with a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Reading or writing a model file.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tensors are no network of a family that is read.
    #[error("{}: {source}", file.display())]
    Architecture {
        /// The model file.
        file: PathBuf,
        /// What does not fit.
        source: ArchitectureError,
    },
    /// There is no generator.
    #[error("{}: no generator in this file", file.display())]
    NoGenerator {
        /// The model file.
        file: PathBuf,
    },
    /// There is no discriminator, and training needs one.
    #[error("{}: no discriminator in this file, and going on training needs one", file.display())]
    NoDiscriminator {
        /// The model file.
        file: PathBuf,
    },
    /// A class that the model does not have.
    #[error("{}: {}", file.display(), no_class(*class, *classes))]
    NoClass {
        /// The model file.
        file: PathBuf,
        /// The class that was asked for.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A model that completes pictures, and no pictures.
    #[error("{}: this model completes pictures; open a folder of pictures beside it", file.display())]
    NoPictures {
        /// The model file.
        file: PathBuf,
    },
    /// A picture that is not there.
    #[error("{}: there is no picture {index}: {pictures} are open", file.display())]
    NoPicture {
        /// The model file.
        file: PathBuf,
        /// The number that was asked for.
        index: u64,
        /// Number of pictures.
        pictures: usize,
    },
    /// A number of classes for a file that has its own.
    #[error("{}: this file says itself how many classes its model has; none can be given", file.display())]
    ClassesKnown {
        /// The model file.
        file: PathBuf,
    },
    /// The networks of one file do not belong together.
    #[error("{}: its generators and discriminator do not belong together (their shapes disagree)", file.display())]
    NetworksDisagree {
        /// The model file.
        file: PathBuf,
    },
}
