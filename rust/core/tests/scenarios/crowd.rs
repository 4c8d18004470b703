//! Very many people in one room with audio slots: keys from outside, packets by hand, no network in between.
//!
//! `examples/voices.rs` measures with it what the scenarios assert.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sfu_core::Sfu;
use sfu_core::command::{Command, Description, Reply, SdpType};
use sfu_core::config::{Offers, RoomConfig, SessionConfig, SfuConfig};
use sfu_core::event::Event;
use sfu_core::id::{SessionId, TrackId};
use sfu_core::transport::TransportKind;
use sfu_transport::srtp::{SrtpKeys, SrtpReceiver, SrtpSender};
use sfu_transport::{Egress, Path, SrtpProfile};
use sfu_wire::rtp::{ExtensionForms, RtpHeader, RtpPacket, write_header};
use sfu_wire::{Pt, SeqNo, Ssrc};

const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;
const PAYLOAD: usize = 80;
pub(crate) const SILENT: u8 = 127;

pub(crate) struct Person {
    pub(crate) session: SessionId,
    path: Path,
    sender: SrtpSender,
    receiver: SrtpReceiver,
    seq: u16,
    /// Packets that were sent to it, of whatever kind.
    pub(crate) datagrams: u64,
}

pub(crate) struct Crowd {
    pub(crate) now: Instant,
    start: Instant,
    pub(crate) sfu: Sfu,
    pub(crate) people: Vec<Person>,
    /// Whose each voice is.
    voices: BTreeMap<TrackId, usize>,
    /// Who is in the slots of a session, as it was told.
    slots: BTreeMap<SessionId, BTreeMap<u8, Option<TrackId>>>,
    /// How often that was told.
    pub(crate) told: BTreeMap<SessionId, usize>,
    egress: Egress,
}

impl Crowd {
    /// So many people, all of them silent, with so many slots each.
    pub(crate) fn new(config: SfuConfig, count: usize, slots: u8) -> Self {
        let (now, mut egress) = (Instant::now(), Egress::new());
        let mut sfu = Sfu::new(now, config);
        let room = RoomConfig { audio_slots: Some(slots), ..RoomConfig::default() };
        let Ok(Reply::Room(room)) = sfu.handle_command(now, Command::CreateRoom(room), &mut egress) else {
            panic!("a room is made")
        };
        let mut crowd = Self {
            now,
            start: now,
            sfu,
            people: Vec::new(),
            voices: BTreeMap::new(),
            slots: BTreeMap::new(),
            told: BTreeMap::new(),
            egress,
        };
        let offer = offer(slots);
        for index in 0..count {
            let settings = SessionConfig { offers: Offers::Client, ..SessionConfig::default() };
            let Reply::Session(session) = crowd.command(Command::Join(room, settings)) else { panic!("it joins") };
            crowd.enter(session, index as u32, &offer);
            crowd.send(index, SILENT);
        }
        assert_eq!(crowd.voices.len(), count, "everybody has a voice");
        crowd
    }

    fn enter(&mut self, session: SessionId, index: u32, offer: &str) {
        let kind = SdpType::Offer;
        let description = Description { transport: TransportKind::Main, kind, sdp: offer.to_owned(), id: None };
        self.command(Command::Receive(session, description));
        let remote = SocketAddr::new(std::net::Ipv4Addr::from_bits(11 << 24 | index).into(), 5000);
        let path = Path { local: SocketAddr::new([10, 0, 0, 1].into(), 7882), remote };
        let mut material = vec![0; PROFILE.keying_material_len()];
        material[..4].copy_from_slice(&index.to_be_bytes());
        let keys = SrtpKeys::from_keying_material(PROFILE, &material).expect("as long as it must be");
        let at = (session, TransportKind::Main);
        self.sfu.connect_with_keys(self.now, at, path, &keys, &mut self.egress).expect("it connects");
        self.people.push(Person {
            session,
            path,
            sender: SrtpSender::new(PROFILE, &keys.client),
            receiver: SrtpReceiver::new(PROFILE, &keys.server),
            seq: 0,
            datagrams: 0,
        });
        self.drain(&[]);
    }

    /// Somebody sends a packet of this loudness; gives what it cost the SFU.
    pub(crate) fn send(&mut self, who: usize, level: u8) -> Duration {
        self.send_to(who, level, &[]).0
    }

    /// And what `ears` hear of it: ear, number, time and speaker.
    pub(crate) fn send_to(&mut self, who: usize, level: u8, ears: &[usize]) -> (Duration, Vec<Heard>) {
        let (path, mut packet) = self.seal(who, level);
        let began = Instant::now();
        self.sfu.handle_datagram(self.now, path, &mut packet, &mut self.egress);
        let took = began.elapsed();
        (took, self.drain(ears))
    }

    /// Several send, and it is read together.
    pub(crate) fn send_together(&mut self, who: &[(usize, u8)], ears: &[usize]) -> Vec<Heard> {
        for (who, level) in who {
            let (path, mut packet) = self.seal(*who, *level);
            self.sfu.take_datagram(self.now, self.now, path, &mut packet, &mut self.egress);
        }
        self.sfu.forward(self.now, usize::MAX, &mut self.egress);
        self.drain(ears)
    }

    fn seal(&mut self, who: usize, level: u8) -> (Path, Vec<u8>) {
        let ticks = (self.now - self.start).as_micros() as u64 * 48 / 1000;
        let person = &mut self.people[who];
        person.seq += 1;
        let (seq, ssrc) = (person.seq, Ssrc::new(1000 + who as u32));
        let header = RtpHeader { marker: false, pt: Pt::new(111), seq, timestamp: ticks as u32, ssrc };
        let voice = [level | if level < SILENT { 0x80 } else { 0 }];
        let mut packet = vec![0; 500];
        let extensions: [(u8, &[u8]); 2] = [(1, &voice), (4, b"0")];
        let head = write_header(&mut packet, &header, &[], &extensions, ExtensionForms::OneByte).expect("room").len();
        packet[head..head + 4].copy_from_slice(&(who as u32).to_be_bytes());
        let number = SeqNo::new(u64::from(seq));
        let len = person.sender.protect_rtp(&mut packet, head + PAYLOAD, head, ssrc, number).expect("it seals");
        packet.truncate(len);
        (person.path, packet)
    }

    /// Time goes by.
    pub(crate) fn wait(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
        self.sfu.handle_timeout(self.now, &mut self.egress);
        self.drain(&[]);
    }

    /// Whose voices are in the slots of somebody.
    pub(crate) fn slots_of(&self, who: usize) -> Vec<Option<usize>> {
        let slots = self.slots.get(&self.people[who].session);
        slots.into_iter().flat_map(BTreeMap::values).map(|track| Some(self.voices[track.as_ref()?])).collect()
    }

    fn command(&mut self, command: Command) -> Reply {
        self.sfu.handle_command(self.now, command, &mut self.egress).expect("it is done")
    }

    fn drain(&mut self, ears: &[usize]) -> Vec<Heard> {
        let mut heard = Vec::new();
        for (outgoing, datagram) in self.egress.iter() {
            let std::net::IpAddr::V4(ip) = outgoing.path.remote.ip() else { continue };
            let ear = (ip.to_bits() - (11 << 24)) as usize;
            self.people[ear].datagrams += 1;
            let mut datagram = datagram.to_vec();
            if ears.contains(&ear)
                && datagram[1] & 0x7f == 111
                && let Ok(len) = self.people[ear].receiver.unprotect_rtp(&mut datagram)
            {
                let packet = RtpPacket::parse(&datagram[..len]).expect("a packet");
                let (header, payload) = (packet.header(), packet.payload());
                let speaker = u32::from_be_bytes(payload[..4].try_into().expect("four bytes")) as usize;
                heard.push(Heard { ear, ssrc: header.ssrc, seq: header.seq, speaker });
            }
        }
        self.egress.clear();
        while let Some(event) = self.sfu.poll_event() {
            match event {
                Event::TrackPublished(published) => {
                    let owner = self.people.iter().rposition(|person| person.session == published.session);
                    self.voices.insert(published.track, owner.expect("a person"));
                }
                Event::AudioSlotChanged { session, slot, track, .. } => {
                    self.slots.entry(session).or_default().insert(slot, track);
                    *self.told.entry(session).or_default() += 1;
                }
                _ => {}
            }
        }
        heard
    }
}

/// One packet that reached somebody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) ear: usize,
    pub(crate) ssrc: Ssrc,
    pub(crate) seq: u16,
    pub(crate) speaker: usize,
}

/// A microphone, and as many sections to hear others in as there are slots.
fn offer(slots: u8) -> String {
    let mids: Vec<String> = (0..=slots).map(|mid| mid.to_string()).collect();
    let section = |mid: u8| {
        let direction = if mid == 0 { "sendonly" } else { "recvonly" };
        format!(
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n\
             a=rtpmap:111 opus/48000/2\r\na=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
             a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
        )
    };
    let fingerprint = ["AA"; 32].join(":");
    format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\na=ice-ufrag:hand\r\n\
         a=ice-pwd:the-password-of-the-client\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:active\r\n{}",
        mids.join(" "),
        (0..=slots).map(section).collect::<String>(),
    )
}
