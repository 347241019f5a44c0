//! Seeded damage to a file.

/// A small generator of numbers (SplitMix64).
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// A place in the file; half of the time near its beginning or its end, where structure is.
    fn place(&mut self, length: usize) -> usize {
        let near = length.min(4096);
        match self.below(4) {
            0 => self.below(near),
            1 => length - near + self.below(near),
            _ => self.below(length),
        }
    }
}

/// Opcodes that build, call, jump and refer.
const OPCODES: &[&[u8]] = &[
    b"(",
    b".",
    b"0",
    b"1",
    b"2",
    b"N",
    b"R",
    b"Q",
    b"b",
    b"a",
    b"e",
    b"s",
    b"u",
    b"t",
    b"l",
    b"d",
    b"o",
    b")",
    b"]",
    b"}",
    b"\x81",
    b"\x85",
    b"\x86",
    b"\x87",
    b"\x88",
    b"\x90",
    b"\x91",
    b"\x92",
    b"\x93",
    b"\x94",
    b"\x8f",
    b"h\0",
    b"h\x05",
    b"q\0",
    b"q\x05",
    b"j\xff\xff\xff\xff",
    b"r\xff\xff\xff\xff",
    b"cos\nsystem\n",
    b"cbuiltins\neval\n",
    b"ctorch\nload\n",
    b"ios\nsystem\n",
    b"X\x02\0\0\0ls",
    b"\x8c\x02ls",
    b"C\x02ab",
    b"K\x01",
    b"\x8a\x01\xff",
    b"I01\n",
    b"S'ls'\n",
    b"g0\n",
    b"p0\n",
    b"L9999999999999999999L\n",
    b"F1e999\n",
    b"PK\x03\x04",
    b"]q\x07h\x07a",
    b"}q\x07h\x07h\x07s",
];

/// Numbers at the edges of what sizes can be.
const SIZES: &[u64] =
    &[0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, 1 << 40, 1 << 60, u64::MAX >> 1, u64::MAX];

/// The file after mutation `number`, and what was done to it.
pub fn mutated(seed: &[u8], number: u64) -> (Vec<u8>, &'static str) {
    let mut random = Random(number);
    let mut bytes = seed.to_vec();
    let kind = match random.below(9) {
        0 => flip(&mut bytes, &mut random),
        1 => overwrite(&mut bytes, &mut random),
        2 => truncate(&mut bytes, &mut random),
        3 => splice(&mut bytes, &mut random),
        4 => size(&mut bytes, &mut random),
        5 => nest(&mut bytes, &mut random),
        6 => duplicate(&mut bytes, &mut random),
        7 => remove(&mut bytes, &mut random),
        _ => {
            for _ in 0..4 {
                match random.below(4) {
                    0 => flip(&mut bytes, &mut random),
                    1 => splice(&mut bytes, &mut random),
                    2 => size(&mut bytes, &mut random),
                    _ => duplicate(&mut bytes, &mut random),
                };
            }
            "several"
        }
    };
    (bytes, kind)
}

fn flip(bytes: &mut [u8], random: &mut Random) -> &'static str {
    for _ in 0..=random.below(8) {
        let place = random.place(bytes.len());
        bytes[place] ^= 1 << random.below(8);
    }
    "flipped bits"
}

fn overwrite(bytes: &mut [u8], random: &mut Random) -> &'static str {
    for _ in 0..=random.below(16) {
        let place = random.place(bytes.len());
        bytes[place] = random.next() as u8;
    }
    "overwritten bytes"
}

fn truncate(bytes: &mut Vec<u8>, random: &mut Random) -> &'static str {
    bytes.truncate(random.below(bytes.len()));
    "truncated"
}

fn splice(bytes: &mut Vec<u8>, random: &mut Random) -> &'static str {
    let place = random.place(bytes.len());
    let opcodes: Vec<u8> =
        (0..=random.below(6)).flat_map(|_| OPCODES[random.below(OPCODES.len())].iter().copied()).collect();
    if random.below(2) == 0 {
        bytes.splice(place..place, opcodes);
    } else {
        let end = (place + opcodes.len()).min(bytes.len());
        bytes.splice(place..end, opcodes);
    }
    "spliced opcodes"
}

fn size(bytes: &mut [u8], random: &mut Random) -> &'static str {
    let width = [1, 2, 4, 8][random.below(4)];
    let place = random.place(bytes.len()).min(bytes.len().saturating_sub(width));
    let number = SIZES[random.below(SIZES.len())].to_le_bytes();
    let end = (place + width).min(bytes.len());
    bytes[place..end].copy_from_slice(&number[..end - place]);
    "a size at the edge"
}

fn nest(bytes: &mut Vec<u8>, random: &mut Random) -> &'static str {
    const UNITS: &[&[u8]] =
        &[b"(", b"]", b"}", b"\x85", b")\x85", b"(l", b"]\x94", b"[[", b"{\"a\":", b"N\x85\x94", b"2"];
    let unit = UNITS[random.below(UNITS.len())];
    let depth = 1 << random.below(16);
    let place = random.place(bytes.len());
    bytes.splice(place..place, unit.repeat(depth));
    "nested deeply"
}

fn duplicate(bytes: &mut Vec<u8>, random: &mut Random) -> &'static str {
    let start = random.place(bytes.len());
    let length = random.below(512).min(bytes.len() - start);
    let part = bytes[start..start + length].to_vec();
    let place = random.place(bytes.len());
    bytes.splice(place..place, part);
    "a part twice"
}

fn remove(bytes: &mut Vec<u8>, random: &mut Random) -> &'static str {
    let start = random.place(bytes.len());
    let end = (start + random.below(512)).min(bytes.len());
    bytes.drain(start..end);
    "a part missing"
}
