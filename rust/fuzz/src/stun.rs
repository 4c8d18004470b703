//! The first look at a datagram: what it is, and whose STUN check it is. Nothing is authenticated yet.

use sfu_transport::{DatagramKind, classify, stun_local_ufrag};
use sfu_wire::rtcp::is_rtcp;
use sfu_wire::rtp::RtpPeek;

use crate::views::lies_in;

pub(crate) fn run(bytes: &[u8]) {
    let kind = classify(bytes);
    let first = bytes.first().copied().unwrap_or(u8::MAX);
    let expected = match first {
        0..=3 => DatagramKind::Stun,
        20..=63 => DatagramKind::Dtls,
        128..=191 if kind == DatagramKind::Rtcp => DatagramKind::Rtcp,
        128..=191 => DatagramKind::Rtp,
        _ => DatagramKind::Unknown,
    };
    assert!(kind == expected || kind == DatagramKind::Unknown, "{kind:?} of {first}");
    if kind == DatagramKind::Rtcp {
        assert!(is_rtcp(bytes));
    }
    if kind == DatagramKind::Rtp && bytes.len() >= 12 {
        let _ = RtpPeek::parse(bytes);
    }
    if let Some(ufrag) = stun_local_ufrag(bytes) {
        assert!(first == 0 && lies_in(ufrag.as_bytes(), bytes) && !ufrag.contains(':'));
    }
}
