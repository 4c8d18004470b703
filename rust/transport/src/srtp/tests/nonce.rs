//! No key seals two packets under one nonce, whatever the caller does.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use sfu_wire::Ssrc;

use crate::srtp::testing::Pair;
use crate::srtp::{SrtpError, SrtpProfile};

#[test]
fn an_index_is_sealed_once() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        pair.protect(1, 100).unwrap();
        pair.protect(1, 102).unwrap();
        assert_eq!(pair.protect(1, 100), Err(SrtpError::IndexReused), "{profile}");
        pair.protect(1, 101).unwrap();
        assert_eq!(pair.protect(1, 101), Err(SrtpError::IndexReused), "{profile}");
        pair.protect(2, 100).unwrap();
    }
}

#[test]
fn what_nobody_remembers_is_not_sealed() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    pair.protect(1, 2000).unwrap();
    assert_eq!(pair.protect(1, 976), Err(SrtpError::TooOld));
    pair.protect(1, 977).unwrap();
}

#[test]
fn an_ended_stream_stays_closed_up_to_its_last_index() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    pair.protect(1, 0xffff).unwrap();
    pair.protect(1, 0x1_0005).unwrap();
    pair.sender.forget(Ssrc::new(1));
    assert_eq!(pair.protect(1, 0x1_0005), Err(SrtpError::IndexReused));
    assert_eq!(pair.protect(1, 0x1_0004), Err(SrtpError::IndexReused), "not sealed, but nobody remembers");
    assert_eq!(pair.protect(1, 5), Err(SrtpError::TooOld));
    pair.protect(1, 0x1_0006).unwrap();
    assert_eq!(pair.protect(1, 0x1_0005), Err(SrtpError::IndexReused));
}

#[test]
fn an_ended_stream_that_nobody_sealed_on_is_unknown() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    pair.sender.forget(Ssrc::new(1));
    pair.protect(1, 0).unwrap();
}

#[test]
fn a_key_serves_65536_streams() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    for ssrc in 0..1 << 16 {
        pair.protect(ssrc, 0).unwrap();
        pair.sender.forget(Ssrc::new(ssrc));
    }
    assert_eq!(pair.protect(1 << 16, 0), Err(SrtpError::KeyLimit));
    pair.protect(7, 1).unwrap();
}

#[test]
fn an_index_of_49_bits_is_refused() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    pair.protect(1, 0).unwrap();
    assert_eq!(pair.protect(1, 1 << 48), Err(SrtpError::KeyLimit));
}

#[test]
fn a_refused_packet_claims_no_index() {
    let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
    let mut packet = pair.protect(1, 1).unwrap();
    let len = packet.len();
    packet[3] = 2;
    let refused = pair.sender.protect_rtp(&mut packet, len, 12, Ssrc::new(1), 2.into());
    assert_eq!(refused, Err(SrtpError::NoRoom));
    pair.protect(1, 2).unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Seal { ssrc: u32, index: u64 },
    Forget { ssrc: u32 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0u32..3, 0u64..2500).prop_map(|(ssrc, index)| Step::Seal { ssrc, index }),
        1 => (0u32..3).prop_map(|ssrc| Step::Forget { ssrc }),
    ]
}

proptest! {
    #[test]
    fn no_order_of_seals_and_ends_repeats_a_nonce(steps in proptest::collection::vec(step(), 1..500)) {
        let mut pair = Pair::new(SrtpProfile::AeadAes128Gcm);
        let mut sealed = BTreeSet::new();
        for step in steps {
            match step {
                Step::Seal { ssrc, index } => {
                    if pair.protect(ssrc, index).is_ok() {
                        prop_assert!(sealed.insert((ssrc, index)), "{ssrc} {index} twice");
                    }
                }
                Step::Forget { ssrc } => pair.sender.forget(Ssrc::new(ssrc)),
            }
        }
    }
}
