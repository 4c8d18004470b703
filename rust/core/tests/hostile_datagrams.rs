//! A million random and mutated datagrams at a live `Sfu`: nothing panics, grows or closes, and each of them is accounted
//! for: dropped and counted, but for keep-alives and for what a handshake under way has to take on trust. Alone in its
//! file: it looks at the memory of the whole process.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "scenarios/world.rs"]
#[allow(dead_code, reason = "the scenarios use all of it")]
mod world;

use std::fs;

use sfu_core::event::Event;
use sfu_core::stats::SfuStats;
use sfu_core::transport::ConnectionState;
use sfu_peer::{AudioSource, PeerConfig, VideoSource};
use sfu_transport::{ChannelEvent, ChannelParameters, DatagramKind, Egress, Path, Random, classify};
use world::{SERVER, World, millis, seconds};

const DATAGRAMS: u64 = 1_000_000;
/// Between them the calls go on.
const BATCH: u64 = 1_000;
/// Bytes of memory that a hostile datagram may leave behind, on average.
const GROWTH: u64 = 2;

#[test]
fn a_million_hostile_datagrams_change_nothing() {
    let mut world = World::new();
    world.tap = Some(Vec::new());
    let talkers: Vec<usize> = (0..3).map(|_| world.join(talk)).collect();
    let stuck = world.join(talk);
    world.run(millis(70));
    // Its checks have come and its handshake never ends.
    world.clients[stuck].dead = true;
    world.run(seconds(3));
    for &index in &talkers {
        assert_eq!(world.states(index).last(), Some(&ConnectionState::Connected));
    }
    let samples = Samples::new(world.tap.take().unwrap());
    let before = world.stats();
    let events = world.events.len();

    let mut attack = Attack { random: Random::new([0xba; 32]), samples };
    let half_open = Path { local: SERVER, remote: world.clients[stuck].address };
    let mut quiet = Quiet { half_open, egress: Egress::new(), fates: Fates::default() };
    let mut memory = None;
    for round in 0..DATAGRAMS / BATCH {
        for _ in 0..BATCH {
            let (path, datagram) = attack.next();
            quiet.send(&mut world, path, datagram);
        }
        world.run(millis(10));
        if round == DATAGRAMS / BATCH / 4 {
            memory = Some(resident_bytes());
        }
    }

    let grown = resident_bytes().saturating_sub(memory.unwrap());
    assert!(grown < DATAGRAMS * 3 / 4 * GROWTH, "{grown} bytes more");
    assert_eq!(live(&world.stats()), live(&before));
    // Who speaks and what a layer's rate is come with the calls themselves.
    let of_calls = |event: &&Event| matches!(event, Event::SpeakersChanged(..) | Event::LayersChanged(..));
    let changes: Vec<_> = world.events[events..].iter().filter(|event| !of_calls(event)).collect();
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(world.stats().events_dropped, 0);
    quiet.assert_accounted(&world.stats(), &before);
    assert_calls_go_on(&mut world, &talkers);
}

fn talk(config: &mut PeerConfig) {
    config.audio.push(AudioSource::default());
    config.video.push(VideoSource::single(20));
    config.channels = true;
    config.echo = true;
}

fn live(stats: &SfuStats) -> [u64; 5] {
    [stats.rooms, stats.sessions, stats.tracks, stats.subscriptions, stats.channels]
}

fn resident_bytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Whatever the strangers sent: pictures and voices are whole, and a channel opens and carries.
fn assert_calls_go_on(world: &mut World, talkers: &[usize]) {
    for &index in talkers {
        let now = world.now;
        world.clients[index].peer.open_channel(now, ChannelParameters::default()).unwrap();
    }
    world.run(seconds(1));
    for &index in talkers {
        let client = &world.clients[index];
        assert!(client.peer.is_connected());
        let stats = client.peer.stats();
        assert_eq!(stats.streams.len(), 4, "video and audio of two others");
        for stream in &stats.streams {
            let numbers = stream.numbers[0].unwrap();
            assert!(numbers.is_complete() && numbers.count > 200, "{stream:?}");
            assert_eq!([stream.corrupt, stream.misrouted, stream.duplicates, stream.lost], [0; 4], "{stream:?}");
        }
        let opened = client
            .events
            .iter()
            .any(|event| matches!(event, sfu_peer::PeerEvent::Channel(ChannelEvent::Opened { .. })));
        assert!(opened, "{:?}", client.events);
    }
}

/// What real peers have sent.
struct Samples(Vec<(Path, Vec<u8>)>);

impl Samples {
    /// At most so many of each kind: handshakes are few, media is much.
    const OF_A_KIND: usize = 300;

    fn new(all: Vec<(Path, Vec<u8>)>) -> Self {
        let mut counts = [0; 5];
        let mut samples = Vec::new();
        for (path, datagram) in all {
            let count = &mut counts[number(classify(&datagram))];
            *count += 1;
            if *count <= Self::OF_A_KIND {
                samples.push((path, datagram));
            }
        }
        assert!(counts[..4].iter().all(|count| *count > 10), "{counts:?}");
        Self(samples)
    }
}

fn number(kind: DatagramKind) -> usize {
    match kind {
        DatagramKind::Stun => 0,
        DatagramKind::Dtls => 1,
        DatagramKind::Rtp => 2,
        DatagramKind::Rtcp => 3,
        DatagramKind::Unknown => 4,
    }
}

/// What comes next, by seeded dice.
struct Attack {
    random: Random,
    samples: Samples,
}

impl Attack {
    fn next(&mut self) -> (Path, Vec<u8>) {
        let index = self.random.below(self.samples.0.len() as u64) as usize;
        let (own, sample) = &self.samples.0[index];
        // From the peer's own address, as a forger would, or from somewhere.
        let path = if self.random.below(2) == 0 { *own } else { somewhere(&mut self.random) };
        let datagram = match self.random.below(40) {
            0 => indication(&mut self.random),
            1..10 => noise(&mut self.random),
            10..20 => {
                // Random behind a first byte that belongs to some protocol.
                let mut datagram = noise(&mut self.random);
                if let (Some(first), Some(real)) = (datagram.first_mut(), sample.first()) {
                    *first = *real;
                }
                datagram
            }
            _ => mutated(&mut self.random, sample),
        };
        (path, datagram)
    }
}

fn somewhere(random: &mut Random) -> Path {
    let [a, b, c, d] = random.array();
    Path { local: SERVER, remote: ([10, a, b, c], u16::from(d) + 1).into() }
}

fn noise(random: &mut Random) -> Vec<u8> {
    let mut datagram = vec![0; random.below(120) as usize];
    random.fill(&mut datagram);
    datagram
}

/// A binding indication (RFC 8489 §5), which carries nothing and proves nothing.
fn indication(random: &mut Random) -> Vec<u8> {
    let mut datagram = vec![0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    datagram.extend_from_slice(&random.array::<12>());
    datagram
}

/// Never the sample itself: what is authentic may do something.
fn mutated(random: &mut Random, sample: &[u8]) -> Vec<u8> {
    let mut datagram = sample.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(datagram.len().max(1) as u64) as usize;
        match random.below(8) {
            0 => datagram.truncate(at),
            1 => datagram.extend_from_slice(&random.array::<5>()),
            2..5 => datagram.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << random.below(8)),
            _ => datagram.get_mut(at).into_iter().for_each(|byte| *byte = random.array::<1>()[0]),
        }
    }
    if datagram == sample {
        datagram.push(0);
    }
    datagram
}

/// Sends, and looks at what became of each datagram.
#[derive(Debug)]
struct Quiet {
    /// Whose handshake never ends.
    half_open: Path,
    egress: Egress,
    fates: Fates,
}

/// Datagrams by what became of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Fates {
    dropped: u64,
    checks: u64,
    keep_alives: u64,
    dtls: u64,
    packets: u64,
}

impl Fates {
    fn of(stats: &SfuStats) -> Self {
        let SfuStats { checks, keep_alives, dtls, packets_received: packets, .. } = *stats;
        Self { dropped: stats.dropped.total(), checks, keep_alives, dtls, packets }
    }

    fn since(self, before: Self) -> Self {
        Self {
            dropped: self.dropped - before.dropped,
            checks: self.checks - before.checks,
            keep_alives: self.keep_alives - before.keep_alives,
            dtls: self.dtls - before.dtls,
            packets: self.packets - before.packets,
        }
    }
}

impl Quiet {
    fn send(&mut self, world: &mut World, path: Path, mut datagram: Vec<u8>) {
        let kind = classify(&datagram);
        let is_indication = kind == DatagramKind::Stun && datagram.starts_with(&[0, 0x11]);
        let is_local = path.remote.ip().is_ipv4() && world.clients.iter().any(|client| client.address == path.remote);
        let before = Fates::of(&world.sfu.stats());
        world.sfu.handle_datagram(world.now, path, &mut datagram, &mut self.egress);
        let fate = Fates::of(&world.sfu.stats()).since(before);
        if fate.keep_alives == 1 {
            assert!(is_indication && is_local);
            assert_eq!(fate, Fates { keep_alives: 1, ..Fates::default() });
            self.fates.keep_alives += 1;
        } else if fate.dtls == 1 {
            // Nothing is authentic before there are keys: pieces of a handshake are taken from its address.
            assert_eq!((kind, path), (DatagramKind::Dtls, self.half_open), "a forged record was taken");
            assert_eq!(fate, Fates { dtls: 1, ..Fates::default() });
            self.fates.dtls += 1;
        } else {
            assert_eq!(fate, Fates { dropped: 1, ..Fates::default() }, "{kind:?} over {path:?}: {datagram:02x?}");
            self.fates.dropped += 1;
        }
        // Nobody is made to send to a stranger (RFC 8445 §19.5.1), nor for one.
        assert!(self.egress.is_empty() || fate.dtls == 1);
        self.egress.clear();
    }

    fn assert_accounted(&self, now: &SfuStats, before: &SfuStats) {
        let Fates { dropped, keep_alives, dtls, .. } = self.fates;
        assert_eq!(dropped + keep_alives + dtls, DATAGRAMS);
        assert_eq!(now.dropped.total() - before.dropped.total(), dropped, "the calls themselves lose nothing");
        assert_eq!(now.keep_alives - before.keep_alives, keep_alives);
        assert!(keep_alives > DATAGRAMS / 200 && dtls > 0 && dtls < DATAGRAMS / 200, "{:?}", self.fates);
    }
}
