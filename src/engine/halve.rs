//! Smaller pictures of large ones.

/// The side that [`halve`] gives pictures of this side.
pub(super) fn halved_side(mut side: usize, max_side: usize) -> usize {
    while side > max_side.max(1) && side.is_multiple_of(2) {
        side /= 2;
    }
    side
}

/// Halves pictures `[n, side, side, 3]` until they are at most `max_side` wide, each pixel the mean of four. Gives the
/// pictures and their side; an odd side is left as it is.
pub(super) fn halve(mut rgb: Vec<u8>, mut side: usize, max_side: usize) -> (Vec<u8>, usize) {
    while side > max_side.max(1) && side.is_multiple_of(2) {
        let half = side / 2;
        let mut out = Vec::with_capacity(rgb.len() / 4);
        for rows in rgb.chunks_exact(side * 3 * 2) {
            let (upper, lower) = rows.split_at(side * 3);
            for (a, b) in upper.chunks_exact(6).zip(lower.chunks_exact(6)) {
                for c in 0..3 {
                    let sum: u16 = [a[c], a[c + 3], b[c], b[c + 3]].into_iter().map(u16::from).sum();
                    out.push(((sum + 2) / 4) as u8);
                }
            }
        }
        (rgb, side) = (out, half);
    }
    (rgb, side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_pixels_become_their_mean() {
        // Two pictures of 2x2: 0 10 20 31 in every channel, then all 255.
        let rgb: Vec<u8> = [0, 10, 20, 31, 255, 255, 255, 255].into_iter().flat_map(|v| [v; 3]).collect();
        assert_eq!(halve(rgb.clone(), 2, 1), (vec![15, 15, 15, 255, 255, 255], 1));
        assert_eq!(halve(rgb.clone(), 2, 2), (rgb, 2));
        assert_eq!(halve(vec![7; 27], 3, 1), (vec![7; 27], 3));
        assert_eq!(halve(vec![9; 16 * 16 * 3 * 5], 16, 5), (vec![9; 4 * 4 * 3 * 5], 4));
    }
}
