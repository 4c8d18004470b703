//! What SRTP costs: nanoseconds a packet for sealing and opening in place, every profile.
//!
//! Run it in release mode: `cargo run --release -p sfu-transport --example srtp_speed`.

#![allow(clippy::print_stdout)]

use std::time::Instant;

use sfu_transport::srtp::{KeySalt, SrtpError, SrtpProfile, SrtpReceiver, SrtpSender};

const PACKETS: usize = 20_000;
const ROUNDS: usize = 15;
const HEADER_LEN: usize = 12;
const SSRC: u32 = 0x1234_5678;

fn main() -> Result<(), SrtpError> {
    println!("{:24} {:>6} {:>12} {:>12}", "profile", "bytes", "seal ns", "open ns");
    for profile in SrtpProfile::ALL {
        for len in [100, 1200] {
            let (seal, open) = best_of_rounds(profile, len)?;
            println!("{:24} {len:>6} {seal:>12.0} {open:>12.0}", profile.as_str());
        }
    }
    Ok(())
}

/// The fastest round: what the machine does when nobody else wants it.
fn best_of_rounds(profile: SrtpProfile, len: usize) -> Result<(f64, f64), SrtpError> {
    let mut best = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let (seal, open) = round(profile, len)?;
        best = (best.0.min(seal), best.1.min(open));
    }
    Ok(best)
}

fn round(profile: SrtpProfile, len: usize) -> Result<(f64, f64), SrtpError> {
    let key = KeySalt::new(profile, &vec![1; profile.key_len()], &vec![2; profile.salt_len()])?;
    let mut sender = SrtpSender::new(profile, &key);
    let mut receiver = SrtpReceiver::new(profile, &key);
    let sealed_len = len + profile.rtp_overhead();
    let mut packets: Vec<Vec<u8>> = (0..PACKETS).map(|index| packet(index, sealed_len)).collect();

    let start = Instant::now();
    for (index, packet) in packets.iter_mut().enumerate() {
        sender.protect_rtp(packet, len, HEADER_LEN, SSRC.into(), (index as u64).into())?;
    }
    let seal = start.elapsed();

    let start = Instant::now();
    for packet in &mut packets {
        receiver.unprotect_rtp(packet)?;
    }
    let open = start.elapsed();

    let per_packet = 1e9 / PACKETS as f64;
    Ok((seal.as_secs_f64() * per_packet, open.as_secs_f64() * per_packet))
}

fn packet(index: usize, len: usize) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend((index as u16).to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(SSRC.to_be_bytes());
    packet.resize(len, 0xa5);
    packet
}
