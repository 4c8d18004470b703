//! A publisher is asked for keyframes in the words that it offered: PLI, or FIR when it has no PLI.

use sfu_wire::Ssrc;
use sfu_wire::rtcp::{FirEntry, Rtcp, packets};

use crate::by_hand::{Client, Hall, KEYFRAME, Packet, vp8};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";

/// PLIs, and the entries of FIRs, in their order.
fn asked(client: &Client) -> (usize, Vec<FirEntry>) {
    let (mut plis, mut firs) = (0, Vec::new());
    for packet in client.reports.iter().flat_map(|report| packets(report)) {
        match packet.unwrap() {
            Rtcp::Pli(pli) => {
                assert_eq!(pli.media, Ssrc::new(11));
                plis += 1;
            }
            Rtcp::Fir(fir) => firs.extend(fir.entries.iter()),
            _ => {}
        }
    }
    (plis, firs)
}

/// A publisher whose section lacks `unwanted`, and a viewer that waits for its first keyframe for a while.
fn waiting_for(unwanted: &[&str]) -> Hall {
    let section = vp8("v", "sendonly", &[MID]);
    let kept = section.lines().filter(|line| !unwanted.iter().any(|unwanted| line.ends_with(unwanted)));
    let section: String = kept.flat_map(|line| [line, "\r\n"]).collect();
    let mut hall = Hall::new();
    hall.join(&[section]);
    hall.send(0, &Packet { pt: 96, ssrc: 11, seq: 1, extensions: &[(4, b"v")], payload: KEYFRAME });
    hall.join(&[vp8("w", "recvonly", &[])]);
    hall.wait(8000);
    hall
}

#[test]
fn with_fir_alone_it_is_fir_and_each_request_has_the_next_number() {
    let mut hall = waiting_for(&["nack pli"]);
    let (plis, firs) = asked(&hall.clients[0]);
    assert_eq!(plis, 0, "never PLI");
    assert!(firs.len() >= 3, "asked again while no keyframe comes: {firs:?}");
    for (entry, next) in firs.iter().zip(&firs[1..]) {
        assert_eq!(next.request, entry.request.wrapping_add(1));
    }
    assert!(firs.iter().all(|entry| entry.ssrc == Ssrc::new(11)));
    hall.send(0, &Packet { pt: 96, ssrc: 11, seq: 2, extensions: &[], payload: KEYFRAME });
    assert_eq!(hall.clients[1].packets.len(), 1);
    hall.wait(5000);
    assert_eq!(asked(&hall.clients[0]).1.len(), firs.len(), "a keyframe ends it");
}

#[test]
fn with_both_or_neither_it_is_pli() {
    for unwanted in [&[][..], &["nack pli", "ccm fir"], &["ccm fir"]] {
        let (plis, firs) = asked(&waiting_for(unwanted).clients[0]);
        assert!(plis >= 3 && firs.is_empty(), "{unwanted:?}: {plis} PLIs, {firs:?}");
    }
}
