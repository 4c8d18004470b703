//! What is in a capture: which SSRCs are the encodings of the video, which repair them, and which are something else.
//!
//! RIDs decide when the packets have them (RFC 8852), else SSRCs; encodings are ranked by their bitrate. A stream that begins
//! when another has ended is that one restarted. Repairs are told by their repaired RID, or by what they repeat (RFC 4588 §4).

use std::collections::BTreeMap;
use std::time::Duration;

use sfu_wire::rtp::RtpPacket;
use sfu_wire::{Extension, Ssrc};

use super::ReplayError;
use super::extensions::known;
use crate::capture::{Capture, Flow, Record};

const CLOCK_RATE: f64 = 90_000.0;
/// Timestamps of audio run this fast.
const AUDIO_CLOCK_RATES: [f64; 4] = [8_000.0, 16_000.0, 44_100.0, 48_000.0];

/// What an SSRC is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// The video itself: one of its encodings, by rising quality.
    Media(usize),
    /// Retransmissions of an encoding.
    Repair(usize),
    /// Not replayed, and why.
    Ignored(&'static str),
}

/// Everything of one SSRC.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) ssrc: Ssrc,
    pub(super) rid: Option<String>,
    mid: Option<String>,
    /// Whether `rid` is that of the encoding that it repairs.
    repairs_rid: bool,
    pub(super) packets: usize,
    pub(super) bytes: usize,
    /// How often each payload type came.
    pub(super) payload_types: BTreeMap<u8, usize>,
    first: Duration,
    last: Duration,
    /// From the first timestamp to the last.
    ticks: i64,
    newest_timestamp: u32,
    has_audio_level: bool,
    first_timestamp: u32,
    /// By rising timestamp.
    frames: Vec<Frame>,
    /// If it is a repair: sequence numbers and timestamps of what it repeats.
    repeated: Vec<(u16, u32)>,
}

/// Packets of one timestamp.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// Ticks since the first timestamp.
    at: u32,
    /// Their first sequence number, and their last.
    seqs: (u16, u16),
}

/// One encoding of the video.
#[derive(Debug, Clone, Default)]
pub(super) struct Encoding {
    pub(super) rid: Option<String>,
    pub(super) ssrcs: Vec<Ssrc>,
    pub(super) payload_types: BTreeMap<u8, usize>,
    pub(super) packets: usize,
    pub(super) bytes: usize,
    ticks: i64,
    last: Duration,
}

/// What a capture holds.
#[derive(Debug)]
pub(super) struct Streams {
    pub(super) encodings: Vec<Encoding>,
    pub(super) roles: BTreeMap<Ssrc, Role>,
    pub(super) packets_of: BTreeMap<Ssrc, usize>,
    /// The file's times do not fit the stream's: the timestamps set the pace.
    pub(super) untimed: bool,
}

impl Streams {
    pub(super) fn find(capture: &Capture, extensions: &[(u8, String)]) -> Result<Self, ReplayError> {
        let streams = collect(capture, extensions)?;
        let mut roles: BTreeMap<Ssrc, Role> = BTreeMap::new();
        let repairs = repairs(&streams);
        for stream in &streams {
            if let Some(why) = stream.is_no_media() {
                roles.insert(stream.ssrc, Role::Ignored(why));
            }
        }
        let mut media: Vec<&Stream> = streams
            .iter()
            .filter(|stream| !roles.contains_key(&stream.ssrc) && !repairs.contains_key(&stream.ssrc))
            .collect();
        ignore_others(&mut media, &mut roles);
        let mut encodings = group(&media);
        encodings.sort_by(|one, other| one.rate().total_cmp(&other.rate()));
        for (index, encoding) in encodings.iter().enumerate() {
            roles.extend(encoding.ssrcs.iter().map(|ssrc| (*ssrc, Role::Media(index))));
        }
        for (ssrc, repaired) in repairs {
            let index = match repaired {
                Repaired::Rid(rid) => encodings.iter().position(|encoding| encoding.rid.as_ref() == Some(&rid)),
                Repaired::Ssrc(of) => encodings.iter().position(|encoding| encoding.ssrcs.contains(&of)),
            };
            let role = index.map_or(Role::Ignored("it repairs a stream that is not in the capture"), Role::Repair);
            roles.insert(ssrc, role);
        }
        if encodings.is_empty() {
            return Err(ReplayError::NoVideo(describe(&streams, &roles)));
        }
        let longest = encodings.iter().map(Encoding::seconds).fold(0.0, f64::max);
        let span = streams.iter().map(|stream| stream.last).max().unwrap_or_default().as_secs_f64();
        let packets_of = streams.iter().map(|stream| (stream.ssrc, stream.packets)).collect();
        Ok(Self { encodings, roles, packets_of, untimed: longest > 0.5 && span < longest / 5.0 })
    }

    /// The payload type that most packets of the video have.
    pub(super) fn payload_type(&self) -> u8 {
        let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
        for (pt, count) in self.encodings.iter().flat_map(|encoding| &encoding.payload_types) {
            *counts.entry(*pt).or_default() += count;
        }
        counts.into_iter().max_by_key(|(_, count)| *count).map_or(96, |(pt, _)| pt)
    }
}

impl Encoding {
    fn seconds(&self) -> f64 {
        self.ticks as f64 / CLOCK_RATE
    }

    /// In bits per second of media time.
    pub(super) fn rate(&self) -> f64 {
        self.bytes as f64 * 8.0 / self.seconds().max(1.0 / 15.0)
    }

    fn add(&mut self, stream: &Stream) {
        self.rid = self.rid.take().or_else(|| stream.rid.clone());
        self.ssrcs.push(stream.ssrc);
        for (pt, count) in &stream.payload_types {
            *self.payload_types.entry(*pt).or_default() += count;
        }
        self.packets += stream.packets;
        self.bytes += stream.bytes;
        self.ticks += stream.ticks.max(0);
        self.last = self.last.max(stream.last);
    }
}

impl Stream {
    fn new(packet: &RtpPacket<'_>, at: Duration) -> Self {
        Self {
            ssrc: packet.header().ssrc,
            rid: None,
            mid: None,
            repairs_rid: false,
            packets: 0,
            bytes: 0,
            payload_types: BTreeMap::new(),
            first: at,
            last: at,
            ticks: 0,
            newest_timestamp: packet.header().timestamp,
            has_audio_level: false,
            first_timestamp: packet.header().timestamp,
            frames: Vec::new(),
            repeated: Vec::new(),
        }
    }

    fn take(&mut self, packet: &RtpPacket<'_>, at: Duration, extensions: &[(u8, Extension)]) {
        let header = packet.header();
        self.packets += 1;
        self.bytes += packet.payload().len();
        *self.payload_types.entry(header.pt.get()).or_default() += 1;
        self.last = at;
        let step = header.timestamp.wrapping_sub(self.newest_timestamp) as i32;
        if step > 0 {
            self.ticks += i64::from(step);
            self.newest_timestamp = header.timestamp;
        }
        let at = header.timestamp.wrapping_sub(self.first_timestamp);
        match self.frames.last_mut() {
            Some(frame) if frame.at == at => {
                if header.seq.wrapping_sub(frame.seqs.1) < 1 << 15 {
                    frame.seqs.1 = header.seq;
                }
            }
            Some(frame) if frame.at > at => {}
            _ => self.frames.push(Frame { at, seqs: (header.seq, header.seq) }),
        }
        if let Some(original) = packet.payload().first_chunk::<2>() {
            self.repeated.push((u16::from_be_bytes(*original), header.timestamp));
        }
        for (id, value) in &packet.extensions() {
            let text = || std::str::from_utf8(value).ok().map(str::to_owned);
            match extensions.iter().find(|(known, _)| *known == id).map(|(_, extension)| *extension) {
                Some(Extension::Rid) if !self.repairs_rid => self.rid = text().or(self.rid.take()),
                Some(Extension::Mid) => self.mid = text().or(self.mid.take()),
                Some(Extension::RepairedRid) => (self.rid, self.repairs_rid) = (text(), true),
                Some(Extension::AudioLevel) => self.has_audio_level = true,
                _ => {}
            }
        }
    }

    fn is_no_media(&self) -> Option<&'static str> {
        if self.has_audio_level {
            return Some("it has audio levels");
        }
        if self.bytes == 0 {
            return Some("it is padding only");
        }
        let seconds = self.last.saturating_sub(self.first).as_secs_f64();
        let rate = self.ticks as f64 / seconds;
        let audio = AUDIO_CLOCK_RATES.iter().any(|known| (rate / known - 1.0).abs() < 0.05);
        (seconds >= 1.0 && self.packets >= 10 && audio).then_some("its timestamps run at an audio clock's rate")
    }

    /// Whether a packet with this number and timestamp was sent here, or is missing here.
    fn may_have_sent(&self, (seq, timestamp): (u16, u32)) -> bool {
        /// So far a repair may reach beyond both ends of the capture.
        const BEYOND: u16 = 64;
        let at = timestamp.wrapping_sub(self.first_timestamp);
        let next = self.frames.partition_point(|frame| frame.at <= at);
        let before = self.frames[..next].iter().rev().find(|frame| frame.at < at);
        let (Some(first), Some(last)) = (self.frames.first(), self.frames.last()) else { return false };
        let low = before.map_or(first.seqs.0.wrapping_sub(BEYOND), |frame| frame.seqs.1);
        let high = self.frames.get(next).map_or(last.seqs.1.wrapping_add(BEYOND), |frame| frame.seqs.0);
        seq.wrapping_sub(low) <= high.wrapping_sub(low)
    }

    fn main_payload_type(&self) -> Option<u8> {
        self.payload_types.iter().max_by_key(|(_, count)| **count).map(|(pt, _)| *pt)
    }
}

/// What a repair stream repairs.
enum Repaired {
    Rid(String),
    Ssrc(Ssrc),
}

/// Every SSRC of the publisher's flows.
fn collect(capture: &Capture, extensions: &[(u8, String)]) -> Result<Vec<Stream>, ReplayError> {
    let extensions: Vec<_> = extensions.iter().filter_map(|(id, uri)| Some((*id, known(uri)?))).collect();
    let heaviest = heaviest_flow(capture);
    let mut streams: BTreeMap<Ssrc, Stream> = BTreeMap::new();
    let mut order = Vec::new();
    let mut other = 0;
    for record in &capture.records {
        let Some(packet) = rtp(record) else {
            other += u64::from(!is_rtcp(record));
            continue;
        };
        if !belongs(record.flow, heaviest) {
            continue;
        }
        let ssrc = packet.header().ssrc;
        let stream = streams.entry(ssrc).or_insert_with(|| {
            order.push(ssrc);
            Stream::new(&packet, record.at)
        });
        stream.take(&packet, record.at, &extensions);
    }
    if streams.is_empty() {
        return Err(ReplayError::NoRtp { records: capture.records.len(), other });
    }
    Ok(order.iter().filter_map(|ssrc| streams.remove(ssrc)).collect())
}

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

/// Repair streams: by their repaired RID, or because what they begin with fits what another SSRC sent.
fn repairs(streams: &[Stream]) -> BTreeMap<Ssrc, Repaired> {
    let mut repairs = BTreeMap::new();
    for stream in streams {
        if stream.repairs_rid {
            repairs.insert(stream.ssrc, Repaired::Rid(stream.rid.clone().unwrap_or_default()));
            continue;
        }
        let hits = |other: &Stream| stream.repeated.iter().filter(|one| other.may_have_sent(**one)).count();
        let others = streams.iter().filter(|other| {
            other.ssrc != stream.ssrc && !other.repairs_rid && other.main_payload_type() != stream.main_payload_type()
        });
        let best = others.map(|other| (hits(other), other.ssrc)).max();
        if let Some((_, ssrc)) = best.filter(|(hits, _)| *hits > 0 && hits * 4 >= stream.repeated.len() * 3) {
            repairs.insert(stream.ssrc, Repaired::Ssrc(ssrc));
        }
    }
    repairs
}

/// What has another MID, or runs beside with other payload types and no RID, is something else: another track, forward error
/// correction, another codec.
fn ignore_others(media: &mut Vec<&Stream>, roles: &mut BTreeMap<Ssrc, Role>) {
    let Some(heaviest) = media.iter().max_by_key(|stream| stream.bytes).copied() else { return };
    media.retain(|stream| {
        let shares = stream.payload_types.keys().any(|pt| heaviest.payload_types.contains_key(pt));
        let apart = stream.first >= heaviest.last || stream.last <= heaviest.first;
        let other_section = heaviest.mid.is_some() && stream.mid.is_some() && stream.mid != heaviest.mid;
        let belongs = (shares || apart || stream.rid.is_some()) && !other_section;
        if !belongs {
            let why = if other_section {
                "it belongs to another media section"
            } else {
                "it runs beside the video with a payload type of its own"
            };
            roles.insert(stream.ssrc, Role::Ignored(why));
        }
        belongs
    });
}

/// Encodings: one for each RID, and of streams without, one for each that runs beside the others.
fn group(media: &[&Stream]) -> Vec<Encoding> {
    let mut encodings: Vec<Encoding> = Vec::new();
    for stream in media {
        let by_rid = |encoding: &&mut Encoding| encoding.rid == stream.rid;
        let place = if stream.rid.is_some() {
            encodings.iter_mut().find(by_rid)
        } else {
            let rate = stream.bytes as f64 / (stream.ticks as f64).max(6000.0) * 8.0 * CLOCK_RATE;
            let distance = |encoding: &Encoding| (encoding.rate() / rate).ln().abs();
            encodings
                .iter_mut()
                .filter(|encoding| encoding.rid.is_none() && encoding.last <= stream.first)
                .min_by(|one, other| distance(one).total_cmp(&distance(other)))
        };
        match place {
            Some(encoding) => encoding.add(stream),
            None => {
                let mut encoding = Encoding::default();
                encoding.add(stream);
                encodings.push(encoding);
            }
        }
    }
    encodings
}

fn describe(streams: &[Stream], roles: &BTreeMap<Ssrc, Role>) -> String {
    let of = |stream: &Stream| match roles.get(&stream.ssrc) {
        Some(Role::Ignored(why)) => format!("SSRC {} is left out because {why}", stream.ssrc.get()),
        _ => format!("SSRC {} repairs another", stream.ssrc.get()),
    };
    streams.iter().map(of).collect::<Vec<_>>().join("; ")
}
