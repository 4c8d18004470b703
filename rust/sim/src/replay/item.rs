//! What is played of a capture: the packets of the video and its repairs, and the publisher's sender reports.

use std::collections::BTreeMap;
use std::time::Duration;

use sfu_wire::Ssrc;
use sfu_wire::rtcp::{Rtcp, SenderReport, packets};
use sfu_wire::rtp::RtpPacket;

use super::flow::{belongs, heaviest_flow, is_rtcp, rtp};
use super::streams::{Role, Streams};
use crate::capture::Capture;

/// A packet of the capture that is played.
#[derive(Debug)]
pub(super) struct Item<'a> {
    /// Since the first.
    pub(super) at: Duration,
    pub(super) kind: ItemKind<'a>,
}

#[derive(Debug)]
pub(super) enum ItemKind<'a> {
    Rtp { packet: RtpPacket<'a>, encoding: usize, repair: bool },
    Report(SenderReport<'a>),
}

/// What is played of a capture, with times from the first packet of the video.
pub(super) fn media<'a>(capture: &'a Capture, streams: &Streams) -> Vec<Item<'a>> {
    let heaviest = heaviest_flow(capture);
    let mut items: Vec<Item<'a>> = Vec::new();
    let mut pace = Pace::default();
    for record in &capture.records {
        if let Some(packet) = rtp(record).filter(|_| belongs(record.flow, heaviest)) {
            let (encoding, repair) = match streams.roles.get(&packet.header().ssrc) {
                Some(Role::Media(encoding)) => (*encoding, false),
                Some(Role::Repair(encoding)) => (*encoding, true),
                _ => continue,
            };
            let at = if streams.untimed { pace.of(&packet) } else { record.at };
            items.push(Item { at, kind: ItemKind::Rtp { packet, encoding, repair } });
        } else if is_rtcp(record) && !streams.untimed {
            for rtcp in packets(&record.bytes) {
                if let Ok(Rtcp::SenderReport(report)) = rtcp
                    && let Some(Role::Media(_)) = streams.roles.get(&report.ssrc)
                {
                    items.push(Item { at: record.at, kind: ItemKind::Report(report) });
                }
            }
        }
    }
    items.sort_by_key(|item| item.at);
    let first = items.iter().find(|item| matches!(item.kind, ItemKind::Rtp { .. })).map(|item| item.at);
    let first = first.unwrap_or_default();
    for item in &mut items {
        item.at = item.at.saturating_sub(first);
    }
    items
}

/// Times by RTP timestamps, for captures that have none of their own.
#[derive(Debug, Default)]
struct Pace {
    /// First timestamp, newest one, and ticks between them.
    streams: BTreeMap<Ssrc, (u32, u64)>,
}

impl Pace {
    fn of(&mut self, packet: &RtpPacket<'_>) -> Duration {
        let timestamp = packet.header().timestamp;
        let (newest, ticks) = self.streams.entry(packet.header().ssrc).or_insert((timestamp, 0));
        let step = timestamp.wrapping_sub(*newest) as i32;
        if step > 0 {
            *newest = timestamp;
            *ticks += step as u64;
        }
        Duration::from_micros(*ticks * 100 / 9)
    }
}
