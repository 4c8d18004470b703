//! What a viewer's requests for retransmission cost: nanoseconds for a NACK packet, beyond receiving and authenticating one.
//!
//! Run it in release mode: `cargo run --release -p sfu-core --example nack_cost`. A camera of 2 Mbit/s has one viewer, who asks a
//! thousand times a second; each request is handled beside one of the same size about a stream that is not there.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "an example")]
#![allow(dead_code, reason = "the other programs of this folder use the rest of the scene")]

mod support;

use std::time::{Duration, Instant};

use sfu_core::command::{Command, Reply};
use sfu_core::stats::SubscriptionStats;
use sfu_wire::Ssrc;
use sfu_wire::rtcp::{Nack, NackPair};
use sfu_wire::rtp::RtpPacket;
use support::scene::{MID, Packet, Scene, VP8, header, video};

const PAYLOAD: usize = 1000;
const PACKETS_A_SECOND: u32 = 250;
const SECONDS: u32 = 10;
const KEYFRAME: &[u8] = &[0x10, 0x00, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1];
const PUBLISHER: usize = 0;
const VIEWER: usize = 1;

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

struct Bench {
    scene: Scene,
    seq: u16,
    media: Ssrc,
    newest: u16,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self { scene: Scene::new(), seq: 0, media: Ssrc::new(0), newest: 0 };
        assert_eq!(bench.scene.join(&video("sendonly", &[])), PUBLISHER);
        bench.send_media(KEYFRAME);
        assert_eq!(bench.scene.join(&video("recvonly", &[])), VIEWER);
        bench.send_media(KEYFRAME);
        assert_ne!(bench.media, Ssrc::new(0), "the viewer sees");
        bench
    }

    /// Nanoseconds for a request, and for one about nothing.
    fn run(&mut self, numbers: u16) -> (f64, f64) {
        let (mut asked, mut none) = (Vec::new(), Vec::new());
        for step in 0..1000 * SECONDS {
            self.scene.wait(Duration::from_millis(1));
            if step % (1000 / PACKETS_A_SECOND) == 0 {
                self.send_media(&[0x10, 0x01, 0, 0]);
            }
            self.drain();
            none.push(self.ask(Ssrc::new(1), numbers));
            asked.push(self.ask(self.media, numbers));
        }
        (mean(asked), mean(none))
    }

    fn ask(&mut self, media: Ssrc, numbers: u16) -> Duration {
        let seqs = (0..numbers).rev().map(|back| self.newest.wrapping_sub(back));
        let pairs: Vec<NackPair> = NackPair::pack(seqs).collect();
        let nack = Nack { sender: Ssrc::new(9), media, pairs: pairs.as_slice().into() };
        let mut datagram = self.scene.seal_report(VIEWER, &nack);
        let begin = Instant::now();
        self.scene.give(VIEWER, &mut datagram);
        let took = begin.elapsed();
        self.drain();
        took
    }

    fn send_media(&mut self, start: &[u8]) {
        self.seq = self.seq.wrapping_add(1);
        let (timestamp, marker) = (u32::from(self.seq) / 10 * 3600, self.seq.is_multiple_of(10));
        let header = header(VP8, 11, self.seq, timestamp, marker);
        let packet = Packet { header, extensions: &[(MID, b"0")], start, len: PAYLOAD };
        let mut datagram = self.scene.seal(PUBLISHER, &packet);
        self.scene.give(PUBLISHER, &mut datagram);
        self.drain();
    }

    /// Looks at what goes to the viewer, and forgets it.
    fn drain(&mut self) {
        if self.scene.clients.len() > VIEWER
            && let Some(packet) = self.scene.open(VIEWER, VP8).last()
        {
            let packet = RtpPacket::parse(packet).expect("a packet");
            (self.media, self.newest) = (packet.header().ssrc, packet.header().seq);
        }
        self.scene.forget();
    }

    fn viewer_stats(&mut self) -> SubscriptionStats {
        let session = self.scene.clients[VIEWER].session;
        let Reply::SessionStats(stats) = self.scene.command(Command::SessionStats(session)) else {
            panic!("statistics")
        };
        stats.subscriptions[0].clone()
    }
}
