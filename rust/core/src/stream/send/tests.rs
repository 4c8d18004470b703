use super::*;
use crate::codec::CodecName;
use crate::layer::FrameFacts;

const RTT: Option<Duration> = Some(Duration::from_millis(40));

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn stream() -> SendStream {
    let mut stream = SendStream::new(Kind::Video, Ssrc::new(1), Ssrc::new(2), SeqNo::new(100));
    stream.set_repairs(true);
    stream
}

fn packet(now: Instant, out: u64) -> Packet<'static> {
    Packet {
        encoding: 2,
        epoch: 0,
        seq: SeqNo::new(out + 70_000),
        newest: SeqNo::new(out + 70_000),
        timestamp: 0,
        marker: false,
        codec: CodecName::H264,
        payload: &[0; 1000],
        facts: FrameFacts::opaque(false),
        dependencies: crate::layer::Dependencies::None,
        arrival: now,
    }
}

fn send(stream: &mut SendStream, now: Instant, out: u64) {
    stream.sent(now, &packet(now, out), Patch::new(SeqNo::new(out), out as u32, true), 1050);
}

#[test]
fn what_was_sent_is_found_by_its_number_across_wraps() {
    let now = Instant::now();
    let mut stream = stream();
    (65_500..65_600).for_each(|out| send(&mut stream, now, out));
    for out in [65_500_u64, 65_535, 65_536, 65_599] {
        let sent = stream.answer_nack(now, out as u16, RTT).unwrap();
        assert_eq!((sent.seq.get(), sent.patch.seq.get(), sent.encoding), (out + 70_000, out, 2));
    }
    assert_eq!(stream.answer_nack(now, 65_499, RTT), None);
    assert_eq!(stream.answer_nack(now, 64, RTT), None, "not sent yet");
    assert_eq!(stream.stats().payload_bytes_sent, 100_000);
}

#[test]
fn each_number_is_sent_again_three_times_and_a_round_trip_apart_but_for_jitter() {
    let now = Instant::now();
    let mut stream = stream();
    send(&mut stream, now, 7);
    let answered: Vec<u64> = (0..500).filter(|ms| stream.answer_nack(now + millis(*ms), 7, RTT).is_some()).collect();
    assert_eq!(answered, [0, 35, 70]);
    let stats = stream.stats();
    let refused = Refusals { too_soon: 68, too_often: 410, too_old: 19, ..Refusals::default() };
    assert_eq!((stats.nacks_received, stats.refused), (500, refused));
}

#[test]
fn what_a_keyframe_superseded_is_not_sent_again() {
    let now = Instant::now();
    let mut stream = stream();
    (10..14).for_each(|out| send(&mut stream, now, out));
    // Parameter sets and picture each look like the start of their keyframe, and came in the wrong order.
    for out in [16, 15] {
        let facts = FrameFacts { keyframe: true, ..FrameFacts::opaque(false) };
        let packet = Packet { facts, ..packet(now, out) };
        stream.sent(now, &packet, Patch::new(SeqNo::new(out), 3000, false), 1050);
    }
    send(&mut stream, now, 17);
    let answered: Vec<u16> = (9..18).filter(|out| stream.answer_nack(now, *out, RTT).is_some()).collect();
    assert_eq!(answered, [15, 16, 17]);
    let refused = Refusals { unknown: 2, superseded: 4, ..Refusals::default() };
    assert_eq!(stream.stats().refused, refused, "9 and 14 were never sent");
}

#[test]
fn what_would_be_played_no_more_is_not_sent_again() {
    let now = Instant::now();
    let mut stream = stream();
    send(&mut stream, now, 7);
    let rtt = Some(millis(100));
    assert_eq!(stream.answer_nack(now + millis(451), 7, rtt), None);
    assert_eq!(stream.stats().refused.too_old, 1);
    assert!(stream.answer_nack(now + millis(450), 7, rtt).is_some());
    // Who is far away asks late, and its buffer is as much deeper.
    assert!(stream.answer_nack(now + millis(900), 7, Some(millis(400))).is_some());
}

#[test]
fn reports_go_forward_and_rest_with_the_stream() {
    let now = Instant::now();
    let mut stream = stream();
    assert!(!stream.may_report(now, 1000), "nothing was sent");
    send(&mut stream, now, 7);
    assert!(stream.may_report(now, u32::MAX - 10));
    assert!(stream.may_report(now + millis(1999), 20), "it wraps");
    assert!(!stream.may_report(now + millis(1999), 19), "it goes back");
    assert!(!stream.may_report(now + millis(2000), 500), "it rests");
    send(&mut stream, now + millis(5000), 8);
    assert!(stream.may_report(now + millis(5000), 400));
}

#[test]
fn a_flood_of_requests_is_answered_within_the_budget() {
    let start = Instant::now();
    let mut stream = stream();
    let mut resent = 0;
    for out in 0..5000_u64 {
        let now = start + millis(out);
        send(&mut stream, now, out);
        for back in 0..20 {
            if stream.answer_nack(now, (out as u16).wrapping_sub(back), RTT).is_some() {
                stream.retransmitted(1050);
                resent += 1;
            }
        }
    }
    assert!((1200..1400).contains(&resent), "{resent}");
}

#[test]
fn it_remembers_what_may_still_be_played_and_then_stays_as_large() {
    let start = Instant::now();
    let mut stream = stream();
    for out in 0..2000_u64 {
        let now = start + millis(4 * out);
        send(&mut stream, now, out);
        if out >= 125 {
            let index = index_of(SeqNo::new(out - 124), stream.entries.len()).unwrap();
            assert_eq!(stream.entries[index].unwrap().patch.seq.get(), out - 124);
        }
    }
    assert_eq!(stream.entries.len(), 128);
}

#[test]
fn of_a_far_subscriber_it_remembers_more() {
    let start = Instant::now();
    let mut stream = stream();
    stream.stats.rtt = Some(millis(600));
    for out in 0..2000_u64 {
        let now = start + millis(4 * out);
        send(&mut stream, now, out);
        // Three requests a round trip apart.
        if out >= 470 {
            assert!(stream.answer_nack(now, (out - 470) as u16, None).is_some(), "{out}");
        }
    }
    assert_eq!(stream.entries.len(), 1024);
}

#[test]
fn without_retransmissions_nothing_is_remembered() {
    let now = Instant::now();
    let mut audio = SendStream::new(Kind::Audio, Ssrc::new(1), Ssrc::new(2), SeqNo::new(0));
    send(&mut audio, now, 1);
    assert_eq!((audio.entries.capacity(), audio.answer_nack(now, 1, RTT)), (0, None));
    audio.set_repairs(true);
    send(&mut audio, now, 2);
    assert!(audio.answer_nack(now, 2, RTT).is_some());
    audio.set_repairs(false);
    assert_eq!((audio.entries.capacity(), audio.answer_nack(now, 2, RTT)), (0, None));
}

#[test]
fn the_round_trip_comes_from_the_report() {
    let mut stream = stream();
    let ntp = NtpTime::from_unix(Duration::from_millis(1_700_000_000_500));
    let block = ReportBlock {
        cumulative_lost: -1,
        jitter: 900,
        last_sr: NtpTime::from_unix(Duration::from_secs(1_700_000_000)).middle(),
        delay_since_last_sr: 65_536 / 4,
        ..ReportBlock::default()
    };
    stream.receiver_report(ntp, &block);
    let stats = stream.stats();
    assert_eq!((stats.packets_lost, stats.jitter), (-1, millis(10)));
    let rtt = stats.rtt.unwrap();
    assert!((millis(249)..millis(251)).contains(&rtt), "{rtt:?}");
}
