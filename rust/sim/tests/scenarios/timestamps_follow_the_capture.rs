//! A thousand switches between encodings whose clocks have nothing to do with each other: the subscriber's timestamps stay with
//! the capture, and lips with the voice: as a receiver reckons it, by the SFU's reports of both streams. Also when the
//! publisher's reports are lost, when its wall clock is another, when pictures are on their way much longer than sound, and when
//! capture times in packets stand for reports.

use std::time::Duration;

use sfu_sim::encoder::{Payload, Structure, Token};
use sfu_sim::publisher::{AudioStream, MediaClock, PublisherConfig};
use sfu_sim::{LinkConfig, Random};
use sfu_wire::NtpTime;
use sfu_wire::rtcp::{Rtcp, packets};
use sfu_wire::rtp::RtpPacket;

use crate::call::{Call, millis};

/// Ticks of 90 kHz in a millisecond.
const MILLISECOND: i64 = 90;
/// So much of the time that passes may be made up (`core/rewrite/timeline.rs`), as its reciprocal.
const SLEW: i64 = 100;

/// A picture as it was shown.
struct Shown {
    /// Of the publisher's clock, in ticks since the first picture.
    capture: i64,
    timestamp: u32,
    source: u8,
    /// Reports of the pictures' stream that came before it.
    reports: u32,
    /// How much later it is shown than the sound of that moment, in ticks, once both were reported.
    skew: Option<i64>,
}

/// What a receiver knows of one stream's clock: a moment of the SFU's, and the timestamp then.
#[derive(Default)]
struct Reckoning(Option<(NtpTime, u32)>);

impl Reckoning {
    /// When the SFU's clock shows that something was captured, less when that was; in seconds.
    fn offset(&self, timestamp: u32, rate: f64, captured: f64) -> Option<f64> {
        let (ntp, at) = self.0?;
        let since = f64::from(timestamp.wrapping_sub(at) as i32) / rate;
        Some(ntp.to_unix().as_secs_f64() + since - captured)
    }
}

/// The receiver of both.
#[derive(Default)]
struct Player {
    video: Reckoning,
    audio: Reckoning,
    voice: Option<f64>,
    sounds: u64,
    reports: u32,
}

impl Player {
    /// What came since the last call.
    fn take(&mut self, call: &mut Call) -> Vec<Shown> {
        let (media, audio) = (call.viewers[0].receiver.streams().media, call.viewers[0].audio.unwrap());
        let mut shown = Vec::new();
        for bytes in std::mem::take(&mut call.viewers[0].packets) {
            if (192..=223).contains(&bytes[1]) {
                for packet in packets(&bytes).flatten() {
                    let Rtcp::SenderReport(report) = packet else { continue };
                    self.reports += u32::from(report.ssrc == media);
                    let place = if report.ssrc == media { &mut self.video } else { &mut self.audio };
                    place.0 = Some((report.ntp, report.rtp_timestamp));
                }
                continue;
            }
            let packet = RtpPacket::parse(&bytes).unwrap();
            let (ssrc, timestamp) = (packet.header().ssrc, packet.header().timestamp);
            let Some(token) = Token::of_payload(packet.payload()) else { continue };
            if ssrc == audio {
                let captured = AudioStream::sampled(token.frame) as f64 / 48_000.0;
                self.voice = self.audio.offset(timestamp, 48_000.0, captured);
                self.sounds += 1;
            } else if ssrc == media {
                let frames = call.publisher.streams()[usize::from(token.source)].encoder().frames();
                let capture = (frames[token.frame as usize].timestamp - frames[0].timestamp) as i64;
                let lips = self.video.offset(timestamp, 90_000.0, capture as f64 / 90_000.0);
                let skew = lips.zip(self.voice).map(|(lips, voice)| ((lips - voice) * 90_000.0) as i64);
                shown.push(Shown { capture, timestamp, source: token.source, reports: self.reports, skew });
            }
        }
        shown
    }
}

/// Goes through the pictures in order: the limits of each step, and what is wrong in the end.
#[derive(Default)]
struct Lips {
    last: Option<Shown>,
    /// The first picture of the run.
    began: i64,
    switches: u32,
    /// Reports when the run began, until its second picture; and runs without one of their own by then.
    reports: Option<u32>,
    unreported: u32,
    /// Everything is reported, and slewed.
    settled: bool,
    base: Option<i64>,
    /// Largest differences, in ticks: of timestamps, of lips to voice in the first 100 ms behind a switch and later.
    drift: i64,
    skew_at_switch: i64,
    skew: i64,
    judged: u32,
    /// Largest step beyond the slew inside a run; and what was slewed.
    jump: i64,
    slewed: i64,
}

impl Lips {
    fn add(&mut self, shown: Shown) {
        if let Some(last) = &self.last
            && last.source == shown.source
        {
            let told = self.reports.take().is_none_or(|reports| shown.reports > reports);
            self.unreported += u32::from(self.settled && !told);
            let passed = shown.capture - last.capture;
            let made_up = i64::from(shown.timestamp.wrapping_sub(last.timestamp) as i32) - passed;
            // Behind a switch pictures that the timeline puts before what was sent are squeezed in.
            if passed >= 0 && last.capture >= self.began + 100 * MILLISECOND {
                self.jump = self.jump.max(made_up.abs() - passed / SLEW);
                self.slewed += made_up.abs();
            }
        } else {
            self.began = shown.capture;
            self.reports = Some(shown.reports);
            self.switches += u32::from(self.last.is_some());
        }
        if self.settled {
            self.judge(&shown);
        }
        self.last = Some(shown);
    }

    fn judge(&mut self, shown: &Shown) {
        let offset = i64::from(shown.timestamp) - shown.capture;
        let base = *self.base.get_or_insert(offset);
        self.drift = self.drift.max(i64::from((offset - base) as i32).abs());
        let skew = shown.skew.expect("both were reported long ago").abs();
        self.judged += 1;
        if shown.capture < self.began + 100 * MILLISECOND {
            self.skew_at_switch = self.skew_at_switch.max(skew);
        } else {
            self.skew = self.skew.max(skew);
        }
    }
}

/// Sound, and three encodings with clocks of their own.
fn watched(seed: u64, video_detour: Duration) -> Call {
    // The first come after 0.6 to 3 s: until then arrival times tell.
    watched_with(seed, PublisherConfig { video_detour, reports: Some(millis(3000)), ..config() })
}

fn config() -> PublisherConfig {
    // Three hours off and fast by 50 ppm, as wall clocks are.
    let clock = MediaClock { ahead: Duration::from_secs(3 * 3600), drift_ppm: 50 };
    PublisherConfig { audio: true, clock, ..PublisherConfig::new(Structure::simulcast(Payload::Vp8, 1)) }
}

fn watched_with(seed: u64, config: PublisherConfig) -> Call {
    let mut call = Call::new(seed, config);
    call.keeps_packets = true;
    let uplink = LinkConfig { jitter: millis(30), ..LinkConfig::delayed(millis(25)) };
    call.world.uplink(call.publisher.id()).set_config(uplink);
    call.run(millis(500) + config.video_detour);
    let link = LinkConfig { jitter: millis(10), ..LinkConfig::delayed(millis(30)) };
    call.join(link, link);
    call
}

/// A viewer changes its mind until it has switched a thousand times; from the middle on no reports come.
fn thousand_switches(seed: u64, video_detour: Duration) {
    let mut call = watched(seed, video_detour);
    let (mut player, mut lips, mut random) = (Player::default(), Lips::default(), Random::new(seed));
    let began = call.world.now();
    while lips.switches < 1000 {
        call.set_layer(0, random.below(3) as u8, 7);
        call.run(millis(600));
        if lips.switches > 500 {
            call.publisher.stop_reports();
        }
        // Jitter and detour put an encoding 30 ms off at most until it is reported: that is slewed within 3 s of its pictures.
        lips.settled |= call.world.now() > began + Duration::from_secs(20);
        player.take(&mut call).into_iter().for_each(|shown| lips.add(shown));
    }
    let told = format!(
        "{} pictures, {} sounds: drift {} ticks, skew {} and {} at switches, jump {}",
        lips.judged, player.sounds, lips.drift, lips.skew, lips.skew_at_switch, lips.jump
    );
    assert!(lips.judged > 10_000 && player.sounds > 10_000, "{told}");
    assert!(lips.drift <= MILLISECOND && lips.skew <= MILLISECOND, "{told}");
    assert!(lips.skew_at_switch <= 20 * MILLISECOND, "{told}");
    assert_eq!(lips.unreported, 0, "a report follows each switch at once");
    // Timestamps are whole ticks.
    assert!(lips.jump <= 2, "{told}");
}

#[test]
fn after_a_thousand_switches_nothing_has_drifted() {
    thousand_switches(8, Duration::ZERO);
}

#[test]
fn pictures_that_are_400_ms_longer_on_their_way_stay_with_the_voice() {
    thousand_switches(9, millis(400));
}

#[test]
fn capture_times_stand_for_reports_that_never_came() {
    let config = PublisherConfig { reports: None, capture_times: true, ..config() };
    let mut call = watched_with(10, config);
    let (mut player, mut lips) = (Player::default(), Lips::default());
    for second in 0..120 {
        call.set_layer(0, (second % 3) as u8, 7);
        call.run(Duration::from_secs(1));
        lips.settled |= second >= 10;
        player.take(&mut call).into_iter().for_each(|shown| lips.add(shown));
    }
    assert!(lips.switches > 80 && lips.judged > 2500, "{} switches, {} pictures", lips.switches, lips.judged);
    // They are told in whole milliseconds, by the encoding and by the one that all are placed by.
    assert!(lips.drift <= 2 * MILLISECOND && lips.jump <= 2, "{} and {} ticks", lips.drift, lips.jump);
}

#[test]
fn what_reports_correct_is_slewed_and_never_jumps() {
    let mut slewed = 0;
    for seed in 0..10 {
        let mut call = watched(seed, Duration::ZERO);
        let (mut player, mut lips) = (Player::default(), Lips::default());
        // Arrival places an encoding first; the report of the one that flows comes while it does.
        for second in 0..10 {
            call.run(Duration::from_secs(1));
            lips.settled |= second >= 8;
            player.take(&mut call).into_iter().for_each(|shown| lips.add(shown));
        }
        assert!(lips.jump <= 2 && lips.skew <= MILLISECOND, "seed {seed}: {} and {} ticks", lips.jump, lips.skew);
        assert!(lips.judged > 30, "{}", lips.judged);
        slewed = slewed.max(lips.slewed);
    }
    assert!(slewed > 5 * MILLISECOND, "{slewed} ticks");
}
