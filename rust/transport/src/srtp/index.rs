//! The index of a received packet: its 16-bit sequence number below, the guessed rollover counter above
//! (RFC 3711 §3.3.1 and appendix A).

use sfu_wire::SeqNo;

/// How far a sender may jump so that a receiver still guesses its rollover counter.
pub(super) const MAX_JUMP: u64 = (1 << 15) - 1;

/// Where a stream of which nothing was received starts: the rollover counter is 0 (RFC 3711 §3.3.1).
pub(super) const fn first_index(seq: u16) -> SeqNo {
    SeqNo::new(seq as u64)
}

/// The index nearest to the highest authentic one whose lower bits are `seq`. At exactly half a cycle the rollover
/// counter stays, and there is none below 0.
pub(super) const fn estimate_index(highest: SeqNo, seq: u16) -> SeqNo {
    const HALF: u16 = 1 << 15;
    let last = highest.as_u16();
    let rollovers = highest.get() >> 16;
    let rollovers = if last < HALF {
        if seq.saturating_sub(last) > HALF { rollovers.saturating_sub(1) } else { rollovers }
    } else if last - HALF > seq {
        rollovers + 1
    } else {
        rollovers
    };
    SeqNo::new(rollovers << 16 | seq as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn estimate(highest: u64, seq: u16) -> u64 {
        estimate_index(SeqNo::new(highest), seq).get()
    }

    #[test]
    fn the_counter_follows_the_wrap_both_ways() {
        assert_eq!(estimate(0x1_ffff, 0), 0x2_0000);
        assert_eq!(estimate(0x2_0000, 0xffff), 0x1_ffff);
    }

    #[test]
    fn the_counter_follows_a_wrap_inside_a_gap() {
        assert_eq!(estimate(0x1_fe00, 0x7000), 0x2_7000);
        assert_eq!(estimate(0x1_9000, 0x0fff), 0x2_0fff);
    }

    #[test]
    fn half_a_cycle_exactly_keeps_the_counter() {
        assert_eq!(estimate(0x1_1000, 0x9000), 0x1_9000);
        assert_eq!(estimate(0x1_9000, 0x1000), 0x1_1000);
    }

    #[test]
    fn there_is_no_counter_below_zero() {
        assert_eq!(estimate(0x0005, 0xffff), 0xffff);
        assert_eq!(first_index(0xffff).get(), 0xffff);
    }

    proptest! {
        #[test]
        fn less_than_half_a_cycle_is_followed(highest in 1u64 << 16..1 << 47, jump in -(MAX_JUMP as i64)..=MAX_JUMP as i64) {
            let index = highest.wrapping_add_signed(jump);
            prop_assert_eq!(estimate(highest, index as u16), index);
        }
    }
}
