//! Audio is sent again over RTX to those who offer it, and asked for again from them; browsers do not, and see nothing new.

use sfu_core::codec::CodecName;
use sfu_core::command::{Command, Reply};
use sfu_core::config::{Offers, SessionConfig};
use sfu_core::event::Event;
use sfu_core::transport::TransportKind;
use sfu_peer::{AudioSource, PeerConfig, StreamStats};
use sfu_wire::Ssrc;
use sfu_wire::rtcp::{List, Nack, NackPair, ReceiverReport, ReportBlock};
use sfu_wire::rtp::RtpPacket;

use crate::by_hand::{Hall, Packet, opus};
use crate::old_clients_are_served::join_without;
use crate::world::{World, seconds};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
/// What a browser does not say of Opus.
const RTX: [&str; 3] = ["rtpmap:112", "fmtp:112", "rtcp-fb:111 nack"];

fn speak(config: &mut PeerConfig) {
    config.audio.push(AudioSource::default());
}

/// Two seconds of peace, ten of loss, two in which the last repairs arrive.
fn run_with_loss(world: &mut World) {
    world.run(seconds(2));
    world.loss = 3;
    world.run(seconds(10));
    world.loss = 0;
    world.run(seconds(2));
}

fn heard(world: &World, index: usize) -> StreamStats {
    let streams = world.clients[index].peer.stats().streams;
    assert_eq!(streams.len(), 1, "{streams:?}");
    streams[0].clone()
}

fn offers_to(world: &World, index: usize) -> Vec<&str> {
    let session = world.clients[index].session;
    let offers = world.events.iter().filter_map(|event| match event {
        Event::OfferReady(id, offer) if *id == session => Some(offer.sdp.as_str()),
        _ => None,
    });
    offers.collect()
}

#[test]
fn on_two_transports_what_is_shown_on_one_holds_for_the_other() {
    let mut world = World::new();
    world.join(speak);
    world.run(seconds(2));
    let config = SessionConfig { offers: Offers::Split, ..SessionConfig::default() };
    let publisher = world.join_as(config, speak);
    let session = world.clients[publisher].session;
    let viewer = world.add_client(session, TransportKind::Subscriber, |_| {});
    // The first offer was made before there was somebody to answer it.
    let first = world.events.iter().rev().find_map(|event| match event {
        Event::OfferReady(id, offer) if *id == session => Some(offer.clone()),
        _ => None,
    });
    let first = first.expect("the server offers its transport without being asked");
    let now = world.now;
    let sdp = world.clients[viewer].peer.receive_offer(now, &first.sdp).unwrap();
    let answer = sfu_core::command::Description { kind: sfu_core::command::SdpType::Answer, sdp, ..first };
    world.command(Command::Receive(session, answer)).unwrap();
    run_with_loss(&mut world);
    for index in [0, viewer] {
        let stream = heard(&world, index);
        assert!(stream.repaired > 0 && stream.lost == 0, "{stream:?}");
        assert!(stream.numbers[0].unwrap().is_complete(), "{stream:?}");
    }
}

#[test]
fn who_does_not_offer_it_sees_nothing_of_it_and_is_not_asked() {
    let mut world = World::new();
    let browser = join_without(&mut world, &RTX);
    let native = world.join(speak);
    run_with_loss(&mut world);
    let audio = world.clients[native].peer.stats().streams.into_iter().find(|stream| !stream.video).unwrap();
    assert!(audio.repaired > 0, "the way down to who takes it is repaired: {audio:?}");
    assert!(!audio.numbers[0].unwrap().is_complete(), "the way up from who does not is not");
    let published = world.session_stats(browser).tracks;
    let asked = |codec| published.iter().find(|track| track.codec == codec).unwrap().encodings[0].nacks_sent;
    assert!(asked(CodecName::Opus) == 0 && asked(CodecName::Vp8) > 0, "{published:?}");
    let offers = offers_to(&world, browser);
    assert!(!offers.is_empty());
    for offer in offers {
        assert!(!offer.contains("rtx/48000") && !offer.contains("rtcp-fb:111 nack"), "{offer}");
    }
    let stream = heard(&world, browser);
    assert_eq!((stream.nacks, stream.repaired), (0, 0));
    let retransmitted: Vec<u64> =
        world.session_stats(browser).subscriptions.iter().map(|to| to.packets_retransmitted).collect();
    assert_eq!(retransmitted, [0]);
}

/// A publisher and its listener, whose section has these lines more and `unwanted` less; five packets on the way.
fn two(unwanted: &[&str]) -> (Hall, Ssrc) {
    let mut hall = Hall::new();
    hall.join(&[opus("v", "sendonly", &[MID])]);
    let voice = |seq| Packet { pt: 111, ssrc: 11, seq, extensions: &[(4, b"v")], payload: &[7; 40] };
    hall.send(0, &voice(1));
    let section = opus("w", "recvonly", &[]);
    let kept = section.lines().filter(|line| !unwanted.iter().any(|unwanted| line.contains(unwanted)));
    hall.join(&[kept.flat_map(|line| [line, "\r\n"]).collect()]);
    (2..=6).for_each(|seq| hall.send(0, &voice(seq)));
    assert_eq!(hall.clients[1].packets.len(), 5);
    let ssrc = RtpPacket::parse(&hall.clients[1].packets[0]).unwrap().header().ssrc;
    (hall, ssrc)
}

fn ask(hall: &mut Hall, media: Ssrc, seq: u16) {
    let pairs: Vec<NackPair> = NackPair::pack([seq]).collect();
    hall.report(1, &Nack { sender: Ssrc::new(9), media, pairs: List::from(&pairs[..]) });
}

#[test]
fn what_is_sent_again_is_what_was_sent_behind_its_number() {
    let (mut hall, ssrc) = two(&[]);
    let sent = hall.clients[1].packets[2].clone();
    let sent = RtpPacket::parse(&sent).unwrap();
    ask(&mut hall, ssrc, sent.header().seq);
    let again = RtpPacket::parse(hall.clients[1].packets.last().unwrap()).unwrap();
    assert_eq!((again.header().pt.get(), again.header().timestamp), (112, sent.header().timestamp));
    assert_ne!(again.header().ssrc, ssrc);
    assert_eq!(again.payload(), [&sent.header().seq.to_be_bytes()[..], sent.payload()].concat());
}

#[test]
fn nack_without_rtx_stays_without_an_answer() {
    let (mut hall, ssrc) = two(&["112 "]);
    assert!(hall.clients[1].answer.contains("a=rtcp-fb:111 nack\r\n"), "RFC 4585 allows it");
    let seq = RtpPacket::parse(&hall.clients[1].packets[2]).unwrap().header().seq;
    ask(&mut hall, ssrc, seq);
    assert_eq!(hall.clients[1].packets.len(), 5, "its index was used, and with it the nonce");
}

#[test]
fn reports_and_requests_about_retransmissions_are_not_taken_for_the_media() {
    let (mut hall, ssrc) = two(&[]);
    let seq = RtpPacket::parse(&hall.clients[1].packets[2]).unwrap().header().seq;
    ask(&mut hall, ssrc, seq);
    let rtx = RtpPacket::parse(hall.clients[1].packets.last().unwrap()).unwrap().header().ssrc;
    let block = |ssrc, cumulative_lost| ReportBlock { ssrc, cumulative_lost, ..ReportBlock::default() };
    let blocks = [block(ssrc, 1), block(rtx, 77)];
    hall.report(1, &ReceiverReport { ssrc: Ssrc::new(9), reports: List::from(&blocks[..]) });
    let viewer = hall.clients[1].session;
    let Ok(Reply::SessionStats(stats)) = hall.command(Command::SessionStats(viewer)) else { panic!("statistics") };
    assert_eq!(stats.subscriptions[0].packets_lost, 1);
    let before = hall.clients[1].packets.len();
    ask(&mut hall, rtx, seq.wrapping_add(1));
    assert_eq!(hall.clients[1].packets.len(), before);
}
