//! Settings of an [`Sfu`](crate::Sfu), of a room and of a session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_congestion::{BandwidthEstimator, Gcc, GccConfig};
use sfu_transport::Certificate;
use sfu_wire::Bitrate;

use crate::codec::CodecName;

/// Settings of one `Sfu` (one shard).
#[derive(Debug, Clone)]
pub struct SfuConfig {
    /// Goes into every id and ICE user fragment.
    pub shard: u16,
    /// How many there are: `shard` is below that.
    pub shards: u16,
    /// Seeds every random choice: ICE credentials, SSRCs, first sequence numbers.
    pub seed: [u8; 32],
    /// The wall clock at the `now` given to `Sfu::new`, since the Unix epoch (for NTP timestamps).
    pub unix_time: Duration,
    /// Announced as host candidates, in order of preference.
    pub candidates: Vec<SocketAddr>,
    /// The DTLS certificate.
    pub certificate: Arc<Certificate>,
    /// Without an authenticated check for so long a session is `Disconnected` (RFC 7675 §5.1).
    /// Higher: glitches go unnoticed. Lower: a lost check ends media. Chromium checks every 2.5 s, Firefox every 5 s.
    pub consent_timeout: Duration,
    /// Disconnected for so long, a session is closed.
    pub close_timeout: Duration,
    /// A session that has not connected so long after its first negotiation is closed.
    pub connect_timeout: Duration,
    /// At most so many DTLS handshakes under way; more first contacts are dropped and counted.
    pub max_half_open: usize,
    /// Data waiting for one peer's SCTP association; above it `Reply::Sent(false)`.
    pub channel_buffer: usize,
    /// What REMB grants a publisher without transport-wide feedback.
    pub remb: Bitrate,
    /// Bound of the event queue; what does not fit is dropped and counted.
    pub event_capacity: usize,
    /// How it is learnt what the way to each subscriber carries, by which layers are chosen.
    pub estimation: Estimation,
}

/// How it is learnt what the way to a subscriber carries.
#[derive(Debug, Clone, Copy, Default)]
pub enum Estimation {
    /// Not at all: everybody gets what was chosen for them.
    Off,
    /// By [`Gcc`], for peers that send transport-wide feedback.
    #[default]
    Gcc,
    /// By an estimator of the embedder's, likewise; it is asked for with the first report.
    Custom(fn(Instant) -> Box<dyn BandwidthEstimator>),
}

impl Estimation {
    /// An estimator for one subscriber.
    pub(crate) fn begin(self, now: Instant) -> Option<Box<dyn BandwidthEstimator>> {
        match self {
            Self::Off => None,
            Self::Gcc => Some(Box::new(Gcc::new(now, GccConfig::default()))),
            Self::Custom(estimator) => Some(estimator(now)),
        }
    }
}

/// Settings of a room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoomConfig {
    /// At most so many sessions; `None`: no limit.
    pub max_sessions: Option<u32>,
    /// Allowed video codecs in order of preference; empty: all, in the peer's order.
    pub video_codecs: Vec<CodecName>,
    /// Allowed audio codecs in order of preference; empty: all.
    pub audio_codecs: Vec<CodecName>,
    /// So many earlier frames go with each Opus packet to those who take RED, at most 2; 0: what the publisher sends passes as it is.
    pub red: u8,
    /// Who subscribes to everything gets so many audio sections, in which the loudest of the others are heard; `None`: each track of
    /// audio has a section of its own.
    pub audio_slots: Option<u8>,
}

/// Who offers (see DESIGN: dialects differ).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offers {
    /// One transport; both sides offer; in a glare the client's offer wins.
    #[default]
    Either,
    /// One transport; only the client offers (WHIP, WHEP).
    Client,
    /// Two transports: the client offers the publisher's, the server the subscriber's.
    Split,
}

/// Settings of a session.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// Who offers.
    pub offers: Offers,
    /// Prefix of the `a=msid` stream and the CNAME of this session's tracks at subscribers; no spaces.
    pub label: String,
    /// Subscribes to every track of the others, now and later.
    pub auto_subscribe: bool,
    /// Whether audio may be published.
    pub publish_audio: bool,
    /// Whether video may be published.
    pub publish_video: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            offers: Offers::default(),
            label: String::from("sfu"),
            auto_subscribe: true,
            publish_audio: true,
            publish_video: true,
        }
    }
}
