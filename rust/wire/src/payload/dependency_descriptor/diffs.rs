//! What a frame refers to: frame diffs (its references) and chain diffs (the last frame of each chain), as short lists of
//! fixed capacity that are cheap to copy.

/// How far back each referred frame lies in frame numbers: 1..=4096 each, at most [`FrameDiffs::MAX`] of them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FrameDiffs {
    len: u8,
    diffs: [u16; Self::MAX],
}

impl FrameDiffs {
    /// More than any codec refers to: AV1 has 7 references a frame, H.265 at most 16.
    pub const MAX: usize = 16;

    /// The largest difference: `fdiff_minus_one` has at most twelve bits.
    pub const LARGEST: u16 = 4096;

    /// `None` when there are too many or one is out of range.
    pub fn new(diffs: &[u16]) -> Option<Self> {
        let mut list = Self::default();
        diffs.iter().try_for_each(|diff| list.push(*diff))?;
        Some(list)
    }

    /// The differences, in the order of the packet.
    pub fn as_slice(&self) -> &[u16] {
        self.diffs.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// `None` when the list is full or `diff` is out of range.
    pub(super) fn push(&mut self, diff: u16) -> Option<()> {
        if !(1..=Self::LARGEST).contains(&diff) {
            return None;
        }
        *self.diffs.get_mut(usize::from(self.len))? = diff;
        self.len += 1;
        Some(())
    }
}

impl std::fmt::Debug for FrameDiffs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

/// For each chain, how far back its last frame lies in frame numbers; 0 when the chain starts here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChainDiffs {
    len: u8,
    diffs: [u8; Self::MAX],
}

impl ChainDiffs {
    /// There are no more chains than decode targets.
    pub const MAX: usize = 32;

    /// `None` when there are too many.
    pub fn new(diffs: &[u8]) -> Option<Self> {
        let mut list = Self::default();
        diffs.iter().try_for_each(|diff| list.push(*diff))?;
        Some(list)
    }

    /// The differences, chain 0 first.
    pub fn as_slice(&self) -> &[u8] {
        self.diffs.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// `None` when the list is full.
    pub(super) fn push(&mut self, diff: u8) -> Option<()> {
        *self.diffs.get_mut(usize::from(self.len))? = diff;
        self.len += 1;
        Some(())
    }
}

impl std::fmt::Debug for ChainDiffs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_slice().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_diffs_have_a_range_and_a_capacity() {
        assert_eq!(FrameDiffs::new(&[1, 4096]).unwrap().as_slice(), [1, 4096]);
        assert_eq!(FrameDiffs::new(&[0]), None);
        assert_eq!(FrameDiffs::new(&[4097]), None);
        assert!(FrameDiffs::new(&[1; 16]).is_some());
        assert_eq!(FrameDiffs::new(&[1; 17]), None);
    }

    #[test]
    fn chain_diffs_have_a_capacity() {
        assert_eq!(ChainDiffs::new(&[0, 255]).unwrap().as_slice(), [0, 255]);
        assert!(ChainDiffs::new(&[1; 32]).is_some());
        assert_eq!(ChainDiffs::new(&[1; 33]), None);
    }
}
