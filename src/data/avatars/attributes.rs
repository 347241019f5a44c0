//! What a drawing shows, as names and values.

use crate::networks::NormalSource;

/// An enum of the values of one attribute: their names, and how often each is drawn (parts of the sum).
macro_rules! attribute {
    ($(#[$doc:meta])* $name:ident { $($value:ident = $text:literal * $weight:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($value),+ }

        impl $name {
            /// All values with their names and their parts of the sum of all parts.
            pub const ALL: &'static [(Self, &'static str, u32)] = &[$((Self::$value, $text, $weight)),+];

            /// The value's name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$value => $text),+ }
            }

            fn draw(rng: &mut NormalSource) -> Self {
                let mut at = rng.below(Self::ALL.iter().map(|(.., weight)| *weight as usize).sum());
                for &(value, _, weight) in Self::ALL {
                    if at < weight as usize {
                        return value;
                    }
                    at -= weight as usize;
                }
                Self::ALL[0].0
            }
        }
    };
}

attribute! {
    /// Skin colour.
    Skin { Porcelain = "porcelain" * 1, Peach = "peach" * 1, Tan = "tan" * 1, Brown = "brown" * 1, Dark = "dark" * 1 }
}
attribute! {
    /// Hair style.
    Hair { Bald = "bald" * 1, Short = "short" * 1, Long = "long" * 1, Curly = "curly" * 1, Spiky = "spiky" * 1 }
}
attribute! {
    /// Colour of hair and beard.
    HairColour { Black = "black" * 1, Brown = "brown" * 1, Blond = "blond" * 1, Red = "red" * 1, Grey = "grey" * 1 }
}
attribute! {
    /// Hat.
    Hat { None = "none" * 2, Cap = "cap" * 1, Beanie = "beanie" * 1 }
}
attribute! {
    /// Glasses.
    Glasses { None = "none" * 2, Round = "round" * 1, Square = "square" * 1 }
}
attribute! {
    /// Mouth.
    Mouth { Smile = "smile" * 1, Neutral = "neutral" * 1, Open = "open" * 1 }
}
attribute! {
    /// Beard.
    Beard { No = "no" * 2, Yes = "yes" * 1 }
}
attribute! {
    /// Background colour.
    Background { Sky = "sky" * 1, Mint = "mint" * 1, Sand = "sand" * 1, Rose = "rose" * 1, Lilac = "lilac" * 1, Slate = "slate" * 1 }
}

/// The attributes of one drawing, drawn independently of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attributes {
    pub skin: Skin,
    pub hair: Hair,
    pub hair_colour: HairColour,
    pub hat: Hat,
    pub glasses: Glasses,
    pub mouth: Mouth,
    pub beard: Beard,
    pub background: Background,
}

impl Attributes {
    /// The names of the attributes, in the order of [`Self::values`].
    pub const NAMES: [&'static str; 8] =
        ["skin", "hair", "hair_colour", "hat", "glasses", "mouth", "beard", "background"];

    /// The names of the values, in the order of [`Self::NAMES`].
    pub fn values(&self) -> [&'static str; 8] {
        [
            self.skin.name(),
            self.hair.name(),
            self.hair_colour.name(),
            self.hat.name(),
            self.glasses.name(),
            self.mouth.name(),
            self.beard.name(),
            self.background.name(),
        ]
    }

    /// How large a share of all drawings each value of each attribute has, in the order of [`Self::NAMES`].
    pub fn shares() -> [Vec<(&'static str, f64)>; 8] {
        fn shares<T>(all: &[(T, &'static str, u32)]) -> Vec<(&'static str, f64)> {
            let sum: u32 = all.iter().map(|(.., weight)| weight).sum();
            all.iter().map(|(_, name, weight)| (*name, f64::from(*weight) / f64::from(sum))).collect()
        }
        [
            shares(Skin::ALL),
            shares(Hair::ALL),
            shares(HairColour::ALL),
            shares(Hat::ALL),
            shares(Glasses::ALL),
            shares(Mouth::ALL),
            shares(Beard::ALL),
            shares(Background::ALL),
        ]
    }

    /// The next attributes of a stream.
    pub(super) fn draw(rng: &mut NormalSource) -> Self {
        Self {
            skin: Skin::draw(rng),
            hair: Hair::draw(rng),
            hair_colour: HairColour::draw(rng),
            hat: Hat::draw(rng),
            glasses: Glasses::draw(rng),
            mouth: Mouth::draw(rng),
            beard: Beard::draw(rng),
            background: Background::draw(rng),
        }
    }
}
