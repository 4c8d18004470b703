//! Random and mutated datagrams: nothing panics, nothing closes, everything is counted.

use std::time::Duration;

use crate::support::{Net, PWD, UFRAG, path, rtp_packet};
use sfu_transport::{Incoming, Random, TransportState};
use sfu_wire::{SeqNo, Ssrc};

const ROUNDS: usize = 100_000;

/// Real datagrams to start from: a check, a ClientHello, media.
fn samples(net: &mut Net) -> Vec<Vec<u8>> {
    let check = net.binding_request(UFRAG, PWD, true);
    let mut media = rtp_packet(5, 0, &[1; 50]);
    let clear = media.len();
    media.resize(clear + 32, 0);
    let len = net.client.protect_rtp(&mut media, (clear, 12), Ssrc::new(5), SeqNo::new(0)).unwrap();
    media.truncate(len);
    let mut fresh = Net::new();
    fresh.client.start(fresh.now, path(1000), &mut fresh.egress);
    let hello = fresh.egress.iter().next().unwrap().1.to_vec();
    let mut report = crate::support::rtcp_packet(5);
    report.resize(64, 0);
    let len = net.client.protect_rtcp(&mut report, 12).unwrap();
    report.truncate(len);
    vec![check, hello, media, report]
}

fn mutate(random: &mut Random, sample: &[u8]) -> Vec<u8> {
    let mut datagram = sample.to_vec();
    for _ in 0..=random.below(4) {
        match random.below(4) {
            0 => datagram.truncate(random.below(datagram.len() as u64 + 1) as usize),
            1 => datagram.extend_from_slice(&random.array::<7>()),
            _ if datagram.is_empty() => {}
            2 => {
                let at = random.below(datagram.len() as u64) as usize;
                datagram[at] = random.array::<1>()[0];
            }
            _ => {
                let at = random.below(datagram.len() as u64) as usize;
                datagram[at] ^= 1 << random.below(8);
            }
        }
    }
    datagram
}

fn noise(random: &mut Random) -> Vec<u8> {
    let mut datagram = vec![0; random.below(200) as usize];
    random.fill(&mut datagram);
    datagram
}

#[test]
fn a_connected_transport_withstands_garbage() {
    let mut net = Net::connected();
    let samples = samples(&mut net);
    let mut random = Random::new([9; 32]);
    for round in 0..ROUNDS {
        let index = random.below(samples.len() as u64 + 1) as usize;
        let mut datagram = match samples.get(index) {
            Some(sample) => mutate(&mut random, sample),
            None => noise(&mut random),
        };
        let is_sample = samples.contains(&datagram);
        let from = path(1000 + (round % 3) as u16);
        let before = *net.server.counters();
        let is_known = net.server.paths().any(|path| path == from);
        let is_indication = datagram.len() >= 20 && datagram.starts_with(&[0, 0x11]);
        match net.server.handle_datagram(net.now, from, &mut datagram, &mut net.egress) {
            Incoming::Rtp(_) | Incoming::Rtcp(_) => {
                assert!(is_sample, "a forgery was taken for media");
            }
            Incoming::Dropped(_) => assert_eq!(net.server.counters().drops.total(), before.drops.total() + 1),
            Incoming::KeepAlive => assert!(is_known && is_indication),
            Incoming::Check => assert!(is_sample, "a forged check was believed"),
            Incoming::Dtls => panic!("a forged record was taken: {datagram:?}"),
        }
        assert_eq!(net.server.counters().datagrams_received(), before.datagrams_received() + 1);
        net.egress.clear();
        if round % 1000 == 0 {
            net.now += Duration::from_millis(1);
            net.server.handle_timeout(net.now, &mut net.egress);
            net.egress.clear();
        }
    }
    assert_eq!(net.server.state(), TransportState::Connected);
    assert!(net.server.counters().drops.total() > ROUNDS as u64 * 9 / 10);
    assert!(net.server.paths().count() <= 3);
}

#[test]
fn a_half_open_transport_withstands_garbage() {
    let mut net = Net::new();
    net.check(true);
    net.run_for(Duration::from_millis(50));
    let mut fresh = Net::new();
    fresh.client.start(fresh.now, path(1000), &mut fresh.egress);
    let hello = fresh.egress.iter().next().unwrap().1.to_vec();
    let mut random = Random::new([10; 32]);
    for _ in 0..ROUNDS / 10 {
        let mut datagram = mutate(&mut random, &hello);
        let before = net.server.counters().datagrams_received();
        net.server.handle_datagram(net.now, path(1000), &mut datagram, &mut net.egress);
        assert_eq!(net.server.counters().datagrams_received(), before + 1);
        net.egress.clear();
        while net.server.poll_event().is_some() {}
    }
    assert_eq!(net.server.state(), TransportState::Connecting);
}
