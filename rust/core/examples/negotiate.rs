//! The negotiation of one transport, alone, over standard input and output: for trying a client's SDP against it.
//!
//! The argument is the role: `either`, `client` or `server`. A request is a line of words, descriptions follow it and end
//! with a line `.`; so do replies.
//!
//! ```text
//! offer                 -> answer, the text | error <why>
//! answer <id>           -> applied | stale | error <why>
//! poll                  -> offer <id>, the text | nothing
//! add <number> <codec>  -> done
//! remove <number>       -> done
//! data                  -> done
//! restart               -> done
//! status <number>       -> the status
//! sections              -> a line per section
//! ```

use std::io::{self, BufRead, Lines, StdinLock, Write};

use sfu_core::codec::CodecName;
use sfu_core::id::SubscriptionId;
use sfu_core::negotiation::{AnswerOutcome, NegotiationError, Negotiator, NegotiatorConfig, NegotiatorRole, Sender};
use sfu_transport::IceCredentials;
use sfu_wire::Ssrc;

fn main() -> io::Result<()> {
    let role = match std::env::args().nth(1).as_deref() {
        Some("client") => NegotiatorRole::ClientOffers,
        Some("server") => NegotiatorRole::ServerOffers,
        _ => NegotiatorRole::Either,
    };
    let mut desk = Desk { negotiator: Negotiator::new(config(role)), restarts: 0 };
    let mut lines = io::stdin().lock().lines();
    while let Some(request) = lines.next() {
        let reply = desk.handle(&request?, &mut lines)?;
        let mut out = io::stdout().lock();
        writeln!(out, "{}\n.", reply.trim_end())?;
        out.flush()?;
    }
    Ok(())
}

struct Desk {
    negotiator: Negotiator,
    restarts: u32,
}

impl Desk {
    fn handle(&mut self, request: &str, lines: &mut Lines<StdinLock<'_>>) -> io::Result<String> {
        let words: Vec<&str> = request.split_whitespace().collect();
        let number = words.get(1).and_then(|word| word.parse::<u64>().ok());
        let subscription = SubscriptionId::new(number.unwrap_or_default());
        Ok(match words.first().copied() {
            Some("offer") => {
                let sdp = description(lines)?;
                let fresh = credentials(self.restarts + 1);
                match self.negotiator.receive_offer(&sdp, &fresh) {
                    Ok(answer) => format!("answer\n{answer}"),
                    Err(error) => refused(&error),
                }
            }
            Some("answer") => match self.negotiator.receive_answer(&description(lines)?, number) {
                Ok(AnswerOutcome::Applied) => String::from("applied"),
                Ok(AnswerOutcome::Stale) => String::from("stale"),
                Err(error) => refused(&error),
            },
            Some("poll") => match self.negotiator.poll_offer() {
                Some((id, sdp)) => format!("offer {id}\n{sdp}"),
                None => String::from("nothing"),
            },
            Some("add") => {
                self.negotiator.add_sender(sender(subscription, words.get(2).copied().unwrap_or_default()));
                String::from("done")
            }
            Some("remove") => {
                self.negotiator.remove_sender(subscription);
                String::from("done")
            }
            Some("data") => {
                self.negotiator.want_data();
                String::from("done")
            }
            Some("restart") => {
                self.restarts += 1;
                match self.negotiator.offer_ice_restart(credentials(self.restarts)) {
                    Ok(()) => String::from("done"),
                    Err(error) => refused(&error),
                }
            }
            Some("status") => format!("{:?}", self.negotiator.sender_status(subscription)),
            Some("sections") => {
                let lines: Vec<String> =
                    self.negotiator.sections().iter().map(|section| format!("{section:?}")).collect();
                lines.join("\n")
            }
            _ => format!("error unknown request {request:?}"),
        })
    }
}

fn refused(error: &NegotiationError) -> String {
    format!("error {error}")
}

/// Lines up to a single dot.
fn description(lines: &mut Lines<StdinLock<'_>>) -> io::Result<String> {
    let mut sdp = String::new();
    for line in lines {
        let line = line?;
        if line == "." {
            break;
        }
        sdp.push_str(&line);
        sdp.push_str("\r\n");
    }
    Ok(sdp)
}

fn sender(subscription: SubscriptionId, codec: &str) -> Sender {
    let all = [CodecName::Opus, CodecName::Red, CodecName::Vp8, CodecName::Vp9, CodecName::Av1, CodecName::H264];
    let known = all.into_iter().find(|name| name.as_str().eq_ignore_ascii_case(codec));
    let codec = known.unwrap_or(CodecName::Vp8);
    let number = subscription.get() as u32;
    Sender {
        subscription,
        kind: codec.kind(),
        codec,
        fmtp: String::new(),
        ssrc: Ssrc::new(1000 + number),
        rtx_ssrc: Some(Ssrc::new(2000 + number)),
        stream: format!("stream{number}"),
        track: format!("track{number}"),
    }
}

fn credentials(count: u32) -> IceCredentials {
    IceCredentials { ufrag: format!("server{count}"), pwd: format!("passwordOfTheServer{count:05}") }
}

fn config(role: NegotiatorRole) -> NegotiatorConfig {
    let digest: Vec<String> = (0..32).map(|byte| format!("{byte:02X}")).collect();
    NegotiatorConfig {
        fingerprint: format!("sha-256 {}", digest.join(":")),
        candidates: vec!["127.0.0.1:7882".parse().expect("a socket address")],
        credentials: credentials(0),
        audio_codecs: Vec::new(),
        video_codecs: Vec::new(),
        publish_audio: true,
        publish_video: true,
        role,
        label: String::from("sfu"),
        session_id: 42,
    }
}
