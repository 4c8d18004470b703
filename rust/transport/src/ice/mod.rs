//! ICE-lite (RFC 8445 §2.5): answers the peer's checks and follows its nominations; never checks by itself.
//!
//! Only an authenticated check makes an address known and only one with USE-CANDIDATE moves the path, on its first arrival;
//! the source of a media packet never does. `paths` has the rule for peers that move, come back, or nominate many. Across an
//! ICE restart the old credentials stay valid until the first check with the new ones: media has no gap (RFC 8445 §9).

mod paths;
mod seen;
mod stun;

use std::time::Instant;

use is::stun::{StunMessage, TransId};

use crate::drops::DropReason;
use crate::egress::{Class, Egress, Path};

pub use paths::PathChange;
pub use stun::{hmac_sha1, stun_local_ufrag};

/// A reply of ours: header, XOR-MAPPED-ADDRESS or ERROR-CODE, MESSAGE-INTEGRITY, FINGERPRINT.
const MAX_REPLY_LEN: usize = 128;

/// User fragment and password (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// The user fragment.
    pub ufrag: String,
    /// The password.
    pub pwd: String,
}

/// Hides the password.
impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// The lite agent of one transport.
#[derive(Debug)]
pub(crate) struct IceLite {
    current: IceCredentials,
    /// Of before a restart whose new credentials were not used yet.
    previous: Option<IceCredentials>,
    paths: paths::Paths,
    seen: seen::Seen,
}

/// What a STUN message was.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is looked at once and gone")]
pub(crate) enum Stun {
    /// An authenticated check, answered.
    Check(Checked),
    /// One of a peer that thinks that it is controlled: authentic, answered, and no consent.
    Conflict,
    /// A binding indication over a known path: it keeps a NAT's binding open and wants no answer (RFC 8445 §11).
    KeepAlive,
}

/// What an authenticated check changed.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) change: PathChange,
    /// Old credentials that are not valid any more.
    pub(crate) retired: Option<String>,
}

impl IceLite {
    pub(crate) fn new(credentials: IceCredentials) -> Self {
        Self { current: credentials, previous: None, paths: paths::Paths::default(), seen: seen::Seen::default() }
    }

    /// Starts to accept new credentials. Of two restarts in a row the older credentials win as the ones in use.
    pub(crate) fn restart(&mut self, credentials: IceCredentials) -> Option<String> {
        let replaced = std::mem::replace(&mut self.current, credentials);
        if self.previous.is_some() {
            return Some(replaced.ufrag);
        }
        self.previous = Some(replaced);
        None
    }

    pub(crate) fn credentials(&self) -> &IceCredentials {
        &self.current
    }

    /// Where to send.
    pub(crate) fn path(&self) -> Option<Path> {
        self.paths.selected()
    }

    /// Whether `path` has passed a check.
    pub(crate) fn knows(&self, path: Path) -> bool {
        self.paths.contains(path)
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = Path> {
        self.paths.iter()
    }

    /// Takes `path` for checked and nominated, on somebody else's word.
    pub(crate) fn trust(&mut self, now: Instant, path: Path) -> PathChange {
        self.paths.check(now, path, Some(paths::Priority::MAX))
    }

    /// Answers a STUN message.
    pub(crate) fn handle_stun(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
        egress: &mut Egress,
    ) -> Result<Stun, DropReason> {
        let message = StunMessage::parse(datagram).map_err(|_| DropReason::Malformed)?;
        if stun::is_binding_indication(datagram) {
            return if self.knows(path) { Ok(Stun::KeepAlive) } else { Err(DropReason::UnknownPath) };
        }
        if !message.is_binding_request() {
            // We sent no requests, so no answer is for us.
            return Err(DropReason::Malformed);
        }
        if !stun::has_valid_fingerprint(datagram) {
            return Err(DropReason::Malformed);
        }
        let (ufrag, _) = message.split_username().ok_or(DropReason::Malformed)?;
        let is_current = ufrag == self.current.ufrag;
        let credentials = match &self.previous {
            _ if is_current => &self.current,
            Some(previous) if previous.ufrag == ufrag => previous,
            _ => return Err(DropReason::Authentication),
        };
        if !message.verify(credentials.pwd.as_bytes(), hmac_sha1) {
            return Err(DropReason::Authentication);
        }
        // A lite agent is always controlled; a peer that is too must switch (RFC 8445 §7.3.1.1).
        let conflict = message.ice_controlled().is_some();
        let reply = if conflict {
            StunMessage::binding_role_conflict_reply(message.trans_id())
        } else {
            StunMessage::binding_reply(message.trans_id(), path.remote)
        };
        egress.write(path, Class::Control, MAX_REPLY_LEN, |buffer| {
            reply.to_bytes(Some(credentials.pwd.as_bytes()), buffer, hmac_sha1).unwrap_or(0)
        });
        if conflict {
            return Ok(Stun::Conflict);
        }
        let mut retired = None;
        if is_current && let Some(previous) = self.previous.take() {
            self.paths.forget_nominations();
            retired = Some(previous.ufrag);
        }
        let nominates = message.use_candidate() && self.seen.is_new(message.trans_id());
        // Every check carries its PRIORITY (RFC 8445 §7.1.1); one without it is worth least.
        let nomination = nominates.then(|| message.prio().unwrap_or_default());
        Ok(Stun::Check(Checked { change: self.paths.check(now, path, nomination), retired }))
    }
}

/// A transaction id from 12 bytes of ours: the library makes its own only from its own randomness.
pub fn transaction_id(bytes: [u8; 12]) -> TransId {
    let mut message = [0; 20];
    // The header of a binding indication, which needs no attributes.
    message[..8].copy_from_slice(&[0, 0x11, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
    message[8..].copy_from_slice(&bytes);
    StunMessage::parse(&message).map_or_else(|_| TransId::new(), |m| m.trans_id())
}
