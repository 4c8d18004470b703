//! Retransmission of audio: for clients that show it, and nothing new for browsers, which do not.

use super::client::{Client, OPUS, Rounds, VP8, negotiator, sender};
use crate::codec::CodecName::{Opus, Vp8};
use crate::negotiation::NegotiatorRole;

const OPUS_RTX: &[&str] = &[
    "rtpmap:111 opus/48000/2",
    "rtcp-fb:111 nack",
    "fmtp:111 minptime=10;useinbandfec=1",
    "rtpmap:112 rtx/48000",
    "fmtp:112 apt=111",
];

/// The m-section of the first audio that the server sends.
fn audio_of(offer: &str) -> &str {
    let mut sections = offer.split("m=").filter(|section| section.contains("a=mid:s"));
    sections.find(|section| section.starts_with("audio")).expect("an audio section")
}

#[test]
fn a_client_that_offers_rtx_for_audio_gets_it() {
    let mut negotiator = negotiator(NegotiatorRole::ClientOffers);
    negotiator.add_sender(sender(1, Opus));
    let answer = negotiator.answer_to(&Client::new(&[("audio", "sendrecv", OPUS_RTX)]).sdp());
    assert!(answer.contains("m=audio 7882 UDP/TLS/RTP/SAVPF 111 112\r\n"), "{answer}");
    assert!(answer.contains("a=rtcp-fb:111 nack\r\n"));
    assert!(answer.contains("a=rtpmap:112 rtx/48000\r\na=fmtp:112 apt=111\r\n"));
    assert!(answer.contains("a=ssrc-group:FID 1001 2001\r\n"));
    let section = negotiator.section("0");
    let receive = section.receive.as_ref().expect("the client sends");
    assert_eq!((receive.codecs[0].rtx.map(sfu_wire::Pt::get), receive.nack), (Some(112), true));
    let codec = section.send.as_ref().and_then(|send| send.codec.as_ref()).expect("the client receives");
    assert_eq!(codec.rtx.map(sfu_wire::Pt::get), Some(112));
}

#[test]
fn the_server_offers_rtx_for_audio_only_to_those_who_have_shown_it() {
    for (lines, shown) in [(OPUS, false), (OPUS_RTX, true)] {
        let mut negotiator = negotiator(NegotiatorRole::Either);
        negotiator.answer_to(&Client::new(&[("audio", "sendonly", lines), ("video", "sendonly", VP8)]).sdp());
        assert_eq!(negotiator.takes_audio_rtx(), shown);
        negotiator.add_sender(sender(1, Opus));
        negotiator.add_sender(sender(2, Vp8));
        let (_, offer) = negotiator.offered();
        let audio = audio_of(&offer);
        assert_eq!(audio.contains("a=fmtp:112 apt=111\r\n"), shown, "{audio}");
        assert_eq!(audio.contains("a=rtcp-fb:111 nack\r\n"), shown);
        assert_eq!(audio.contains("a=ssrc-group:FID 1001 2001\r\n"), shown);
        assert!(!audio.contains("apt=63"), "nobody has shown RTX for RED: {audio}");
    }
}

#[test]
fn what_is_shown_after_an_offer_is_offered_once_more_and_no_more() {
    for refused in [false, true] {
        let mut negotiator = negotiator(NegotiatorRole::ServerOffers);
        negotiator.add_sender(sender(1, Opus));
        negotiator.add_sender(sender(2, Vp8));
        let (id, offer) = negotiator.offered();
        assert!(!audio_of(&offer).contains("apt="));
        negotiator.take(&Client::answering(&offer).sdp(), id);
        negotiator.offer_audio_rtx();
        let (id, offer) = negotiator.offered();
        assert!(audio_of(&offer).contains("apt=111\r\n"), "{offer}");
        let mut client = Client::answering(&offer);
        if refused {
            client.sections[0].lines.retain(|line| !line.contains("rtx") && !line.contains("apt"));
        }
        negotiator.take(&client.sdp(), id);
        negotiator.offer_audio_rtx();
        assert_eq!(negotiator.poll_offer(), None);
    }
}

#[test]
fn what_was_shown_on_another_transport_is_offered_and_may_be_refused() {
    for refused in [false, true] {
        let mut negotiator = negotiator(NegotiatorRole::ServerOffers);
        negotiator.offer_audio_rtx();
        negotiator.add_sender(sender(1, Opus));
        let (id, offer) = negotiator.offered();
        assert!(audio_of(&offer).contains("a=fmtp:112 apt=111\r\n"), "{offer}");
        let mut client = Client::answering(&offer);
        if refused {
            client.sections[0].lines.retain(|line| !line.contains("rtx") && !line.contains("apt"));
        }
        negotiator.take(&client.sdp(), id);
        let send = negotiator.section("s0").send.as_ref().expect("it is attached");
        assert_eq!(send.codec.as_ref().expect("it has opus").rtx.is_none(), refused);
        assert_eq!(negotiator.poll_offer(), None);
    }
}
