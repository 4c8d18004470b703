//! SDP: an offer or answer of any bytes never panics; a refused one changes nothing and the next good one works; an answer
//! has as many sections as its offer and can be read itself.

use sfu_core::negotiation::{Negotiator, NegotiatorConfig, NegotiatorRole};
use sfu_transport::IceCredentials;

/// What a browser offers; always accepted.
const GOOD: &str = include_str!("../../../tests/golden/sdp/chromium156-publish.sdp");

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // First contact, then in the middle of a call.
    offer(&mut negotiator(NegotiatorRole::ClientOffers), text);
    let mut agreed = negotiator(NegotiatorRole::Either);
    agreed.receive_offer(GOOD, &credentials("good")).expect("a browser's offer");
    offer(&mut agreed, text);
    answer(text);
}

fn offer(negotiator: &mut Negotiator, text: &str) {
    let before = format!("{:?}", negotiator.sections());
    match negotiator.receive_offer(text, &credentials("fresh")) {
        Ok(answer) => {
            assert_eq!(media_lines(&answer), media_lines(text), "a section for a section");
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(format!("{:?}", negotiator.sections()), before, "a refused offer changes nothing");
        }
    }
}

fn answer(text: &str) {
    let mut negotiator = negotiator(NegotiatorRole::Either);
    negotiator.want_data();
    let (id, _) = negotiator.poll_offer().expect("data is to be offered");
    if negotiator.receive_answer(text, Some(id)).is_err() {
        // The offer still waits for its answer.
        assert!(negotiator.poll_offer().is_none());
        negotiator.receive_offer(GOOD, &credentials("good")).expect("a browser's offer");
    }
}

fn media_lines(sdp: &str) -> usize {
    sdp.split(['\r', '\n']).filter(|line| line.starts_with("m=")).count()
}

fn negotiator(role: NegotiatorRole) -> Negotiator {
    let hexes: Vec<String> = (0u8..32).map(|byte| format!("{byte:02X}")).collect();
    Negotiator::new(NegotiatorConfig {
        fingerprint: format!("sha-256 {}", hexes.join(":")),
        candidates: vec![([198, 51, 100, 7], 7882).into()],
        credentials: credentials("first"),
        audio_codecs: Vec::new(),
        video_codecs: Vec::new(),
        publish_audio: true,
        publish_video: true,
        role,
        label: "fuzz".into(),
        session_id: 42,
    })
}

fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: format!("ufrag{name}"), pwd: format!("passwordOfTheServer00{name}") }
}
