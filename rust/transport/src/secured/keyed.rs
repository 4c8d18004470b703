//! Keys that no handshake yielded; see [`Transport::connect_with_keys`](crate::Transport::connect_with_keys).

use std::time::Instant;

use super::{Keys, Secured, State};
use crate::srtp::SrtpKeys;

impl Secured {
    /// Takes `keys` as if a handshake with the expected peer had yielded them; `false` when one has, or has begun.
    pub(crate) fn set_keys(&mut self, now: Instant, keys: &SrtpKeys) -> bool {
        if self.state != State::Handshaking || self.dtls.is_some() {
            return false;
        }
        self.keys = Keys::new(keys, self.config.role);
        self.identity.verified = true;
        self.progress(now);
        true
    }
}
