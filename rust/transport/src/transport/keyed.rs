//! A transport whose path and keys come from outside instead of from checks and a handshake.
//!
//! A key exchange draws on the library's own randomness, so two runs of one scenario never have equal bytes on the wire. A
//! simulator, or an embedder that has agreed keys by other means, hands both in here; everything after it (state, events,
//! sealing, replay protection) is as after a handshake.

use std::time::Instant;

use super::{Transport, TransportEvent, TransportState};
use crate::egress::Path;
use crate::srtp::SrtpKeys;

impl Transport {
    /// Connects over `path` with `keys`, which go through the constructor that a handshake's keys go through
    /// (RFC 5764 §4.2). This side has the role that it would have in DTLS: the SFU seals with the server's half.
    ///
    /// Consent counts from `now` (RFC 7675) and is renewed by checks only. `false`: it is connected or closed already.
    pub fn connect_with_keys(&mut self, now: Instant, path: Path, keys: &SrtpKeys) -> bool {
        if !matches!(self.state, TransportState::New | TransportState::Connecting) || !self.secured.set_keys(now, keys)
        {
            return false;
        }
        let change = self.ice.trust(now, path);
        self.last_check = Some(now);
        let events = [change.added.map(TransportEvent::PathAdded), change.selected.map(TransportEvent::PathChanged)];
        self.events.extend(events.into_iter().flatten());
        self.collect_events();
        true
    }
}
