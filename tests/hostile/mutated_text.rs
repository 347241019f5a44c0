//! Seeded damage to a JSON text.

use super::mutation::{Random, mutated};

/// Values that a JSON text may have where another is expected.
const VALUES: &[&str] = &[
    "0",
    "-0.0",
    "1",
    "-1",
    "2",
    "0.5",
    "3.5",
    "1e-300",
    "1e300",
    "-1e300",
    "1e400",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "null",
    "true",
    "false",
    "\"\"",
    "\"gelu\"",
    "\"vit_mae\"",
    "\"a\\nb\\u001b[0m\"",
    "[]",
    "{}",
    "[1, 2, 3]",
    "[0, 0, 0]",
    "[1e39, -1e39, 0]",
    "{\"a\": [null]}",
    "NaN",
    "Infinity",
];

/// The JSON text after mutation `number`, and what was done to it: half of the time one of its values becomes another or a
/// key goes, so that it stays JSON; else as [`mutated`].
pub fn mutated_text(seed: &str, number: u64) -> (Vec<u8>, &'static str) {
    let mut random = Random(number ^ 0x6a73_6f6e);
    if random.below(2) == 0 {
        return mutated(seed.as_bytes(), number);
    }
    let mut text = seed.to_owned();
    let mut kind = "another value";
    for _ in 0..=random.below(3) {
        // A value begins behind a colon and ends where the next key, or the end, is.
        let colons: Vec<usize> = text.match_indices("\": ").map(|(at, _)| at + 3).collect();
        let Some(&start) = colons.get(random.below(colons.len())) else { break };
        let end = start + text[start..].find([',', '}', '\n']).unwrap_or(text.len() - start);
        if random.below(8) == 0 {
            let key = text[..start - 3].rfind('"').unwrap_or(0);
            text.replace_range(key..end, "\"other\": 1");
            kind = "a key missing";
        } else {
            text.replace_range(start..end, VALUES[random.below(VALUES.len())]);
        }
    }
    (text.into_bytes(), kind)
}
