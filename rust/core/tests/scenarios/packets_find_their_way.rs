//! Which stream, which path, which form: what single packets and reports of odd clients lead to.

use std::net::SocketAddr;

use sfu_core::codec::CodecName;
use sfu_core::command::{Command, CommandError, Reply};
use sfu_core::event::{Event, SubscriptionProblem};
use sfu_core::transport::TransportKind;
use sfu_wire::rtcp::{Fir, FirEntry, List, Rtcp, SenderReport, packets};
use sfu_wire::rtp::RtpPacket;
use sfu_wire::{NtpTime, Ssrc};

use crate::by_hand::{Client, DELTA, Hall, KEYFRAME, Packet, line, vp8};
use crate::world::config;

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const ORIENTATION: &str = "urn:3gpp:video-orientation";

fn kinds(report: &[u8]) -> Vec<&'static str> {
    packets(report)
        .map(|packet| match packet.unwrap() {
            Rtcp::SenderReport(_) => "SR",
            Rtcp::ReceiverReport(_) => "RR",
            Rtcp::Sdes(_) => "SDES",
            Rtcp::Pli(_) => "PLI",
            Rtcp::Nack(_) => "NACK",
            _ => "other",
        })
        .collect()
}

fn count(client: &Client, kind: &str) -> usize {
    client.reports.iter().flat_map(|report| kinds(report)).filter(|found| *found == kind).count()
}

fn frame(seq: u16, payload: &[u8]) -> Packet<'_> {
    Packet { pt: 96, ssrc: 11, seq, extensions: &[(4, b"v")], payload }
}

/// A publisher of one VP8 track and its viewer, who has its first keyframe.
fn two(publisher: &[&str], viewer: &[&str]) -> Hall {
    let mut hall = Hall::new();
    hall.join(&[vp8("v", "sendonly", publisher)]);
    hall.send(0, &frame(1, KEYFRAME));
    hall.join(&[vp8("w", "recvonly", viewer)]);
    hall.send(0, &frame(2, KEYFRAME));
    assert_eq!(hall.clients[1].packets.len(), 1, "the viewer sees");
    hall
}

#[test]
fn header_extensions_pass_with_the_ids_of_each_peer_in_either_form() {
    let publisher = [format!("extmap:4 {MID}"), format!("extmap:7 {ORIENTATION}")];
    let viewer = [format!("extmap:20 {ORIENTATION}"), format!("extmap:3 {MID}")];
    let lines = |lines: &'static [String]| lines.iter().map(String::as_str).collect::<Vec<_>>();
    let mut hall = two(&lines(Box::leak(Box::new(publisher))), &lines(Box::leak(Box::new(viewer))));
    hall.send(0, &Packet { extensions: &[(4, b"v"), (7, &[3])], ..frame(3, DELTA) });
    let clear = hall.clients[1].packets.last().unwrap();
    let packet = RtpPacket::parse(clear).unwrap();
    let mut found: Vec<(u8, &[u8])> = packet.extensions().iter().collect();
    found.sort_unstable();
    assert_eq!(found, [(3, &b"w"[..]), (20, &[3][..])]);
    assert_eq!(clear[12..14], [0x10, 0x00], "id 20 needs the two-byte form");
    assert_eq!(line(&hall.clients[0].answer, "a=extmap:7 "), ORIENTATION);
}

#[test]
fn a_full_intra_request_becomes_one_request_to_the_publisher() {
    let mut hall = two(&[&format!("extmap:4 {MID}")], &[]);
    hall.wait(1000);
    let ssrc = RtpPacket::parse(&hall.clients[1].packets[0]).unwrap().header().ssrc;
    let before = count(&hall.clients[0], "PLI");
    for request in [1, 1, 2] {
        let entries = [FirEntry { ssrc, request }];
        hall.report(1, &Fir { sender: Ssrc::new(9), entries: List::from(&entries[..]) });
    }
    assert_eq!(count(&hall.clients[0], "PLI"), before + 1);
}

#[test]
fn requests_end_when_nobody_waits_any_more() {
    let mut hall = Hall::new();
    hall.join(&[vp8("v", "sendonly", &[&format!("extmap:4 {MID}")])]);
    hall.send(0, &frame(1, KEYFRAME));
    hall.join(&[vp8("w", "recvonly", &[])]);
    hall.wait(1000);
    assert!(count(&hall.clients[0], "PLI") > 0, "the viewer waits for a keyframe");
    let viewer = hall.clients[1].session;
    hall.command(Command::CloseSession(viewer)).unwrap();
    let asked = count(&hall.clients[0], "PLI");
    hall.clients.truncate(1);
    hall.wait(20_000);
    assert_eq!(count(&hall.clients[0], "PLI"), asked);
}

#[test]
fn reports_are_whole_compounds_for_those_who_do_not_take_reduced_ones() {
    let extension = format!("extmap:4 {MID}");
    let mut hall = two(&[&extension], &[]);
    hall.send(0, &frame(5, DELTA));
    hall.wait(2000);
    for report in &hall.clients[0].reports {
        let kinds = kinds(report);
        assert!(matches!(kinds[..], ["RR" | "SR", "SDES", ..]), "{kinds:?} (RFC 3550 §6.1)");
    }
    assert!(count(&hall.clients[0], "NACK") > 0);

    let mut hall = two(&[&extension, "rtcp-rsize"], &["rtcp-rsize"]);
    hall.wait(100);
    hall.send(0, &frame(5, DELTA));
    hall.wait(100);
    assert!(hall.clients[0].reports.iter().any(|report| kinds(report) == ["NACK"]), "a NACK alone (RFC 5506)");
}

#[test]
fn repair_that_comes_first_binds_by_its_repaired_rid() {
    let mut hall = Hall::new();
    hall.join(&[simulcast_section(&["lo", "hi"])]);
    // A repair of `hi` without its MID, before anything of it.
    let repaired = [&[0, 9][..], KEYFRAME].concat();
    hall.send(0, &Packet { pt: 97, ssrc: 21, extensions: &[(6, b"hi")], ..frame(1, &repaired) });
    hall.send(0, &Packet { ssrc: 20, extensions: &[(5, b"hi"), (4, b"v")], ..frame(10, DELTA) });
    // What follows says nothing any more.
    hall.send(0, &Packet { ssrc: 20, extensions: &[], ..frame(11, DELTA) });
    let publisher = hall.clients[0].session;
    let Ok(Reply::SessionStats(stats)) = hall.command(Command::SessionStats(publisher)) else { panic!("statistics") };
    let encodings: Vec<(String, u64)> = stats.tracks[0]
        .encodings
        .iter()
        .map(|encoding| (encoding.rid.unwrap().as_str().to_owned(), encoding.packets_received))
        .collect();
    assert_eq!(encodings, [("hi".to_owned(), 3)]);
    assert_eq!(hall.sfu.stats().dropped.unbound_stream, 0);
}

/// The lines of a section with these encodings.
fn simulcast(rids: &[&str]) -> Vec<String> {
    let mut lines = vec![format!("extmap:4 {MID}"), format!("extmap:5 {RID}"), format!("extmap:6 {REPAIRED}")];
    lines.extend(rids.iter().map(|rid| format!("rid:{rid} send")));
    lines.push(format!("simulcast:send {}", rids.join(";")));
    lines
}

fn simulcast_section(rids: &[&str]) -> String {
    let lines = simulcast(rids);
    vp8("v", "sendonly", &lines.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn encodings_that_are_negotiated_in_or_out_leave_the_others_what_they_are() {
    let mut hall = Hall::new();
    hall.join(&[simulcast_section(&["lo", "hi"])]);
    let send = |hall: &mut Hall, ssrc: u32, rid: Option<&[u8]>, seq: u16, payload: &[u8]| {
        let named: Vec<(u8, &[u8])> = rid.map(|rid| vec![(4, &b"v"[..]), (5, rid)]).unwrap_or_default();
        hall.send(0, &Packet { pt: 96, ssrc, seq, extensions: &named, payload });
    };
    send(&mut hall, 20, Some(b"lo"), 1, KEYFRAME);
    send(&mut hall, 22, Some(b"hi"), 1, KEYFRAME);
    hall.join(&[vp8("w", "recvonly", &[])]);
    send(&mut hall, 22, None, 2, KEYFRAME);
    assert_eq!(hall.clients[1].packets.len(), 1);

    let mut seq = 2;
    for (rids, seen) in [(&["lo", "mid", "hi"][..], "hi"), (&["hi"], "hi"), (&["lo", "hi"], "hi")] {
        hall.offer(0, &[simulcast_section(rids)]).unwrap();
        seq += 1;
        let before = hall.clients[1].packets.len();
        // The publisher has long stopped to name its streams.
        send(&mut hall, 22, None, seq, KEYFRAME);
        assert_eq!(hall.clients[1].packets.len(), before + 1, "{rids:?}");
        let publisher = hall.clients[0].session;
        let Ok(Reply::SessionStats(stats)) = hall.command(Command::SessionStats(publisher)) else { panic!("stats") };
        let encodings = &stats.tracks[0].encodings;
        let flowing = encodings.iter().find(|encoding| encoding.ssrc == Ssrc::new(22)).unwrap();
        assert_eq!((flowing.rid.unwrap().as_str(), flowing.packets_received), (seen, u64::from(seq)));
        assert!(
            encodings.iter().all(|encoding| encoding.spatial as usize == place(rids, encoding.rid.unwrap().as_str()))
        );
    }
    // An encoding that is gone is not taken for another one.
    send(&mut hall, 20, None, 2, KEYFRAME);
    assert_eq!(hall.sfu.stats().dropped.unbound_stream, 1);
}

fn place(rids: &[&str], rid: &str) -> usize {
    rids.iter().position(|known| *known == rid).unwrap()
}

#[test]
fn a_codec_that_alternates_is_told_once() {
    let both = ["rtpmap:98 VP9/90000", "fmtp:98 profile-id=0"];
    let extension = format!("extmap:4 {MID}");
    let mut section = vp8("v", "sendonly", &[&extension, both[0], both[1]]);
    section = section.replace("SAVPF 96 97", "SAVPF 96 97 98");
    let mut hall = Hall::new();
    hall.join(&[section]);
    hall.send(0, &frame(1, KEYFRAME));
    hall.join(&[vp8("w", "recvonly", &[])]);
    for seq in 2..100 {
        hall.send(0, &Packet { pt: if seq % 2 == 0 { 98 } else { 96 }, ..frame(seq, KEYFRAME) });
    }
    let told = |event: &&Event| {
        matches!(event, Event::SubscriptionFailed { problem: SubscriptionProblem::CodecUnsupported(_), .. })
    };
    assert_eq!(hall.events.iter().filter(told).count(), 1);
}

#[test]
fn a_path_is_whose_check_was_the_last() {
    let mut hall = two(&[&format!("extmap:4 {MID}")], &[]);
    let publisher: SocketAddr = hall.clients[0].address;
    // The viewer's session is checked from the publisher's address: one of the two has it from a NAT that forgot.
    hall.check(1, publisher);
    hall.check(0, publisher);
    let before = hall.sfu.stats().packets_received;
    hall.send(0, &frame(3, DELTA));
    assert_eq!(hall.sfu.stats().packets_received, before + 1);
}

#[test]
fn a_viewer_that_lacks_the_codec_is_told_instead_of_shown_nothing() {
    let vp9 = vp8("v", "sendonly", &[&format!("extmap:4 {MID}")]).replace("VP8/90000", "VP9/90000");
    let mut hall = Hall::new();
    hall.join(&[vp9]);
    hall.send(0, &frame(1, &[0x08, 0x00, 0, 0]));
    let viewer = hall.join(&[vp8("w", "recvonly", &[])]);
    let viewer = hall.clients[viewer].session;
    let unsupported = SubscriptionProblem::CodecUnsupported(CodecName::Vp9);
    let told: Vec<_> = hall
        .events
        .iter()
        .filter_map(|event| match event {
            Event::SubscriptionFailed { session, problem, .. } => Some((*session, problem.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(viewer, unsupported)]);
    assert!(!hall.events.iter().any(|event| matches!(event, Event::Subscribed { .. })));
}

#[test]
fn a_publisher_that_changes_to_a_codec_that_the_viewer_has_is_seen() {
    let section = vp8("v", "sendonly", &[&format!("extmap:4 {MID}"), "rtpmap:98 VP9/90000"]);
    let mut hall = Hall::new();
    hall.join(&[section.replace("SAVPF 96 97", "SAVPF 98 96 97")]);
    hall.send(0, &Packet { pt: 98, ..frame(1, &[0x08, 0x00, 0, 0]) });
    let viewer = hall.join(&[vp8("w", "recvonly", &[])]);
    hall.send(0, &frame(2, KEYFRAME));
    hall.wait(1500);
    let session = hall.clients[viewer].session;
    let asked = hall.events.iter().rposition(
        |event| matches!(event, Event::SectionsNeeded { session: to, audio: 0, video: 0 } if *to == session),
    );
    assert!(asked.is_some(), "a free section is there");
    hall.offer(viewer, &[vp8("w", "recvonly", &[])]).unwrap();
    hall.send(0, &frame(3, KEYFRAME));
    assert!(hall.events[asked.unwrap()..].iter().any(|event| matches!(event, Event::Subscribed { .. })));
    assert_eq!(hall.clients[viewer].packets.len(), 1);
}

#[test]
fn a_track_whose_packets_stay_away_has_stalled_until_they_return() {
    let mut hall = two(&[&format!("extmap:4 {MID}")], &[]);
    let told = |hall: &Hall| -> Vec<bool> {
        let stalled = hall.events.iter().filter_map(|event| match event {
            Event::TrackStalled(_, stalled) => Some(*stalled),
            _ => None,
        });
        stalled.collect()
    };
    hall.wait(7000);
    assert_eq!(told(&hall), []);
    hall.wait(5000);
    assert_eq!(told(&hall), [true]);
    hall.send(0, &frame(3, KEYFRAME));
    hall.send(0, &frame(4, DELTA));
    assert_eq!(told(&hall), [true, false]);
}

#[test]
fn candidates_are_taken_and_what_is_none_is_named() {
    let mut hall = two(&[&format!("extmap:4 {MID}")], &[]);
    let session = hall.clients[0].session;
    let mut add = |candidate: &str| {
        hall.command(Command::AddCandidate(session, TransportKind::Main, candidate.to_owned())).map(|_| ())
    };
    for candidate in [
        "candidate:1 1 udp 2122260223 192.0.2.7 50000 typ host generation 0 ufrag hand",
        "a=candidate:1 1 TCP 1518280447 2001:db8::7 9 typ host tcptype active",
        "candidate:0 1 UDP 2122252543 5c2fd093-4aa2-4b8a-9c1f-8ac1b0e4ea2e.local 58532 typ host",
        "a=end-of-candidates",
        "",
    ] {
        assert_eq!(add(candidate), Ok(()), "{candidate}");
    }
    for wrong in ["candidate:1 1 udp 1 192.0.2.7 port typ host", "candidate:1 1 udp", "hello"] {
        assert_eq!(add(wrong), Err(CommandError::Candidate(wrong.to_owned())));
    }
}

#[test]
fn a_viewers_sender_report_stands_on_the_timeline_of_what_it_was_sent() {
    let mut hall = two(&[&format!("extmap:4 {MID}")], &[]);
    // The publisher's clock is years off, and its report is about a moment 40 ms before the packet.
    let ntp = NtpTime::from_unix(std::time::Duration::from_secs(1_000_000_000));
    let report = SenderReport {
        ssrc: Ssrc::new(11),
        ntp,
        rtp_timestamp: 48 * 3000 - 3600,
        packet_count: 2,
        octet_count: 20,
        reports: List::default(),
    };
    hall.wait(1500);
    hall.report(0, &report);
    hall.now += crate::world::millis(40);
    hall.clients[1].reports.clear();
    hall.send(0, &frame(48, DELTA));
    let sent_at = hall.now;
    let sent = RtpPacket::parse(hall.clients[1].packets.last().unwrap()).unwrap().header().timestamp;
    hall.wait(1050);
    let reports = hall.clients[1].reports.iter().flat_map(|report| packets(report));
    let reports: Vec<(NtpTime, u32)> = reports
        .filter_map(|packet| match packet.unwrap() {
            Rtcp::SenderReport(report) => Some((report.ntp, report.rtp_timestamp)),
            _ => None,
        })
        .collect();
    assert_eq!(reports.len(), 2, "one beside the packet, one at its time");
    let unix = config().unix_time + (sent_at - hall.start);
    for ((ntp, timestamp), expected) in reports.into_iter().zip([0..=0, 1000..=1035]) {
        let since = ntp.nanos_since(NtpTime::from_unix(unix)) / 1_000_000;
        let ticks = i64::from(timestamp.wrapping_sub(sent) as i32);
        assert!(expected.contains(&since), "{since} ms after the packet");
        assert!((ticks - since * 90).abs() <= 180, "{ticks} ticks in {since} ms");
    }
}

/// Time, timestamp, packets and bytes of the sender reports that the viewer got.
fn sender_reports(client: &Client) -> Vec<(NtpTime, u32, u32, u32)> {
    let reports = client.reports.iter().flat_map(|report| packets(report)).filter_map(|packet| match packet.unwrap() {
        Rtcp::SenderReport(report) => Some((report.ntp, report.rtp_timestamp, report.packet_count, report.octet_count)),
        _ => None,
    });
    reports.collect()
}

#[test]
fn a_first_picture_brings_a_sender_report_at_once_and_a_silent_stream_none() {
    let mut hall = two(&[&format!("extmap:4 {MID}")], &[]);
    assert_eq!(sender_reports(&hall.clients[1]).len(), 1, "in the same moment");
    let mut seq = 2;
    for _ in 0..75 {
        hall.wait(40);
        seq += 1;
        hall.send(0, &frame(seq, DELTA));
    }
    let reports = sender_reports(&hall.clients[1]);
    assert!((3..=5).contains(&reports.len()), "{reports:?}");
    assert!(reports.windows(2).all(|pair| pair[1].0 > pair[0].0 && pair[1].1.wrapping_sub(pair[0].1) as i32 >= 0));
    assert!(reports.windows(2).all(|pair| pair[1].2 >= pair[0].2 && pair[1].3 >= pair[0].3), "{reports:?}");
    assert!(matches!(reports.last(), Some((_, _, 50..=76, 205..=320))), "what was sent by then: {reports:?}");
    hall.wait(2000);
    hall.clients[1].reports.clear();
    hall.wait(5000);
    assert_eq!(sender_reports(&hall.clients[1]), [], "nobody knows where the clock of a stream that rests would stand");
}
