//! What libwebrtc's own scenarios expect of the estimator (`goog_cc_network_control_unittest.cc`, `delay_based_bwe_unittest.cc`), and what an SFU
//! needs beyond: silence, links that recover, losses that mean nothing.

mod support;

use std::time::{Duration, Instant};

use proptest::prelude::*;
use sfu_congestion::probe::SentProbe;
use sfu_congestion::{BandwidthEstimator, Gcc, GccConfig, PacketResult, ReportedLoss};
use sfu_wire::rtcp::FeedbackTime;
use sfu_wire::{Bitrate, DataSize, SeqNo};

use support::{Call, Way};

const SEEDS: u64 = 10;

fn call(way: Way, seed: u64) -> Call<Gcc> {
    let now = Instant::now();
    Call::new(now, Gcc::new(now, GccConfig::default()), way, seed)
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn it_finds_each_capacity_in_turn() {
    let mut call = call(Way::new(500, 50), 1);
    call.play(seconds(25));
    assert!((350..=550).contains(&call.kbps()), "500 kbit/s: {}", call.kbps());
    call.way = Way::new(800, 50);
    call.play(seconds(20));
    assert!((600..=900).contains(&call.kbps()), "800 kbit/s: {}", call.kbps());
    // Three packets fill a queue of 300 ms at this rate: libwebrtc's has no end.
    call.way = Way { queue: seconds(5), ..Way::new(100, 100) };
    call.play(seconds(50));
    assert!((65..=115).contains(&call.kbps()), "100 kbit/s: {}", call.kbps());
}

#[test]
fn a_good_link_is_known_within_a_second() {
    let mut call = call(Way::new(10_000, 25), 1);
    call.estimator.set_wanted(call.now, Bitrate::from_kbps(5_000));
    call.play(seconds(1));
    assert!(call.kbps() >= 2_500, "{}", call.kbps());
}

#[test]
fn a_drop_of_the_capacity_is_followed_within_a_second() {
    for seed in 0..SEEDS {
        let mut call = call(Way::new(1_000, 50), seed);
        call.play(seconds(15) + Duration::from_millis(seed * 37));
        call.way.rate = Bitrate::from_kbps(500);
        let dropped = call.now;
        let mut reaction = None;
        call.play_with(seconds(5), |call| {
            if call.kbps() <= 500 {
                reaction.get_or_insert(call.now - dropped);
            }
        });
        assert!(reaction.is_some_and(|time| time < Duration::from_millis(933)), "seed {seed}: {reaction:?}");
    }
}

#[test]
fn the_queue_stays_short_at_a_constant_capacity() {
    let mut call = call(Way::new(2_000, 50), 1);
    call.play(seconds(20));
    call.measure();
    call.play(seconds(40));
    let seen = call.measure();
    assert!(seen.rate.get() > 1_500_000, "{seen:?}");
    assert!(seen.longest_queue < Duration::from_millis(150), "{seen:?}");
}

#[test]
fn a_sudden_drop_is_answered_in_400_ms_and_its_queue_is_gone_in_two_seconds() {
    for seed in 0..SEEDS {
        let mut call = call(Way::new(2_500, 50), seed);
        // The layers of a camera: what is sent is less than what is estimated.
        call.source = Bitrate::from_kbps(2_350);
        call.play(seconds(20) + Duration::from_millis(seed * 37));
        call.way.rate = Bitrate::from_kbps(600);
        call.play(Duration::from_millis(400));
        assert!((400..=600).contains(&call.kbps()), "seed {seed}: {}", call.kbps());
        call.play(Duration::from_millis(1600));
        call.measure();
        call.play(seconds(1));
        let seen = call.measure();
        assert!(seen.longest_queue < Duration::from_millis(100), "seed {seed}: {seen:?}");
    }
}

#[test]
fn every_constant_capacity_is_used() {
    for (kbps, queue) in [(150, 160), (300, 90), (600, 60), (1_000, 60), (2_500, 100), (8_000, 100)] {
        let mut call = call(Way::new(kbps, 50), kbps);
        call.play(seconds(20));
        call.measure();
        call.play(seconds(40));
        let seen = call.measure();
        assert!(seen.rate.get() / 1000 >= kbps * 85 / 100, "{kbps}: {seen:?}");
        assert!(seen.longest_queue <= Duration::from_millis(queue), "{kbps}: {seen:?}");
    }
}

/// A minute behind the first 20 s: the mean of the estimate.
fn mean_kbps(way: Way, seed: u64) -> u64 {
    let mut call = call(way, seed);
    call.play(seconds(20));
    let (mut sum, mut count) = (0, 0);
    call.play_with(seconds(60), |call| (sum, count) = (sum + call.kbps(), count + 1));
    sum / count
}

#[test]
fn a_tenth_lost_at_random_leaves_four_fifths() {
    for seed in 0..SEEDS {
        let mean = mean_kbps(Way { loss: 100_000, ..Way::new(2_000, 50) }, seed);
        assert!(mean >= 1_600, "seed {seed}: {mean}");
    }
}

#[test]
fn bursts_of_losses_leave_seven_tenths() {
    for seed in 0..SEEDS {
        let mean = mean_kbps(Way { loss: 50_000, burst: 5, ..Way::new(2_000, 50) }, seed);
        assert!(mean >= 1_400, "seed {seed}: {mean}");
    }
}

#[test]
fn a_way_that_becomes_longer_is_no_queue() {
    for longer in [50, 100, 200] {
        let mut call = call(Way::new(2_000, 50), 1);
        call.play(seconds(20));
        call.way.delay += Duration::from_millis(longer);
        call.play(seconds(10));
        assert!(call.kbps() >= 1_200, "{longer} ms: {}", call.kbps());
        call.play(seconds(20));
        assert!(call.kbps() >= 1_700, "{longer} ms: {}", call.kbps());
    }
}

#[test]
fn silence_halves_it_and_the_reports_bring_it_back() {
    let mut call = call(Way::new(2_000, 50), 1);
    call.play(seconds(20));
    call.way.reports = false;
    // What is under way still arrives.
    call.play(Duration::from_millis(100));
    let before = call.kbps();
    call.play(Duration::from_millis(1500));
    assert!(call.kbps() <= before / 2, "{before} {}", call.kbps());
    call.way.reports = true;
    call.play(seconds(3));
    assert!(call.kbps() >= before * 8 / 10, "{before} {}", call.kbps());
}

#[test]
fn nothing_sent_for_a_minute_costs_nothing() {
    let mut call = call(Way::new(2_000, 50), 1);
    call.play(seconds(20));
    let (before, source) = (call.kbps(), call.source);
    call.source = Bitrate::ZERO;
    call.play(seconds(60));
    assert!(call.kbps() >= before * 8 / 10, "{before} {}", call.kbps());
    call.source = source;
    call.play(seconds(2));
    assert!(call.kbps() >= before * 8 / 10, "{before} {}", call.kbps());
}

#[test]
fn a_cap_of_the_receiver_holds_and_may_be_lifted() {
    let mut call = call(Way::new(2_000, 50), 1);
    call.estimator.handle_remb(call.now, Bitrate::from_kbps(250));
    call.play(seconds(10));
    assert!(call.kbps() <= 250);
    call.estimator.handle_remb(call.now, Bitrate::from_kbps(10_000));
    call.play(seconds(10));
    assert!(call.kbps() > 1_500, "{}", call.kbps());
}

/// What a camera with three encodings makes that a subscriber gets one of, with sound.
const LAYERS: [u64; 3] = [190, 540, 1_740];

/// What was sent of a camera's layers.
#[derive(Debug, Default)]
struct Layers {
    current: usize,
    /// When each was first sent, in milliseconds.
    firsts: [Option<u128>; 3],
    switches: u32,
}

/// Plays for `time` as an SFU sends: down to what the estimate carries at once, up where a twentieth is left, and a probe wanted for the next one.
fn play_layers(call: &mut Call<Gcc>, current: usize, time: Duration) -> Layers {
    let (start, mut layers) = (call.now, Layers { current, ..Layers::default() });
    call.estimator.set_wanted(call.now, Bitrate::from_kbps(LAYERS[2]));
    call.play_with(time, |call| {
        let fits = |kbps: u64, reserve: u64| kbps * (100 + reserve) / 100 <= call.kbps();
        let kept = LAYERS[..=layers.current].iter().rposition(|kbps| fits(*kbps, 0)).unwrap_or(0);
        let next = LAYERS.iter().rposition(|kbps| fits(*kbps, 5)).unwrap_or(0).max(kept);
        layers.switches += u32::from(next != layers.current);
        layers.current = next;
        layers.firsts[next].get_or_insert((call.now - start).as_millis());
        call.source = Bitrate::from_kbps(LAYERS[next]);
        if let Some(above) = LAYERS.get(next + 1) {
            call.estimator.want(call.now, Bitrate::from_kbps(above * 11 / 10));
        }
    });
    layers
}

#[test]
fn the_layers_of_a_camera_follow_the_link_down_within_400_ms_and_up_within_three_seconds() {
    for seed in 0..SEEDS {
        let mut call = call(Way::new(600, 50), seed);
        let beginning = play_layers(&mut call, 0, seconds(30) + Duration::from_millis(seed * 737));
        assert!(beginning.firsts[1].is_some_and(|ms| ms < 300), "seed {seed}: {beginning:?}");
        call.way.rate = Bitrate::from_kbps(2_500);
        let up = play_layers(&mut call, beginning.current, seconds(20));
        assert!(up.firsts[2].is_some_and(|ms| ms < 3_000), "seed {seed}: {up:?}");
        call.way.rate = Bitrate::from_kbps(600);
        let down = play_layers(&mut call, up.current, Duration::from_millis(600));
        assert!(down.firsts[0].or(down.firsts[1]).is_some_and(|ms| ms <= 400), "seed {seed}: {down:?}");
        let low = play_layers(&mut call, down.current, Duration::from_millis(400));
        call.measure();
        play_layers(&mut call, low.current, Duration::from_millis(500));
        let seen = call.measure();
        assert!(seen.longest_queue < Duration::from_millis(100), "seed {seed}: {seen:?}");
    }
}

/// Probes into a way that is nearly full: their queue stays short, and nobody falls for it.
#[test]
fn near_a_layer_s_rate_the_layers_stay_and_so_do_short_queues() {
    for kbps in [525, 560, 580, 600, 620, 640, 700, 1_700, 1_800, 1_900, 2_000] {
        let mut call = call(Way::new(kbps, 50), kbps);
        let mut layers = play_layers(&mut call, 0, seconds(60));
        for minute in 1..5 {
            call.measure();
            layers = play_layers(&mut call, layers.current, seconds(60));
            let seen = call.measure();
            assert!(layers.switches <= 2, "{kbps} kbit/s, minute {minute}: {layers:?}");
            assert!(seen.longest_queue <= Duration::from_millis(50), "{kbps} kbit/s, minute {minute}: {seen:?}");
        }
    }
}

/// What a peer may do to us.
#[derive(Debug, Clone)]
enum Input {
    /// Packets by number, when they left and when they came, in milliseconds; any of it may be a lie.
    Feedback(Vec<(u16, u32, Option<i64>, u16)>),
    Report(u8, u32, u32),
    Remb(u64),
    Sent(u64),
    Wait(u32),
}

fn input() -> impl Strategy<Value = Input> {
    let packet = (any::<u16>(), 0u32..100_000, prop::option::of(-100_000i64..1 << 40), any::<u16>());
    prop_oneof![
        4 => prop::collection::vec(packet, 0..50).prop_map(Input::Feedback),
        1 => (any::<u8>(), any::<u32>(), any::<u32>()).prop_map(|(lost, packets, rtt)| Input::Report(lost, packets, rtt)),
        1 => any::<u64>().prop_map(Input::Remb),
        4 => (0u64..100_000).prop_map(Input::Sent),
        4 => (0u32..5_000).prop_map(Input::Wait),
    ]
}

proptest! {
    /// Whatever is reported, in whatever order: the estimate stays within its bounds, and time goes on.
    #[test]
    fn no_report_brings_the_estimate_out_of_its_bounds(inputs in prop::collection::vec(input(), 1..200)) {
        let (start, config) = (Instant::now(), GccConfig::default());
        let (mut gcc, mut now, mut number) = (Gcc::new(start, config), start, 0);
        for input in inputs {
            match input {
                Input::Feedback(packets) => {
                    let result = |(seq, sent, arrival, size): (u16, u32, Option<i64>, u16)| PacketResult {
                        seq: SeqNo::new(u64::from(seq)),
                        sent: start + Duration::from_millis(u64::from(sent)),
                        size: DataSize::new(u64::from(size)),
                        arrival: arrival.map(FeedbackTime::new),
                    };
                    let mut packets: Vec<_> = packets.into_iter().map(result).collect();
                    gcc.handle_feedback(now, &mut packets);
                }
                Input::Report(fraction, packets, rtt) => {
                    let rtt = Duration::from_millis(u64::from(rtt));
                    gcc.handle_report(now, ReportedLoss { fraction, packets }, Some(rtt));
                }
                Input::Remb(rate) => gcc.handle_remb(now, Bitrate::new(rate)),
                Input::Sent(size) => gcc.handle_sent(now, DataSize::new(size)),
                Input::Wait(ms) => now += Duration::from_millis(u64::from(ms)),
            }
            while let Some(plan) = gcc.poll_probe() {
                prop_assert!(plan.target <= config.max);
                gcc.handle_probe(now, SentProbe { plan, first: SeqNo::new(number), last: SeqNo::new(number + 5) });
                number += 6;
            }
            if gcc.poll_timeout().is_some_and(|due| due <= now) {
                gcc.handle_timeout(now);
                prop_assert!(gcc.poll_timeout().is_none_or(|due| due > now), "it would spin");
            }
            prop_assert!((config.min..=config.max).contains(&gcc.estimate()), "{}", gcc.estimate());
        }
    }
}
