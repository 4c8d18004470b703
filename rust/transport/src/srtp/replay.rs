//! Which of the latest indices have passed (RFC 3711 §3.3.2): for a receiver those that arrived, for a sender those that
//! were sealed.
//!
//! A ring of bits, one per index modulo its size. Invariant: bits of indices above the highest are clear.

use sfu_wire::prefetch;

/// How an index relates to those that have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// Above all, or not yet seen within the window.
    New,
    /// It has passed.
    Repeated,
    /// Behind the window: nobody remembers.
    TooOld,
}

/// A window of `WORDS` × 64 indices that ends at the highest one.
#[derive(Debug, Clone)]
pub(super) struct ReplayWindow<const WORDS: usize> {
    highest: u64,
    passed: [u64; WORDS],
}

impl<const WORDS: usize> ReplayWindow<WORDS> {
    const SIZE: u64 = WORDS as u64 * 64;

    /// Only `index` has passed.
    pub(super) fn new(index: u64) -> Self {
        let mut window = Self { highest: index, passed: [0; WORDS] };
        window.set(index);
        window
    }

    /// Everything up to and including `index` has passed.
    pub(super) const fn closed_at(index: u64) -> Self {
        Self { highest: index, passed: [u64::MAX; WORDS] }
    }

    /// Asks for its memory.
    pub(super) fn prefetch(&self) {
        prefetch::line(&self.highest);
        if let Some(first) = self.passed.first() {
            prefetch::lines(first, size_of_val(&self.passed));
        }
    }

    pub(super) const fn highest(&self) -> u64 {
        self.highest
    }

    /// How `index` relates to those that have passed. Changes nothing.
    pub(super) fn check(&self, index: u64) -> Passage {
        if index > self.highest {
            Passage::New
        } else if self.highest - index >= Self::SIZE {
            Passage::TooOld
        } else if self.passed[Self::word(index)] & Self::bit(index) != 0 {
            Passage::Repeated
        } else {
            Passage::New
        }
    }

    /// Lets `index` pass; it is [`Passage::New`].
    pub(super) fn mark(&mut self, index: u64) {
        if index > self.highest {
            self.advance(index);
        }
        self.set(index);
    }

    fn advance(&mut self, index: u64) {
        if index - self.highest >= Self::SIZE {
            self.passed.fill(0);
        } else {
            for skipped in self.highest + 1..index {
                self.passed[Self::word(skipped)] &= !Self::bit(skipped);
            }
        }
        self.highest = index;
    }

    fn set(&mut self, index: u64) {
        self.passed[Self::word(index)] |= Self::bit(index);
    }

    const fn word(index: u64) -> usize {
        (index % Self::SIZE / 64) as usize
    }

    const fn bit(index: u64) -> u64 {
        1 << (index % 64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    type Window = ReplayWindow<16>;

    #[test]
    fn an_index_passes_once() {
        let mut window = Window::new(5000);
        assert_eq!(window.check(5000), Passage::Repeated);
        assert_eq!(window.check(4999), Passage::New);
        window.mark(4999);
        assert_eq!(window.check(4999), Passage::Repeated);
    }

    #[test]
    fn the_window_reaches_1023_back() {
        let window = Window::new(5000);
        assert_eq!(window.check(5000 - 1023), Passage::New);
        assert_eq!(window.check(5000 - 1024), Passage::TooOld);
    }

    #[test]
    fn a_jump_beyond_the_window_forgets_what_lay_in_it() {
        let mut window = Window::closed_at(5000);
        window.mark(5000 + 1024);
        assert_eq!(window.check(5001), Passage::New);
        assert_eq!(window.check(5000), Passage::TooOld);
    }

    #[test]
    fn a_closed_window_lets_nothing_old_pass() {
        let window = Window::closed_at(5000);
        assert!((0..=5000).all(|index| window.check(index) != Passage::New));
        assert_eq!(window.check(5001), Passage::New);
    }

    proptest! {
        #[test]
        fn it_remembers_like_a_set(start in 0u64..3000, steps in proptest::collection::vec(-200i64..300, 1..400)) {
            let mut window = ReplayWindow::<2>::new(start);
            let mut passed = BTreeSet::from([start]);
            let mut index = start;
            for step in steps {
                index = index.saturating_add_signed(step);
                let highest = *passed.last().unwrap_or(&start);
                let expected = if highest.saturating_sub(index) >= 128 {
                    Passage::TooOld
                } else if passed.contains(&index) {
                    Passage::Repeated
                } else {
                    Passage::New
                };
                prop_assert_eq!(window.check(index), expected);
                if expected == Passage::New {
                    window.mark(index);
                    passed.insert(index);
                }
            }
        }
    }
}
