//! What a viewer's requests for retransmission cost: nanoseconds for a NACK packet, beyond receiving and authenticating one.
//!
//! Run it in release mode: `cargo run --release -p sfu-core --example nack_cost`. A camera of 2 Mbit/s has one viewer, who asks a
//! thousand times a second; each request is handled beside one of the same size about a stream that is not there.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "an example")]

mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sfu_core::Sfu;
use sfu_core::command::{Command, Description, Reply, SdpType};
use sfu_core::config::{Offers, RoomConfig, SessionConfig};
use sfu_core::id::{RoomId, SessionId};
use sfu_core::stats::SubscriptionStats;
use sfu_core::transport::TransportKind;
use sfu_transport::srtp::{SrtpKeys, SrtpReceiver, SrtpSender};
use sfu_transport::{Egress, Path, SrtpProfile};
use sfu_wire::rtcp::{CompoundWriter, Nack, NackPair};
use sfu_wire::rtp::{ExtensionForms, RtpHeader, RtpPacket, write_header};
use sfu_wire::{Pt, SeqNo, Ssrc};
use support::{SERVER, config};

const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;
const PAYLOAD: usize = 1000;
const PACKETS_A_SECOND: u32 = 250;
const SECONDS: u32 = 10;

fn main() {
    println!("{:>16} {:>10} {:>12} {:>10} {:>9}", "numbers asked", "ns each", "ns for none", "of a core", "resent");
    for numbers in [1, 17, 100, 1000, 4000] {
        let mut bench = Bench::new();
        let (asked, none) = bench.run(numbers);
        let stats = bench.viewer_stats();
        println!(
            "{numbers:>16} {:>10.0} {:>12.0} {:>8.2} % {:>9}",
            asked,
            none,
            (asked - none) * 1000.0 / 1e7,
            stats.packets_retransmitted
        );
    }
}

/// Without the slowest hundredth: then somebody else had the processor. Retransmissions are more than that.
fn mean(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.truncate(times.len() * 99 / 100);
    times.iter().sum::<Duration>().as_nanos() as f64 / times.len() as f64
}

struct Client {
    session: SessionId,
    path: Path,
    sender: SrtpSender,
    receiver: SrtpReceiver,
}

struct Bench {
    now: Instant,
    sfu: Sfu,
    egress: Egress,
    clients: Vec<Client>,
    seq: u16,
    media: Ssrc,
    newest: u16,
}

impl Bench {
    fn new() -> Self {
        let (now, mut egress) = (Instant::now(), Egress::new());
        let mut sfu = Sfu::new(now, config());
        let Ok(Reply::Room(room)) = sfu.handle_command(now, Command::CreateRoom(RoomConfig::default()), &mut egress)
        else {
            panic!("a room is made")
        };
        let mut bench = Self { now, sfu, egress, clients: Vec::new(), seq: 0, media: Ssrc::new(0), newest: 0 };
        bench.join(room, "sendonly");
        bench.send_media(&[0x10, 0x00, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1]);
        bench.join(room, "recvonly");
        bench.send_media(&[0x10, 0x00, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1]);
        assert_ne!(bench.media, Ssrc::new(0), "the viewer sees");
        bench
    }

    /// Nanoseconds for a request, and for one about nothing.
    fn run(&mut self, numbers: u16) -> (f64, f64) {
        let (mut asked, mut none) = (Vec::new(), Vec::new());
        for step in 0..1000 * SECONDS {
            self.now += Duration::from_millis(1);
            if step % (1000 / PACKETS_A_SECOND) == 0 {
                self.send_media(&[0x10, 0x01, 0, 0]);
            }
            self.sfu.handle_timeout(self.now, &mut self.egress);
            self.drain();
            none.push(self.ask(Ssrc::new(1), numbers));
            asked.push(self.ask(self.media, numbers));
        }
        (mean(asked), mean(none))
    }

    fn ask(&mut self, media: Ssrc, numbers: u16) -> Duration {
        let seqs = (0..numbers).rev().map(|back| self.newest.wrapping_sub(back));
        let pairs: Vec<NackPair> = NackPair::pack(seqs).collect();
        let mut datagram = vec![0; 1500];
        let mut writer = CompoundWriter::new(&mut datagram);
        assert!(writer.push(&Nack { sender: Ssrc::new(9), media, pairs: pairs.as_slice().into() }), "it fits");
        let clear = writer.len();
        let client = &mut self.clients[1];
        let len = client.sender.protect_rtcp(&mut datagram, clear).expect("it seals");
        let begin = Instant::now();
        self.sfu.handle_datagram(self.now, client.path, &mut datagram[..len], &mut self.egress);
        let took = begin.elapsed();
        self.drain();
        took
    }

    fn send_media(&mut self, first: &[u8]) {
        self.seq = self.seq.wrapping_add(1);
        let header = RtpHeader {
            marker: self.seq.is_multiple_of(10),
            pt: Pt::new(96),
            seq: self.seq,
            timestamp: u32::from(self.seq) / 10 * 3600,
            ssrc: Ssrc::new(11),
        };
        let mut packet = vec![0; 1500];
        let head = write_header(&mut packet, &header, &[], &[(4, b"0")], ExtensionForms::OneByte).expect("room").len();
        packet[head..head + first.len()].copy_from_slice(first);
        let client = &mut self.clients[0];
        let seq = SeqNo::new(u64::from(self.seq));
        let len = client.sender.protect_rtp(&mut packet, head + PAYLOAD, head, header.ssrc, seq).expect("it seals");
        self.sfu.handle_datagram(self.now, client.path, &mut packet[..len], &mut self.egress);
        self.drain();
    }

    /// Looks at what goes to the viewer, and forgets it.
    fn drain(&mut self) {
        for (outgoing, datagram) in self.egress.iter() {
            let Some(viewer) = self.clients.get_mut(1).filter(|viewer| viewer.path.remote == outgoing.path.remote)
            else {
                continue;
            };
            let mut datagram = datagram.to_vec();
            if datagram.get(1).is_some_and(|byte| byte & 0x7f == 96)
                && let Ok(len) = viewer.receiver.unprotect_rtp(&mut datagram)
                && let Ok(packet) = RtpPacket::parse(&datagram[..len])
            {
                (self.media, self.newest) = (packet.header().ssrc, packet.header().seq);
            }
        }
        self.egress.clear();
        while self.sfu.poll_event().is_some() {}
    }

    fn join(&mut self, room: RoomId, direction: &str) {
        let settings = SessionConfig { offers: Offers::Client, ..SessionConfig::default() };
        let Reply::Session(session) = self.command(Command::Join(room, settings)) else { panic!("it joins") };
        let description =
            Description { transport: TransportKind::Main, kind: SdpType::Offer, sdp: offer(direction), id: None };
        self.command(Command::Receive(session, description));
        let index = self.clients.len() as u8;
        let path = Path { local: SERVER, remote: SocketAddr::new([10, 0, 2, index].into(), 5000) };
        let material = vec![index + 1; PROFILE.keying_material_len()];
        let keys = SrtpKeys::from_keying_material(PROFILE, &material).expect("as long as it must be");
        let at = (session, TransportKind::Main);
        self.sfu.connect_with_keys(self.now, at, path, &keys, &mut self.egress).expect("it connects");
        self.clients.push(Client {
            session,
            path,
            sender: SrtpSender::new(PROFILE, &keys.client),
            receiver: SrtpReceiver::new(PROFILE, &keys.server),
        });
    }

    fn command(&mut self, command: Command) -> Reply {
        self.sfu.handle_command(self.now, command, &mut self.egress).expect("it is done")
    }

    fn viewer_stats(&mut self) -> SubscriptionStats {
        let session = self.clients[1].session;
        let Reply::SessionStats(stats) = self.command(Command::SessionStats(session)) else { panic!("statistics") };
        stats.subscriptions[0].clone()
    }
}

fn offer(direction: &str) -> String {
    let fingerprint = ["AA"; 32].join(":");
    format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-ufrag:hand\r\n\
         a=ice-pwd:the-password-of-the-client\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:active\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\n\
         a=fmtp:97 apt=96\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"
    )
}
