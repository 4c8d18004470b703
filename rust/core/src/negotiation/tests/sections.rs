//! What is agreed within a section.

use super::client::{Client, H264, OPUS, Rounds, VP8, config, negotiator, sender, subscription};
use crate::codec::CodecName;
use crate::negotiation::{Negotiator, NegotiatorRole, SenderStatus};

fn either() -> Negotiator {
    negotiator(NegotiatorRole::Either)
}

fn client_only() -> Negotiator {
    negotiator(NegotiatorRole::ClientOffers)
}

#[test]
fn a_section_without_a_known_codec_is_rejected_and_the_others_live() {
    let pcmu = ["rtpmap:0 PCMU/8000"];
    let mut negotiator = either();
    let answer = negotiator.answer_to(&Client::new(&[("audio", "sendonly", &pcmu), ("video", "sendonly", VP8)]).sdp());
    assert!(answer.contains("m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n"), "{answer}");
    assert!(answer.contains("a=group:BUNDLE 1\r\n"));
    assert!(negotiator.section("0").stopped);
    assert!(negotiator.section("1").receive.is_some());
    assert!(answer.contains("a=candidate:1 1 udp 2130706431 198.51.100.7 7882 typ host\r\n"));
    assert!(answer.contains("a=candidate:2 1 udp 2130706175 2001:db8::7 7882 typ host\r\na=end-of-candidates\r\n"));
}

#[test]
fn unknown_media_types_and_protocols_are_rejected_in_place() {
    let mut sdp = Client::new(&[("video", "sendonly", VP8)]).sdp();
    sdp.push_str("m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:t\r\nm=audio 9 FOO/BAR 1 2\r\nm=message 9 TCP/MSRP *\r\n");
    let mut negotiator = either();
    let answer = negotiator.answer_to(&sdp);
    let lines: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        lines,
        [
            "m=video 7882 UDP/TLS/RTP/SAVPF 96 97",
            "m=text 0 UDP/TLS/RTP/SAVPF 98",
            "m=audio 0 FOO/BAR 1 2",
            "m=message 0 TCP/MSRP *",
        ]
    );
    assert_eq!(negotiator.sections().len(), 1);
}

#[test]
fn a_client_that_may_not_publish_is_not_received() {
    let offer = Client::new(&[("audio", "sendrecv", OPUS), ("video", "sendrecv", VP8)]).sdp();
    let mut negotiator = Negotiator::new(crate::negotiation::NegotiatorConfig {
        publish_video: false,
        ..config(NegotiatorRole::ClientOffers)
    });
    negotiator.add_sender(sender(1, CodecName::Vp8));
    let answer = negotiator.answer_to(&offer);
    assert!(negotiator.section("0").receive.is_some());
    assert!(negotiator.section("1").receive.is_none());
    assert!(negotiator.section("1").send.is_some());
    assert!(answer.contains("a=recvonly\r\n") && answer.contains("a=sendonly\r\n"));
}

#[test]
fn a_room_restricts_and_orders_codecs() {
    let lines: Vec<&str> = VP8.iter().chain(H264).copied().collect();
    let offer = Client::new(&[("video", "sendonly", &lines)]).sdp();
    let mut negotiator = Negotiator::new(crate::negotiation::NegotiatorConfig {
        video_codecs: vec![CodecName::H264, CodecName::Vp8],
        ..config(NegotiatorRole::Either)
    });
    assert!(negotiator.answer_to(&offer).contains("SAVPF 102 103 96 97\r\n"));
    let mut negotiator = Negotiator::new(crate::negotiation::NegotiatorConfig {
        video_codecs: vec![CodecName::Vp8],
        ..config(NegotiatorRole::Either)
    });
    assert!(negotiator.answer_to(&offer).contains("SAVPF 96 97\r\n"));
    negotiator.add_sender(sender(1, CodecName::Vp8));
    assert!(!negotiator.offered().1.contains("VP9"));
}

#[test]
fn header_extension_directions_are_mirrored() {
    let mut lines = VP8.to_vec();
    lines.extend([
        "extmap:3/sendonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "extmap:4/recvonly urn:3gpp:video-orientation",
        "extmap:5 urn:ietf:params:rtp-hdrext:sdes:mid",
        "extmap:6 urn:ietf:params:rtp-hdrext:toffset",
    ]);
    let mut negotiator = client_only();
    negotiator.add_sender(sender(1, CodecName::Vp8));
    let answer = negotiator.answer_to(&Client::new(&[("video", "sendrecv", &lines)]).sdp());
    assert!(answer.contains("a=extmap:3/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"));
    assert!(answer.contains("a=extmap:4/sendonly urn:3gpp:video-orientation\r\n"));
    assert!(!answer.contains("toffset"));
    let section = negotiator.section("0");
    let ids = |map: sfu_wire::ExtensionMap| map.iter().map(|(id, _)| id).collect::<Vec<_>>();
    let mut received = ids(section.receive.as_ref().unwrap().extensions);
    received.sort_unstable();
    assert_eq!(received, [3, 5]);
    let mut sent = ids(section.send.as_ref().unwrap().extensions);
    sent.sort_unstable();
    assert_eq!(sent, [4, 5]);
}

#[test]
fn simulcast_is_mirrored_with_alternatives_pauses_and_restrictions() {
    let mut lines = VP8.to_vec();
    lines.extend([
        "extmap:3 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "rid:a send pt=96;max-width=1280;max-height=720",
        "rid:b send",
        "rid:c send pt=99",
        "rid:d send",
        "simulcast:send d;~a,b;c",
    ]);
    let mut negotiator = either();
    let answer = negotiator.answer_to(&Client::new(&[("video", "sendonly", &lines)]).sdp());
    assert!(answer.contains("a=rid:a recv pt=96;max-width=1280;max-height=720\r\n"), "{answer}");
    assert!(answer.contains("a=simulcast:recv d;a\r\n"), "c is for a payload type that is not taken");
    let receive = negotiator.section("0").receive.as_ref().unwrap();
    assert_eq!(receive.rids.iter().map(sfu_wire::Rid::as_str).collect::<Vec<_>>(), ["d", "a"]);
    assert_eq!(receive.paused_rids.iter().map(sfu_wire::Rid::as_str).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn simulcast_without_the_rid_extension_is_not_taken() {
    let mut lines = VP8.to_vec();
    lines.extend(["rid:a send", "rid:b send", "simulcast:send a;b"]);
    let answer = either().answer_to(&Client::new(&[("video", "sendonly", &lines)]).sdp());
    assert!(!answer.contains("simulcast") && !answer.contains("a=rid"));
}

#[test]
fn a_payload_type_means_the_same_everywhere() {
    let clash = ["rtpmap:96 H264/90000", "fmtp:96 packetization-mode=1;profile-level-id=42e01f"];
    let mut negotiator = either();
    let answer = negotiator.answer_to(&Client::new(&[("video", "sendonly", VP8), ("video", "sendonly", &clash)]).sdp());
    assert!(negotiator.section("1").stopped, "96 is VP8 in this bundle: {answer}");
    // What the server offers avoids the client's numbers, those of codecs that it does not take included.
    let taken = ["rtpmap:111 VP8/90000", "rtpmap:98 ulpfec/90000"];
    let mut negotiator = either();
    negotiator.answer_to(&Client::new(&[("video", "sendonly", &taken)]).sdp());
    negotiator.add_sender(sender(1, CodecName::Opus));
    negotiator.add_sender(sender(2, CodecName::Vp9));
    let (_, offer) = negotiator.offered();
    assert!(offer.contains("a=rtpmap:111 VP8/90000\r\n"));
    assert!(!offer.contains("a=rtpmap:111 opus") && !offer.contains("a=rtpmap:98 VP9"), "{offer}");
}

#[test]
fn fmtp_of_a_payload_type_is_the_same_in_every_section() {
    let other = ["rtpmap:111 opus/48000/2", "fmtp:111 minptime=10;stereo=1"];
    let answer = either().answer_to(&Client::new(&[("audio", "sendonly", OPUS), ("audio", "sendonly", &other)]).sdp());
    let fmtp: Vec<&str> = answer.lines().filter(|line| line.starts_with("a=fmtp:111")).collect();
    assert_eq!(fmtp, ["a=fmtp:111 minptime=10;useinbandfec=1"; 2]);
}

#[test]
fn wildcard_feedback_and_feedback_of_absent_formats() {
    let lines =
        ["rtpmap:96 VP8/90000", "rtcp-fb:* nack", "rtcp-fb:120 nack pli", "rtcp-fb:96 ccm fir", "rtcp-fb:96 x y"];
    let answer = either().answer_to(&Client::new(&[("video", "sendonly", &lines)]).sdp());
    let feedback: Vec<&str> = answer.lines().filter(|line| line.starts_with("a=rtcp-fb")).collect();
    assert_eq!(feedback, ["a=rtcp-fb:96 ccm fir", "a=rtcp-fb:96 nack"]);
}

#[test]
fn red_needs_opus_blocks() {
    let mut lines = OPUS.to_vec();
    lines.extend(["rtpmap:63 red/48000/2", "fmtp:63 111/111", "rtpmap:64 red/48000/2", "fmtp:64 0/0"]);
    let mut negotiator = either();
    let answer = negotiator.answer_to(&Client::new(&[("audio", "sendonly", &lines)]).sdp());
    assert!(answer.contains("SAVPF 111 63\r\n"), "{answer}");
}

#[test]
fn h264_goes_to_the_payload_type_of_its_profile() {
    let lines = [
        "rtpmap:102 H264/90000",
        "fmtp:102 packetization-mode=1;profile-level-id=42001f",
        "rtpmap:108 H264/90000",
        "fmtp:108 packetization-mode=1;profile-level-id=42e01f",
        "rtpmap:112 H264/90000",
        "fmtp:112 packetization-mode=1;profile-level-id=640c1f",
    ];
    for (profile, pt) in [("42e01f", Some(108)), ("640c1f", Some(112)), ("64001f", None), ("42001f", Some(102))] {
        let mut negotiator = client_only();
        let fmtp = format!("packetization-mode=1;profile-level-id={profile}");
        negotiator.add_sender(crate::negotiation::Sender { fmtp, ..sender(1, CodecName::H264) });
        negotiator.answer_to(&Client::new(&[("video", "recvonly", &lines)]).sdp());
        let codec = negotiator.section("0").send.as_ref().and_then(|send| send.codec.as_ref());
        assert_eq!(codec.map(|codec| codec.pt.get()), pt, "{profile}");
    }
}

#[test]
fn application_text_cannot_break_out_of_its_line() {
    let mut negotiator = Negotiator::new(crate::negotiation::NegotiatorConfig {
        label: "a b\r\na=evil".into(),
        ..config(NegotiatorRole::Either)
    });
    negotiator.add_sender(crate::negotiation::Sender {
        stream: "x\r\na=evil".into(),
        track: String::new(),
        ..sender(1, CodecName::Vp8)
    });
    let (_, offer) = negotiator.offered();
    assert!(offer.contains("a=msid:x__a_evil -\r\n"), "{offer}");
    assert!(offer.contains(" cname:a_b__a_evil\r\n"));
    assert!(!offer.lines().any(|line| line == "a=evil"));
}

#[test]
fn a_codec_that_the_client_lacks_is_reported_and_not_sent() {
    let mut negotiator = client_only();
    negotiator.add_sender(sender(1, CodecName::Av1));
    negotiator.add_sender(sender(2, CodecName::Vp8));
    assert_eq!(negotiator.missing_sections(), (0, 2));
    negotiator.answer_to(&Client::new(&[("video", "recvonly", VP8), ("video", "recvonly", VP8)]).sdp());
    assert_eq!(negotiator.status(1), SenderStatus::Unsupported);
    assert!(matches!(negotiator.status(2), SenderStatus::Attached(_)));
    assert_eq!(negotiator.missing_sections(), (0, 0), "another section would not help");

    let mut negotiator = either();
    negotiator.add_sender(sender(1, CodecName::Av1));
    let (id, offer) = negotiator.offered();
    let mut client = Client::answering(&offer);
    client.sections[0].lines.retain(|line| !line.starts_with("rtpmap") || line.contains("VP8"));
    negotiator.take(&client.sdp(), id);
    assert_eq!(negotiator.status(1), SenderStatus::Unsupported);
    let send = negotiator.section("s0").send.as_ref().unwrap();
    assert_eq!((send.subscription, send.codec_supported()), (subscription(1), false));
    assert_eq!(negotiator.poll_offer(), None);
}

#[test]
fn one_section_of_data_channels_is_enough() {
    let data = ("application", "", &["sctp-port:5001"][..]);
    let mut negotiator = either();
    let answer = negotiator.answer_to(&Client::new(&[data, data]).sdp());
    assert!(answer.contains("a=group:BUNDLE 0\r\n") && answer.contains("m=application 0 "), "{answer}");
    assert_eq!(negotiator.remote().and_then(|remote| remote.sctp).map(|sctp| sctp.port), Some(5001));
}

#[test]
fn an_answer_groups_only_what_the_offer_did() {
    let offer = Client::new(&[("video", "sendonly", VP8)]).sdp().replace("a=group:BUNDLE 0\r\n", "");
    let answer = either().answer_to(&offer);
    assert!(!answer.contains("a=group") && answer.contains("m=video 7882 "), "{answer}");
}

#[test]
fn the_first_msid_counts_and_a_dash_is_no_stream() {
    let mut lines = VP8.to_vec();
    lines.extend(["msid:- camera", "msid:other other"]);
    let mut negotiator = either();
    negotiator.answer_to(&Client::new(&[("video", "sendonly", &lines)]).sdp());
    let receive = negotiator.section("0").receive.as_ref().unwrap();
    assert_eq!(receive.msid, (String::new(), "camera".to_owned()));
}
