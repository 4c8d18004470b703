//! The result of a division: what each track gets and why not more, what is left, what to probe for, how good it is.
//!
//! Plain values for the caller; `explain` fills them. Invariant: the rates of all choices together are what is used,
//! and that and what is left are the budget behind what was reserved.

use sfu_wire::Bitrate;

use crate::layer::Layer;

/// Why a track does not get more than it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is no more.
    Best,
    /// More is not allowed, or would not be seen.
    Limit,
    /// The publisher does not send more now.
    NotFlowing,
    /// More does not fit, or others bring more for it.
    Budget,
    /// More would fit. The choice before is too young to be left, or what comes is not worth a keyframe.
    Hysteresis,
}

impl Reason {
    /// Its name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Limit => "limit",
            Self::NotFlowing => "not_flowing",
            Self::Budget => "budget",
            Self::Hysteresis => "hysteresis",
        }
    }
}

/// What a track gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// `None`: it is paused.
    pub layer: Option<Layer>,
    /// What goes out for it.
    pub rate: Bitrate,
    /// Why not more.
    pub reason: Reason,
}

/// What a division is worth; a greater one is better. Comparable between budgets for the same demands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Utility {
    /// The floors that are kept, in order of importance, 64 to a word from the highest bit on.
    pub(super) floors: Vec<u64>,
    /// The sum over all tracks, hysteresis included.
    pub(super) quality: u64,
}

/// How far from the best the division is at most: exactly in the floors, in their quality by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Certificate {
    /// The quality of the division.
    pub found: u64,
    /// No division that keeps these floors within the budget has more.
    pub bound: u64,
}

/// What would come next, were there more bandwidth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextStep {
    /// Which track, by how many were given before it.
    pub track: usize,
    /// What it would get.
    pub layer: Layer,
    /// What has to go out beyond what does.
    pub cost: Bitrate,
}

/// What [`super::allocate`] decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allocation {
    /// Of each track, in the order in which they were given.
    pub choices: Vec<Choice>,
    /// What goes out for all of them.
    pub used: Bitrate,
    /// What remains of the budget.
    pub left: Bitrate,
    /// The step that is most worth probing for. `None`: everybody has all that there is, or what is more fits already.
    pub next: Option<NextStep>,
    /// To compare divisions.
    pub utility: Utility,
    /// How good this one is.
    pub certificate: Certificate,
    pub(super) reserved: Bitrate,
}

impl Utility {
    /// The sum over all tracks, hysteresis included.
    pub const fn quality(&self) -> u64 {
        self.quality
    }

    pub(super) fn set(&mut self, met: &[bool], quality: u64) {
        let word =
            |floors: &[bool]| floors.iter().zip((0..64).rev()).map(|(met, bit)| u64::from(*met) << bit).sum::<u64>();
        self.floors.clear();
        self.floors.extend(met.chunks(64).map(word));
        self.quality = quality;
    }
}

impl Certificate {
    /// Whether no division is better.
    pub const fn is_exact(&self) -> bool {
        self.found >= self.bound
    }

    /// What may be missing of the best, in millionths of it, rounded up.
    pub fn gap_ppm(&self) -> u64 {
        let missing = u128::from(self.bound.saturating_sub(self.found)) * 1_000_000;
        missing.div_ceil(u128::from(self.bound.max(1))) as u64
    }
}

impl Allocation {
    /// What goes out in all.
    pub fn total(&self) -> Bitrate {
        self.reserved + self.used
    }

    /// The bandwidth that a probe has to show for the next step, what is reserved included.
    pub fn probe_goal(&self) -> Option<Bitrate> {
        self.next.map(|next| self.reserved + self.used + next.cost)
    }

    /// What is kept for its memory, in elements.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.choices.capacity() + self.utility.floors.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utility(met: &[bool], quality: u64) -> Utility {
        let mut utility = Utility::default();
        utility.set(met, quality);
        utility
    }

    #[test]
    fn one_more_important_floor_outweighs_everything_below() {
        let mut floors = vec![true; 100];
        for place in [99, 64, 63, 1, 0] {
            let whole = utility(&floors, 5);
            floors[place] = false;
            assert!(utility(&floors, u64::MAX) < whole, "{place}");
        }
        assert!(utility(&[true, false], 6) > utility(&[true, false], 5));
    }

    #[test]
    fn the_gap_is_rounded_up() {
        let gap = |found, bound| Certificate { found, bound }.gap_ppm();
        assert_eq!([gap(0, 0), gap(7, 7), gap(999, 1000), gap(u64::MAX - 1, u64::MAX)], [0, 0, 1000, 1]);
        assert!(Certificate { found: 7, bound: 7 }.is_exact() && !Certificate { found: 6, bound: 7 }.is_exact());
    }
}
