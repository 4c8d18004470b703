//! What a peer is and sends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sfu_transport::{Certificate, SrtpProfile};
use sfu_wire::Rid;

use crate::clip::Clip;

/// Settings of a [`Peer`](crate::Peer).
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// Goes into every payload: who published it.
    pub id: u32,
    /// Seeds every random choice.
    pub seed: [u8; 32],
    /// The wall clock at the `now` given to `Peer::new`, since the Unix epoch.
    pub unix_time: Duration,
    /// The peer's own address, announced as its candidate.
    pub local: SocketAddr,
    /// Where to send, whatever the SDP says; `None`: the first candidate of `local`'s family.
    pub remote: Option<SocketAddr>,
    /// Many peers may share one.
    pub certificate: Arc<Certificate>,
    /// The one SRTP profile that it takes; `None`: any.
    pub profile: Option<SrtpProfile>,
    /// What it publishes.
    pub audio: Vec<AudioSource>,
    /// What it publishes.
    pub video: Vec<VideoSource>,
    /// What it publishes, pre-encoded.
    pub clips: Vec<ClipSource>,
    /// `recvonly` audio sections in its own offers.
    pub receive_audio: usize,
    /// `recvonly` video sections in its own offers.
    pub receive_video: usize,
    /// Offers data channels.
    pub channels: bool,
    /// Sends every message back over the channel that it came through.
    pub echo: bool,
    /// What becomes of the media that comes.
    pub receiving: Receiving,
    /// The share of what comes, from 0 to 1, that a peer which verifies takes for lost and asks for again.
    pub ask_again: f64,
}

/// What a peer makes of the media that comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Receiving {
    /// Decrypts and verifies every packet, asks for what is missing, and reports as a browser does.
    #[default]
    Verify,
    /// Counts packets and drops them unopened: cheap, for load.
    Count(Feedback),
}

/// What a peer that only counts tells the server of what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feedback {
    /// Nothing.
    None,
    /// Receiver reports (RFC 3550 §6.4.2).
    Reports,
    /// Receiver reports, and transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportWide,
}

impl PeerConfig {
    /// A peer that publishes and receives nothing yet.
    pub fn new(id: u32, local: SocketAddr, certificate: Arc<Certificate>) -> Self {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&id.to_be_bytes());
        Self {
            id,
            seed,
            // 2026-01-01: any fixed time will do.
            unix_time: Duration::from_secs(1_767_225_600),
            local,
            remote: None,
            certificate,
            profile: None,
            audio: Vec::new(),
            video: Vec::new(),
            clips: Vec::new(),
            receive_audio: 0,
            receive_video: 0,
            channels: false,
            echo: false,
            receiving: Receiving::default(),
            ask_again: 0.0,
        }
    }
}

/// What a peer can send and receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerCodec {
    /// RFC 7587.
    Opus,
    /// RFC 7741.
    Vp8,
    /// RFC 9628, profile 0.
    Vp9,
    /// AV1 RTP payload specification.
    Av1,
    /// RFC 6184, constrained baseline, packetization mode 1.
    H264,
    /// RFC 7798.
    H265,
}

impl PeerCodec {
    /// In the order of preference.
    pub const VIDEO: [Self; 5] = [Self::Vp8, Self::Vp9, Self::Av1, Self::H264, Self::H265];

    /// As in `a=rtpmap`.
    pub(crate) const fn map(self) -> &'static str {
        match self {
            Self::Opus => "opus/48000/2",
            Self::Vp8 => "VP8/90000",
            Self::Vp9 => "VP9/90000",
            Self::Av1 => "AV1/90000",
            Self::H264 => "H264/90000",
            Self::H265 => "H265/90000",
        }
    }

    /// As in `a=fmtp`.
    pub(crate) const fn parameters(self) -> Option<&'static str> {
        match self {
            Self::Opus => Some("minptime=10;useinbandfec=1"),
            Self::Vp8 | Self::Av1 => None,
            Self::Vp9 => Some("profile-id=0"),
            Self::H264 => Some("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
            Self::H265 => Some("level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST"),
        }
    }

    /// By the name in `a=rtpmap`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let known = |codec: &Self| codec.map().split('/').next().is_some_and(|one| one.eq_ignore_ascii_case(name));
        Self::VIDEO.into_iter().chain([Self::Opus]).find(known)
    }
}

/// Opus whose payload proves itself: one packet of `packet_len` payload bytes every 20 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioSource {
    /// Loudness (RFC 6464): 0 loudest, 127 silence.
    pub level: u8,
    /// Payload bytes, 33 at least.
    pub packet_len: usize,
}

impl Default for AudioSource {
    fn default() -> Self {
        Self { level: 30, packet_len: 80 }
    }
}

/// VP8 frames with valid descriptors around payload that proves itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoSource {
    /// By rising quality; more than one is simulcast and each needs a rid.
    pub encodings: Vec<Encoding>,
    /// Of every encoding.
    pub frames_per_second: u32,
    /// Three temporal layers (L1T3) instead of one.
    pub temporal_layers: bool,
    /// From a keyframe request to the first frame that may be one.
    pub keyframe_delay: Duration,
    /// How the packets of a frame leave.
    pub pacing: Pacing,
}

/// How the packets of one frame follow one another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pacing {
    /// All at once.
    #[default]
    Burst,
    /// Spread over two fifths of the time until the next frame: as libwebrtc does, whose pacer sends at 2.5 times the rate
    /// (`kDefaultPaceMultiplier`).
    Spread,
}

/// One encoding of a [`VideoSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    /// Its name in SDP, with simulcast.
    pub rid: Option<Rid>,
    /// In keyframes.
    pub width: u16,
    /// In keyframes.
    pub height: u16,
    /// Of a delta frame; a keyframe has four times as many.
    pub packets_per_frame: usize,
    /// Payload bytes of a packet, 64 at least.
    pub packet_len: usize,
}

impl VideoSource {
    /// One encoding without simulcast: `packets_per_second` spread over 10 frames a second.
    pub fn single(packets_per_second: u32) -> Self {
        Self {
            encodings: vec![Encoding {
                rid: None,
                width: 640,
                height: 360,
                packets_per_frame: (packets_per_second / 10).max(1) as usize,
                packet_len: 1000,
            }],
            frames_per_second: 10,
            temporal_layers: true,
            keyframe_delay: Duration::from_millis(50),
            pacing: Pacing::Burst,
        }
    }

    /// Three encodings as a browser sends them: `l`, `m`, `h` at 15 frames a second.
    pub fn simulcast() -> Self {
        let encoding = |rid, width, height, packets_per_frame| Encoding {
            rid: Rid::new(rid),
            width,
            height,
            packets_per_frame,
            packet_len: 1000,
        };
        Self {
            encodings: vec![encoding("l", 240, 135, 1), encoding("m", 480, 270, 2), encoding("h", 960, 540, 5)],
            frames_per_second: 15,
            temporal_layers: true,
            keyframe_delay: Duration::from_millis(50),
            pacing: Pacing::Burst,
        }
    }
}

/// A real picture and a real voice, over and over.
#[derive(Debug, Clone, Default)]
pub struct ClipSource {
    /// VP8, by rising quality; more than one is simulcast and each needs a rid. All have the same frame rate.
    pub video: Vec<(Option<Rid>, Arc<Clip>)>,
    /// Opus.
    pub audio: Option<Arc<Clip>>,
}
