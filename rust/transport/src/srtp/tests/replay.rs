//! Replay: an authentic packet opens once, and only authentic packets move the window.

#![allow(clippy::unwrap_used)]

use sfu_wire::Ssrc;

use crate::srtp::testing::{Pair, rtcp, rtp};
use crate::srtp::{SrtpError, SrtpProfile};

#[test]
fn a_packet_opens_once() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        let sealed = pair.protect(1, 7).unwrap();
        assert_eq!(pair.unprotect(&sealed), Ok(rtp(1, 7)));
        assert_eq!(pair.unprotect(&sealed), Err(SrtpError::Replayed), "{profile}");
    }
}

#[test]
fn a_late_packet_opens_within_1024() {
    for (behind, expected) in [(1023, Ok(rtp(1, 100))), (1024, Err(SrtpError::TooOld))] {
        let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
        let late = pair.protect(1, 100).unwrap();
        let newest = pair.protect(1, 100 + behind).unwrap();
        pair.unprotect(&newest).unwrap();
        assert_eq!(pair.unprotect(&late), expected, "{behind} behind");
    }
}

#[test]
fn a_forged_packet_moves_nothing() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        let first = pair.protect(1, 10).unwrap();
        let second = pair.protect(1, 11).unwrap();
        pair.unprotect(&first).unwrap();
        for seq in [11u16, 3000, 32_000, 65_000] {
            let mut forged = second.clone();
            forged[2..4].copy_from_slice(&seq.to_be_bytes());
            forged[20] ^= 1;
            assert_eq!(pair.unprotect(&forged), Err(SrtpError::Authentication), "{profile} {seq}");
        }
        assert_eq!(pair.unprotect(&second), Ok(rtp(1, 11)));
    }
}

#[test]
fn forged_ssrcs_take_no_memory() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    for ssrc in 0..5000 {
        let forged = [rtp(ssrc, 1), vec![0; 16]].concat();
        assert_eq!(pair.unprotect(&forged), Err(SrtpError::Authentication));
    }
    assert!(format!("{:?}", pair.receiver).contains("streams: 0"), "{:?}", pair.receiver);
}

#[test]
fn streams_beyond_the_bound_push_out_the_quietest() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    let sealed: Vec<_> = (0..1100).map(|ssrc| pair.protect(ssrc, 1).unwrap()).collect();
    for packet in &sealed {
        pair.unprotect(packet).unwrap();
    }
    assert!(format!("{:?}", pair.receiver).contains("streams: 1024"), "{:?}", pair.receiver);
    assert_eq!(pair.unprotect(&sealed[1099]), Err(SrtpError::Replayed));
    assert_eq!(pair.unprotect(&sealed[76]), Err(SrtpError::Replayed));
    assert_eq!(pair.unprotect(&sealed[0]), Ok(rtp(0, 1)));
}

#[test]
fn a_forgotten_stream_starts_anew() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    let sealed = pair.protect(1, 1).unwrap();
    pair.unprotect(&sealed).unwrap();
    pair.receiver.forget(Ssrc::new(1));
    assert_eq!(pair.unprotect(&sealed), Ok(rtp(1, 1)));
}

#[test]
fn an_rtcp_packet_opens_once_and_late_within_128() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        let sealed: Vec<_> = (0..129).map(|_| pair.protect_rtcp(&rtcp(1)).unwrap()).collect();
        assert_eq!(pair.unprotect_rtcp(&sealed[128]), Ok(rtcp(1)));
        assert_eq!(pair.unprotect_rtcp(&sealed[128]), Err(SrtpError::Replayed), "{profile}");
        assert_eq!(pair.unprotect_rtcp(&sealed[1]), Ok(rtcp(1)));
        assert_eq!(pair.unprotect_rtcp(&sealed[1]), Err(SrtpError::Replayed), "{profile}");
        assert_eq!(pair.unprotect_rtcp(&sealed[0]), Err(SrtpError::TooOld), "{profile}");
    }
}
