//! One direction between a client and the SFU.

use std::time::Instant;

use crate::link::{Link, LinkConfig};
use crate::random::Random;

/// Two links of the same kind: datagrams of handshakes roll dice of their own, because how many there are and when they are
/// repeated follows the keys, which are drawn anew in each run. What happens to media stays the seed's alone.
#[derive(Debug)]
pub struct Way {
    media: Link,
    handshake: Link,
}

impl Way {
    pub(super) fn new(config: LinkConfig, random: &Random) -> Self {
        let (media, handshake) = (random.fork(1), random.fork(2));
        let handshake = Link::new(for_handshakes(config), handshake);
        Self { media: Link::new(config, media), handshake }
    }

    /// Changes the settings for what enters from now on.
    pub const fn set_config(&mut self, config: LinkConfig) {
        self.media.set_config(config);
        self.handshake.set_config(for_handshakes(config));
    }

    /// Datagrams that vanished.
    pub const fn lost(&self) -> u64 {
        self.media.lost() + self.handshake.lost()
    }

    #[cfg(test)]
    pub(super) const fn lost_handshakes(&self) -> u64 {
        self.handshake.lost()
    }

    /// As [`Link::send`].
    pub(super) fn send(&mut self, now: Instant, datagram: Vec<u8>, arrive: impl FnMut(Instant, Vec<u8>)) {
        let link = if is_handshake(&datagram) { &mut self.handshake } else { &mut self.media };
        link.send(now, datagram, arrive);
    }
}

/// Signatures differ in length, so the bottleneck would tell the runs apart.
const fn for_handshakes(config: LinkConfig) -> LinkConfig {
    LinkConfig { rate: None, ..config }
}

/// DTLS but for application data (RFC 6347 §4.1, RFC 7983 §7).
fn is_handshake(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(20..=22))
}
