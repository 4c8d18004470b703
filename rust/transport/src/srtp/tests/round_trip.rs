//! What is sealed opens to the same bytes: any header shape, any payload, any size.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use crate::srtp::SrtpProfile;
use crate::srtp::testing::{Pair, rtcp};

/// A clear packet and the length of its header.
fn packet(csrcs: &[u32], extension: Option<&[u32]>, seq: u16, payload: &[u8]) -> (Vec<u8>, usize) {
    let mut packet = vec![0x80 | csrcs.len() as u8 | u8::from(extension.is_some()) << 4, 0xe0];
    packet.extend(seq.to_be_bytes());
    packet.extend([0, 0, 0, 9, 0, 0, 0, 1]);
    packet.extend(csrcs.iter().flat_map(|csrc| csrc.to_be_bytes()));
    if let Some(words) = extension {
        packet.extend([0xbe, 0xde]);
        packet.extend((words.len() as u16).to_be_bytes());
        packet.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    }
    let header_len = packet.len();
    packet.extend(payload);
    (packet, header_len)
}

#[test]
fn a_packet_without_payload_comes_back() {
    for profile in SrtpProfile::ALL {
        let mut pair = Pair::new(profile);
        let (clear, header_len) = packet(&[], None, 3, &[]);
        let sealed = pair.protect_packet(&clear, header_len, 1, 3).unwrap();
        assert_eq!(sealed.len(), 12 + profile.rtp_overhead());
        assert_eq!(pair.unprotect(&sealed), Ok(clear));
    }
}

proptest! {
    #[test]
    fn rtp_comes_back(
        csrcs in proptest::collection::vec(any::<u32>(), 0..16),
        extension in proptest::option::of(proptest::collection::vec(any::<u32>(), 0..20)),
        payload in proptest::collection::vec(any::<u8>(), 0..1300),
        seq: u16,
        which in 0usize..3,
    ) {
        let profile = SrtpProfile::ALL[which];
        let mut pair = Pair::new(profile);
        let (clear, header_len) = packet(&csrcs, extension.as_deref(), seq, &payload);
        let sealed = pair.protect_packet(&clear, header_len, 1, u64::from(seq)).unwrap();
        prop_assert_eq!(sealed.len(), clear.len() + profile.rtp_overhead());
        prop_assert_eq!(&sealed[..header_len], &clear[..header_len], "headers stay readable");
        prop_assert!(payload.len() < 8 || sealed[header_len..clear.len()] != payload[..]);
        prop_assert_eq!(pair.unprotect(&sealed), Ok(clear));
    }

    #[test]
    fn rtcp_comes_back(ssrc: u32, rest in proptest::collection::vec(any::<u8>(), 0..1300), which in 0usize..3) {
        let mut pair = Pair::new(SrtpProfile::ALL[which]);
        let clear = [rtcp(ssrc), rest].concat();
        let sealed = pair.protect_rtcp(&clear).unwrap();
        prop_assert_eq!(pair.unprotect_rtcp(&sealed), Ok(clear));
    }
}
