//! Which records of a capture are the publisher's RTP.

use std::collections::BTreeMap;

use sfu_wire::rtp::RtpPacket;

use crate::capture::{Capture, Flow, Record};

/// The RTP packet of a record (RFC 5761 §4 tells it from RTCP).
pub(super) fn rtp(record: &Record) -> Option<RtpPacket<'_>> {
    if is_rtcp(record) { None } else { RtpPacket::parse(&record.bytes).ok() }
}

pub(super) fn is_rtcp(record: &Record) -> bool {
    record.rtcp.unwrap_or_else(|| matches!(record.bytes[..], [first, 192..=223, ..] if first >> 6 == 2))
}

/// The flow with most RTP in it.
pub(super) fn heaviest_flow(capture: &Capture) -> Flow {
    let mut bytes: BTreeMap<Flow, usize> = BTreeMap::new();
    for record in &capture.records {
        if let Some(packet) = rtp(record) {
            *bytes.entry(record.flow).or_default() += packet.payload().len();
        }
    }
    bytes.into_iter().max_by_key(|(_, bytes)| *bytes).and_then(|(flow, _)| flow)
}

/// Whether a flow is the publisher's: the heaviest, or another between the same hosts that is no answer to it.
pub(super) fn belongs(flow: Flow, heaviest: Flow) -> bool {
    match (flow, heaviest) {
        (Some((source, target)), Some((publisher, server))) => {
            source != server && source.ip() == publisher.ip() && target.ip() == server.ip()
        }
        _ => true,
    }
}
