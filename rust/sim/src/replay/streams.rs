//! What is in a capture: which SSRCs are the encodings of the video, which repair them, and which are something else.
//!
//! RIDs decide when the packets have them (RFC 8852), else SSRCs; encodings are ranked by their bitrate. A stream that begins
//! when another has ended is that one restarted. Repairs are told by their repaired RID, or by what they repeat (RFC 4588 §4).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sfu_core::codec::CodecName;
use sfu_wire::Ssrc;

use super::ReplayError;
use super::extensions::known;
use super::flow::{belongs, heaviest_flow, is_rtcp, rtp};
use super::stream::Stream;
use crate::capture::Capture;

const CLOCK_RATE: f64 = 90_000.0;

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
    /// Whether any packet has a dependency descriptor.
    pub(super) described: bool,
    /// Header extensions of the video that nobody named.
    pub(super) unnamed: BTreeSet<u8>,
    /// The file's times do not fit the stream's: the timestamps set the pace.
    pub(super) untimed: bool,
}

impl Streams {
    pub(super) fn find(capture: &Capture, codec: CodecName, extensions: &[(u8, String)]) -> Result<Self, ReplayError> {
        let streams = collect(capture, codec, extensions)?;
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
        let video = streams.iter().filter(|stream| matches!(roles.get(&stream.ssrc), Some(Role::Media(_))));
        let ids = video.flat_map(|stream| stream.extensions.iter().copied());
        let unnamed = ids.filter(|id| extensions.iter().all(|(named, _)| named != id)).collect();
        let described = streams.iter().any(|stream| stream.described > 0);
        Ok(Self { encodings, roles, packets_of, described, unnamed, untimed: longest > 0.5 && span < longest / 5.0 })
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

/// What a repair stream repairs.
enum Repaired {
    Rid(String),
    Ssrc(Ssrc),
}

/// Every SSRC of the publisher's flows.
fn collect(capture: &Capture, codec: CodecName, extensions: &[(u8, String)]) -> Result<Vec<Stream>, ReplayError> {
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
        stream.take(&packet, record.at, (codec, &extensions));
    }
    if streams.is_empty() {
        let records = capture.records.len();
        return Err(ReplayError::NoRtp { records, other, snipped: capture.snipped });
    }
    Ok(order.iter().filter_map(|ssrc| streams.remove(ssrc)).collect())
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
/// correction, another codec. Of several tracks the heaviest with keyframes of the codec is meant; its encodings may have
/// formats, thus payload types, of their own (profiles).
fn ignore_others(media: &mut Vec<&Stream>, roles: &mut BTreeMap<Ssrc, Role>) {
    let Some(heaviest) = media.iter().max_by_key(|stream| (stream.keyframes > 0, stream.bytes)).copied() else {
        return;
    };
    media.retain(|stream| {
        let shares = stream.payload_types.keys().any(|pt| heaviest.payload_types.contains_key(pt));
        let apart = stream.first >= heaviest.last || stream.last <= heaviest.first;
        let told = heaviest.mid.is_some() && stream.mid.is_some();
        let other_section = told && stream.mid != heaviest.mid;
        let profile = told && stream.keyframes > 0;
        let belongs = (shares || apart || profile || stream.rid.is_some()) && !other_section;
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
        if let Some(encoding) = place {
            encoding.add(stream);
        } else {
            let mut encoding = Encoding::default();
            encoding.add(stream);
            encodings.push(encoding);
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
