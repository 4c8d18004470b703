use std::time::Duration;

use proptest::prelude::*;
use sfu_wire::rtcp::FeedbackTime;
use sfu_wire::{DataSize, SeqNo};

mod closed_loop;

use super::*;

/// Where a test begins.
fn any_time() -> Instant {
    Instant::now()
}

const MS: Duration = Duration::from_millis(1);
const OBSERVATION: Duration = Duration::from_millis(250);
const PACKET: u64 = 15_000;

const fn kbps(rate: u64) -> Bitrate {
    Bitrate::from_kbps(rate)
}

/// Two observations are all that is known, and one is enough.
fn short() -> LossBasedConfig {
    let mut config = LossBasedConfig::default();
    config.observations.window = 2;
    config.observations.required = 1;
    config
}

/// An estimator, and a sender whose packets are reported in pairs, one observation apart.
struct Fed {
    estimator: LossBased,
    start: Instant,
    seq: u64,
    delay_based: Option<Bitrate>,
    application_limited: bool,
}

impl Fed {
    fn new(config: LossBasedConfig, estimate: u64) -> Self {
        let mut estimator = LossBased::new(config);
        estimator.set_estimate(kbps(estimate));
        Self { estimator, start: any_time(), seq: 0, delay_based: None, application_limited: false }
    }

    fn delay_based(mut self, rate: u64) -> Self {
        self.delay_based = Some(kbps(rate));
        self
    }

    fn acknowledged(&mut self, rate: u64) -> &mut Self {
        self.estimator.set_acknowledged(kbps(rate));
        self
    }

    fn packet(&mut self, sent: Duration, size: u64, arrives: bool) -> PacketResult {
        self.seq += 1;
        let arrival = arrives.then(|| FeedbackTime::new(sent.as_micros() as i64 / 250 + 200));
        PacketResult { seq: SeqNo::new(self.seq), sent: self.start + sent, size: DataSize::new(size), arrival }
    }

    /// Two packets from the `index`-th observation on: whether each arrives.
    fn pair(&mut self, index: u32, arrives: [bool; 2]) -> LossBasedResult {
        let sent = OBSERVATION * index;
        let results = [self.packet(sent, PACKET, arrives[0]), self.packet(sent + OBSERVATION, PACKET, arrives[1])];
        self.report(&results)
    }

    fn report(&mut self, results: &[PacketResult]) -> LossBasedResult {
        self.estimator.handle_report(results, self.delay_based, self.application_limited);
        self.estimator.result()
    }

    /// Pairs from the `index`-th observation on, until the state is `state`; gives the last.
    fn until(&mut self, index: u32, arrives: [bool; 2], state: LossState) -> (u32, LossBasedResult) {
        for index in index..index + 400 {
            let result = self.pair(index, arrives);
            if result.state == state {
                return (index, result);
            }
        }
        panic!("never {state:?}");
    }

    /// The same without loss.
    fn recover(&mut self, index: u32, state: LossState) -> (u32, LossBasedResult) {
        self.until(index, [true, true], state)
    }

    /// Loses all until it falls, and nothing until it rises; gives how many observations lie between.
    fn fall_and_rise(&mut self, index: &mut u32) -> u32 {
        let (fallen, _) = self.until(*index, [false, false], LossState::Decreasing);
        let (risen, _) = self.recover(fallen + 1, LossState::IncreasingWithPadding);
        *index = risen + 1;
        risen - fallen
    }

    /// Ten packets, an observation apart, the last of which is lost.
    fn ten(&mut self, index: u32, lost_size: u64) -> LossBasedResult {
        let results: Vec<_> = (0..10)
            .map(|step| {
                self.packet(OBSERVATION * (index + step), if step == 9 { lost_size } else { PACKET }, step != 9)
            })
            .collect();
        self.report(&results)
    }
}

const fn result(rate: u64, state: LossState) -> LossBasedResult {
    LossBasedResult { bitrate: Some(kbps(rate)), state }
}

#[test]
fn nothing_is_said_before_there_is_a_rate_and_enough_is_observed() {
    let mut fed = Fed::new(LossBasedConfig::default(), 600);
    fed.estimator = LossBased::default();
    let unknown = LossBasedResult { bitrate: None, state: LossState::DelayBased };
    assert_eq!(fed.pair(0, [true, true]), unknown, "no rate to begin with");
    fed.delay_based = Some(kbps(700));
    // Half is lost in the second observation, and three are enough.
    assert_eq!(fed.pair(1, [true, false]), result(700, LossState::DelayBased));
    assert!(!fed.estimator.is_ready());
    assert_eq!(fed.pair(2, [true, false]).state, LossState::Decreasing);
    assert!(fed.estimator.is_ready());
}

#[test]
fn packets_of_less_than_an_observation_change_nothing() {
    let mut fed = Fed::new(short(), 600).delay_based(5000);
    let results = [fed.packet(Duration::ZERO, PACKET, true), fed.packet(249 * MS, PACKET, false)];
    fed.report(&results);
    assert!(!fed.estimator.is_ready());
    let last = fed.packet(OBSERVATION, PACKET, false);
    assert_eq!(fed.report(&[last]).state, LossState::Decreasing, "all three are one observation");
    let before = fed.estimator.result();
    assert_eq!(fed.report(&[last]), before, "no time has passed");
}

#[test]
fn without_loss_the_estimate_is_the_delay_based_one_at_once() {
    let mut fed = Fed::new(short(), 600).delay_based(5000);
    assert_eq!(fed.pair(0, [true, true]), result(5000, LossState::DelayBased));
    fed.delay_based = Some(kbps(500));
    assert_eq!(fed.pair(2, [true, true]), result(500, LossState::DelayBased));
}

#[test]
fn a_delay_based_estimate_that_falls_is_followed_before_the_next_observation() {
    let mut fed = Fed::new(short(), 600).delay_based(5000);
    fed.acknowledged(450).pair(0, [true, true]);
    fed.delay_based = Some(kbps(400));
    assert_eq!(fed.report(&[]), result(400, LossState::DelayBased));
}

#[test]
fn without_a_delay_based_estimate_it_rises_step_by_step() {
    let mut fed = Fed::new(short(), 600);
    assert_eq!(fed.pair(0, [true, true]).bitrate, Some(kbps(612)));
    assert_eq!(fed.pair(2, [true, true]).bitrate, Some(Bitrate::new(624_240)));
}

#[test]
fn the_bounds_hold() {
    let mut fed = Fed::new(short(), 600).delay_based(2000);
    fed.estimator.set_bounds(kbps(150), kbps(1000));
    assert_eq!(fed.pair(0, [true, true]), result(1000, LossState::DelayBased));
    fed.pair(1, [false, false]);
    assert_eq!(fed.pair(2, [false, false]), result(150, LossState::Decreasing));
    let (_, recovered) = fed.recover(3, LossState::DelayBased);
    assert_eq!(recovered, result(1000, LossState::DelayBased), "the highest rate is no limit by loss");
}

#[test]
fn half_of_all_lost_lets_it_fall_to_the_instant_upper_bound() {
    let mut fed = Fed::new(short(), 1000);
    // 100 kbit/s by what is lost above 5 %.
    let bound = LossBasedResult { bitrate: Some(Bitrate::new(222_222)), state: LossState::Decreasing };
    assert_eq!(fed.pair(0, [true, false]), bound);
    let mut fed = Fed::new(short(), 1000);
    assert_eq!(fed.pair(0, [false, false]).bitrate, Some(Bitrate::new(105_263)));
    let mut config = short();
    config.bounds.upper_balance = kbps(10);
    assert_eq!(Fed::new(config, 500).ten(0, PACKET), result(200, LossState::Decreasing), "10 %");
}

#[test]
fn it_falls_to_what_arrives_and_not_below() {
    let mut fed = Fed::new(short(), 600).delay_based(5000);
    assert_eq!(fed.acknowledged(100).pair(0, [false, false]), result(100, LossState::Decreasing));
    let mut fed = Fed::new(short(), 600);
    assert_eq!(fed.acknowledged(500).pair(0, [false, false]), result(500, LossState::Decreasing));
    let mut config = short();
    config.bounds.lower_acknowledged_factor = 0.0;
    let mut fed = Fed::new(config, 600);
    assert_eq!(fed.acknowledged(500).pair(0, [false, false]).bitrate, Some(Bitrate::new(105_263)));
}

#[test]
fn what_arrives_is_no_measure_while_there_is_little_to_send() {
    let mut fed = Fed::new(short(), 600).delay_based(5000);
    fed.application_limited = true;
    let fallen = fed.acknowledged(100).pair(0, [false, false]).bitrate.unwrap();
    assert_eq!(fallen, Bitrate::new(105_263), "the upper bound, not what arrives");
}

#[test]
fn what_arrives_is_a_measure_while_the_rest_is_filled_with_padding() {
    let mut config = short();
    config.bounds.upper_balance = kbps(10_000);
    let mut fed = Fed::new(config, 1000);
    fed.application_limited = true;
    assert_eq!(fed.pair(0, [false, false]).state, LossState::Decreasing);
    let (index, rising) = fed.recover(1, LossState::IncreasingWithPadding);
    assert!(rising.bitrate > Some(kbps(900)));
    assert_eq!(fed.acknowledged(100).pair(index + 1, [false, false]), result(100, LossState::Decreasing));
}

#[test]
fn a_fall_is_held_and_then_risen_from_by_a_fifth() {
    let mut fed = Fed::new(short(), 600).delay_based(5000);
    fed.acknowledged(100);
    let fallen = fed.pair(0, [false, false]);
    assert_eq!(fed.pair(1, [true, true]), fallen, "within 300 ms");
    let (_, risen) = fed.recover(2, LossState::IncreasingWithPadding);
    assert_eq!(risen.bitrate, Some(kbps(120) + Bitrate::new(1)), "and the bit that leaves the state");
}

#[test]
fn each_further_fall_is_held_twice_as_long_until_losses_no_longer_decide() {
    let mut fed = Fed::new(short(), 600).delay_based(5000);
    fed.acknowledged(100);
    let mut index = 0;
    // 300 ms, 600 ms, 1.2 s, 2.4 s, 4.8 s and the next observation.
    assert_eq!([(); 5].map(|()| fed.fall_and_rise(&mut index)), [2, 3, 5, 10, 20]);
    fed.delay_based = Some(kbps(110));
    assert_eq!(fed.pair(index, [true, true]), result(110, LossState::DelayBased));
    index += 1;
    fed.delay_based = Some(kbps(5000));
    assert_eq!(fed.fall_and_rise(&mut index), 2);
}

#[test]
fn what_is_held_is_not_below_what_arrives() {
    let mut config = short();
    config.increase.hold_factor = 10.0;
    let mut fed = Fed::new(config, 2500);
    assert_eq!(fed.pair(0, [true, false]).state, LossState::Decreasing);
    assert_eq!(fed.acknowledged(1000).pair(1, [true, false]), result(1000, LossState::Decreasing));
}

#[test]
fn a_hold_ends_when_the_delay_based_estimate_is_reached() {
    let mut fed = Fed::new(short(), 2500);
    let fallen = fed.pair(0, [true, false]).bitrate.unwrap();
    fed.delay_based = Some(fallen + kbps(10));
    fed.pair(1, [true, true]);
    let expected = LossBasedResult { bitrate: fed.delay_based, state: LossState::DelayBased };
    assert_eq!(fed.pair(2, [true, true]), expected);
}

#[test]
fn a_rise_begins_with_one_bit_when_what_arrives_allows_no_more() {
    let mut config = short();
    config.model.bias_max_loss = 0.99;
    config.increase.ramp_up = 1.2;
    config.bounds.upper_balance = kbps(10_000);
    let mut fed = Fed::new(config, 600).delay_based(5000);
    let fallen = fed.acknowledged(300).pair(0, [false, false]);
    assert!(fallen.state == LossState::Decreasing && fallen.bitrate < Some(kbps(600)));
    let fallen = fallen.bitrate.unwrap();
    fed.estimator.set_acknowledged(Bitrate::new(fallen.get() / 2));
    let (_, risen) = fed.recover(1, LossState::IncreasingWithPadding);
    assert_eq!(risen.bitrate, Some(fallen + Bitrate::new(1)));
}

#[test]
fn a_rise_that_what_arrives_does_not_follow_fails_after_two_seconds() {
    let mut fed = Fed::new(short(), 2500);
    assert_eq!(fed.acknowledged(51).pair(0, [true, false]), result(51, LossState::Decreasing));
    fed.acknowledged(26);
    let (began, _) = fed.recover(1, LossState::IncreasingWithPadding);
    let (failed, _) = fed.recover(began + 1, LossState::Decreasing);
    assert_eq!(failed - began, 9, "two seconds are eight observations, and this is the next");
}

#[test]
fn within_a_window_of_increase_it_rises_by_a_third_at_most() {
    let mut config = short();
    config.bounds.upper_balance = kbps(10_000);
    config.increase.hold_factor = 0.0;
    let mut fed = Fed::new(config, 1000).delay_based(5000);
    let fallen = fed.pair(0, [false, false]).bitrate.unwrap();
    // What is known as good is far above.
    fed.acknowledged(4000);
    config.bounds.lower_acknowledged_factor = 0.0;
    fed.estimator.config = config;
    for index in 1..20 {
        let before = fed.estimator.result().bitrate.unwrap().max(fallen);
        let after = fed.pair(index, [true, true]).bitrate.unwrap();
        assert!(after.get() as f64 <= before.get() as f64 * 1.3 + 1.0, "{before} {after}");
    }
    assert!(fed.estimator.result().bitrate > Some(kbps(2000)));
}

#[test]
fn it_does_not_rise_while_more_is_lost_than_the_path_loses_by_itself() {
    let mut fed = Fed::new(short(), 600);
    fed.ten(0, PACKET);
    assert_eq!(fed.ten(10, PACKET).bitrate, Some(kbps(600)));
}

#[test]
fn the_loss_is_that_of_bytes() {
    let mut fed = Fed::new(short(), 500);
    let fallen = fed.ten(0, 20 * PACKET);
    assert!(fallen.state == LossState::Decreasing && fallen.bitrate < Some(kbps(160)), "{fallen:?}");
}

#[test]
fn one_spike_is_chance_and_two_are_not() {
    let mut config = LossBasedConfig::default();
    config.observations.window = 5;
    let mut fed = Fed::new(config, 500).delay_based(500);
    for index in 0..5 {
        fed.pair(index, [true, true]);
    }
    fed.pair(5, [false, false]);
    assert_eq!(fed.pair(6, [true, true]), result(500, LossState::DelayBased));
    let fallen = fed.pair(7, [false, false]);
    assert!(fallen.state == LossState::Decreasing && fallen.bitrate < Some(kbps(500)), "{fallen:?}");
}

#[test]
fn a_spike_is_not_chance_when_much_more_was_sent() {
    let mut config = LossBasedConfig::default();
    config.observations.window = 5;
    let mut fed = Fed::new(config, 500).delay_based(500);
    for index in 0..5 {
        fed.pair(index, [true, true]);
    }
    let sent = OBSERVATION * 5;
    let burst: Vec<_> = (0..5).map(|step| fed.packet(sent + OBSERVATION * step / 4, PACKET, false)).collect();
    assert_eq!(fed.report(&burst).state, LossState::Decreasing);
}

#[test]
fn a_late_packet_is_not_lost_and_counts_once() {
    let mut fed = Fed::new(short(), 2500).delay_based(2500);
    let early = [(); 3].map(|()| fed.packet(Duration::ZERO, PACKET, true));
    let late = PacketResult { arrival: None, ..early[1] };
    fed.report(&[early[0], late, early[2]]);
    let last = fed.packet(OBSERVATION, PACKET, true);
    assert_eq!(fed.report(&[early[1], last]), result(2500, LossState::DelayBased));
    let observed = fed.estimator.observations.iter().next().map(|(_, observation)| observation.size());
    assert_eq!(observed, Some(60.0));
}

proptest! {
    /// Whatever is reported in whatever order: the estimate is within its bounds, but for what arrives.
    #[test]
    fn any_reports_are_survived(
        reports in prop::collection::vec((
            prop::collection::vec((0u64..4000, 0u64..400, 0u64..20_000, any::<bool>()), 0..20),
            prop::option::of(50u64..20_000),
            0u64..10_000,
        ), 1..60),
        application_limited: bool,
    ) {
        let mut fed = Fed::new(LossBasedConfig::default(), 600);
        fed.application_limited = application_limited;
        fed.estimator.set_bounds(kbps(50), kbps(8000));
        let (mut time, mut highest) = (Duration::ZERO, 8000);
        for (packets, delay_based, acknowledged) in reports {
            time += OBSERVATION;
            let results: Vec<_> = packets
                .into_iter()
                .map(|(seq, later, size, arrives)| PacketResult {
                    seq: SeqNo::new(seq),
                    ..fed.packet(time + MS * later as u32, size, arrives)
                })
                .collect();
            fed.delay_based = delay_based.map(kbps);
            highest = highest.max(acknowledged);
            let result = fed.acknowledged(acknowledged).report(&results);
            if fed.estimator.is_ready() {
                let rate = result.bitrate.expect("it is ready");
                prop_assert!(rate >= kbps(50) && rate <= kbps(highest), "{rate}");
            }
        }
    }
}
