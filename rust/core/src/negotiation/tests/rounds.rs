//! Offers and answers in turn: attaching, glare, reuse, recycling, restarts.

use super::client::{Client, OPUS, Rounds, VP8, credentials, negotiator, sender, subscription};
use crate::codec::CodecName::{Opus, Vp8, Vp9};
use crate::negotiation::{AnswerOutcome, NegotiationError, Negotiator, NegotiatorRole, SenderStatus};

fn either() -> Negotiator {
    negotiator(NegotiatorRole::Either)
}

fn publishing() -> Client {
    Client::new(&[("audio", "sendonly", OPUS), ("video", "sendonly", VP8)])
}

/// The server's offer, answered by a client that takes everything.
fn settle(negotiator: &mut Negotiator) -> String {
    let (id, offer) = negotiator.offered();
    negotiator.take(&Client::answering(&offer).sdp(), id);
    offer
}

fn mids(negotiator: &Negotiator) -> Vec<String> {
    negotiator.sections().iter().map(|section| section.mid.to_string()).collect()
}

#[test]
fn senders_get_sections_of_their_own_in_the_next_offer() {
    let mut negotiator = either();
    negotiator.answer_to(&publishing().sdp());
    assert_eq!(negotiator.poll_offer(), None);
    negotiator.add_sender(sender(1, Vp9));
    negotiator.add_sender(sender(2, Opus));
    assert_eq!(negotiator.status(1), SenderStatus::Waiting);
    let (id, offer) = negotiator.offered();
    assert_eq!((id, negotiator.status(1)), (1, SenderStatus::Offered));
    assert_eq!(negotiator.poll_offer(), None, "one waits");
    assert!(offer.contains("a=setup:actpass\r\n"));
    assert!(offer.contains("a=msid:stream1 track1\r\na=ssrc-group:FID 1001 2001\r\n"));
    assert!(offer.contains("a=ssrc:1001 cname:standup\r\na=ssrc:2001 cname:standup\r\n"));
    assert!(offer.contains("a=ssrc:1002 cname:standup\r\n") && !offer.contains("a=ssrc:2002"));
    let video = offer.split("m=").last().expect("a section");
    assert!(video.starts_with("video 7882 UDP/TLS/RTP/SAVPF 98 99 96 97 "), "the track's codec first: {video}");
    assert!(negotiator.sections().iter().all(|section| section.send.is_none()));
    negotiator.take(&Client::answering(&offer).sdp(), id);
    assert_eq!(mids(&negotiator), ["0", "1", "s0", "s1"]);
    assert_eq!(negotiator.status(2), SenderStatus::Attached(negotiator.sections()[2].mid));
    assert!(negotiator.section("0").receive.is_some(), "the client still publishes");
    assert!(negotiator.section("s1").send.as_ref().is_some_and(|send| send.subscription == subscription(1)));
    assert_eq!(negotiator.poll_offer(), None);
}

#[test]
fn a_client_that_offers_to_receive_gets_senders_in_the_answer() {
    let mut negotiator = negotiator(NegotiatorRole::ClientOffers);
    negotiator.add_sender(sender(1, Vp8));
    negotiator.add_sender(sender(2, Vp8));
    negotiator.add_sender(sender(3, Opus));
    assert_eq!((negotiator.poll_offer(), negotiator.missing_sections()), (None, (1, 2)));
    let mut client = Client::new(&[("video", "recvonly", VP8), ("audio", "sendrecv", OPUS)]);
    let answer = negotiator.answer_to(&client.sdp());
    assert!(answer.contains("a=msid:stream1 track1\r\n") && answer.contains("a=msid:stream3 track3\r\n"));
    assert_eq!(negotiator.missing_sections(), (0, 1));
    client.sections.push(Client::new(&[("video", "recvonly", VP8)]).sections[0].clone());
    client.sections[2].mid = "2".into();
    negotiator.answer_to(&client.sdp());
    assert_eq!(negotiator.missing_sections(), (0, 0));
    assert!(negotiator.section("2").send.is_some());
    assert!(negotiator.section("0").send.is_some(), "the first stays where it was");
}

#[test]
fn a_freed_section_of_a_client_is_not_missing_but_wants_an_offer() {
    let mut negotiator = negotiator(NegotiatorRole::ClientOffers);
    negotiator.add_sender(sender(1, Vp8));
    let client = Client::new(&[("video", "recvonly", VP8)]);
    negotiator.answer_to(&client.sdp());
    negotiator.remove_sender(subscription(1));
    assert!(negotiator.section("0").send.is_none(), "silent at once");
    negotiator.add_sender(sender(2, Vp8));
    assert_eq!((negotiator.missing_sections(), negotiator.wants_client_offer()), ((0, 0), true));
    negotiator.answer_to(&client.sdp());
    assert!(negotiator.section("0").send.as_ref().is_some_and(|send| send.subscription == subscription(2)));
    assert!(!negotiator.wants_client_offer());
}

#[test]
fn in_either_role_the_clients_own_publishing_sections_are_left_alone() {
    let mut negotiator = either();
    negotiator.add_sender(sender(1, Vp8));
    negotiator.answer_to(&Client::new(&[("video", "sendrecv", VP8), ("video", "recvonly", VP8)]).sdp());
    assert!(negotiator.section("0").send.is_none());
    assert!(negotiator.section("1").send.is_some());
}

#[test]
fn glare_the_clients_offer_wins_and_the_server_offers_again() {
    let mut negotiator = either();
    negotiator.add_sender(sender(1, Vp8));
    let (lost, offer) = negotiator.offered();
    let late_answer = Client::answering(&offer).sdp();
    let answer = negotiator.answer_to(&publishing().sdp());
    assert!(!answer.contains("s0"), "the rolled back section is not in it");
    assert_eq!(negotiator.status(1), SenderStatus::Waiting);
    assert_eq!(negotiator.receive_answer(&late_answer, Some(lost)), Ok(AnswerOutcome::Stale));
    assert_eq!(negotiator.receive_answer(&late_answer, None), Ok(AnswerOutcome::Stale));
    let (id, offer) = negotiator.offered();
    assert_eq!(id, lost + 1);
    assert_eq!(negotiator.receive_answer(&late_answer, Some(lost)), Ok(AnswerOutcome::Stale));
    negotiator.take(&Client::answering(&offer).sdp(), id);
    assert_eq!(mids(&negotiator), ["0", "1", "s1"]);
    assert!(matches!(negotiator.status(1), SenderStatus::Attached(_)));
}

#[test]
fn glare_in_the_other_order_needs_no_rollback() {
    // The client's offer arrives first; the server's goes out after the answer and is answered in turn.
    let mut negotiator = either();
    negotiator.add_sender(sender(1, Vp8));
    negotiator.answer_to(&publishing().sdp());
    let (id, offer) = negotiator.offered();
    negotiator.take(&Client::answering(&offer).sdp(), id);
    assert_eq!(mids(&negotiator), ["0", "1", "s0"]);
}

#[test]
fn a_refused_offer_does_not_roll_back() {
    let mut negotiator = either();
    negotiator.add_sender(sender(1, Vp8));
    let (id, offer) = negotiator.offered();
    assert!(negotiator.receive_offer("v=0\r\n", &credentials("x")).is_err());
    negotiator.take(&Client::answering(&offer).sdp(), id);
    assert!(matches!(negotiator.status(1), SenderStatus::Attached(_)));
}

#[test]
fn a_removed_senders_section_is_silenced_offered_inactive_and_reused() {
    let mut negotiator = either();
    negotiator.add_sender(sender(1, Vp8));
    settle(&mut negotiator);
    negotiator.remove_sender(subscription(1));
    assert_eq!(negotiator.section("s0").send, None);
    assert_eq!(negotiator.sender_status(subscription(1)), None);
    let offer = settle(&mut negotiator);
    assert!(offer.contains("a=inactive\r\n") && !offer.contains("a=msid:"), "{offer}");
    negotiator.add_sender(sender(2, Vp9));
    let offer = settle(&mut negotiator);
    assert_eq!((offer.matches("m=video").count(), mids(&negotiator)), (1, vec!["s0".to_owned()]));
    assert!(negotiator.section("s0").send.as_ref().is_some_and(|send| send.subscription == subscription(2)));
}

#[test]
fn a_section_changes_hands_in_one_offer() {
    let mut negotiator = either();
    negotiator.add_sender(sender(1, Vp8));
    settle(&mut negotiator);
    negotiator.remove_sender(subscription(1));
    negotiator.add_sender(sender(2, Vp8));
    let offer = settle(&mut negotiator);
    assert!(offer.contains("a=msid:stream2 track2\r\n") && !offer.contains("stream1"));
    assert_eq!(negotiator.poll_offer(), None);
}

#[test]
fn a_sender_removed_while_offered_is_taken_back_by_the_next_offer() {
    let mut negotiator = either();
    negotiator.add_sender(sender(1, Vp8));
    let (id, offer) = negotiator.offered();
    negotiator.remove_sender(subscription(1));
    negotiator.take(&Client::answering(&offer).sdp(), id);
    assert_eq!(negotiator.section("s0").send, None);
    assert!(settle(&mut negotiator).contains("a=inactive\r\n"));
    assert_eq!(negotiator.poll_offer(), None);
}

#[test]
fn a_rejected_section_ends_the_sender_and_its_place_is_recycled_under_a_new_name() {
    let mut negotiator = either();
    negotiator.answer_to(&publishing().sdp());
    negotiator.add_sender(sender(1, Vp8));
    let (id, offer) = negotiator.offered();
    let mut client = Client::answering(&offer);
    client.sections[2].stopped = true;
    negotiator.take(&client.sdp(), id);
    assert_eq!(negotiator.status(1), SenderStatus::Rejected);
    assert_eq!(negotiator.poll_offer(), None, "a rejected sender is not offered again");
    negotiator.add_sender(sender(2, Opus));
    let offer = settle(&mut negotiator);
    assert_eq!(offer.matches("m=").count(), 3);
    assert_eq!(mids(&negotiator), ["0", "1", "s1"]);
}

#[test]
fn a_client_recycles_a_stopped_section() {
    let mut negotiator = either();
    let mut client = publishing();
    negotiator.answer_to(&client.sdp());
    client.sections[0].stopped = true;
    let answer = negotiator.answer_to(&client.sdp());
    assert!(answer.contains("m=audio 0 ") && answer.contains("a=group:BUNDLE 1\r\n"));
    assert!(negotiator.section("0").stopped);
    client.sections[0] = Client::new(&[("video", "sendonly", VP8)]).sections[0].clone();
    client.sections[0].mid = "7".into();
    negotiator.answer_to(&client.sdp());
    assert_eq!(mids(&negotiator), ["7", "1"]);
    assert!(negotiator.section("7").receive.is_some());
}

#[test]
fn a_client_that_stops_receiving_holds_the_sender_until_it_receives_again() {
    let mut negotiator = negotiator(NegotiatorRole::ClientOffers);
    negotiator.add_sender(sender(1, Vp8));
    let mut client = Client::new(&[("video", "recvonly", VP8)]);
    negotiator.answer_to(&client.sdp());
    client.sections[0].direction = "inactive";
    negotiator.answer_to(&client.sdp());
    assert!(matches!(negotiator.status(1), SenderStatus::Held(_)));
    assert_eq!(negotiator.section("0").send, None);
    client.sections[0].direction = "recvonly";
    negotiator.answer_to(&client.sdp());
    assert!(matches!(negotiator.status(1), SenderStatus::Attached(_)));
}

#[test]
fn data_channels_are_offered_when_asked_for_and_not_twice() {
    let mut negotiator = negotiator(NegotiatorRole::ServerOffers);
    negotiator.want_data();
    let offer = settle(&mut negotiator);
    assert!(offer.contains("m=application 7882 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
    assert!(offer.contains("a=sctp-port:5000\r\na=max-message-size:262144\r\n"));
    assert!(negotiator.remote().is_some_and(|remote| remote.sctp.is_some()));
    negotiator.want_data();
    assert_eq!(negotiator.poll_offer(), None);
}

#[test]
fn rejected_data_channels_are_not_offered_for_ever() {
    let mut negotiator = either();
    negotiator.answer_to(&publishing().sdp());
    negotiator.want_data();
    let (id, offer) = negotiator.offered();
    let mut client = Client::answering(&offer);
    client.sections[2].stopped = true;
    negotiator.take(&client.sdp(), id);
    assert_eq!(negotiator.poll_offer(), None);
    assert!(negotiator.remote().is_some_and(|remote| remote.sctp.is_none()));
}

#[test]
fn new_client_credentials_restart_ice_and_only_those() {
    let mut negotiator = either();
    let mut client = publishing();
    assert!(negotiator.answer_to(&client.sdp()).contains("a=ice-ufrag:ufrag0\r\n"));
    assert!(negotiator.answer_to(&client.sdp()).contains("a=ice-ufrag:ufrag0\r\n"));
    client.ufrag = "clientB";
    assert!(negotiator.answer_to(&client.sdp()).contains("a=ice-ufrag:ufragfresh\r\n"));
    assert_eq!(negotiator.credentials(), &credentials("fresh"));
    assert_eq!(negotiator.remote().map(|remote| remote.credentials.ufrag.as_str()), Some("clientB"));
}

#[test]
fn the_server_restarts_ice_with_an_offer() {
    let mut negotiator = either();
    negotiator.answer_to(&publishing().sdp());
    assert_eq!(negotiator.offer_ice_restart(credentials("1")), Ok(()));
    let (_, offer) = negotiator.offered();
    assert!(offer.contains("a=ice-ufrag:ufrag1\r\n"));
    assert_eq!(negotiator.offered_credentials(), Some(&credentials("1")));
    assert_eq!(negotiator.credentials(), &credentials("0"), "until it is answered");
    // A glare keeps the old ones in the answer, and the restart is offered again.
    assert!(negotiator.answer_to(&publishing().sdp()).contains("a=ice-ufrag:ufrag0\r\n"));
    let (id, offer) = negotiator.offered();
    let mut client = Client::answering(&offer);
    client.ufrag = "clientB";
    negotiator.take(&client.sdp(), id);
    assert_eq!((negotiator.credentials(), negotiator.offered_credentials()), (&credentials("1"), None));
    assert_eq!(negotiator.poll_offer(), None);
}

#[test]
fn ice_restarts_without_sdp() {
    let mut negotiator = either();
    negotiator.answer_to(&publishing().sdp());
    negotiator.restart_ice(credentials("2"), &credentials("client"));
    assert_eq!(negotiator.credentials(), &credentials("2"));
    assert_eq!(negotiator.remote().map(|remote| &remote.credentials), Some(&credentials("client")));
}

#[test]
fn offers_and_answers_keep_their_roles() {
    let mut server = negotiator(NegotiatorRole::ServerOffers);
    let refused = server.receive_offer(&publishing().sdp(), &credentials("x"));
    assert_eq!(refused, Err(NegotiationError::OfferNotAllowed));
    let mut client = negotiator(NegotiatorRole::ClientOffers);
    let refused = client.receive_answer(&publishing().sdp(), None);
    assert_eq!(refused, Err(NegotiationError::UnexpectedAnswer));
    assert_eq!(client.offer_ice_restart(credentials("1")), Err(NegotiationError::OnlyClientOffers));
}

#[test]
fn an_offer_is_answered_once() {
    let mut negotiator = either();
    negotiator.add_sender(sender(1, Vp8));
    let (id, offer) = negotiator.offered();
    let answer = Client::answering(&offer).sdp();
    assert_eq!(negotiator.receive_answer(&answer, Some(99)), Err(NegotiationError::UnexpectedAnswer));
    assert_eq!(negotiator.receive_answer(&answer, None), Ok(AnswerOutcome::Applied));
    assert_eq!(negotiator.receive_answer(&answer, Some(id)), Err(NegotiationError::AnsweredTwice { id }));
    assert_eq!(negotiator.receive_answer(&answer, None), Err(NegotiationError::UnexpectedAnswer));
}

#[test]
fn the_version_rises_with_every_description() {
    let mut negotiator = either();
    let version = |sdp: &str| -> u64 { sdp.split(' ').nth(2).unwrap().parse().unwrap() };
    let first = version(&negotiator.answer_to(&publishing().sdp()));
    negotiator.add_sender(sender(1, Vp8));
    let (_, lost) = negotiator.offered();
    let second = version(&lost);
    let third = version(&negotiator.answer_to(&publishing().sdp()));
    let fourth = version(&negotiator.offered().1);
    assert!(first < second && second < third && third < fourth, "{first} {second} {third} {fourth}");
}

#[test]
fn two_hundred_senders_come_and_go() {
    let mut negotiator = either();
    negotiator.answer_to(&publishing().sdp());
    for number in 0..200 {
        negotiator.add_sender(sender(number, if number % 2 == 0 { Vp8 } else { Opus }));
    }
    settle(&mut negotiator);
    assert_eq!(negotiator.sections().len(), 202);
    assert!((0..200).all(|number| matches!(negotiator.status(number), SenderStatus::Attached(_))));
    for number in 0..200 {
        negotiator.remove_sender(subscription(number));
    }
    settle(&mut negotiator);
    for number in 200..400 {
        negotiator.add_sender(sender(number, if number % 2 == 0 { Vp8 } else { Opus }));
    }
    settle(&mut negotiator);
    assert_eq!(negotiator.sections().len(), 202, "all are reused");
}
