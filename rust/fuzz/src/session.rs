//! A whole SFU and a publisher who is authenticated and sends anything: nobody panics, and what a viewer gets can be opened,
//! read, and has no sequence number twice.
//!
//! The bytes are a script: the codec, then steps, each of which is a packet of either side, a passing of time or a change of
//! layer. See [`Script`].

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sfu_core::codec::Kind;
use sfu_core::command::Command;
use sfu_core::config::{Offers, SessionConfig};
use sfu_core::event::Event;
use sfu_core::id::SubscriptionId;
use sfu_core::layer::Layer;
use sfu_sim::sdp::{self, Direction, Format, Section};
use sfu_sim::{Arrived, ParticipantId, World, WorldConfig};
use sfu_wire::rtp::{ExtensionForms, RtpHeader, RtpPacket, write_header};
use sfu_wire::{Extension, Pt, Ssrc};

const PT: u8 = 96;
/// Retransmissions of video, redundant audio.
const OTHER_PT: u8 = 97;
const VIDEO: [(&str, &str); 5] = [
    ("VP8", ""),
    ("VP9", "profile-id=0"),
    ("AV1", ""),
    ("H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    ("H265", ""),
];
const RIDS: [&str; 3] = ["q", "h", "f"];
const EXTENSIONS: [Extension; 8] = [
    Extension::AudioLevel,
    Extension::Mid,
    Extension::Rid,
    Extension::RepairedRid,
    Extension::TransportCc,
    Extension::DependencyDescriptor,
    Extension::AbsCaptureTime,
    Extension::VideoLayersAllocation,
];

pub(crate) fn run(bytes: &[u8]) {
    forwarded(bytes);
}

/// Plays the script; gives how many packets the viewer got.
fn forwarded(bytes: &[u8]) -> usize {
    let mut script = Script { rest: bytes };
    let first = script.number();
    let published = match VIDEO.get(usize::from(first & 0x3f) % (VIDEO.len() + 1)) {
        Some(codec) => video(*codec, first & 0x80 != 0),
        None => audio(),
    };
    let mut viewed =
        Section { direction: Direction::RecvOnly, rids: Vec::new(), ssrcs: Vec::new(), ..published.clone() };
    if first & 0x40 != 0 {
        viewed.formats.truncate(1); // Opus without RED
    }
    let mut call = Call::new(&published, viewed);
    while let Some(step) = script.byte() {
        call.step(step, &mut script);
    }
    call.pass(Duration::from_millis(500));
    assert_eq!(call.world.unopened(), 0, "what the SFU sends can be opened");
    call.seen.len()
}

/// The steps, byte by byte; bytes that are missing are zero.
struct Script<'a> {
    rest: &'a [u8],
}

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn number(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    /// A length, then as many bytes.
    fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.number()).min(self.rest.len());
        let (bytes, rest) = self.rest.split_at(len);
        self.rest = rest;
        bytes
    }
}

struct Call {
    world: World,
    /// What the viewer offers to receive.
    viewed: Section,
    publisher: ParticipantId,
    viewer: Option<ParticipantId>,
    subscription: Option<SubscriptionId>,
    /// By encoding: sequence number and timestamp of the last packet.
    last: [(u16, u32); RIDS.len()],
    seen: BTreeSet<(Ssrc, u16)>,
}

fn video((name, fmtp): (&str, &str), simulcast: bool) -> Section {
    Section {
        mid: String::from("0"),
        kind: Kind::Video,
        direction: Direction::SendOnly,
        formats: vec![Format { pt: PT, rtx: Some(OTHER_PT), map: format!("{name}/90000"), fmtp: fmtp.to_owned() }],
        extensions: sdp::extensions(&EXTENSIONS),
        rids: if simulcast { RIDS.map(str::to_owned).to_vec() } else { Vec::new() },
        ssrcs: if simulcast { Vec::new() } else { vec![(Ssrc::new(1), Some(Ssrc::new(101)))] },
    }
}

fn audio() -> Section {
    let format = |pt, name, fmtp: String| Format { pt, rtx: None, map: format!("{name}/48000/2"), fmtp };
    Section {
        kind: Kind::Audio,
        formats: vec![format(PT, "opus", String::new()), format(OTHER_PT, "red", format!("{PT}/{PT}"))],
        ssrcs: vec![(Ssrc::new(1), None)],
        ..video(("", ""), false)
    }
}

impl Call {
    fn new(published: &Section, viewed: Section) -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let mut world = World::new(WorldConfig::new(1, *START.get_or_init(Instant::now)));
        let publisher = world.join(session()).expect("an empty room");
        world.offer(publisher, &sdp::offer(std::slice::from_ref(published))).expect("a good offer");
        let last = [(65_530, u32::MAX - 9_000); RIDS.len()];
        Self { world, viewed, publisher, viewer: None, subscription: None, last, seen: BTreeSet::new() }
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step & 3 {
            0 | 1 => self.publish(step, script),
            2 => {
                let from = if step & 4 == 0 { Some(self.publisher) } else { self.viewer };
                let compound = script.bytes();
                if let Some(from) = from {
                    self.world.send_rtcp(from, compound);
                }
            }
            _ if step & 4 == 0 => self.pass(Duration::from_millis(10) * u32::from(script.number())),
            _ => self.want(script.number()),
        }
        self.pass(Duration::from_millis(1));
    }

    /// A packet: bits 2 and 3 name the encoding, bit 4 is the marker, bit 5 makes it a retransmission or redundant audio, bit 6
    /// and 7 give it a dependency descriptor (an audio level) and a layer allocation.
    fn publish(&mut self, step: u8, script: &mut Script<'_>) {
        let encoding = usize::from(step >> 2 & 3) % RIDS.len();
        let (seq, timestamp) = &mut self.last[encoding];
        *seq = seq.wrapping_add_signed(i16::from(script.number() as i8)).wrapping_add(1);
        *timestamp = timestamp.wrapping_add(u32::from(script.number()) * 300);
        let audio = self.viewed.kind == Kind::Audio;
        let other = step & 0x20 != 0;
        let repair = other && !audio;
        let header = RtpHeader {
            marker: step & 0x10 != 0,
            pt: Pt::new(if other { OTHER_PT } else { PT }),
            seq: *seq,
            timestamp: *timestamp,
            ssrc: Ssrc::new(encoding as u32 + if repair { 101 } else { 1 }),
        };
        let rid = if repair { Extension::RepairedRid } else { Extension::Rid };
        let mut extensions: Vec<(Extension, &[u8])> = vec![(Extension::Mid, b"0"), (rid, RIDS[encoding].as_bytes())];
        if step & 0x40 != 0 {
            let extension = if audio { Extension::AudioLevel } else { Extension::DependencyDescriptor };
            extensions.push((extension, script.bytes()));
        }
        if step & 0x80 != 0 {
            extensions.push((Extension::VideoLayersAllocation, script.bytes()));
        }
        let with_ids: Vec<_> = extensions.iter().map(|(one, value)| (sdp::extension_id(*one), *value)).collect();
        let payload = script.bytes();
        let mut packet = vec![0; 700 + payload.len()];
        let len = write_header(&mut packet, &header, &[], &with_ids, ExtensionForms::Mixed).expect("it fits").len();
        packet.truncate(len);
        packet.extend(payload);
        self.world.send_rtp(self.publisher, &packet);
    }

    fn want(&mut self, layer: u8) {
        if let Some(subscription) = self.subscription {
            let layer = Layer { spatial: layer >> 4 & 7, temporal: layer & 7 };
            self.world.command(Command::SetLayer(subscription, Some(layer))).expect("a live subscription");
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.world.now() + time;
        while let Some(arrived) = self.world.next(until) {
            self.check(&arrived);
            self.world.recycle(arrived.packet);
        }
        while let Some(event) = self.world.poll_event() {
            match event {
                Event::TrackPublished(_) if self.viewer.is_none() => self.view(),
                Event::Subscribed { subscription, .. } => self.subscription = Some(subscription),
                _ => {}
            }
        }
    }

    fn view(&mut self) {
        let viewer = self.world.join(session()).expect("a room for two");
        self.world.offer(viewer, &sdp::offer(std::slice::from_ref(&self.viewed))).expect("a good offer");
        self.viewer = Some(viewer);
    }

    fn check(&mut self, arrived: &Arrived) {
        if arrived.rtcp || Some(arrived.to) != self.viewer {
            return;
        }
        let packet = RtpPacket::parse(&arrived.packet).expect("the SFU writes RTP");
        let header = packet.header();
        assert!(!packet.payload().is_empty() || header.pt != Pt::new(PT), "padding in the media stream");
        assert!(self.seen.insert((header.ssrc, header.seq)), "{} of {} twice", header.seq, header.ssrc);
    }
}

fn session() -> SessionConfig {
    SessionConfig { offers: Offers::Client, ..SessionConfig::default() }
}

#[cfg(test)]
mod tests {
    use super::forwarded;

    #[test]
    fn a_browser_as_publisher_reaches_the_viewer() {
        assert!(forwarded(include_bytes!("../corpus/session/vp8-simulcast")) > 10);
        assert!(forwarded(include_bytes!("../corpus/session/vp9-l3t3")) > 10);
        assert!(forwarded(include_bytes!("../corpus/session/av1-l3t3")) > 10);
        assert!(forwarded(include_bytes!("../corpus/session/h264-simulcast")) > 10);
        assert!(forwarded(include_bytes!("../corpus/session/red-to-red")) > 10);
    }
}
