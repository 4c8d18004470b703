//! Descriptions of real clients in, ours out, compared byte by byte (`tests/golden/sdp/`).

use std::path::PathBuf;

use sfu_wire::{Extension, Rid, Ssrc};

use super::client::{Rounds, negotiator, sender};
use crate::codec::CodecName::{self, Av1, H264, Opus, Red, Vp8, Vp9};
use crate::negotiation::{Negotiator, NegotiatorRole, ReceiveParameters, SectionKind, SenderStatus};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/sdp").join(format!("{name}.sdp"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{}: {error}", path(name).display()))
}

/// The negotiator after `name` was offered, its answer compared with the golden one.
fn answered(name: &str) -> Negotiator {
    let mut negotiator = negotiator(NegotiatorRole::Either);
    let answer = negotiator.answer_to(&read(name));
    let golden = format!("{name}.answered");
    if std::env::var_os("SFU_BLESS").is_some() {
        std::fs::write(path(&golden), &answer).unwrap();
    }
    assert_eq!(answer, read(&golden), "{name}");
    negotiator
}

fn received<'a>(negotiator: &'a Negotiator, mid: &str) -> &'a ReceiveParameters {
    negotiator.section(mid).receive.as_ref().expect("the client sends here")
}

fn codecs(parameters: &ReceiveParameters) -> Vec<(CodecName, u8, Option<u8>)> {
    parameters.codecs.iter().map(|codec| (codec.name, codec.pt.get(), codec.rtx.map(sfu_wire::Pt::get))).collect()
}

fn rids(parameters: &ReceiveParameters) -> Vec<&str> {
    parameters.rids.iter().map(Rid::as_str).collect()
}

#[test]
fn chromium_publishes() {
    let negotiator = answered("chromium156-publish");
    let kinds: Vec<_> = negotiator.sections().iter().map(|section| section.kind).collect();
    assert_eq!(kinds, [SectionKind::Audio, SectionKind::Video, SectionKind::Application]);
    let audio = received(&negotiator, "0");
    assert_eq!(codecs(audio), [(Opus, 111, None), (Red, 63, None)]);
    assert_eq!(audio.extensions.id(Extension::AudioLevel), Some(1));
    let video = received(&negotiator, "1");
    assert_eq!(
        codecs(video),
        [
            (Vp8, 96, Some(97)),
            (H264, 102, Some(103)),
            (H264, 108, Some(109)),
            (H264, 116, Some(117)),
            (Av1, 45, Some(46)),
            (Vp9, 98, Some(99)),
        ],
        "packetization-mode 0, VP9 profile 2, red and ulpfec are not taken"
    );
    assert_eq!(rids(video), ["q", "h", "f"]);
    assert!(video.twcc && video.remb && video.nack && video.rtcp_rsize);
    let sctp = negotiator.remote().and_then(|remote| remote.sctp).expect("data channels");
    assert_eq!((sctp.port, sctp.max_message_size), (5000, 262_144));
}

#[test]
fn chromium_watches() {
    let negotiator = answered("chromium156-watch");
    assert!(negotiator.sections().iter().all(|section| section.receive.is_none() && !section.stopped));
    assert_eq!(negotiator.remote().and_then(|remote| remote.sctp), None);
}

#[test]
fn firefox_publishes_with_everything() {
    let negotiator = answered("firefox153-default");
    let video = received(&negotiator, "0");
    assert_eq!(codecs(video), [(Vp8, 120, Some(124)), (Vp9, 121, Some(125)), (Av1, 99, Some(100))]);
    assert_eq!(rids(video), ["q", "h", "f"]);
    let first = (Ssrc::new(2_396_690_431), Some(Ssrc::new(3_177_362_382)));
    assert_eq!((video.ssrcs.len(), video.ssrcs[0]), (3, first));
    assert!(video.extensions.contains(Extension::Rid), "a sendonly extension is received");
    assert!(video.extensions.contains(Extension::DependencyDescriptor), "for VP8 too");
    let audio = received(&negotiator, "1");
    assert_eq!(codecs(audio), [(Opus, 109, None)], "port 0 with bundle-only is no rejection");
    assert!(!audio.rtcp_rsize);
    assert!(negotiator.remote().is_some_and(|remote| remote.sctp.is_some()));
}

#[test]
fn firefox_publishes_vp8_alone_or_h264_alone() {
    let negotiator = answered("firefox153-vp8-simulcast");
    assert_eq!(codecs(received(&negotiator, "0")), [(Vp8, 120, Some(124))]);
    let negotiator = answered("firefox153-h264-simulcast");
    assert_eq!(codecs(received(&negotiator, "0")), [(H264, 126, Some(127)), (H264, 105, Some(106))]);
}

#[test]
fn libwebrtc_publishes() {
    let negotiator = answered("libwebrtc-node-wrtc");
    assert_eq!(codecs(received(&negotiator, "0")), [(Vp8, 96, Some(97)), (Av1, 39, Some(40)), (Vp9, 98, Some(99))]);
    assert_eq!(codecs(received(&negotiator, "1")), [(Opus, 111, None), (Red, 63, None)]);
}

#[test]
fn aiortc_publishes() {
    let negotiator = answered("aiortc1.16-publish");
    assert_eq!(codecs(received(&negotiator, "0")), [(Opus, 96, None)]);
    let video = received(&negotiator, "1");
    assert_eq!(codecs(video), [(Vp8, 97, Some(98)), (H264, 99, Some(100)), (H264, 101, Some(102))]);
    assert!(!video.twcc && video.remb);
    assert_eq!(negotiator.remote().map(|remote| remote.fingerprints.len()), Some(3));
}

#[test]
fn gstreamer_publishes() {
    let negotiator = answered("gstreamer1.22-publish");
    let video = received(&negotiator, "video0");
    assert_eq!(codecs(video), [(H264, 96, None)]);
    assert!(!video.twcc, "transport-cc without its header extension is none");
    assert!(!video.nack);
    assert_eq!(video.msid.1, "webrtctransceiver0");
    assert_eq!(codecs(received(&negotiator, "audio1")), [(Opus, 97, None)], "OPUS in capitals");
    let ufrag = negotiator.remote().map(|remote| remote.credentials.ufrag.clone());
    assert_eq!(ufrag.as_deref().map(str::len), Some(32));
}

#[test]
fn obs_publishes() {
    let negotiator = answered("obs-shaped");
    let video = received(&negotiator, "1");
    assert_eq!(codecs(video), [(H264, 96, None)]);
    assert!(video.extensions.is_empty());
    assert_eq!(video.ssrcs, [(Ssrc::new(1_043_917_703), None)]);
    assert_eq!(video.msid, ("obs-stream".into(), "obs-stream-video".into()));
    let audio = received(&negotiator, "0");
    assert!(audio.codecs[0].fmtp.contains("maxaveragebitrate=96000"));
}

/// The offer that the golden answers belong to.
fn offering() -> (Negotiator, u64) {
    let mut negotiator = negotiator(NegotiatorRole::ServerOffers);
    negotiator.want_data();
    negotiator.add_sender(sender(1, Vp8));
    negotiator.add_sender(sender(2, Opus));
    let (id, offer) = negotiator.offered();
    if std::env::var_os("SFU_BLESS").is_some() {
        std::fs::write(path("server-offer"), &offer).unwrap();
    }
    assert_eq!(offer, read("server-offer"));
    (negotiator, id)
}

#[test]
fn real_clients_answer_the_server() {
    for (name, twcc) in [("chromium156-answer", true), ("firefox153-answer", true), ("aiortc1.16-answer", false)] {
        let (mut negotiator, id) = offering();
        negotiator.take(&read(name), id);
        for number in [1, 2] {
            assert!(matches!(negotiator.status(number), SenderStatus::Attached(_)), "{name}");
        }
        let sections = negotiator.sections();
        let video = sections.iter().find(|section| section.kind == SectionKind::Video).expect("video");
        let send = video.send.as_ref().expect("the client receives");
        let codec = send.codec.as_ref().expect("every client has VP8");
        assert_eq!((codec.pt.get(), codec.rtx.map(sfu_wire::Pt::get)), (96, Some(97)), "{name}");
        assert_eq!(send.twcc, twcc, "{name}");
        assert!(send.nack && send.extensions.contains(Extension::Mid), "{name}");
        assert!(negotiator.remote().is_some_and(|remote| remote.sctp.is_some()), "{name}");
        assert_eq!(negotiator.poll_offer(), None, "{name}");
    }
}
