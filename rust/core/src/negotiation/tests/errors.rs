//! Every refusal names the line and what is missing, and leaves everything as it was.

use super::client::{Client, OPUS, Rounds, VP8, credentials, negotiator, sender};
use crate::codec::CodecName;
use crate::negotiation::{Negotiator, NegotiatorRole};

fn offer() -> String {
    Client::new(&[("audio", "sendonly", OPUS), ("video", "sendonly", VP8)]).sdp()
}

/// The message with which a first offer is refused; the next correct one works.
fn refusal(sdp: &str) -> String {
    let mut negotiator = negotiator(NegotiatorRole::Either);
    let error = negotiator.receive_offer(sdp, &credentials("x")).expect_err("a refusal");
    assert!(negotiator.sections().is_empty() && negotiator.remote().is_none());
    negotiator.answer_to(&offer());
    error.to_string()
}

fn without(attribute: &str, section: usize) -> String {
    let mut sections = 0;
    let kept = offer();
    let kept = kept.lines().filter(|line| {
        sections += usize::from(line.starts_with("m="));
        sections != section || !line.starts_with(attribute)
    });
    kept.collect::<Vec<_>>().join("\r\n")
}

#[test]
fn what_is_not_sdp() {
    assert_eq!(refusal(""), "no v=0 in the description (lines: 0)");
    assert_eq!(refusal("v=0\r\n"), "no m= section in the description (lines: 1)");
    assert_eq!(refusal("hello"), "line 1 \"hello\": a line is a letter, `=` and a value");
    assert_eq!(
        refusal("{\"type\": \"offer=\"}"),
        "line 1 \"{\"type\": \"offer=\"}\": a line is a letter, `=` and a value"
    );
    assert_eq!(
        refusal("o=- 1 1 IN IP4 127.0.0.1"),
        "line 1 \"o=- 1 1 IN IP4 127.0.0.1\": a description begins with `v=0`"
    );
    assert_eq!(refusal("v=1\r\n"), "line 1 \"v=1\": version type contains unsupported value 1");
}

#[test]
fn malformed_lines() {
    for (good, bad, problem) in [
        ("a=rtpmap:111 opus/48000/2", "a=rtpmap:abc", "Integer parsing error: invalid digit found in string"),
        ("a=mid:0", "a=mid:0123456789abcdefg", "no mid of this server: it is longer than 16 bytes"),
        ("m=audio 9 ", "m=audio nine ", "Integer parsing error: invalid digit found in string"),
        ("a=setup:actpass", "a=setup:both", "Unsupported setup value"),
        ("a=fmtp:97 apt=96", "a=fmtp:x apt=96", "it begins with no payload type (0 to 127)"),
    ] {
        let sdp = offer().replacen(good, bad, 1);
        assert_ne!(sdp, offer(), "{good}");
        let number = sdp.lines().position(|line| line.starts_with(bad)).expect("the line") + 1;
        let message = refusal(&sdp);
        assert!(message.starts_with(&format!("line {number} \"{bad}")), "{message}");
        assert!(message.ends_with(problem), "{message}");
    }
    let sdp = offer().replacen("a=fingerprint:sha-256 00", "a=fingerprint:sha-256 0", 1);
    assert!(refusal(&sdp).contains("wanted: sha-256, sha-384 or sha-512"));
}

#[test]
fn missing_attributes() {
    for (attribute, name) in [
        ("a=ice-ufrag", "a=ice-ufrag"),
        ("a=ice-pwd", "a=ice-pwd"),
        ("a=fingerprint", "a=fingerprint"),
        ("a=rtcp-mux", "a=rtcp-mux"),
    ] {
        let mut sdp = without(attribute, 1);
        if attribute == "a=ice-ufrag" {
            // Otherwise the other section speaks for the bundle.
            sdp = sdp.replace("a=ice-ufrag:", "a=ice-nofrag:");
        }
        assert_eq!(refusal(&sdp), format!("no {name} in section 1 (m=audio, mid \"0\", line 7)"));
    }
    assert_eq!(refusal(&without("a=mid", 2)), "no a=mid in section 2 (m=video, line 18)");
    let sha1 = offer().replace("sha-256 ", "sha-1 ");
    assert!(refusal(&sha1).starts_with("no a=fingerprint in section 1"));
}

#[test]
fn what_the_server_cannot_do() {
    let passive = offer().replace("a=setup:actpass", "a=setup:passive");
    assert!(refusal(&passive).starts_with("line 13 \"a=setup:passive\": the server is the DTLS server"));
    let lite = offer().replacen("t=0 0", "t=0 0\r\na=ice-lite", 1);
    assert!(refusal(&lite).starts_with("line 5 \"a=ice-lite\": the server is an ICE-lite agent"));
    let apart = offer().replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0");
    assert!(refusal(&apart).starts_with("section 2 (m=video, mid \"1\", line 18) is not in `a=group:BUNDLE`"));
    let apart = offer().replace("a=group:BUNDLE 0 1\r\n", "");
    assert!(refusal(&apart).contains("is not in `a=group:BUNDLE`"));
    let twice = offer().replace("a=mid:1", "a=mid:0");
    assert_eq!(refusal(&twice), "line 20 \"a=mid:0\": section 1 has this mid already");
    let many = Client::new(&vec![("application", "", &[][..]); 1025]).sdp();
    assert_eq!(refusal(&many), "the description has more than 1024 sections (m= lines)");
}

#[test]
fn a_long_line_is_cut_in_the_message() {
    let sdp = format!("v=0\r\na=mid{}\r\n{}\r\n", "x".repeat(1000), "y".repeat(1000));
    assert!(refusal(&sdp).len() < 250);
}

fn agreed() -> Negotiator {
    let mut negotiator = negotiator(NegotiatorRole::Either);
    negotiator.answer_to(&offer());
    negotiator
}

#[test]
fn sections_keep_their_order() {
    let mut negotiator = agreed();
    let before = negotiator.sections().to_vec();
    let mut refusal = |sections: &[(&'static str, &'static str, &[&str])], change: fn(&mut Client)| {
        let mut client = Client::new(sections);
        change(&mut client);
        let error = negotiator.receive_offer(&client.sdp(), &credentials("x")).expect_err("a refusal");
        assert_eq!(negotiator.sections(), before);
        error.to_string()
    };
    assert_eq!(
        refusal(&[("audio", "sendonly", OPUS)], |_| ()),
        "sections (m= lines) in the description: 1, negotiated: 2; one that is not needed stays with port 0"
    );
    assert_eq!(
        refusal(&[("audio", "sendonly", OPUS), ("video", "sendonly", VP8)], |client| {
            client.sections[1].mid = "9".into();
        }),
        "section 2 (m=video, mid \"9\", line 18) stands where mid \"1\" was negotiated; sections keep their order"
    );
    assert_eq!(
        refusal(&[("audio", "sendonly", OPUS), ("audio", "sendonly", OPUS)], |_| ()),
        "section 2 (m=audio, mid \"1\", line 18) is negotiated as m=video"
    );
}

#[test]
fn answers_that_do_not_fit() {
    let mut negotiator = agreed();
    negotiator.add_sender(sender(1, CodecName::Vp8));
    let (id, offer) = negotiator.offered();
    let fitting = Client::answering(&offer);
    let mut short = fitting.clone();
    short.sections.pop();
    let mut renamed = fitting.clone();
    renamed.sections[2].mid = "x".into();
    let mut undecided = fitting.clone();
    undecided.setup = "actpass";
    let mut server = fitting.clone();
    server.setup = "passive";
    for (answer, message) in [
        (short, "the answer has 2 sections (m= lines), the offer had 3"),
        (renamed, "section 3 (m=video, mid \"x\", line 31) stands where mid \"s0\" was negotiated"),
        (undecided, "line 13 \"a=setup:actpass\": the server is the DTLS server"),
        (server, "line 13 \"a=setup:passive\": the server is the DTLS server"),
    ] {
        let error = negotiator.receive_answer(&answer.sdp(), Some(id)).expect_err("a refusal").to_string();
        assert!(error.starts_with(message), "{error}");
        assert_eq!(negotiator.sections().len(), 2);
    }
    negotiator.take(&fitting.sdp(), id);
    assert_eq!(negotiator.sections().len(), 3);
}
