//! Packets that point into a structure of dependencies which has not come yet: they are kept, and follow it.

use sfu_wire::payload::DependencyDescriptor;
use sfu_wire::payload::dependency_descriptor::{FrameDependencies, Structure};
use sfu_wire::rtcp::{Rtcp, packets};
use sfu_wire::rtp::RtpPacket;

use crate::by_hand::{DELTA, Hall, Packet, vp8};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
const DEPENDENCIES: &str =
    "extmap:5 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// Two temporal layers; templates from `offset` on: a keyframe, the lower layer, the upper one.
fn structure(offset: u8) -> Structure {
    let row =
        |temporal, dtis, frames: &[u16], chain| FrameDependencies::new(0, temporal, dtis, frames, &[chain]).unwrap();
    let rows = vec![row(0, "SS", &[], 0), row(0, "SS", &[2], 2), row(1, "D-", &[1], 1)];
    Structure::new(offset, 1, &[Some(0), Some(0)], rows, Vec::new()).unwrap()
}

/// A camera, and one who watches it.
struct Show {
    hall: Hall,
    heard: usize,
}

impl Show {
    /// The viewer has frame 2, a keyframe with the structure from template 0 on.
    fn new() -> Self {
        let mut show = Self { hall: Hall::new(), heard: 0 };
        show.hall.join(&[vp8("v", "sendonly", &[MID, DEPENDENCIES])]);
        show.send(1, 0, 0);
        show.hall.join(&[vp8("w", "recvonly", &[])]);
        show.hall.wait(1000);
        show.send(2, 0, 0);
        assert_eq!(show.seen(), [2]);
        // So long ago that a keyframe may be asked for again.
        show.hall.wait(2000);
        show.requests();
        show
    }

    /// A frame of one packet, whose template is so many behind `offset`: 0 is a keyframe and brings the structure.
    fn send(&mut self, number: u16, offset: u8, template: u8) {
        let descriptor = DependencyDescriptor {
            start_of_frame: true,
            end_of_frame: true,
            template_id: offset + template,
            frame_number: number,
            structure_offset: (template == 0).then_some(offset),
            ..DependencyDescriptor::default()
        };
        let mut value = [0; 64];
        let len = descriptor.write(&structure(offset), &mut value).unwrap();
        // Encrypted, as far as anybody here knows; the number is read back.
        let payload = [DELTA, &number.to_be_bytes()].concat();
        let extensions = [(4, &b"v"[..]), (5, &value[..len])];
        self.hall.send(0, &Packet { pt: 96, ssrc: 11, seq: number, extensions: &extensions, payload: &payload });
    }

    /// The frames that the viewer has, in the order of the numbers that they came under: as far apart as they are themselves.
    fn seen(&self) -> Vec<u16> {
        let packets = self.hall.clients[1].packets.iter().map(|bytes| RtpPacket::parse(bytes).unwrap());
        let mut seen: Vec<(u16, u16)> = packets
            .map(|packet| {
                let [.., high, low] = packet.payload() else { panic!("nothing in it") };
                (packet.header().seq, u16::from_be_bytes([*high, *low]))
            })
            .collect();
        seen.sort_unstable();
        assert!(seen.windows(2).all(|pair| pair[1].0 - pair[0].0 == pair[1].1 - pair[0].1), "{seen:?}");
        seen.into_iter().map(|(_, number)| number).collect()
    }

    /// Keyframes that the camera was asked for since the last call.
    fn requests(&mut self) -> usize {
        let new = self.hall.clients[0].reports[self.heard..].iter().flat_map(|compound| packets(compound));
        let count = new.filter(|packet| matches!(packet, Ok(Rtcp::Pli(_)))).count();
        self.heard = self.hall.clients[0].reports.len();
        count
    }
}

#[test]
fn what_overtook_a_new_structure_follows_it() {
    let mut show = Show::new();
    for (number, template) in [(4, 2), (5, 1), (6, 2)] {
        show.send(number, 10, template);
        show.hall.wait(40);
    }
    assert_eq!(show.seen(), [2], "nobody knows what they refer to");
    show.send(3, 10, 0);
    assert_eq!(show.seen(), [2, 3, 4, 5, 6]);
    show.send(7, 10, 1);
    show.hall.wait(2000);
    assert_eq!((show.seen(), show.requests()), (vec![2, 3, 4, 5, 6, 7], 0));
}

#[test]
fn a_structure_that_is_lost_for_good_is_asked_for_as_a_keyframe() {
    let mut show = Show::new();
    for number in 4..14 {
        show.send(number, 10, if number % 2 == 0 { 2 } else { 1 });
        show.hall.wait(40);
        assert_eq!(show.requests(), usize::from(number == 12), "frame {number}");
    }
    show.send(14, 20, 0);
    assert_eq!(show.seen().last(), Some(&14));
}
