//! Opus-like audio: a packet every 20 ms, its loudness in the header.

use std::time::{Duration, Instant};

use sfu_transport::{Class, Random};

use super::stream::{Destination, Piece, SendStream};
use crate::config::AudioSource;
use crate::outlet::Outlet;
use crate::proof::Proof;

const INTERVAL: Duration = Duration::from_millis(20);
/// Timestamp units in an interval at 48 kHz.
const STEP: u32 = 960;
/// Behind by more, the schedule starts anew instead of catching up in a burst.
const MAX_BEHIND: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct AudioPublisher {
    pub(crate) stream: SendStream,
    pub(crate) source: AudioSource,
    number: u16,
    count: u32,
    due: Option<Instant>,
    payload: Vec<u8>,
}

impl AudioPublisher {
    pub(crate) fn new(source: AudioSource, number: u16, random: &mut Random) -> Self {
        let payload = vec![0; source.packet_len.max(Proof::MIN_LEN)];
        Self { stream: SendStream::audio(random), source, number, count: 0, due: None, payload }
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
            let proof = Proof {
                publisher,
                source: self.number,
                encoding: 0,
                number: self.count,
                captured: outlet.unix_time.saturating_sub(outlet.now - due),
            };
            proof.write(&mut self.payload);
            let piece = Piece {
                marker: self.count == 0,
                time: self.count.wrapping_mul(STEP),
                captured: proof.captured,
                class: Class::Audio,
                level: Some(self.source.level | 0x80),
                payload: &self.payload,
            };
            self.stream.send(&piece, to, outlet);
            self.count += 1;
            due += INTERVAL;
        }
        self.due = Some(due);
    }
}
