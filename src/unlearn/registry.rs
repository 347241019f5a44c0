//! The methods there are.

use super::{adapt::Adapt, method::Method};

/// The method of those who name none.
pub const DEFAULT: &dyn Method = &Adapt;
/// Every method.
pub const METHODS: &[&dyn Method] = &[DEFAULT];

/// The method of this name.
pub fn method(id: &str) -> Option<&'static dyn Method> {
    METHODS.iter().copied().find(|method| method.id() == id)
}
