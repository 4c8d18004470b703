//! What libwebrtc's `probe_controller_unittest.cc` asks for, and what the SFU adds. Rates are in bits per second.

use proptest::prelude::*;

use super::*;

const MIN: u64 = 100;
const START: u64 = 300;
const MAX: u64 = 10_000;
const MS: Duration = Duration::from_millis(1);

/// A controller in virtual time.
struct Probing {
    controller: ProbeController,
    now: Instant,
}

impl Probing {
    fn new(config: ProbeConfig) -> Self {
        let mut probing = Self { controller: ProbeController::new(config), now: Instant::now() };
        probing.controller.handle_available(probing.now, true);
        probing
    }

    /// After the start, whose results have not come: nothing is waited for.
    fn idle(estimate: u64) -> Self {
        let mut probing = Self::new(ProbeConfig::default());
        assert_eq!(probing.bounds(START, MAX), [900, 1800]);
        assert_eq!(probing.wait(5000), []);
        assert_eq!(probing.estimate(estimate), []);
        probing
    }

    /// As [`Self::idle`], and from now on the application is the limit.
    fn limited(estimate: u64) -> Self {
        let mut probing = Self::idle(estimate);
        probing.limit();
        probing
    }

    fn plans(&mut self) -> Vec<ProbePlan> {
        std::iter::from_fn(|| self.controller.poll_probe()).collect()
    }

    fn targets(&mut self) -> Vec<u64> {
        self.plans().iter().map(|plan| plan.target.get()).collect()
    }

    fn bounds(&mut self, start: u64, max: u64) -> Vec<u64> {
        let start = Some(Bitrate::new(start)).filter(|start| *start > Bitrate::ZERO);
        self.controller.set_bounds(self.now, Bitrate::new(MIN), start, Some(Bitrate::new(max)));
        self.targets()
    }

    fn wanted(&mut self, wanted: u64) -> Vec<u64> {
        self.controller.set_wanted(self.now, Bitrate::new(wanted));
        self.targets()
    }

    fn estimate(&mut self, estimate: u64) -> Vec<u64> {
        self.estimate_limited(estimate, LimitedBy::Delay)
    }

    fn estimate_limited(&mut self, estimate: u64, limited_by: LimitedBy) -> Vec<u64> {
        self.controller.handle_estimate(self.now, Bitrate::new(estimate), limited_by);
        self.targets()
    }

    fn limit(&mut self) {
        self.controller.set_application_limited(self.now, Some(self.now));
    }

    fn recovered(&mut self) -> Vec<u64> {
        self.controller.handle_recovered(self.now);
        self.targets()
    }

    fn want(&mut self, needed: u64) -> Vec<u64> {
        self.controller.want(self.now, Bitrate::new(needed));
        self.wait(0)
    }

    /// Lets time pass; the controller wakes when it asks to. Gives what it has sent.
    fn wait(&mut self, millis: u64) -> Vec<u64> {
        self.sent_within(millis).iter().map(|(_, plan)| plan.target.get()).collect()
    }

    /// As [`Self::wait`], with the milliseconds from now on.
    fn sent_within(&mut self, millis: u64) -> Vec<(u64, ProbePlan)> {
        let start = self.now;
        let end = start + Duration::from_millis(millis);
        let mut sent = Vec::new();
        while let Some(at) = self.controller.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.controller.handle_timeout(self.now);
            let after = (self.now - start).as_millis() as u64;
            sent.extend(self.plans().into_iter().map(|plan| (after, plan)));
        }
        self.now = end;
        sent
    }
}

#[test]
fn starts_at_three_and_six_times_the_start_bitrate() {
    let mut probing = Probing::new(ProbeConfig::default());
    let (start, max) = (Some(Bitrate::new(START)), Some(Bitrate::new(MAX)));
    probing.controller.set_bounds(probing.now, Bitrate::new(MIN), start, max);
    let plan = |id, target| ProbePlan {
        id: ProbeId::new(id),
        target: Bitrate::new(target),
        duration: 15 * MS,
        min_packets: 5,
        min_delta: 2 * MS,
    };
    assert_eq!(probing.plans(), [plan(0, 900), plan(1, 1800)]);
}

#[test]
fn starts_when_packets_can_be_sent_and_not_before() {
    let mut probing = Probing::new(ProbeConfig::default());
    probing.controller.handle_available(probing.now, false);
    assert_eq!(probing.bounds(START, MAX), []);
    probing.limit();
    assert_eq!(probing.wait(10_000), []);
    probing.controller.handle_network_change(probing.now);
    assert_eq!(probing.bounds(2 * START, 2 * MAX), []);
    probing.controller.handle_available(probing.now, true);
    assert_eq!(probing.targets(), [1800, 3600]);
}

#[test]
fn waits_for_the_bounds_of_a_new_path() {
    let mut probing = Probing::limited(START);
    probing.controller.handle_network_change(probing.now);
    assert_eq!((probing.estimate(START), probing.want(1000), probing.wait(10_000)), (vec![], vec![], vec![]));
    assert_eq!(probing.bounds(0, MAX), [6 * MIN], "of the minimum; three times of it are no more than the estimate");
}

#[test]
fn goes_on_while_seven_tenths_of_the_last_probe_are_seen() {
    let mut probing = Probing::new(ProbeConfig::default());
    probing.bounds(START, MAX);
    assert_eq!(probing.estimate(1260), [], "0.7 of 1800");
    assert_eq!(probing.estimate(1261), [2522]);
    assert_eq!(probing.estimate(1700), []);
    assert_eq!(probing.estimate(2522), [5044]);
}

#[test]
fn a_result_that_comes_after_a_second_is_not_followed() {
    let mut probing = Probing::new(ProbeConfig::default());
    probing.bounds(START, MAX);
    assert_eq!(probing.wait(1000), []);
    assert_eq!(probing.estimate(1800), []);
}

#[test]
fn the_maximum_bounds_probes_and_ends_them() {
    let mut probing = Probing::new(ProbeConfig::default());
    assert_eq!(probing.bounds(10_000_000, 100_000_000), [30_000_000, 60_000_000]);
    assert_eq!(probing.estimate(60_000_000), [100_000_000]);
    assert_eq!(probing.estimate(100_000_000), []);
    probing.limit();
    probing.want(200_000_000);
    assert_eq!(probing.wait(60_000), []);
    assert_eq!(probing.controller.poll_timeout(), None);
}

#[test]
fn two_probes_at_the_maximum_are_one() {
    assert_eq!(Probing::new(ProbeConfig::default()).bounds(4000, MAX), [10_000]);
    assert_eq!(Probing::new(ProbeConfig::default()).bounds(MAX, MAX), []);
}

#[test]
fn twice_the_demand_bounds_probes() {
    let mut probing = Probing::new(ProbeConfig::default());
    probing.bounds(10_000_000, 100_000_000);
    probing.limit();
    probing.estimate(10_000_000);
    assert_eq!(probing.wanted(9_000_000), [], "less than the estimate");
    assert_eq!(probing.wait(5000), [18_000_000]);
    assert_eq!(probing.wanted(0), []);
    assert_eq!(probing.wait(5000), [20_000_000]);
}

#[test]
fn demand_outlives_the_path() {
    let mut probing = Probing::limited(START);
    assert_eq!(probing.wanted(400), [400, 450]);
    probing.controller.handle_network_change(probing.now);
    assert_eq!(probing.bounds(START, MAX), [800], "not 900 and 1800");
    probing.wait(1000);
    assert_eq!(probing.wanted(400), [400, 450], "on this path, too");
}

#[test]
fn a_raised_maximum_is_probed_for() {
    let mut probing = Probing::idle(START);
    assert_eq!(probing.bounds(0, MAX + 100), [10_100]);
    assert_eq!(probing.bounds(0, MAX), []);
    let mut full = Probing::idle(MAX);
    assert_eq!(full.bounds(0, MAX + 100), [10_100]);
}

#[test]
fn rising_demand_is_probed_for_while_the_application_is_the_limit() {
    let mut probing = Probing::idle(MAX - 1);
    assert_eq!(probing.wanted(MAX + 1), [], "not limited");
    probing.limit();
    assert_eq!(probing.wanted(MAX + 1), [MAX]);
    assert_eq!(probing.wanted(MAX + 100), [], "noise");
    let mut probing = Probing::limited(3000);
    assert_eq!(probing.wanted(4000), [4000, 4500]);
}

#[test]
fn rising_demand_far_above_the_estimate_goes_in_steps() {
    let mut probing = Probing::limited(START);
    assert_eq!(probing.wanted(MAX), [450]);
    assert_eq!(probing.estimate(440), [880]);
}

#[test]
fn demand_that_swings_is_probed_for_once() {
    let mut probing = Probing::limited(1000);
    assert_eq!(probing.wanted(1900), [1500]);
    for _ in 0..10 {
        probing.wait(1200);
        probing.estimate(1000);
        assert_eq!((probing.wanted(1500), probing.wanted(1900)), (vec![], vec![]));
    }
    probing.wait(1200);
    assert_eq!((probing.wanted(200), probing.wanted(1900)), (vec![], vec![1500]), "another call");
}

#[test]
fn a_limited_application_is_probed_for_every_five_seconds() {
    let mut probing = Probing::limited(500);
    let sent: Vec<_> = probing.sent_within(12_000).iter().map(|(at, plan)| (*at, plan.target.get())).collect();
    assert_eq!(sent, [(5000, 1000), (10_000, 1000)]);
    probing.controller.set_application_limited(probing.now, None);
    assert_eq!(probing.wait(20_000), []);
    let mut quiet = Probing::new(ProbeConfig { periodic: false, ..ProbeConfig::default() });
    quiet.bounds(START, MAX);
    quiet.limit();
    assert_eq!(quiet.wait(20_000), []);
}

#[test]
fn the_start_bitrate_is_the_estimate_until_there_is_one() {
    let mut probing = Probing::new(ProbeConfig::default());
    probing.limit();
    assert_eq!(probing.wait(10_000), [], "no bitrate at all");
    probing.bounds(START, MAX);
    assert_eq!(probing.wait(9000), [600]);
}

#[test]
fn loss_that_recedes_bounds_probes_and_loss_that_does_not_stops_them() {
    let mut probing = Probing::limited(500);
    probing.estimate_limited(500, LimitedBy::LossRising);
    assert_eq!(probing.wait(5000), [750]);
    assert_eq!(probing.estimate(750), [], "bounded probes are not followed");
    assert_eq!(probing.wait(5000), [1500]);
    for limited_by in [LimitedBy::Loss, LimitedBy::Queue, LimitedBy::RoundTrip] {
        let mut probing = Probing::limited(500);
        assert_eq!(probing.estimate_limited(500, limited_by), []);
        assert_eq!((probing.want(1000), probing.wait(60_000)), (vec![], vec![]));
        assert_eq!((probing.wanted(2000), probing.bounds(0, 2 * MAX)), (vec![], vec![]));
        assert_eq!(probing.controller.poll_timeout(), None);
    }
}

#[test]
fn a_result_is_not_followed_while_loss_limits() {
    let mut probing = Probing::new(ProbeConfig::default());
    probing.bounds(START, MAX);
    assert_eq!(probing.estimate_limited(1800, LimitedBy::Loss), []);
}

#[test]
fn after_a_large_drop_most_of_it_is_probed_for() {
    let mut probing = Probing::limited(500);
    probing.wait(5001);
    assert_eq!(probing.estimate(250), []);
    assert_eq!(probing.recovered(), [], "the periodic probe is out");
    probing.wait(1000);
    assert_eq!(probing.recovered(), [425]);
    assert_eq!(probing.recovered(), [], "once");

    let mut probing = Probing::limited(500);
    probing.estimate(250);
    probing.controller.set_application_limited(probing.now, None);
    probing.wait(2999);
    assert_eq!(probing.recovered(), [425], "was limited until three seconds ago");

    let mut probing = Probing::idle(500);
    probing.estimate(250);
    assert_eq!(probing.recovered(), [], "was not limited");
}

#[test]
fn a_repeated_start_goes_on_for_five_seconds_with_long_probes() {
    let mut probing = Probing::new(ProbeConfig { repeat_initial: true, ..ProbeConfig::default() });
    probing.bounds(START, MAX);
    let sent = probing.sent_within(20_000);
    let times: Vec<_> = sent.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [1000, 2000, 3000, 4000]);
    for (_, plan) in sent {
        assert_eq!((plan.target.get(), plan.duration, plan.min_delta), (900, 100 * MS, 20 * MS));
    }
}

#[test]
fn a_repeated_start_ends_with_the_first_demand() {
    let mut probing = Probing::new(ProbeConfig { repeat_initial: true, ..ProbeConfig::default() });
    probing.bounds(START, MAX);
    assert_eq!(probing.wait(1500), [900]);
    probing.wanted(START + 100);
    assert_eq!(probing.wait(20_000), []);
}

#[test]
fn what_the_next_layer_needs_is_probed_for_exactly() {
    let mut probing = Probing::limited(1300);
    assert_eq!(probing.want(1870), [1870]);
    assert_eq!(probing.estimate(1800), [], "enough");
    probing.wait(1000);
    assert_eq!(probing.want(2600), [2600], "the layer after it need not wait");
}

#[test]
fn the_next_layer_is_probed_for_also_while_nearly_all_that_is_estimated_is_sent() {
    let mut probing = Probing::idle(1300);
    assert_eq!(probing.want(1870), [1870]);
}

#[test]
fn a_layer_far_above_the_estimate_takes_further_steps() {
    let mut probing = Probing::limited(500);
    assert_eq!(probing.want(2530), [750]);
    assert_eq!(probing.estimate(637), [], "a bottleneck");
    assert_eq!(probing.estimate(700), [1400]);
    assert_eq!(probing.estimate(1390), [2530], "not more than is needed");
    assert_eq!(probing.estimate(2500), []);
    assert_eq!(probing.controller.poll_timeout().map(|at| at - probing.now), Some(5000 * MS), "the periodic one only");
}

#[test]
fn wants_that_fail_come_again_and_on_another_path_anew() {
    let mut probing = Probing::new(ProbeConfig { periodic: false, ..ProbeConfig::default() });
    probing.bounds(500, MAX);
    probing.wait(1000);
    probing.limit();
    probing.controller.want(probing.now, Bitrate::new(1870));
    let times: Vec<_> = probing.sent_within(9_000).iter().map(|(at, _)| *at / 1000).collect();
    assert_eq!(times, [0, 2, 4, 6, 8]);
    probing.controller.handle_network_change(probing.now);
    probing.bounds(500, MAX);
    let times: Vec<_> = probing.sent_within(8000).iter().map(|(at, _)| *at / 1000).collect();
    assert_eq!(times, [1, 3, 5, 7], "a second for the results of the start");
}

#[test]
fn demand_bounds_what_is_wanted_next() {
    let mut probing = Probing::limited(600);
    probing.wanted(500);
    assert_eq!(probing.want(1870), [900], "one and a half times the estimate");
    probing.wanted(400);
    assert_eq!(probing.wait(2000), [800], "twice what could be sent");
}

#[test]
fn losing_the_transport_drops_what_was_not_sent() {
    let mut probing = Probing::new(ProbeConfig::default());
    probing.controller.set_bounds(probing.now, Bitrate::ZERO, Some(Bitrate::new(START)), None);
    probing.controller.handle_available(probing.now, false);
    assert_eq!(probing.targets(), []);
    probing.limit();
    assert_eq!(probing.wait(60_000), []);
    probing.controller.handle_available(probing.now, true);
    assert_eq!(probing.wait(0), [600], "the periodic one is overdue");
}

proptest! {
    /// Whatever is told, in whatever order.
    #[test]
    fn probes_keep_their_bounds_and_time_goes_on(
        steps in prop::collection::vec((0u8..10, 0u64..20_000_000, 0u64..3000), 1..200),
        periodic: bool,
        repeat_initial: bool,
    ) {
        let mut probing = Probing::new(ProbeConfig { periodic, repeat_initial });
        let (mut max, mut wanted, mut next_id) = (DEFAULT_MAX.get(), 0, 0);
        for (kind, rate, millis) in steps {
            let (now, controller) = (probing.now, &mut probing.controller);
            match kind {
                0 => {
                    max = rate;
                    let start = Some(Bitrate::new(rate / 7));
                    controller.set_bounds(now, Bitrate::new(MIN), start, Some(Bitrate::new(rate)));
                }
                1 => {
                    wanted = rate;
                    controller.set_wanted(now, Bitrate::new(rate));
                }
                2 => controller.want(now, Bitrate::new(rate)),
                3 => controller.set_application_limited(now, (rate % 3 > 0).then_some(now)),
                4 => controller.handle_estimate(now, Bitrate::new(rate), LimitedBy::Delay),
                5 => controller.handle_estimate(now, Bitrate::new(rate), LimitedBy::LossRising),
                6 => controller.handle_recovered(now),
                7 => controller.handle_available(now, rate % 3 > 0),
                8 => {
                    max = DEFAULT_MAX.get();
                    controller.handle_network_change(now);
                }
                _ => probing.now += Duration::from_millis(millis),
            }
            probing.controller.handle_timeout(probing.now);
            prop_assert!(probing.controller.poll_timeout().is_none_or(|at| at > probing.now));
            for plan in probing.plans() {
                let target = plan.target;
                prop_assert!(target > probing.controller.path.estimate && target.get() <= max);
                prop_assert!(wanted == 0 || target.get() <= 2 * wanted);
                prop_assert!(plan.id.get() >= next_id);
                next_id = plan.id.get() + 1;
            }
        }
    }
}
