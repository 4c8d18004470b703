//! A publisher, a lossy way in, and one subscriber whose wishes change: everything that was sent and what became of it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use sfu_wire::{NtpTime, SeqNo};

use super::script::{Encoder, Random, Structure, WirePacket};
use crate::codec::{CodecName, Kind};
use crate::forward::{Forwarder, Patch};
use crate::layer::{Dependencies, Layer, Packet, frame_facts};
use crate::stream::{Arrival, History, RecvStream, TimestampMap};

const FRAME: Duration = Duration::from_millis(33);

/// What happens on the way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    /// In percent; half of what is lost comes back as a retransmission.
    pub(super) loss: u64,
    /// In percent of packets; they come up to so many milliseconds later.
    pub(super) reorder: u64,
    pub(super) late: u64,
    pub(super) duplicates: u64,
}

impl Network {
    pub(super) const CLEAN: Self = Self { loss: 0, reorder: 0, late: 0, duplicates: 0 };
}

/// A packet that the subscriber got.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) out: u64,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: Vec<u8>,
    /// Counts the switches.
    pub(super) run: usize,
    pub(super) encoding: usize,
    pub(super) source: u64,
    pub(super) frame: usize,
}

/// A packet that reached the SFU.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached {
    /// No packet with a higher number had come before it.
    pub(super) in_order: bool,
    pub(super) frame: Option<usize>,
    /// Switches so far.
    pub(super) run: usize,
    /// Its encoding is not what the subscriber has.
    pub(super) unwanted: bool,
}

struct Incoming {
    stream: RecvStream,
    history: History,
}

pub(super) struct Scene {
    pub(super) structure: Structure,
    pub(super) encoders: Vec<Encoder>,
    pub(super) got: Vec<Got>,
    /// By encoding and extended number.
    pub(super) reached: BTreeMap<(usize, u64), Reached>,
    pub(super) switches: usize,
    pub(super) forwarder: Forwarder,
    random: Random,
    network: Network,
    start: Instant,
    now: Duration,
    incoming: Vec<Incoming>,
    clock: TimestampMap,
    on_the_way: BinaryHeap<Reverse<(Duration, u64)>>,
    packets: BTreeMap<u64, (usize, WirePacket, bool)>,
    sent: u64,
    keyframe_due: Vec<Option<u64>>,
    tick: u64,
}

impl Scene {
    pub(super) fn new(seed: u64, encodings: usize, structure: Structure, network: Network) -> Self {
        let mut random = Random(seed);
        let first = SeqNo::new(random.below(1 << 15));
        Self {
            structure,
            encoders: (0..encodings).map(|_| Encoder::new(structure, &mut random)).collect(),
            got: Vec::new(),
            reached: BTreeMap::new(),
            switches: 0,
            forwarder: Forwarder::new(Kind::Video, first, random.next() as u32),
            random,
            network,
            start: super::any_instant(),
            now: Duration::ZERO,
            incoming: (0..encodings)
                .map(|_| Incoming { stream: RecvStream::new(Kind::Video), history: History::new(Kind::Video) })
                .collect(),
            clock: TimestampMap::new(Kind::Video),
            on_the_way: BinaryHeap::new(),
            packets: BTreeMap::new(),
            sent: 0,
            keyframe_due: vec![None; encodings],
            tick: 0,
        }
    }

    /// Pictures go by; what `act` does to the forwarder happens before each.
    pub(super) fn run(&mut self, pictures: u64, mut act: impl FnMut(u64, &mut Random, &mut Forwarder)) {
        for picture in 0..pictures {
            act(picture, &mut self.random, &mut self.forwarder);
            self.encode();
            self.now += FRAME;
            self.deliver();
        }
        self.now += Duration::from_secs(1);
        self.deliver();
    }

    fn encode(&mut self) {
        self.tick += 1;
        for encoding in 0..self.encoders.len() {
            if self.keyframe_due[encoding].is_some_and(|due| due <= self.tick) {
                self.keyframe_due[encoding] = None;
                self.encoders[encoding].keyframe_wanted = true;
            }
            if self.tick % 30 == 7 {
                let ntp = NtpTime::from_unix(Duration::from_secs(1_700_000_000) + self.now);
                let timestamp = self.encoders[encoding].timestamp();
                let now = self.start + self.now;
                if let Some(timestamp) = self.incoming[encoding].stream.sender_report(now, ntp, timestamp) {
                    self.clock.reported(encoding, ntp, timestamp);
                }
            }
            let packets = self.encoders[encoding].encode(&mut self.random);
            for (place, packet) in packets.into_iter().enumerate() {
                self.post(encoding, place as u64, &packet);
            }
        }
    }

    /// Sends a packet on its way, or loses it, or repeats it.
    fn post(&mut self, encoding: usize, place: u64, packet: &WirePacket) {
        let pace = Duration::from_micros(1000 * place + 300 * encoding as u64);
        let (network, random) = (self.network, &mut self.random);
        let mut delay = Duration::from_millis(5) + pace;
        if random.chance(network.reorder) {
            delay += Duration::from_millis(random.below(network.late));
        }
        let mut repaired = false;
        if random.chance(network.loss) {
            if random.chance(50) {
                return;
            }
            repaired = true;
            delay += Duration::from_millis(60 + random.below(100));
        }
        let again = random.chance(network.duplicates).then(|| delay + Duration::from_millis(random.below(50)));
        for delay in std::iter::once(delay).chain(again) {
            self.on_the_way.push(Reverse((self.now + delay, self.sent)));
            self.packets.insert(self.sent, (encoding, packet.clone(), repaired));
            self.sent += 1;
        }
    }

    fn deliver(&mut self) {
        while let Some(Reverse((at, id))) = self.on_the_way.peek().copied() {
            if at > self.now {
                break;
            }
            self.on_the_way.pop();
            if let Some((encoding, packet, repaired)) = self.packets.remove(&id) {
                self.ingress(self.start + at, encoding, &packet, repaired);
            }
        }
    }

    fn ingress(&mut self, now: Instant, encoding: usize, wire: &WirePacket, repaired: bool) {
        let arrival = Arrival { seq: wire.seq, timestamp: wire.timestamp, len: wire.payload.len(), repaired };
        let incoming = &mut self.incoming[encoding];
        let Some(accepted) = incoming.stream.receive(now, &arrival) else { return };
        let mut reached = Reached {
            in_order: accepted.seq == accepted.newest,
            frame: wire.frame,
            run: self.switches,
            unwanted: false,
        };
        self.reached.insert((encoding, accepted.seq.get()), reached);
        let packet = Packet {
            encoding: encoding as u8,
            epoch: accepted.epoch,
            seq: accepted.seq,
            newest: accepted.newest,
            timestamp: accepted.timestamp,
            marker: wire.marker,
            codec: self.structure.codec,
            payload: &wire.payload,
            facts: frame_facts(self.structure.codec, &wire.payload, wire.marker),
            dependencies: Dependencies::None,
            arrival: now,
        };
        incoming.history.push(&packet, std::iter::empty());
        self.clock.arrived(now, encoding, accepted.timestamp);
        self.forward(now, &packet);
        reached.run = self.switches;
        reached.unwanted = self.forwarder.encoding() != Some(encoding as u8);
        self.reached.insert((encoding, accepted.seq.get()), reached);
        if let Some((encoding, from, to)) = self.forwarder.take_catch_up() {
            for seq in from.get()..=to.get() {
                self.replay(now, usize::from(encoding), SeqNo::new(seq), to);
            }
        }
        if let Some(encoding) = self.forwarder.wants_keyframe() {
            let due = self.tick + 1 + self.random.below(4);
            self.keyframe_due[usize::from(encoding)].get_or_insert(due);
        }
    }

    fn replay(&mut self, now: Instant, encoding: usize, seq: SeqNo, newest: SeqNo) {
        let history = std::mem::replace(&mut self.incoming[encoding].history, History::new(Kind::Video));
        if let Some(stored) = history.get(seq) {
            self.forward(now, &stored.packet(newest, Dependencies::None));
        }
        self.incoming[encoding].history = history;
    }

    fn forward(&mut self, now: Instant, packet: &Packet<'_>) {
        let patch = self.forwarder.forward(now, packet, &self.clock);
        self.switches += usize::from(self.forwarder.switched());
        if let Some(patch) = patch {
            self.take(packet, &patch);
        }
    }

    fn take(&mut self, packet: &Packet<'_>, patch: &Patch) {
        let (prefix, rest) = patch.apply(packet.payload);
        let encoding = usize::from(packet.encoding);
        let frame = self.reached[&(encoding, packet.seq.get())].frame;
        self.got.push(Got {
            out: patch.seq.get(),
            timestamp: patch.timestamp,
            marker: patch.marker,
            payload: [prefix, rest].concat(),
            run: self.switches,
            encoding,
            source: packet.seq.get(),
            frame: frame.expect("padding is not forwarded"),
        });
    }
}

/// A wish that a viewer may have.
pub(super) fn any_layer(random: &mut Random) -> Option<Layer> {
    let spatial = random.below(3) as u8;
    let temporal = random.below(3) as u8;
    random.chance(85).then_some(Layer { spatial, temporal })
}

pub(super) const VP8: Structure =
    Structure { codec: CodecName::Vp8, temporal: true, spatial: 1, flexible: false, long_ids: true };
pub(super) const VP9: Structure = Structure { codec: CodecName::Vp9, ..VP8 };
pub(super) const H264: Structure = Structure { codec: CodecName::H264, temporal: false, ..VP8 };
pub(super) const H265: Structure = Structure { codec: CodecName::H265, ..VP8 };
