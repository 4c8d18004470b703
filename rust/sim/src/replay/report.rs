//! What a replay tells: frames forwarded and dropped, every switch, and what looks wrong in the capture or behind the SFU.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sfu_core::event::LayerReason;
use sfu_core::layer::Layer;
use sfu_wire::rtp::RtpPacket;
use sfu_wire::{Extension, SeqExtender, SeqNo};

use super::frames::Frames;

/// One encoding of the captured track, by rising quality.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EncodingReport {
    /// Its RID in the capture.
    pub rid: Option<String>,
    /// Its SSRCs, one after the other.
    pub ssrcs: Vec<u32>,
    /// The SSRCs that repair it.
    pub repairs: Vec<u32>,
    /// The payload types of its packets.
    pub payload_types: Vec<u8>,
    /// Packets in the capture.
    pub packets: u64,
    /// Payload bytes in the capture.
    pub bytes: u64,
    /// In bits per second of media time.
    pub bitrate: u64,
    /// Frames in the capture; the spatial layers of a picture count one each.
    pub frames: u64,
    /// Keyframes as the SFU saw them.
    pub keyframes: u64,
    /// Sequence numbers that are not in the capture.
    pub missing: u64,
}

/// One change of what flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// When.
    pub at: Duration,
    /// What the schedule asked for then; `None`: no limit.
    pub target: Option<Layer>,
    /// What flowed; `None`: nothing.
    pub from: Option<Layer>,
    /// What flows from here on.
    pub to: Option<Layer>,
    /// Why.
    pub reason: LayerReason,
    /// Since it was decided.
    pub wait: Duration,
    /// As much of it as a keyframe was awaited.
    pub keyframe_wait: Duration,
}

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// As in `a=rtpmap`.
    pub codec: String,
    /// From the first packet to the last.
    pub duration: Duration,
    /// The encodings, by rising quality.
    pub encodings: Vec<EncodingReport>,
    /// SSRCs that were left out: packets, and why.
    pub ignored: Vec<(u32, u64, String)>,
    /// Packets of the video and its repairs that the publisher sent.
    pub packets_sent: u64,
    /// Those of them that the damage took.
    pub packets_lost: u64,
    /// Packets of the video that reached the SFU behind others of higher numbers.
    pub packets_overtaken: u64,
    /// The publisher's sender reports that went in.
    pub sender_reports: u64,
    /// Packets that the subscriber received.
    pub packets_received: u64,
    /// Frames of all encodings and spatial layers in the capture.
    pub frames: u64,
    /// Those that the subscriber received, at least in part.
    pub frames_forwarded: u64,
    /// The rest.
    pub frames_dropped: u64,
    /// Every change of what flows.
    pub switches: Vec<Switch>,
    /// For each step of the schedule what flowed when the next one came.
    pub reached: Vec<(Duration, Layer, Option<Layer>)>,
    /// The keyframes that the SFU asked for, which nobody answers.
    pub keyframe_requests: u64,
    /// The packets that the SFU asked for again, which nobody sends.
    pub packets_asked_again: u64,
    /// Payload type of what was received.
    pub payload_type: u8,
    /// SSRC of what was received.
    pub ssrc: Option<u32>,
    /// Extension ids of what was received.
    pub extensions: Vec<(u8, String)>,
    /// What looks wrong.
    pub anomalies: Vec<String>,
}

/// Looks at what the subscriber received, in the order of sending.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    numbers: SeqExtender,
    packets: BTreeMap<SeqNo, (u32, bool)>,
    ssrcs: BTreeSet<u32>,
    payload_types: BTreeSet<u8>,
    reused: u64,
    frames: Frames,
}

impl Outcome {
    pub(super) fn take(&mut self, packet: &RtpPacket<'_>, codec: &str, extensions: &[(u8, Extension)]) {
        let header = packet.header();
        self.frames.take(packet, codec, extensions);
        self.ssrcs.insert(header.ssrc.get());
        self.payload_types.insert(header.pt.get());
        let seq = self.numbers.extend(header.seq);
        if self.packets.insert(seq, (header.timestamp, header.marker)).is_some() {
            self.reused += 1;
        }
    }

    pub(super) fn settle(&self, report: &mut Report) {
        report.packets_received = self.packets.len() as u64;
        report.frames_forwarded = self.frames.count();
        report.frames_dropped = report.frames.saturating_sub(report.frames_forwarded);
        report.ssrc = self.ssrcs.first().copied();
        if let Some(pt) = self.payload_types.first() {
            report.payload_type = *pt;
        }
        self.find_anomalies(report);
    }

    fn find_anomalies(&self, report: &mut Report) {
        let mut found = |count: u64, what: &str| {
            if count > 0 {
                report.anomalies.push(format!("{count} {what}"));
            }
        };
        found(self.reused, "sequence numbers were used twice");
        found(self.ssrcs.len().saturating_sub(1) as u64, "SSRCs too many were received");
        found(self.payload_types.len().saturating_sub(1) as u64, "payload types too many were received");
        let (mut backwards, mut missing, mut no_marker) = (0, 0, 0);
        for ((seq, (timestamp, marker)), (next_seq, (next, _))) in self.packets.iter().zip(self.packets.iter().skip(1))
        {
            let gap = next_seq.get() - seq.get() - 1;
            // A switch in mid-frame leaves one number out, so that nobody takes what follows for the frame's end.
            missing += gap - u64::from(gap == 1 && !marker);
            backwards += u64::from((next.wrapping_sub(*timestamp) as i32) < 0);
            no_marker += u64::from(gap == 0 && (next != timestamp) != *marker);
        }
        found(backwards, "timestamps went back");
        found(no_marker, "times the marker was not on the last packet of a picture");
        // Loss on the publisher's side stays visible, and so does what came too late to be taken for left out; without either
        // there is nothing to be missing.
        let lost = report.packets_lost + report.encodings.iter().map(|encoding| encoding.missing).sum::<u64>();
        if lost + report.packets_overtaken == 0 {
            found(missing, "sequence numbers are missing though nothing was lost or overtaken on the way in");
        }
    }
}
