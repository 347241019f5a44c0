//! The order in which images are trained on: every image once before any comes twice.
//!
//! It depends on the seed and on how many images were taken before, and on nothing else, so a training can go on where
//! it was stopped.

use crate::networks::NormalSource;

/// Endless shuffled passes over `len` images.
#[derive(Clone, Debug)]
pub struct Order {
    seed: u64,
    len: usize,
    /// The pass that `pass` is the order of.
    number: Option<u64>,
    pass: Vec<usize>,
}

impl Order {
    /// An order of `len` images.
    pub fn new(seed: u64, len: usize) -> Self {
        Self { seed: seed ^ u64::from_le_bytes(*b"an order"), len, number: None, pass: Vec::new() }
    }

    /// The numbers of the `count` images that follow after `taken` ones; none if there are no images.
    pub fn next(&mut self, taken: u64, count: usize) -> Vec<usize> {
        let len = self.len as u64;
        if len == 0 {
            return Vec::new();
        }
        let at = |i: u64| {
            let pass = i / len;
            if self.number != Some(pass) {
                self.number = Some(pass);
                self.pass = shuffled(self.len, &mut NormalSource::new(self.seed, pass));
            }
            self.pass[(i % len) as usize]
        };
        (taken..taken + count as u64).map(at).collect()
    }
}

/// Fisher-Yates.
fn shuffled(len: usize, rng: &mut NormalSource) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    for i in (1..len).rev() {
        order.swap(i, rng.below(i + 1));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_image_comes_once_in_a_pass_wherever_one_starts() {
        let mut order = Order::new(1, 10);
        let all = order.next(0, 40);
        for pass in all.chunks(10) {
            let mut sorted = pass.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(all[..10], all[10..20]);
        for start in 0..30 {
            assert_eq!(Order::new(1, 10).next(start, 7), all[start as usize..start as usize + 7]);
        }
        assert_ne!(Order::new(2, 10).next(0, 10), all[..10]);
        assert!(Order::new(1, 0).next(0, 3).is_empty());
    }
}
