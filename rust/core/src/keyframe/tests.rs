use proptest::prelude::*;

use super::*;

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn many_wishes_are_one_request_and_a_keyframe_fulfils_them() {
    let start = Instant::now();
    let mut governor = KeyframeGovernor::default();
    assert!(!governor.poll(start), "nobody wants one");
    for _ in 0..100 {
        governor.request(start, Wish::First);
    }
    assert!(governor.poll(start));
    assert!(!governor.poll(start + millis(999)));
    governor.arrived(start + millis(999));
    assert_eq!(governor.poll_timeout(), None);
    assert_eq!(governor.sent(), 1);
}

#[test]
fn requests_keep_their_distance() {
    let start = Instant::now();
    let mut governor = KeyframeGovernor::default();
    governor.request(start, Wish::First);
    assert!(governor.poll(start));
    governor.arrived(start + millis(50));
    governor.request(start + millis(100), Wish::First);
    assert!(!governor.poll(start + millis(499)));
    assert!(governor.poll(start + millis(500)));
}

#[test]
fn what_nobody_waits_for_is_not_asked_again_unless_the_application_did() {
    let start = Instant::now();
    let mut governor = KeyframeGovernor::default();
    governor.request(start, Wish::First);
    assert!(governor.poll(start));
    governor.withdraw();
    assert_eq!(governor.poll_timeout(), None);
    governor.order(start + millis(1000));
    governor.withdraw();
    assert!(governor.poll(start + millis(1000)));
    governor.withdraw();
    assert!(governor.poll(start + millis(3000)), "it is repeated");
    governor.arrived(start + millis(3100));
    assert_eq!(governor.poll_timeout(), None);
}

#[test]
fn an_unreachable_layer_is_asked_less_and_less_often() {
    let start = Instant::now();
    let mut governor = KeyframeGovernor::default();
    governor.request(start, Wish::First);
    let mut asked = Vec::new();
    for ms in (0..60_000).step_by(100) {
        if governor.poll(start + millis(ms)) {
            asked.push(ms);
        }
        // Who wants it gives up, and comes back.
        match ms % 1000 {
            200 => governor.withdraw(),
            400 => governor.request(start + millis(ms), Wish::First),
            _ => {}
        }
    }
    // To the next time that somebody wants it.
    assert_eq!(asked, [0, 1000, 3000, 7000, 15_000, 23_000, 31_000, 39_000, 47_000, 55_000]);
    governor.resumed(start + millis(60_000));
    assert!(governor.poll(start + millis(60_000)), "after a silence the encoding may answer");
}

#[test]
fn a_stream_of_little_else_than_keyframes_gives_newcomers_one_in_eight_seconds() {
    let start = Instant::now();
    let mut governor = KeyframeGovernor::default();
    let mut asked = Vec::new();
    for ms in (0..36_000).step_by(10) {
        let now = start + millis(ms);
        governor.request(now, Wish::First);
        if governor.poll(now) {
            asked.push(ms);
            governor.arrived(now);
            governor.received(now, 100_000, true);
        }
    }
    assert_eq!(asked, [0, 1000, 2000, 10_000, 18_000, 26_000, 34_000]);
    let mut again = Vec::new();
    for ms in (36_000..80_000).step_by(10) {
        let now = start + millis(ms);
        governor.request(now, Wish::Again);
        if governor.poll(now) {
            again.push(ms);
            governor.arrived(now);
            governor.received(now, 100_000, true);
        }
    }
    assert_eq!(again, [50_000, 66_000]);
}

/// 100 kB a second for 20 s, then keyframes that use up more than half of the share, but not all.
fn half_used_up(start: Instant) -> (KeyframeGovernor, Instant) {
    let mut governor = KeyframeGovernor::default();
    for ms in (0..20_000).step_by(40) {
        governor.received(start + millis(ms), 4000, false);
    }
    let now = start + millis(20_000);
    for _ in 0..4 {
        governor.arrived(now);
        governor.received(now, 50_000, true);
    }
    (governor, now)
}

#[test]
fn who_has_had_its_keyframe_waits_when_half_of_the_share_is_used_up() {
    let (mut governor, now) = half_used_up(Instant::now());
    governor.request(now, Wish::Again);
    assert_eq!(governor.poll_timeout(), Some(now + millis(16_000)));
    governor.request(now, Wish::First);
    assert_eq!(governor.poll_timeout(), Some(now));
}

#[test]
fn who_orders_one_counts_like_a_newcomer_whatever_others_want() {
    let (mut governor, now) = half_used_up(Instant::now());
    governor.order(now);
    governor.request(now, Wish::Again);
    assert!(governor.poll(now));
}

/// A publisher that answers after 100 ms, and what it was asked.
struct Publisher {
    governor: KeyframeGovernor,
    keyframe: usize,
    answer: Option<u64>,
    asked: Vec<u64>,
    sent: Vec<(u64, usize, bool)>,
}

impl Publisher {
    /// One millisecond: a packet of `rate` bits per second every 10 ms.
    fn step(&mut self, start: Instant, ms: u64, rate: usize) {
        let now = start + millis(ms);
        if self.answer.is_some_and(|due| due <= ms) {
            self.answer = None;
            self.governor.arrived(now);
            self.governor.received(now, self.keyframe, true);
            self.sent.push((ms, self.keyframe, true));
        }
        if ms.is_multiple_of(10) {
            self.governor.received(now, rate / 800, false);
            self.sent.push((ms, rate / 800, false));
        }
        if self.governor.poll(now) {
            self.asked.push(ms);
            self.answer.get_or_insert(ms + 100);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever subscribers do: requests are 500 ms apart, keyframes of a usual size stay within a tenth of what the encoding
    /// carries, and nobody waits for longer than the share's patience and the publisher's answer.
    #[test]
    fn the_bounds_hold(
        rate in 300_000_usize..3_000_000,
        frames in 2_usize..10,
        wishes in proptest::collection::vec((1_u64..2000, any::<bool>(), any::<bool>()), 40..160),
    ) {
        let start = Instant::now();
        // As large as so many other frames at 25 a second: up to 0.4 s of the bitrate.
        let keyframe = rate / 200 * frames;
        let governor = KeyframeGovernor::default();
        let mut publisher = Publisher { governor, keyframe, answer: None, asked: Vec::new(), sent: Vec::new() };
        let (mut ms, mut waits) = (0, 0_u64);
        for (pause, again, stays) in wishes {
            for _ in 0..pause {
                publisher.step(start, ms, rate);
                ms += 1;
            }
            let since = ms;
            publisher.governor.request(start + millis(ms), if again { Wish::Again } else { Wish::First });
            while stays && publisher.governor.poll_timeout().is_some() {
                publisher.step(start, ms, rate);
                ms += 1;
            }
            if !again {
                waits = waits.max(ms - since);
            }
        }
        prop_assert!(publisher.asked.windows(2).all(|pair| pair[1] - pair[0] >= 500), "{:?}", publisher.asked);
        prop_assert!(waits <= 8101, "{waits} ms");
        for end in (60_000..ms).step_by(1000) {
            let minute = publisher.sent.iter().filter(|(at, ..)| (end - 60_000..end).contains(at));
            let (mut all, mut keyframes) = (0, 0);
            for (_, bytes, is_keyframe) in minute {
                all += bytes;
                keyframes += if *is_keyframe { *bytes } else { 0 };
            }
            // One keyframe is on its way.
            prop_assert!(keyframes <= all / 10 + keyframe, "{keyframes} of {all}");
        }
    }
}
