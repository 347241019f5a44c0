//! Plans that were made before: a network's layers ask for the same ones again and again.

use std::sync::{Arc, Mutex, PoisonError};

use super::plan::Plan;
use crate::networks::ops::filtered::FilteredActivation;

/// Plans that are kept: more than the layers of two networks.
const KEPT: usize = 64;

/// An activation, the size of the planes it is applied to, and its plan, if it has one.
struct Entry {
    filtered: FilteredActivation,
    input: [usize; 2],
    plan: Option<Arc<Plan>>,
}

/// The plan for planes of `input`; `None` where the factors do not divide each other.
pub fn plan(filtered: &FilteredActivation, input: [usize; 2]) -> Option<Arc<Plan>> {
    static PLANS: Mutex<Vec<Entry>> = Mutex::new(Vec::new());
    // A panic elsewhere leaves the list as it was.
    let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    let found = plans.iter().position(|entry| entry.input == input && entry.filtered == *filtered);
    let entry = match found {
        Some(place) => plans.remove(place),
        None => Entry { filtered: filtered.clone(), input, plan: Plan::new(filtered, input).map(Arc::new) },
    };
    let plan = entry.plan.clone();
    // The oldest stand in front.
    plans.push(entry);
    if plans.len() > KEPT {
        plans.remove(0);
    }
    plan
}
