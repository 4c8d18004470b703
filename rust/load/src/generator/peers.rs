//! What the peers of a load are: publishers of constant media, subscribers that count or verify.

use std::time::Duration;

use sfu_peer::{AudioSource, Encoding, Pacing, PeerConfig, Receiving, VideoSource};
use sfu_wire::Rid;

/// Of a datagram beside the payload: the fixed header (12), extensions (16) and the tag of AEAD (16).
const OVERHEAD: usize = 44;
/// A camera's encoder answers a request with one of the next frames.
const KEYFRAME_DELAY: Duration = Duration::from_millis(50);
/// Rid, width, height, and which share of the highest encoding's packets it has.
const SIMULCAST: [(&str, u16, u16, usize); 3] = [("q", 320, 180, 16), ("h", 640, 360, 4), ("f", 1280, 720, 1)];

/// What one peer is there for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LoadPeer {
    /// Sends.
    Publisher {
        /// Its camera.
        video: Option<ConstantVideo>,
        /// Its microphone: 50 packets a second.
        audio: bool,
    },
    /// Receives.
    Subscriber {
        /// Opens every packet, or counts.
        receiving: Receiving,
        /// The share of what comes that it asks for again (`PeerConfig::ask_again`).
        ask_again: f64,
    },
}

/// Frames of equal packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConstantVideo {
    /// Bytes of a datagram.
    pub size: usize,
    /// Of a delta frame; a keyframe has four times as many.
    pub packets_per_frame: usize,
    /// Of each encoding.
    pub frames_per_second: u32,
    /// Three encodings, of which this is the highest.
    pub simulcast: bool,
    /// How the packets of a frame leave.
    pub pacing: Pacing,
}

impl LoadPeer {
    pub(super) fn configure(self, config: PeerConfig) -> PeerConfig {
        match self {
            Self::Publisher { video, audio } => PeerConfig {
                video: video.map(ConstantVideo::source).into_iter().collect(),
                audio: audio.then(AudioSource::default).into_iter().collect(),
                ..config
            },
            Self::Subscriber { receiving, ask_again } => PeerConfig { receiving, ask_again, ..config },
        }
    }
}

impl ConstantVideo {
    fn source(self) -> VideoSource {
        let encoding = |(rid, width, height, share): (&str, u16, u16, usize)| Encoding {
            rid: Rid::new(rid).filter(|_| self.simulcast),
            width,
            height,
            packets_per_frame: (self.packets_per_frame / share).max(1),
            packet_len: self.size.saturating_sub(OVERHEAD),
        };
        let from = if self.simulcast { 0 } else { SIMULCAST.len() - 1 };
        VideoSource {
            encodings: SIMULCAST[from..].iter().copied().map(encoding).collect(),
            frames_per_second: self.frames_per_second,
            temporal_layers: false,
            keyframe_delay: KEYFRAME_DELAY,
            pacing: self.pacing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_of_three_encodings_is_the_one_that_was_asked_for() {
        let video = ConstantVideo {
            size: 1200,
            packets_per_frame: 8,
            frames_per_second: 30,
            simulcast: true,
            pacing: Pacing::Burst,
        };
        let shapes = |video: ConstantVideo| -> Vec<_> {
            let encodings = video.source().encodings;
            encodings
                .iter()
                .map(|e| (e.rid.map(|rid| rid.as_str().to_owned()), e.height, e.packets_per_frame))
                .collect()
        };
        let [q, h, f] = ["q", "h", "f"].map(|rid| Some(rid.to_owned()));
        assert_eq!(shapes(video), [(q, 180, 1), (h, 360, 2), (f, 720, 8)]);
        assert_eq!(shapes(ConstantVideo { simulcast: false, ..video }), [(None, 720, 8)]);
    }
}
