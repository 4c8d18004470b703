//! A client without habits: its descriptions, packets and reports are written by the test, byte by byte.
//!
//! It does what is needed to be let in (one check, the handshake) and nothing by itself; the network has no delay.

use std::net::SocketAddr;
use std::time::Instant;

use is::stun::StunMessageBuilder;
use sfu_core::Sfu;
use sfu_core::command::{Command, CommandError, Description, Reply, SdpType};
use sfu_core::config::{Offers, RoomConfig, SessionConfig};
use sfu_core::event::Event;
use sfu_core::id::{RoomId, SessionId, TrackId};
use sfu_core::transport::TransportKind;
use sfu_transport::ice::{hmac_sha1, transaction_id};
use sfu_transport::{Class, DatagramKind, DtlsRole, Egress, Fingerprint, Path, Secured, SecuredConfig, classify};
use sfu_wire::rtcp::{CompoundWriter, WriteRtcp};
use sfu_wire::rtp::{ExtensionForms, RtpHeader, write_header};
use sfu_wire::{Pt, SeqNo, Ssrc};

use crate::world::{SERVER, certificate, config};

/// The first packet of a VP8 keyframe of one packet (RFC 7741 §4.3), and of a frame that is none.
pub(crate) const KEYFRAME: &[u8] = &[0x10, 0x00, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1];
pub(crate) const DELTA: &[u8] = &[0x10, 0x01, 0, 0];

/// A section in which a client sends or receives VP8; `lines` are its own.
pub(crate) fn vp8(mid: &str, direction: &str, lines: &[&str]) -> String {
    let mut section = format!(
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 ccm fir\r\n\
         a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
    );
    section.extend(lines.iter().flat_map(|line| ["a=", line, "\r\n"]));
    section
}

/// A section in which a client sends or receives Opus; `lines` are its own.
pub(crate) fn opus(mid: &str, direction: &str, lines: &[&str]) -> String {
    let mut section = format!(
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 112\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 nack\r\na=rtpmap:112 rtx/48000\r\na=fmtp:112 apt=111\r\n"
    );
    section.extend(lines.iter().flat_map(|line| ["a=", line, "\r\n"]));
    section
}

pub(crate) struct Packet<'a> {
    pub(crate) pt: u8,
    pub(crate) ssrc: u32,
    pub(crate) seq: u16,
    pub(crate) extensions: &'a [(u8, &'a [u8])],
    pub(crate) payload: &'a [u8],
}

pub(crate) struct Client {
    pub(crate) session: SessionId,
    pub(crate) address: SocketAddr,
    pub(crate) answer: String,
    /// Clear packets and reports as they came.
    pub(crate) packets: Vec<Vec<u8>>,
    pub(crate) reports: Vec<Vec<u8>>,
    secured: Secured,
}

pub(crate) struct Hall {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) sfu: Sfu,
    pub(crate) clients: Vec<Client>,
    pub(crate) events: Vec<Event>,
    room: RoomId,
    egress: Egress,
    checks: u32,
}

impl Hall {
    pub(crate) fn new() -> Self {
        Self::with(RoomConfig::default())
    }

    pub(crate) fn with(room: RoomConfig) -> Self {
        let (now, mut egress) = (Instant::now(), Egress::new());
        let mut sfu = Sfu::new(now, config());
        let Ok(Reply::Room(room)) = sfu.handle_command(now, Command::CreateRoom(room), &mut egress) else {
            panic!("a room is made")
        };
        Self { start: now, now, sfu, clients: Vec::new(), events: Vec::new(), room, egress, checks: 0 }
    }

    /// A client joins with these sections and connects.
    pub(crate) fn join(&mut self, sections: &[String]) -> usize {
        let settings = SessionConfig { offers: Offers::Client, ..SessionConfig::default() };
        let Ok(Reply::Session(session)) = self.command(Command::Join(self.room, settings)) else { panic!("it joins") };
        let index = self.clients.len();
        self.clients.push(Client {
            session,
            address: SocketAddr::new([10, 0, 2, index as u8].into(), 5000),
            answer: String::new(),
            packets: Vec::new(),
            reports: Vec::new(),
            secured: Secured::new(SecuredConfig {
                certificate: certificate(),
                role: DtlsRole::Active,
                channel_buffer: 1 << 16,
                profile: None,
            }),
        });
        self.offer(index, sections).unwrap();
        let client = &mut self.clients[index];
        let fingerprint = Fingerprint::parse(line(&client.answer, "a=fingerprint:")).unwrap();
        client.secured.set_remote(self.now, vec![fingerprint], None);
        self.check(index, self.clients[index].address);
        let client = &mut self.clients[index];
        client.secured.start(self.now, Path { local: client.address, remote: SERVER }, &mut self.egress);
        self.deliver();
        assert!(self.clients[index].secured.profile().is_some(), "the handshake is over");
        index
    }

    /// Offers these sections.
    pub(crate) fn offer(&mut self, index: usize, sections: &[String]) -> Result<(), CommandError> {
        let mids: Vec<&str> = sections.iter().map(|section| line(section, "a=mid:")).collect();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\na=ice-ufrag:hand\r\n\
             a=ice-pwd:the-password-of-the-client\r\na=fingerprint:{}\r\na=setup:active\r\na=extmap-allow-mixed\r\n{}",
            mids.join(" "),
            certificate().fingerprint(),
            sections.concat(),
        );
        let description = Description { transport: TransportKind::Main, kind: SdpType::Offer, sdp, id: None };
        match self.command(Command::Receive(self.clients[index].session, description))? {
            Reply::Description(Some(answer)) => self.clients[index].answer = answer.sdp,
            other => panic!("no answer but {other:?}"),
        }
        Ok(())
    }

    /// An authenticated check with nomination, of this client's session, from `source`.
    pub(crate) fn check(&mut self, index: usize, source: SocketAddr) {
        let answer = &self.clients[index].answer;
        let username = format!("{}:hand", line(answer, "a=ice-ufrag:"));
        self.checks += 1;
        let request = StunMessageBuilder::new().binding().request().username(&username).prio(1).ice_controlling(1);
        let message = request
            .use_candidate()
            .build(transaction_id(std::array::from_fn(|byte| (self.checks >> (byte % 4 * 8)) as u8)));
        let mut datagram = [0; 256];
        let len = message.to_bytes(Some(line(answer, "a=ice-pwd:").as_bytes()), &mut datagram, hmac_sha1).unwrap();
        let path = Path { local: SERVER, remote: source };
        self.sfu.handle_datagram(self.now, path, &mut datagram[..len], &mut self.egress);
        self.deliver();
    }

    pub(crate) fn send(&mut self, index: usize, packet: &Packet<'_>) {
        let sealed = self.seal(index, packet);
        self.launch(sealed);
    }

    /// Of this time, without a marker.
    pub(crate) fn send_at(&mut self, index: usize, timestamp: u32, packet: &Packet<'_>) {
        let sealed = self.seal_as(index, (timestamp, false), packet);
        self.launch(sealed);
    }

    fn launch(&mut self, (path, datagram): (Path, Vec<u8>)) {
        self.egress.push(Path { local: path.remote, remote: path.local }, Class::Video, &datagram);
        self.deliver();
    }

    /// What `send` would send, and over which path it reaches the server.
    pub(crate) fn seal(&mut self, index: usize, packet: &Packet<'_>) -> (Path, Vec<u8>) {
        self.seal_as(index, (u32::from(packet.seq) * 3000, true), packet)
    }

    fn seal_as(&mut self, index: usize, (timestamp, marker): (u32, bool), packet: &Packet<'_>) -> (Path, Vec<u8>) {
        let (pt, ssrc) = (Pt::new(packet.pt), Ssrc::new(packet.ssrc));
        let header = RtpHeader { marker, pt, seq: packet.seq, timestamp, ssrc };
        let client = &mut self.clients[index];
        let mut datagram = vec![0; 1500];
        let head = write_header(&mut datagram, &header, &[], packet.extensions, ExtensionForms::Mixed).unwrap().len();
        let len = head + packet.payload.len();
        datagram[head..len].copy_from_slice(packet.payload);
        let seq = SeqNo::new(u64::from(packet.seq));
        let sealed = client.secured.protect_rtp(&mut datagram, (len, head), header.ssrc, seq).unwrap();
        datagram.truncate(sealed);
        (Path { local: SERVER, remote: client.address }, datagram)
    }

    pub(crate) fn report(&mut self, index: usize, report: &impl WriteRtcp) {
        let client = &mut self.clients[index];
        let path = Path { local: client.address, remote: SERVER };
        self.egress.write(path, Class::Control, 1500, |buffer| {
            let mut writer = CompoundWriter::new(buffer);
            assert!(writer.push(report));
            let len = writer.len();
            client.secured.protect_rtcp(buffer, len).unwrap()
        });
        self.deliver();
    }

    /// Time passes in steps of 10 ms; consent is renewed.
    pub(crate) fn wait(&mut self, ms: u64) {
        for step in 0..ms / 10 {
            self.now += crate::world::millis(10);
            self.sfu.handle_timeout(self.now, &mut self.egress);
            self.deliver();
            if step % 250 == 0 {
                (0..self.clients.len()).for_each(|index| self.check(index, self.clients[index].address));
            }
        }
    }

    pub(crate) fn command(&mut self, command: Command) -> Result<Reply, CommandError> {
        let reply = self.sfu.handle_command(self.now, command, &mut self.egress);
        self.deliver();
        reply
    }

    /// The tracks that were published so far.
    pub(crate) fn published(&self) -> Vec<TrackId> {
        let published = self.events.iter().filter_map(|event| match event {
            Event::TrackPublished(published) => Some(published.track),
            _ => None,
        });
        published.collect()
    }

    /// Until nothing is under way.
    fn deliver(&mut self) {
        while !self.egress.is_empty() {
            let under_way: Vec<(Path, Vec<u8>)> =
                self.egress.iter().map(|(outgoing, bytes)| (outgoing.path, bytes.to_vec())).collect();
            self.egress.clear();
            for (path, mut datagram) in under_way {
                let arrived = Path { local: path.remote, remote: path.local };
                if path.remote == SERVER {
                    self.sfu.handle_datagram(self.now, arrived, &mut datagram, &mut self.egress);
                } else if let Some(client) = self.clients.iter_mut().find(|client| client.address == path.remote) {
                    client.take(self.now, arrived, &mut datagram, &mut self.egress);
                }
            }
        }
        while let Some(event) = self.sfu.poll_event() {
            self.events.push(event);
        }
    }
}

impl Client {
    fn take(&mut self, now: Instant, path: Path, datagram: &mut [u8], egress: &mut Egress) {
        match classify(datagram) {
            DatagramKind::Dtls => self.secured.handle_dtls(now, path, datagram, egress).unwrap(),
            // What is for somebody else does not open.
            DatagramKind::Rtp => self.packets.extend(self.secured.unprotect_rtp(datagram).map(|clear| clear.to_vec())),
            DatagramKind::Rtcp => {
                self.reports.extend(self.secured.unprotect_rtcp(datagram).map(|clear| clear.to_vec()));
            }
            DatagramKind::Stun | DatagramKind::Unknown => {}
        }
    }
}

/// The rest of the first line that begins so.
pub(crate) fn line<'a>(sdp: &'a str, start: &str) -> &'a str {
    sdp.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_else(|| panic!("no {start} in {sdp}"))
}
