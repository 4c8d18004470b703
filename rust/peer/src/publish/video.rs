//! A video source: all its encodings capture at the same instants, on a clock that never drifts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_transport::Random;
use sfu_wire::{Rid, Ssrc};

use super::encoder::{Capture, Content, Encoder};
use super::stream::{Destination, SendStream};
use crate::clip::Clip;
use crate::config::VideoSource;
use crate::model::ModelSource;
use crate::outlet::Outlet;
use crate::proof::Proof;

/// Of every video codec.
const CLOCK_RATE: u64 = 90_000;
/// Behind by more, the schedule starts anew instead of catching up in a burst.
const MAX_BEHIND: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct VideoPublisher {
    number: u16,
    encoders: Vec<Encoder>,
    frames_per_second: u32,
    /// From a keyframe request to the first frame that may be one.
    keyframe_delay: Duration,
    /// Counts capture instants.
    frame: u64,
    start: Option<Instant>,
    payload: Vec<u8>,
}

impl VideoPublisher {
    pub(crate) fn new(source: VideoSource, number: u16, random: &mut Random) -> Self {
        let VideoSource { temporal_layers, pacing, .. } = source;
        let contents = source.encodings.into_iter().map(|encoding| {
            let content = Content::Script { encoding, temporal_layers, pacing };
            (encoding.rid, content)
        });
        let encoders = encoders(contents, random);
        Self::with_encoders(number, encoders, source.frames_per_second, source.keyframe_delay)
    }

    /// All clips of one source run at the rate of the first.
    pub(crate) fn of_clips(clips: &[(Option<Rid>, Arc<Clip>)], number: u16, random: &mut Random) -> Self {
        let rate = clips.first().map_or(1, |(_, clip)| clip.frames_per_second());
        let contents = clips.iter().map(|(rid, clip)| (*rid, Content::Clip(clip.clone())));
        let encoders = encoders(contents, random);
        Self::with_encoders(number, encoders, rate, Duration::ZERO)
    }

    pub(crate) fn of_models(source: ModelSource, number: u16, random: &mut Random) -> Self {
        let contents = source.encodings.into_iter().map(|(rid, model)| (rid, Content::Model(model)));
        let encoders = encoders(contents, random);
        Self::with_encoders(number, encoders, source.frames_per_second, source.keyframe_delay)
    }

    fn with_encoders(number: u16, encoders: Vec<Encoder>, rate: u32, keyframe_delay: Duration) -> Self {
        let frames_per_second = rate.max(1);
        Self { number, encoders, frames_per_second, keyframe_delay, frame: 0, start: None, payload: Vec::new() }
    }

    pub(crate) fn start(&mut self, now: Instant) {
        self.start.get_or_insert(now);
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        let capture = self.start.map(|start| start + self.capture_time(self.frame));
        capture.into_iter().chain(self.encoders.iter().filter_map(Encoder::next_due)).min()
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = &SendStream> {
        self.encoders.iter().map(|e| &e.stream)
    }

    pub(crate) fn keyframes(&self) -> u64 {
        self.encoders.iter().map(|e| e.keyframes).sum()
    }

    pub(crate) fn stream_mut(&mut self, ssrc: Ssrc) -> Option<&mut SendStream> {
        self.encoders.iter_mut().map(|e| &mut e.stream).find(|s| s.ssrc == ssrc)
    }

    pub(crate) fn request_keyframe(&mut self, ssrc: Ssrc, now: Instant) {
        for encoder in self.encoders.iter_mut().filter(|e| e.stream.ssrc == ssrc) {
            encoder.request_keyframe(now + self.keyframe_delay);
        }
    }

    /// Stops or restarts one encoding (a browser does so when bandwidth or the window's size changes).
    pub(crate) fn set_active(&mut self, encoding: usize, active: bool) {
        if let Some(encoder) = self.encoders.get_mut(encoding) {
            if !active {
                encoder.interrupt();
            }
            encoder.active = active;
        }
    }

    pub(crate) fn send_due(&mut self, publisher: u32, to: &Destination<'_>, outlet: &mut Outlet<'_>) {
        let Some(start) = self.start else { return };
        self.encoders.iter_mut().for_each(|encoder| encoder.send_due(&mut self.payload, to, outlet));
        if outlet.now > start + self.capture_time(self.frame) + MAX_BEHIND {
            self.frame = self.frame_after(outlet.now - start);
            self.encoders.iter_mut().for_each(Encoder::interrupt);
        }
        while start + self.capture_time(self.frame) <= outlet.now {
            let offset = self.capture_time(self.frame);
            let (at, interval) = (start + offset, self.capture_time(1));
            let captured = outlet.unix_time.saturating_sub(outlet.now - at);
            let time = (self.frame * CLOCK_RATE / u64::from(self.frames_per_second)) as u32;
            for (index, encoder) in self.encoders.iter_mut().enumerate().filter(|(_, e)| e.active) {
                let encoding = index as u8;
                let proof = Proof { publisher, source: self.number, encoding, number: 0, sent: outlet.unix_time };
                let capture = Capture { index: self.frame, time, captured, at, interval, proof };
                encoder.send(&capture, &mut self.payload, to, outlet);
            }
            self.frame += 1;
        }
    }

    fn capture_time(&self, frame: u64) -> Duration {
        Duration::from_nanos(frame * 1_000_000_000 / u64::from(self.frames_per_second))
    }

    fn frame_after(&self, elapsed: Duration) -> u64 {
        (elapsed.as_nanos() * u128::from(self.frames_per_second) / 1_000_000_000) as u64 + 1
    }
}

fn encoders(contents: impl Iterator<Item = (Option<Rid>, Content)>, random: &mut Random) -> Vec<Encoder> {
    contents.map(|(rid, content)| Encoder::new(content, SendStream::video(rid, random), random)).collect()
}
