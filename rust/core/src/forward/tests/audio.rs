//! Audio: no keyframes, no layers; numbers go on and time is never made up.

use std::time::{Duration, Instant};

use sfu_wire::{NtpTime, SeqNo};

use crate::codec::{CodecName, Kind};
use crate::forward::Forwarder;
use crate::layer::{Dependencies, Packet, frame_facts};
use crate::stream::{PublisherClock, TimestampMap};

struct Call {
    start: Instant,
    forwarder: Forwarder,
    clock: TimestampMap,
    /// Where the numbers of this track stand.
    shift: u64,
}

impl Call {
    fn new() -> Self {
        let forwarder = Forwarder::new(Kind::Audio, SeqNo::new(100), 5000);
        Self { start: super::any_instant(), forwarder, clock: TimestampMap::new(Kind::Audio), shift: 0 }
    }

    /// The packet `n` of 20 ms, as (seq, timestamp, marker).
    fn packet(&mut self, epoch: u16, n: u64, marker: bool) -> Option<(u64, u32, bool)> {
        let now = self.start + Duration::from_millis(20) * n as u32;
        let packet = Packet {
            encoding: 0,
            epoch,
            seq: SeqNo::new(70_000 + self.shift + n),
            newest: SeqNo::new(70_000 + self.shift + n),
            timestamp: 1_000_000 + self.shift * 7 + n * 960,
            marker,
            codec: CodecName::Opus,
            payload: &[0xfc],
            facts: frame_facts(CodecName::Opus, &[0xfc], marker),
            dependencies: Dependencies::None,
            arrival: now,
        };
        self.clock.arrived(now, 0, packet.timestamp);
        let patch = self.forwarder.forward(now, &packet, &self.clock)?;
        Some((patch.seq.get(), patch.timestamp, patch.marker))
    }
}

#[test]
fn it_starts_at_once_and_keeps_losses_and_markers() {
    let mut call = Call::new();
    assert_eq!(call.packet(0, 0, true), Some((100, 5000, true)));
    assert_eq!(call.packet(0, 3, false), Some((103, 5000 + 3 * 960, false)));
    assert_eq!(call.packet(0, 1, false), Some((101, 5960, false)), "late");
    assert_eq!(call.forwarder.wants_keyframe(), None);
}

#[test]
fn after_a_pause_numbers_go_on_and_the_time_has_passed() {
    let mut call = Call::new();
    call.packet(0, 0, false);
    call.forwarder.set_paused(true);
    assert_eq!(call.packet(0, 1, false), None);
    call.forwarder.set_paused(false);
    assert_eq!(call.packet(0, 50, false), Some((101, 5000 + 50 * 960, true)), "a talkspurt begins");
    assert_eq!(call.packet(0, 51, false), Some((102, 5000 + 51 * 960, false)));
    assert_eq!(call.packet(0, 49, false), None, "from before it resumed");
}

#[test]
fn a_restart_goes_on_without_a_gap() {
    let mut call = Call::new();
    call.packet(0, 0, false);
    assert_eq!(call.packet(1, 200_000, true).map(|(seq, ..)| seq), Some(101));
    assert_eq!(call.packet(1, 200_001, false).map(|(seq, ..)| seq), Some(102));
}

#[test]
fn another_track_goes_on_with_the_next_number_and_as_much_later_as_has_passed() {
    let mut call = Call::new();
    call.packet(0, 0, false);
    assert_eq!(call.packet(0, 1, false), Some((101, 5960, false)));
    for (turn, shift) in [(1, 500_000), (2, 0), (3, 200)] {
        call.forwarder.change_track();
        (call.clock, call.shift) = (TimestampMap::new(Kind::Audio), shift);
        let numbers = (100 + 2 * turn, 5000 + turn as u32 * 50 * 960);
        assert_eq!(call.packet(0, turn * 50, false), Some((numbers.0, numbers.1, true)));
        assert_eq!(call.packet(0, turn * 50 + 1, false), Some((numbers.0 + 1, numbers.1 + 960, false)));
    }
}

#[test]
fn padding_leaves_no_gap() {
    let mut call = Call::new();
    call.packet(0, 0, false);
    call.forwarder.padding(0, SeqNo::new(70_001));
    call.forwarder.padding(1, SeqNo::new(70_002));
    assert_eq!(call.packet(0, 2, false).map(|(seq, ..)| seq), Some(101));
}

#[test]
fn the_report_tells_the_publishers_time_however_long_it_took() {
    let mut call = Call::new();
    let mut publisher = PublisherClock::default();
    let unix = Duration::from_secs(1_700_000_000);
    let ntp = NtpTime::from_unix(Duration::from_secs(1_600_000_000));
    call.packet(0, 0, false);
    assert_eq!(call.forwarder.report_timestamp(call.start, unix, &publisher, &call.clock), Some(5000));
    // The first report of the session set the clock; this track's packets are 300 ms longer on their way.
    publisher.reported(unix, ntp);
    call.clock.reported(0, ntp, 1_000_000 + 300 * 48);
    let timestamp = call.forwarder.report_timestamp(call.start, unix, &publisher, &call.clock);
    assert_eq!(timestamp, Some(5000 + 300 * 48));
    let later = Duration::from_secs(3);
    let silent = call.forwarder.report_timestamp(call.start + later, unix + later, &publisher, &call.clock);
    assert_eq!(silent, None, "nobody knows where a silent stream's clock stands");
}
