//! Decode targets: which a frame belongs to and how (its decode target indications), and sets of them.

/// How a frame belongs to a decode target (§A.8.3, table A.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Dti {
    /// `-`: not part of it.
    #[default]
    NotPresent = 0,
    /// `D`: part of it, and no other frame of the target refers to it.
    Discardable = 1,
    /// `S`: part of it, and when it can be decoded, all later frames of the target can.
    Switch = 2,
    /// `R`: part of it, neither discardable nor a switch.
    Required = 3,
}

impl Dti {
    /// From the lower two bits.
    pub const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::NotPresent,
            1 => Self::Discardable,
            2 => Self::Switch,
            _ => Self::Required,
        }
    }

    /// From the symbol that the specification's tables use.
    pub const fn from_symbol(symbol: char) -> Option<Self> {
        match symbol {
            '-' => Some(Self::NotPresent),
            'D' => Some(Self::Discardable),
            'S' => Some(Self::Switch),
            'R' => Some(Self::Required),
            _ => None,
        }
    }
}

/// A frame's indications for up to 32 decode targets, two bits each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Dtis(u64);

impl Dtis {
    /// From the specification's symbols, target 0 first: `"SSR-"`. `None` for other symbols or more than 32.
    pub fn from_symbols(symbols: &str) -> Option<Self> {
        let mut dtis = Self::default();
        for (target, symbol) in symbols.chars().enumerate() {
            if target >= DecodeTargets::MAX {
                return None;
            }
            dtis.set(target, Dti::from_symbol(symbol)?);
        }
        Some(dtis)
    }

    /// The indication for `target`, not present beyond the 32nd.
    pub const fn get(self, target: usize) -> Dti {
        if target < DecodeTargets::MAX { Dti::from_bits((self.0 >> (2 * target)) as u32) } else { Dti::NotPresent }
    }

    /// Sets the indication for `target`; targets beyond the 32nd are ignored.
    pub const fn set(&mut self, target: usize, dti: Dti) {
        if target < DecodeTargets::MAX {
            self.0 = self.0 & !(3 << (2 * target)) | (dti as u64) << (2 * target);
        }
    }

    /// The targets that the frame is part of.
    pub fn present(self) -> DecodeTargets {
        (0..DecodeTargets::MAX).filter(|target| self.get(*target) != Dti::NotPresent).collect()
    }
}

/// A set of decode targets, such as `active_decode_targets_bitmask`: bit 0 is target 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct DecodeTargets(u32);

impl DecodeTargets {
    /// A structure has at most this many (`dt_cnt_minus_one` has five bits).
    pub const MAX: usize = 32;

    /// None.
    pub const NONE: Self = Self(0);

    /// From the bit mask.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The first `count`.
    pub const fn first(count: usize) -> Self {
        if count >= Self::MAX { Self(u32::MAX) } else { Self((1 << count) - 1) }
    }

    /// The bit mask.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether `target` is in it.
    pub const fn contains(self, target: usize) -> bool {
        target < Self::MAX && self.0 >> target & 1 != 0
    }

    /// With `target` in it; targets beyond the 32nd are ignored.
    #[must_use]
    pub const fn with(self, target: usize) -> Self {
        if target < Self::MAX { Self(self.0 | 1 << target) } else { self }
    }

    /// What both have.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many it has.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The targets in it, lowest first.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::MAX).filter(move |target| self.contains(*target))
    }
}

impl FromIterator<usize> for DecodeTargets {
    fn from_iter<I: IntoIterator<Item = usize>>(targets: I) -> Self {
        targets.into_iter().fold(Self::NONE, Self::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_those_of_the_specification() {
        let dtis = Dtis::from_symbols("SD-R").unwrap();
        let found: Vec<_> = (0..5).map(|target| dtis.get(target)).collect();
        assert_eq!(found, [Dti::Switch, Dti::Discardable, Dti::NotPresent, Dti::Required, Dti::NotPresent]);
        assert_eq!(dtis.present(), DecodeTargets::from_bits(0b1011));
        assert_eq!(Dtis::from_symbols("SX"), None);
        assert_eq!(Dtis::from_symbols(&"S".repeat(33)), None);
        assert_eq!(Dtis::from_symbols(&"R".repeat(32)).unwrap().get(31), Dti::Required);
    }

    #[test]
    fn sets_of_decode_targets() {
        let set = DecodeTargets::first(3);
        assert_eq!((set.bits(), set.len(), set.is_empty()), (0b111, 3, false));
        assert_eq!(DecodeTargets::first(32).bits(), u32::MAX);
        assert_eq!(set.with(31).iter().collect::<Vec<_>>(), [0, 1, 2, 31]);
        assert!(!set.contains(3) && !DecodeTargets::first(32).contains(32));
        assert_eq!(set.and(DecodeTargets::from_bits(0b1100)), DecodeTargets::from_bits(0b100));
    }
}
