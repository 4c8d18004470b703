//! Clients by hand around an `Sfu`: their keys come from outside, so two runs have the same bytes, and what they send is
//! sealed before anything is measured.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use sfu_core::Sfu;
use sfu_core::command::{Command, Description, Reply, SdpType};
use sfu_core::config::{Offers, RoomConfig, SessionConfig};
use sfu_core::event::Event;
use sfu_core::id::{RoomId, SessionId};
use sfu_core::transport::TransportKind;
use sfu_transport::srtp::{SrtpKeys, SrtpReceiver, SrtpSender};
use sfu_transport::{Egress, Path, SrtpProfile};
use sfu_wire::rtcp::{CompoundWriter, WriteRtcp};
use sfu_wire::rtp::{ExtensionForms, RtpHeader, write_header};
use sfu_wire::{Pt, SeqNo, Ssrc};

use super::{SERVER, config};

const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;
/// VP8 with everything that is asked for again.
pub(crate) const VP8: u8 = 96;
/// The extensions that [`video`] and [`audio`] negotiate, beside those in their `lines`.
pub(crate) const MID: u8 = 4;

pub(crate) struct Client {
    pub(crate) session: SessionId,
    path: Path,
    sender: SrtpSender,
    receiver: SrtpReceiver,
}

pub(crate) struct Scene {
    pub(crate) now: Instant,
    pub(crate) sfu: Sfu,
    pub(crate) egress: Egress,
    pub(crate) clients: Vec<Client>,
    room: RoomId,
}

/// A packet to send: `len` bytes of payload that begin with `start`.
#[derive(Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) header: RtpHeader,
    pub(crate) extensions: &'a [(u8, &'a [u8])],
    pub(crate) start: &'a [u8],
    pub(crate) len: usize,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let (now, mut egress) = (Instant::now(), Egress::new());
        let mut sfu = Sfu::new(now, config());
        let Ok(Reply::Room(room)) = sfu.handle_command(now, Command::CreateRoom(RoomConfig::default()), &mut egress)
        else {
            panic!("a room is made")
        };
        Self { now, sfu, egress, clients: Vec::new(), room }
    }

    /// A client joins with one section and is connected; gives its index.
    pub(crate) fn join(&mut self, section: &str) -> usize {
        let settings = SessionConfig { offers: Offers::Client, ..SessionConfig::default() };
        let Reply::Session(session) = self.command(Command::Join(self.room, settings)) else { panic!("it joins") };
        let (transport, kind, sdp) = (TransportKind::Main, SdpType::Offer, offer(section));
        self.command(Command::Receive(session, Description { transport, kind, sdp, id: None }));
        let index = self.clients.len();
        let remote = SocketAddr::new(Ipv4Addr::from_bits(11 << 24 | index as u32).into(), 5000);
        let path = Path { local: SERVER, remote };
        let mut material = vec![0; PROFILE.keying_material_len()];
        material[..4].copy_from_slice(&(index as u32 + 1).to_be_bytes());
        let keys = SrtpKeys::from_keying_material(PROFILE, &material).expect("as long as it must be");
        self.sfu.connect_with_keys(self.now, (session, transport), path, &keys, &mut self.egress).expect("it connects");
        let (sender, receiver) = (SrtpSender::new(PROFILE, &keys.client), SrtpReceiver::new(PROFILE, &keys.server));
        self.clients.push(Client { session, path, sender, receiver });
        index
    }

    pub(crate) fn command(&mut self, command: Command) -> Reply {
        self.sfu.handle_command(self.now, command, &mut self.egress).expect("it is done")
    }

    pub(crate) fn seal(&mut self, index: usize, packet: &Packet<'_>) -> Vec<u8> {
        let Packet { header, extensions, start, len } = packet;
        let mut datagram = vec![0; 1500];
        let forms = ExtensionForms::OneByte;
        let head = write_header(&mut datagram, header, &[], extensions, forms).expect("room").len();
        datagram[head..head + start.len()].copy_from_slice(start);
        let seq = SeqNo::new(u64::from(header.seq));
        let sender = &mut self.clients[index].sender;
        let sealed = sender.protect_rtp(&mut datagram, head + len, head, header.ssrc, seq).expect("it seals");
        datagram.truncate(sealed);
        datagram
    }

    pub(crate) fn seal_report(&mut self, index: usize, report: &impl WriteRtcp) -> Vec<u8> {
        let mut datagram = vec![0; 1500];
        let mut writer = CompoundWriter::new(&mut datagram);
        assert!(writer.push(report), "it fits");
        let clear = writer.len();
        let sealed = self.clients[index].sender.protect_rtcp(&mut datagram, clear).expect("it seals");
        datagram.truncate(sealed);
        datagram
    }

    /// A datagram of a client arrives.
    pub(crate) fn give(&mut self, index: usize, datagram: &mut [u8]) {
        self.sfu.handle_datagram(self.now, self.clients[index].path, datagram, &mut self.egress);
    }

    /// Datagrams of a client arrive that are read together.
    pub(crate) fn give_together(&mut self, index: usize, datagrams: &mut [Vec<u8>]) {
        let path = self.clients[index].path;
        for datagram in datagrams {
            self.sfu.take_datagram(self.now, self.now, path, datagram, &mut self.egress);
        }
        while self.sfu.forward(self.now, usize::MAX, &mut self.egress) {}
    }

    /// What waits for a client and has this payload type, opened.
    pub(crate) fn open(&mut self, index: usize, pt: u8) -> Vec<Vec<u8>> {
        let Client { path, receiver, .. } = &mut self.clients[index];
        let for_it = self.egress.iter().filter(|(outgoing, _)| outgoing.path.remote == path.remote);
        let media = for_it.filter(|(_, datagram)| datagram.get(1).is_some_and(|byte| byte & 0x7f == pt));
        let opened = media.filter_map(|(_, datagram)| {
            let mut datagram = datagram.to_vec();
            let len = receiver.unprotect_rtp(&mut datagram).ok()?;
            datagram.truncate(len);
            Some(datagram)
        });
        opened.collect()
    }

    /// Time passes, and what is due is done when it is due.
    pub(crate) fn wait(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.sfu.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.sfu.handle_timeout(self.now, &mut self.egress);
        }
        self.now = end;
    }

    /// Forgets what waits to be sent, and gives what happened.
    pub(crate) fn forget(&mut self) -> Vec<Event> {
        self.egress.clear();
        std::iter::from_fn(|| self.sfu.poll_event()).collect()
    }
}

pub(crate) const fn header(pt: u8, ssrc: u32, seq: u16, timestamp: u32, marker: bool) -> RtpHeader {
    RtpHeader { marker, pt: Pt::new(pt), seq, timestamp, ssrc: Ssrc::new(ssrc) }
}

/// A section in which VP8 is sent or received; `lines` are its own.
pub(crate) fn video(direction: &str, lines: &[&str]) -> String {
    let codecs =
        ["rtpmap:96 VP8/90000", "rtcp-fb:96 nack", "rtcp-fb:96 nack pli", "rtpmap:97 rtx/90000", "fmtp:97 apt=96"];
    section("video", "96 97", direction, &[&codecs[..], lines].concat())
}

/// A section in which Opus is sent or received.
pub(crate) fn audio(direction: &str, lines: &[&str]) -> String {
    section("audio", "111", direction, &[&["rtpmap:111 opus/48000/2"], lines].concat())
}

fn section(kind: &str, formats: &str, direction: &str, lines: &[&str]) -> String {
    let mut section = format!(
        "m={kind} 9 UDP/TLS/RTP/SAVPF {formats}\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtcp-rsize\r\na=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    );
    section.extend(lines.iter().flat_map(|line| ["a=", line, "\r\n"]));
    section
}

fn offer(section: &str) -> String {
    let fingerprint = ["AA"; 32].join(":");
    format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-ufrag:hand\r\n\
         a=ice-pwd:the-password-of-the-client\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:active\r\n{section}"
    )
}
