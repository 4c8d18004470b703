//! The core alone forwards frames of one publisher to many: no socket, no kernel, nobody else's noise.

use std::hint::black_box;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use sfu_peer::{Encoding, VideoSource};
use sfu_transport::Path;

use crate::still::Server;
use crate::{Figures, median};

const FRAME: usize = 8;
const FRAMES: usize = 150;
/// As the runtime's portions.
const PORTION: usize = 128 << 10;
/// What passes through the caches between two frames on a real machine: the kernel's copies of a frame for everybody.
const ELSEWHERE: usize = 4 << 20;
/// Between two frames at 38 a second: what an idle processor forgets in that time is to be fetched again.
const PAUSE: Duration = Duration::from_millis(22);

pub(crate) fn forward(subscribers: usize) -> Figures {
    let mut server = Server::new();
    let room = server.room();
    let encoding = Encoding { rid: None, width: 1280, height: 720, packets_per_frame: FRAME, packet_len: 1156 };
    let publisher = server.bring(room, |config| {
        config.video.push(VideoSource { encodings: vec![encoding], ..VideoSource::single(38) });
    });
    server.run_for(Duration::from_secs(1));
    for _ in 0..subscribers {
        server.connect(room, |config| config.channels = true);
    }
    server.run_for(Duration::from_secs(3));
    let (taking, forwarding) = send_frames(&mut server, publisher, Duration::ZERO);
    let (_, after_pause) = send_frames(&mut server, publisher, PAUSE);
    vec![
        ("subscribers", subscribers as f64),
        ("ns_to_take_a_packet", taking),
        ("ns_to_forward_a_packet", forwarding),
        ("ns_to_forward_a_packet_after_a_pause", after_pause),
    ]
}

/// Nanoseconds to take in a packet and to forward it to one subscriber, with a pause before each frame.
fn send_frames(server: &mut Server, publisher: SocketAddr, pause: Duration) -> (f64, f64) {
    let mut elsewhere = vec![0_u8; ELSEWHERE];
    let (mut taking, mut forwarding) = (Vec::new(), Vec::new());
    while forwarding.len() < FRAMES {
        let mut burst = server.next_burst(publisher, FRAME);
        elsewhere.iter_mut().step_by(64).for_each(|byte| *byte = byte.wrapping_add(1));
        black_box(&elsewhere);
        thread::sleep(pause);
        let (now, mut packets) = (server.now, 0);
        let (sfu, egress) = (&mut server.sfu, &mut server.egress);
        let began = Instant::now();
        for (from, to, datagram) in &mut burst {
            sfu.take_datagram(now, now, Path { local: *to, remote: *from }, datagram, egress);
        }
        taking.push(began.elapsed().as_nanos() as f64 / FRAME as f64);
        let began = Instant::now();
        loop {
            let more = sfu.forward(now, PORTION, egress);
            packets += egress.len();
            egress.clear();
            if !more {
                break;
            }
        }
        forwarding.push(began.elapsed().as_nanos() as f64 / packets as f64);
    }
    (median(&mut taking), median(&mut forwarding))
}
