//! The methods there are.

use super::{
    adapt::{Adapt, Extrapolate},
    dampen::Dampen,
    feature::Feature,
    image_to_image::ImageToImage,
    method::Method,
    redirect::Redirect,
    reject::Reject,
    saliency::Saliency,
};

/// The method of those who name none.
pub const DEFAULT: &dyn Method = &Reject;
/// The method of files that name none: the only one there was when they were written.
pub const FIRST: &dyn Method = &Adapt;
/// Every method.
pub const METHODS: &[&dyn Method] =
    &[DEFAULT, &Redirect, FIRST, &Saliency, &Feature, &Dampen, &Extrapolate, &ImageToImage];

/// The method of those who name none, for a model that completes pictures or for one that does not.
pub fn default_method(completes_pictures: bool) -> &'static dyn Method {
    if completes_pictures { &ImageToImage } else { DEFAULT }
}

/// The method of this name.
pub fn method(id: &str) -> Option<&'static dyn Method> {
    METHODS.iter().copied().find(|method| method.id() == id)
}
