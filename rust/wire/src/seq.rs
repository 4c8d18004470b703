//! Extends wrapping counters: the 16-bit sequence number and the 32-bit timestamp of RTP become 64-bit numbers that
//! never wrap, chosen nearest to a reference (RFC 3550 §A.1, RFC 3711 §3.3.1 and its appendix A).
//!
//! Invariant: the lower bits of what comes out are what went in.

use crate::id::SeqNo;

/// The extended number nearest to `reference` whose lower 16 bits are `seq`; never below zero: without a lower cycle the
/// number stays in cycle 0.
pub const fn extend_seq(reference: SeqNo, seq: u16) -> SeqNo {
    let delta = seq.wrapping_sub(reference.as_u16()) as i16;
    SeqNo::new(nearest(reference.get(), delta as i64, 1 << 16))
}

/// The extended timestamp nearest to `reference` whose lower 32 bits are `timestamp`; never below zero, as
/// [`extend_seq`].
pub const fn extend_timestamp(reference: u64, timestamp: u32) -> u64 {
    let delta = timestamp.wrapping_sub(reference as u32) as i32;
    nearest(reference, delta as i64, 1 << 32)
}

const fn nearest(reference: u64, delta: i64, cycle: i64) -> u64 {
    match reference.checked_add_signed(delta) {
        Some(extended) => extended,
        None => reference.wrapping_add_signed(delta).wrapping_add_signed(if delta < 0 { cycle } else { -cycle }),
    }
}

/// Extends the sequence numbers of one received stream against the highest so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SeqExtender {
    highest: Option<SeqNo>,
}

impl SeqExtender {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// Extends `seq` and remembers it when it is the highest.
    pub fn extend(&mut self, seq: u16) -> SeqNo {
        let extended = self.peek(seq);
        self.highest = self.highest.max(Some(extended));
        extended
    }

    /// Extends `seq` without remembering it.
    pub fn peek(&self, seq: u16) -> SeqNo {
        self.highest.map_or(SeqNo::first_received(seq), |highest| extend_seq(highest, seq))
    }

    /// The highest so far.
    pub const fn highest(&self) -> Option<SeqNo> {
        self.highest
    }
}

/// Extends the timestamps of one received stream against the highest so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimestampExtender {
    highest: Option<u64>,
}

impl TimestampExtender {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { highest: None }
    }

    /// Extends `timestamp` and remembers it when it is the highest. The first one lands in cycle 1, so that earlier ones
    /// still have a number.
    pub fn extend(&mut self, timestamp: u32) -> u64 {
        let extended = self.peek(timestamp);
        self.highest = self.highest.max(Some(extended));
        extended
    }

    /// Extends `timestamp` without remembering it.
    pub fn peek(&self, timestamp: u32) -> u64 {
        self.highest.map_or(1 << 32 | u64::from(timestamp), |highest| extend_timestamp(highest, timestamp))
    }

    /// The highest so far.
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn crosses_a_wrap_in_both_directions() {
        let reference = SeqNo::new(0x1_fff0);
        assert_eq!(extend_seq(reference, 0x0005), SeqNo::new(0x2_0005));
        assert_eq!(extend_seq(SeqNo::new(0x2_0005), 0xfff0), reference);
        assert_eq!(extend_timestamp(0x1_ffff_fff0, 5), 0x2_0000_0005);
        assert_eq!(extend_timestamp(0x2_0000_0005, 0xffff_fff0), 0x1_ffff_fff0);
    }

    #[test]
    fn stays_in_cycle_zero_when_there_is_none_below() {
        assert_eq!(extend_seq(SeqNo::new(5), 0xffff), SeqNo::new(0xffff));
        assert_eq!(extend_timestamp(5, 0xffff_ffff), 0xffff_ffff);
    }

    #[test]
    fn an_extender_follows_the_highest() {
        let mut extender = SeqExtender::new();
        assert_eq!(extender.extend(2), SeqNo::new(0x1_0002));
        assert_eq!(extender.extend(0xffff), SeqNo::new(0xffff));
        assert_eq!(extender.highest(), Some(SeqNo::new(0x1_0002)));
        assert_eq!(extender.extend(40_000), SeqNo::new(40_000), "more than half a cycle ahead is behind");
        assert_eq!(extender.extend(30_000), SeqNo::new(0x1_0000 + 30_000));
    }

    proptest! {
        #[test]
        fn the_nearest_number_comes_back(reference in 1u64 << 17..1 << 48, distance in -32_767i64..32_768) {
            let expected = reference.wrapping_add_signed(distance);
            prop_assert_eq!(extend_seq(SeqNo::new(reference), expected as u16).get(), expected);
        }

        #[test]
        fn the_nearest_timestamp_comes_back(reference in 1u64 << 33..1 << 60, distance in -(1i64 << 31) + 1..1 << 31) {
            let expected = reference.wrapping_add_signed(distance);
            prop_assert_eq!(extend_timestamp(reference, expected as u32), expected);
        }

        #[test]
        fn the_lower_bits_are_kept(reference: u64, seq: u16, timestamp: u32) {
            prop_assert_eq!(extend_seq(SeqNo::new(reference), seq).as_u16(), seq);
            prop_assert_eq!(extend_timestamp(reference, timestamp) as u32, timestamp);
        }
    }
}
