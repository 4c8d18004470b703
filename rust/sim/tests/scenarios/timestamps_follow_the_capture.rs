//! A thousand switches between encodings whose clocks have nothing to do with each other: the subscriber's timestamps stay with
//! the capture, and so does what the SFU's reports say of them, also when the publisher's reports are lost.

use sfu_sim::encoder::{Payload, Structure, Token};
use sfu_sim::publisher::PublisherConfig;
use sfu_sim::{LinkConfig, Random};
use sfu_wire::rtp::RtpPacket;

use crate::call::{Call, millis};

/// Ticks of 90 kHz in a millisecond.
const MILLISECOND: i64 = 90;

struct Shown {
    /// Of the publisher's picture, in ticks.
    capture: i64,
    timestamp: u32,
    source: u8,
}

/// What came on the media stream since the last call.
fn take(call: &mut Call) -> Vec<Shown> {
    let interval = 33_333.0 * 0.09;
    let media = call.viewers[0].receiver.streams().media;
    let streams = call.publisher.streams();
    let packets = std::mem::take(&mut call.viewers[0].packets);
    let shown = packets.iter().filter_map(|bytes| {
        let packet = RtpPacket::parse(bytes).ok().filter(|packet| packet.header().ssrc == media)?;
        let token = Token::of_payload(packet.payload())?;
        let picture = streams[usize::from(token.source)].encoder().frames()[token.frame as usize].picture;
        let capture = (f64::from(picture) * interval) as i64;
        Some(Shown { capture, timestamp: packet.header().timestamp, source: token.source })
    });
    shown.collect()
}

fn spread(values: &[i64]) -> i64 {
    values.iter().max().unwrap() - values.iter().min().unwrap()
}

#[test]
fn after_a_thousand_switches_nothing_has_drifted() {
    let mut call = Call::new(8, PublisherConfig::new(Structure::simulcast(Payload::Vp8, 1)));
    call.keeps_packets = true;
    call.run(millis(500));
    let link = LinkConfig { jitter: millis(10), ..LinkConfig::delayed(millis(30)) };
    let uplink = LinkConfig { jitter: millis(30), ..LinkConfig::delayed(millis(25)) };
    call.world.uplink(call.publisher.id()).set_config(uplink);
    call.join(link, link);
    let mut random = Random::new(1);
    call.run(millis(3000));
    // All encodings have been reported by now; what is slewed of the time before is so within two seconds.
    call.run(millis(2000));
    take(&mut call);
    let (mut switches, mut last) = (0, None);
    let (mut offsets, mut skews) = (Vec::new(), Vec::new());
    let mut base = None;
    while switches < 1000 {
        call.set_layer(0, random.below(3) as u8, 7);
        call.run(millis(600));
        if switches > 500 {
            call.publisher.stop_reports();
        }
        for shown in take(&mut call) {
            switches += u32::from(last.replace(shown.source).is_some_and(|last| last != shown.source));
            let base = *base.get_or_insert(i64::from(shown.timestamp) - shown.capture);
            offsets.push(i64::from((i64::from(shown.timestamp) - shown.capture - base) as i32));
            if let Some((report, _)) = call.viewers[0].receiver.last_report() {
                // When the picture was captured, as a receiver reckons, against when it was, in ticks.
                let since = f64::from(shown.timestamp.wrapping_sub(report.rtp_timestamp) as i32);
                let unix = report.ntp.to_unix().as_secs_f64() * 90_000.0 + since;
                skews.push((unix - shown.capture as f64 - 1_767_225_600.0 * 90_000.0) as i64);
            }
        }
    }
    assert!(spread(&offsets) <= MILLISECOND, "timestamps drift by {} ticks", spread(&offsets));
    assert!(skews.len() > 10_000 && spread(&skews) <= 20 * MILLISECOND, "lips move by {} ticks", spread(&skews));
}
