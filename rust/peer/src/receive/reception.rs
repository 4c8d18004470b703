//! What a receiver reports of a stream (RFC 3550 §6.4.1), from what it has counted.

use std::time::Instant;

use sfu_wire::rtcp::{ReportBlock, SenderReport};
use sfu_wire::{SeqNo, Ssrc, ntp};

/// What was counted of a stream up to now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) ssrc: Ssrc,
    pub(super) first: SeqNo,
    pub(super) highest: SeqNo,
    /// In the stream itself, without what came by retransmission.
    pub(super) received: u64,
    /// In timestamp units.
    pub(super) jitter: u32,
}

/// What the reports so far have told, either way.
#[derive(Debug, Default)]
pub(super) struct Reception {
    last_report: Option<(u32, Instant)>,
    /// Expected and received at the last report.
    reported: (u64, u64),
}

impl Counted {
    /// Packets from the first number to the highest.
    pub(super) fn expected(&self) -> u64 {
        self.highest.get() - self.first.get() + 1
    }
}

impl Reception {
    pub(super) fn note_sender_report(&mut self, now: Instant, report: &SenderReport<'_>) {
        self.last_report = Some((report.ntp.middle(), now));
    }

    /// The next report block (RFC 3550 §A.3).
    pub(super) fn report_block(&mut self, now: Instant, counted: &Counted) -> ReportBlock {
        let (expected, received) = (counted.expected(), counted.received);
        let (expected_before, received_before) = std::mem::replace(&mut self.reported, (expected, received));
        let expected_now = expected.saturating_sub(expected_before);
        let lost_now = expected_now.saturating_sub(received.saturating_sub(received_before));
        let (last_sr, delay_since_last_sr) =
            self.last_report.map_or((0, 0), |(middle, at)| (middle, ntp::to_short(now - at)));
        ReportBlock {
            ssrc: counted.ssrc,
            fraction_lost: (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8,
            cumulative_lost: (expected as i64 - received as i64).clamp(-0x80_0000, 0x7f_ffff) as i32,
            // The stream counts its first cycle as 1; a receiver's count starts at 0.
            highest_seq: counted.highest.get().saturating_sub(1 << 16) as u32,
            jitter: counted.jitter,
            last_sr,
            delay_since_last_sr,
        }
    }
}
