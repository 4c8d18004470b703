//! Rollover counters: both ends agree on them across wraps, per SSRC.

#![allow(clippy::unwrap_used)]

use crate::srtp::testing::{Pair, rtp};
use crate::srtp::{SrtpError, SrtpProfile};

#[test]
fn a_stream_is_followed_through_three_wraps() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        for index in (0..0x3_8000).step_by(251) {
            let sealed = pair.protect(1, index).unwrap();
            assert_eq!(pair.unprotect(&sealed), Ok(rtp(1, index as u16)), "{profile} {index:#x}");
        }
    }
}

#[test]
fn packets_reordered_across_a_wrap_open() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        let mut sealed: Vec<_> = (0xfff0..0x1_0010).map(|index| pair.protect(1, index).unwrap()).collect();
        sealed.swap(0x0f, 0x10);
        sealed.swap(0x0c, 0x1c);
        for packet in &sealed {
            pair.unprotect(packet).unwrap();
        }
    }
}

/// A retransmission of a packet from just before the wrap.
#[test]
fn a_packet_from_before_the_wrap_opens_after_it() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    let before = pair.protect(1, 0xfff0).unwrap();
    for index in 0xfff1..0x1_0100 {
        let sealed = pair.protect(1, index).unwrap();
        pair.unprotect(&sealed).unwrap();
    }
    assert_eq!(pair.unprotect(&before), Ok(rtp(1, 0xfff0)));
}

#[test]
fn the_counter_follows_a_wrap_inside_a_long_loss() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        for index in [0xf000, 0xf000 + 0x7fff, 0xf000 + 2 * 0x7fff, 0xf000 + 3 * 0x7fff] {
            let sealed = pair.protect(1, index).unwrap();
            assert_eq!(pair.unprotect(&sealed), Ok(rtp(1, index as u16)), "{profile} {index:#x}");
        }
    }
}

#[test]
fn each_ssrc_has_its_own_counter() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    for index in (0..0x2_0000).step_by(0x4000) {
        let video = pair.protect(1, index).unwrap();
        let audio = pair.protect(2, index / 0x4000).unwrap();
        assert_eq!(pair.unprotect(&video), Ok(rtp(1, index as u16)));
        assert_eq!(pair.unprotect(&audio), Ok(rtp(2, (index / 0x4000) as u16)));
    }
}

/// The receiver starts at rollover counter 0 wherever the stream starts for it.
#[test]
fn a_stream_that_would_start_past_a_wrap_is_refused() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    assert_eq!(pair.protect(1, 70_000), Err(SrtpError::RolloverGap));
    assert_eq!(pair.protect(1, 200_000), Err(SrtpError::RolloverGap));
    let sealed = pair.protect(1, 70_000 % 65_536).unwrap();
    assert_eq!(pair.unprotect(&sealed), Ok(rtp(1, 4464)));
}

#[test]
fn a_jump_that_the_receiver_cannot_follow_is_refused() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    pair.protect(1, 10).unwrap();
    assert_eq!(pair.protect(1, 10 + 0x8000), Err(SrtpError::RolloverGap));
    pair.protect(1, 10 + 0x7fff).unwrap();
}

#[test]
fn a_packet_of_another_cycle_is_not_authentic() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        for index in [0xf000, 0x1_1000, 0x1_8000, 0x1_f000, 0x2_0005] {
            pair.protect(1, index).unwrap();
        }
        let sealed = pair.protect(1, 0x2_0006).unwrap();
        assert_eq!(pair.unprotect(&sealed), Err(SrtpError::Authentication), "{profile}: 0 is guessed, 2 was sealed");
    }
}
