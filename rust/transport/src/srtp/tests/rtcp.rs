//! SRTCP: one index for all, the E bit, and nothing shared with SRTP.

#![allow(clippy::unwrap_used)]

use crate::srtp::testing::{Pair, rtcp, rtp};
use crate::srtp::{SrtpError, SrtpProfile};

fn index_word(profile: SrtpProfile, sealed: &[u8]) -> u32 {
    let behind = if profile.is_aead() { 0 } else { 10 };
    let end = sealed.len() - behind;
    u32::from_be_bytes(sealed[end - 4..end].try_into().unwrap())
}

#[test]
fn the_index_counts_up_from_zero_over_all_ssrcs() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        for (index, ssrc) in [5, 6, 5, 7].into_iter().enumerate() {
            let clear = rtcp(ssrc);
            let sealed = pair.protect_rtcp(&clear).unwrap();
            assert_eq!(sealed.len(), clear.len() + profile.rtcp_overhead());
            assert_eq!(index_word(profile, &sealed), 1 << 31 | index as u32, "{profile}");
            assert_eq!(sealed[..8], clear[..8]);
            assert_ne!(sealed[8..16], clear[8..16]);
            assert_eq!(pair.unprotect_rtcp(&sealed), Ok(clear));
        }
    }
}

#[test]
fn a_key_seals_two_to_the_31_packets() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    pair.sender.set_next_rtcp_index((1 << 31) - 1);
    let sealed = pair.protect_rtcp(&rtcp(1)).unwrap();
    assert_eq!(index_word(SrtpProfile::AeadAes128Gcm, &sealed), u32::MAX);
    assert_eq!(pair.unprotect_rtcp(&sealed), Ok(rtcp(1)));
    assert_eq!(pair.protect_rtcp(&rtcp(1)), Err(SrtpError::KeyLimit));
}

#[test]
fn a_clear_e_bit_is_refused() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        let mut sealed = pair.protect_rtcp(&rtcp(1)).unwrap();
        let behind = if profile.is_aead() { 4 } else { 14 };
        let at = sealed.len() - behind;
        sealed[at] &= 0x7f;
        assert_eq!(pair.unprotect_rtcp(&sealed), Err(SrtpError::Unencrypted), "{profile}");
    }
}

#[test]
fn senders_that_count_per_ssrc_are_understood() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    for ssrc in [1, 2, 3] {
        pair.sender.set_next_rtcp_index(0);
        for _ in 0..3 {
            let sealed = pair.protect_rtcp(&rtcp(ssrc)).unwrap();
            assert_eq!(pair.unprotect_rtcp(&sealed), Ok(rtcp(ssrc)));
        }
    }
}

#[test]
fn rtp_and_rtcp_of_one_ssrc_do_not_meet() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        let media = pair.protect(1, 0).unwrap();
        let report = pair.protect_rtcp(&rtcp(1)).unwrap();
        assert_eq!(pair.unprotect(&media), Ok(rtp(1, 0)));
        assert_eq!(pair.unprotect_rtcp(&report), Ok(rtcp(1)));
        assert!(pair.unprotect(&report).is_err());
        assert!(pair.unprotect_rtcp(&media).is_err());
    }
}
