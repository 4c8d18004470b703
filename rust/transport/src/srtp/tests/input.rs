//! Broken input: refused by name, never a panic.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use sfu_wire::{SeqNo, Ssrc};

use crate::srtp::testing::{Pair, rtcp, rtp};
use crate::srtp::{SrtpError, SrtpProfile};

#[test]
fn every_changed_bit_is_noticed() {
    for profile in SrtpProfile::ALL {
        let sealed = Pair::new(profile).protect(1, 7).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Pair::new(profile).unprotect(&changed).is_err(), "{profile} bit {bit}");
        }
    }
}

#[test]
fn every_changed_bit_of_rtcp_is_noticed() {
    for profile in SrtpProfile::ALL {
        let sealed = Pair::new(profile).protect_rtcp(&rtcp(1)).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(Pair::new(profile).unprotect_rtcp(&changed).is_err(), "{profile} bit {bit}");
        }
    }
}

#[test]
fn every_cut_is_noticed() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        let sealed = pair.protect(1, 7).unwrap();
        let sealed_rtcp = pair.protect_rtcp(&rtcp(1)).unwrap();
        for len in 0..sealed.len() {
            assert!(pair.unprotect(&sealed[..len]).is_err(), "{profile} {len}");
        }
        for len in 0..sealed_rtcp.len() {
            assert!(pair.unprotect_rtcp(&sealed_rtcp[..len]).is_err(), "{profile} {len}");
        }
        assert_eq!(pair.unprotect(&sealed[..12 + profile.rtp_overhead() - 1]), Err(SrtpError::TooShort));
        assert_eq!(pair.unprotect_rtcp(&sealed_rtcp[..8 + profile.rtcp_overhead() - 1]), Err(SrtpError::TooShort));
    }
}

#[test]
fn the_key_of_the_other_direction_opens_nothing() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        let other = crate::srtp::KeySalt::new(profile, &vec![9; profile.key_len()], &vec![9; profile.salt_len()]);
        pair.receiver = crate::srtp::SrtpReceiver::new(profile, &other.unwrap());
        let sealed = pair.protect(1, 7).unwrap();
        assert_eq!(pair.unprotect(&sealed), Err(SrtpError::Authentication));
        let sealed = pair.protect_rtcp(&rtcp(1)).unwrap();
        assert_eq!(pair.unprotect_rtcp(&sealed), Err(SrtpError::Authentication));
    }
}

#[test]
fn a_header_that_contradicts_its_index_is_not_sealed() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    let clear = rtp(1, 7);
    assert_eq!(pair.protect_packet(&clear, 12, 2, 7), Err(SrtpError::Malformed));
    assert_eq!(pair.protect_packet(&clear, 12, 1, 8), Err(SrtpError::Malformed));
    assert_eq!(pair.protect_packet(&clear, 11, 1, 7), Err(SrtpError::TooShort));
    assert_eq!(pair.protect_packet(&clear, clear.len() + 1, 1, 7), Err(SrtpError::TooShort));
}

#[test]
fn a_buffer_without_room_is_refused() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        let (ssrc, seq) = (Ssrc::new(1), SeqNo::new(7));
        let mut buf = [rtp(1, 7), vec![0; profile.rtp_overhead()]].concat();
        let len = rtp(1, 7).len();
        let short = buf.len() - 1;
        assert_eq!(pair.sender.protect_rtp(&mut buf[..short], len, 12, ssrc, seq), Err(SrtpError::NoRoom));
        assert_eq!(pair.sender.protect_rtp(&mut buf, usize::MAX, 12, ssrc, seq), Err(SrtpError::NoRoom));
        assert_eq!(pair.sender.protect_rtp(&mut buf, len, 12, ssrc, seq), Ok(short + 1));

        let mut buf = [rtcp(1), vec![0; profile.rtcp_overhead()]].concat();
        let len = rtcp(1).len();
        let short = buf.len() - 1;
        assert_eq!(pair.sender.protect_rtcp(&mut buf[..short], len), Err(SrtpError::NoRoom));
        assert_eq!(pair.sender.protect_rtcp(&mut buf, len), Ok(short + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn garbage_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), which in 0usize..3) {
        let mut pair = Pair::new(SrtpProfile::ALL[which]);
        prop_assert!(pair.unprotect(&bytes).is_err());
        prop_assert!(pair.unprotect_rtcp(&bytes).is_err());
    }

    #[test]
    fn garbage_with_a_header_is_refused(mut bytes in proptest::collection::vec(any::<u8>(), 1..200), which in 0usize..3) {
        bytes[0] = 0x80 | bytes[0] & 0x3f;
        let mut pair = Pair::new(SrtpProfile::ALL[which]);
        prop_assert!(pair.unprotect(&bytes).is_err());
        prop_assert!(pair.unprotect_rtcp(&bytes).is_err());
    }

    #[test]
    fn sealing_takes_any_bytes(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..100),
        len in 0usize..120,
        header_len in 0usize..120,
        which in 0usize..3,
    ) {
        let mut pair = Pair::new(SrtpProfile::ALL[which]);
        let _ = pair.sender.protect_rtp(&mut bytes, len, header_len, Ssrc::new(0), SeqNo::new(0));
        let _ = pair.sender.protect_rtcp(&mut bytes, len);
    }
}
