//! Audio, made up or of a clip: a packet every 20 ms, its loudness in the header.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_transport::{Class, Random};

use super::stream::{Destination, Piece, SendStream};
use crate::clip::Clip;
use crate::config::AudioSource;
use crate::outlet::Outlet;
use crate::proof::Proof;

/// Where the proof of a scripted packet starts.
pub(crate) const PROOF_OFFSET: usize = 1;
const INTERVAL: Duration = Duration::from_millis(20);
/// Timestamp units in an interval at 48 kHz.
const STEP: u32 = 960;
/// A scripted packet's first byte (RFC 6716 §3.1): one mono frame of 20 ms, hybrid, full band; any bytes may follow.
const TOC: u8 = 15 << 3;
/// Behind by more, the schedule starts anew instead of catching up in a burst.
const MAX_BEHIND: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct AudioPublisher {
    pub(crate) stream: SendStream,
    pub(crate) source: AudioSource,
    number: u16,
    count: u32,
    due: Option<Instant>,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// Payload that proves itself.
    Script(Vec<u8>),
    Clip(Arc<Clip>),
}

impl AudioPublisher {
    pub(crate) fn new(source: AudioSource, number: u16, random: &mut Random) -> Self {
        let mut payload = vec![0; source.packet_len.max(PROOF_OFFSET + Proof::MIN_LEN)];
        payload[0] = TOC;
        let content = Content::Script(payload);
        Self { stream: SendStream::audio(random), source, number, count: 0, due: None, content }
    }

    pub(crate) fn of_clip(clip: Arc<Clip>, number: u16, random: &mut Random) -> Self {
        let source = AudioSource::default();
        Self { stream: SendStream::audio(random), source, number, count: 0, due: None, content: Content::Clip(clip) }
    }

    pub(crate) fn start(&mut self, now: Instant) {
        self.due.get_or_insert(now);
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due
    }

    pub(crate) fn send_due(&mut self, publisher: u32, to: &Destination<'_>, outlet: &mut Outlet<'_>) {
        let Some(mut due) = self.due else { return };
        if outlet.now > due + MAX_BEHIND {
            due = outlet.now;
        }
        while due <= outlet.now {
            let proof =
                Proof { publisher, source: self.number, encoding: 0, number: self.count, sent: outlet.unix_time };
            let (payload, level) = match &mut self.content {
                Content::Script(payload) => {
                    proof.write(&mut payload[PROOF_OFFSET..]);
                    (&payload[..], self.source.level)
                }
                Content::Clip(clip) => {
                    let index = u64::from(self.count);
                    (clip.frame(index), clip.level(index))
                }
            };
            let piece = Piece {
                marker: self.count == 0,
                time: self.count.wrapping_mul(STEP),
                captured: outlet.unix_time.saturating_sub(outlet.now - due),
                class: Class::Audio,
                level: Some(with_voice_flag(level)),
                descriptor: &[],
                payload,
            };
            self.stream.send(&piece, to, outlet);
            self.count += 1;
            due += INTERVAL;
        }
        self.due = Some(due);
    }
}

/// V of RFC 6464 §3: somebody speaks.
fn with_voice_flag(level: u8) -> u8 {
    if level < 127 { level | 0x80 } else { level }
}
