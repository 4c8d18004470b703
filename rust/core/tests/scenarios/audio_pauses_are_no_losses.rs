//! Discontinuous transmission on its way: numbers without a gap, times as they are, a marker where somebody begins to speak.

use sfu_core::config::RoomConfig;
use sfu_wire::rtcp::{Rtcp, packets};
use sfu_wire::rtp::RtpPacket;

use crate::by_hand::{Hall, Packet, opus};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
/// Ticks of a millisecond.
const MS: u32 = 48;
const SOUND: &[u8] = &[0x78; 60];
/// An Opus packet of a TOC byte alone: the encoder has nothing to say.
const NOISE: &[u8] = &[0x78];
/// So long after the last packet everything that is missing was asked for.
const PATIENCE: u64 = 300;

/// Who speaks, and who listens.
struct Line {
    hall: Hall,
    seq: u16,
    timestamp: u32,
    /// What was sent and not lost: number and time.
    sent: Vec<(u16, u32)>,
}

impl Line {
    fn new(room: RoomConfig) -> Self {
        let mut hall = Hall::with(room);
        hall.join(&[opus("v", "sendonly", &[MID])]);
        // The time goes over a wrap.
        let mut line = Self { hall, seq: 20_000, timestamp: u32::MAX - 100 * MS, sent: Vec::new() };
        line.send(SOUND, 20);
        line.hall.join(&[opus("w", "recvonly", &[MID])]);
        line.sent.clear();
        line
    }

    /// The next packet, and nothing for a while.
    fn send(&mut self, payload: &[u8], ms: u32) {
        let packet = Packet { pt: 111, ssrc: 11, seq: self.seq, extensions: &[(4, b"v")], payload };
        self.hall.send_at(0, self.timestamp, &packet);
        self.sent.push((self.seq, self.timestamp));
        self.skip(ms);
    }

    /// The next packet is lost.
    fn skip(&mut self, ms: u32) {
        self.seq = self.seq.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(ms * MS);
        self.hall.wait(u64::from(ms));
    }

    /// Somebody speaks for ten packets.
    fn speak(&mut self) {
        (0..10).for_each(|_| self.send(SOUND, 20));
    }

    /// Time goes on, numbers do not.
    fn pause(&mut self, ms: u32) {
        self.timestamp = self.timestamp.wrapping_add(ms * MS);
        self.hall.wait(u64::from(ms));
    }

    fn received(&self) -> Vec<(u16, u32, bool)> {
        let packets = self.hall.clients[1].packets.iter().map(|bytes| *RtpPacket::parse(bytes).unwrap().header());
        packets.map(|header| (header.seq, header.timestamp, header.marker)).collect()
    }

    /// The numbers that the publisher was asked for.
    fn asked(&self) -> Vec<u16> {
        let reports = &self.hall.clients[0].reports;
        let all = reports.iter().flat_map(|compound| packets(compound)).filter_map(Result::ok);
        all.flat_map(|packet| if let Rtcp::Nack(nack) = packet { nack.seqs().collect() } else { Vec::new() }).collect()
    }

    /// Each packet as far from the one before as it was sent, in numbers and in time; gives which have markers.
    fn compare(&self) -> Vec<usize> {
        let received = self.received();
        assert_eq!(received.len(), self.sent.len());
        for (out, sent) in received.windows(2).zip(self.sent.windows(2)) {
            assert_eq!(out[1].0.wrapping_sub(out[0].0), sent[1].0.wrapping_sub(sent[0].0));
            assert_eq!(out[1].1.wrapping_sub(out[0].1), sent[1].1.wrapping_sub(sent[0].1));
        }
        (0..received.len()).filter(|index| received[*index].2).collect()
    }
}

#[test]
fn pauses_leave_no_gap_are_not_asked_for_and_end_with_a_marker() {
    for audio_slots in [None, Some(2)] {
        let mut line = Line::new(RoomConfig { audio_slots, ..RoomConfig::default() });
        line.speak();
        line.pause(1000);
        line.speak();
        // Comfort noise every 400 ms, as libopus has it.
        (0..3).for_each(|_| line.send(NOISE, 400));
        line.speak();
        line.hall.wait(PATIENCE);
        assert_eq!(line.compare(), [0, 10, 23], "the start of each talkspurt, with slots: {audio_slots:?}");
        assert_eq!(line.asked(), [0; 0]);
    }
}

#[test]
fn a_loss_beside_a_pause_stays_exactly_one_gap_and_is_asked_for() {
    let mut line = Line::new(RoomConfig::default());
    line.speak();
    let lost = line.seq;
    line.skip(20);
    line.speak();
    line.pause(600);
    line.speak();
    line.hall.wait(PATIENCE);
    assert_eq!(line.compare(), [0, 20]);
    let asked = line.asked();
    assert!(!asked.is_empty() && asked.iter().all(|seq| *seq == lost), "{asked:?}");
    let received = line.received();
    let gaps = received.windows(2).filter(|pair| pair[1].0.wrapping_sub(pair[0].0) != 1).count();
    assert_eq!(gaps, 1);
}
