//! A publisher's stream starts over under another SSRC with other timestamps: where it stands is judged by arrival first, and set
//! right by the next report.

use std::time::Duration;

use sfu_wire::rtcp::{List, SenderReport};
use sfu_wire::rtp::RtpPacket;
use sfu_wire::{NtpTime, Ssrc};

use crate::by_hand::{Hall, KEYFRAME, Packet, vp8};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
/// Between pictures, and as many ticks.
const MS: u64 = 40;
const TICKS: u32 = 3600;

/// A stream of the camera: its SSRC and the timestamp that picture 0 would have.
#[derive(Clone, Copy)]
struct Stream(u32, u32);

impl Stream {
    fn timestamp(self, picture: u16) -> u32 {
        self.1.wrapping_add(u32::from(picture) * TICKS)
    }

    /// Each picture is a keyframe.
    fn send(self, hall: &mut Hall, picture: u16) {
        let packet = Packet { pt: 96, ssrc: self.0, seq: picture, extensions: &[(4, b"v")], payload: KEYFRAME };
        hall.send_at(0, self.timestamp(picture), &packet);
    }

    /// Tells when the picture was captured.
    fn report(self, hall: &mut Hall, picture: u16) {
        let captured = Duration::from_secs(1_700_000_000) + Duration::from_millis(MS) * u32::from(picture);
        let report = SenderReport {
            ssrc: Ssrc::new(self.0),
            ntp: NtpTime::from_unix(captured),
            rtp_timestamp: self.timestamp(picture),
            packet_count: 0,
            octet_count: 0,
            reports: List::from(&[][..]),
        };
        hall.report(0, &report);
    }
}

/// The timestamp of the last packet that the viewer got.
fn shown(hall: &Hall) -> u32 {
    RtpPacket::parse(hall.clients[1].packets.last().unwrap()).unwrap().header().timestamp
}

#[test]
fn the_report_behind_a_restart_sets_right_what_arrival_got_wrong() {
    let (before, after) = (Stream(11, 1000), Stream(12, 0xffff_0000));
    let mut hall = Hall::new();
    hall.join(&[vp8("v", "sendonly", &[MID])]);
    before.send(&mut hall, 0);
    hall.join(&[vp8("w", "recvonly", &[])]);
    for picture in 1..100 {
        hall.wait(MS);
        before.send(&mut hall, picture);
    }
    before.report(&mut hall, 99);
    let last = shown(&hall);
    // Its first picture is 30 ms longer on its way than the others.
    hall.wait(MS + 30);
    after.send(&mut hall, 100);
    assert_eq!(shown(&hall).wrapping_sub(last), TICKS + 30 * 90, "as it came");
    after.report(&mut hall, 100);
    hall.wait(MS - 30);
    for picture in 101..300 {
        after.send(&mut hall, picture);
        hall.wait(MS);
    }
    assert_eq!(shown(&hall).wrapping_sub(last), 200 * TICKS, "as it was captured");
}
