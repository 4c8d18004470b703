//! Sessions whose keys come from outside: the door for simulators and for embedders with a key agreement of their own.
//!
//! Everything else about such a session is as usual: it is described by SDP, its packets are SRTP. Only checks and the
//! handshake are left out, so that two runs of one scenario have the same bytes on the wire.

use std::time::Instant;

use sfu_transport::srtp::SrtpKeys;
use sfu_transport::{Egress, Path};

use super::Sfu;
use crate::command::CommandError;
use crate::id::SessionId;
use crate::transport::TransportKind;

impl Sfu {
    /// Connects a session's transport over `path` with `keys`, after its first description was exchanged. The SFU seals
    /// with the server's half (RFC 5764 §4.2). Without checks consent expires after the `consent_timeout` of the
    /// configuration: choose it longer than the scenario. A transport that is connected already stays as it is.
    ///
    /// # Errors
    /// As a command to that session.
    pub fn connect_with_keys(
        &mut self,
        now: Instant,
        (session, transport): (SessionId, TransportKind),
        path: Path,
        keys: &SrtpKeys,
        egress: &mut Egress,
    ) -> Result<(), CommandError> {
        let id = self.connection_of(session, transport)?;
        if let Some(connection) = self.connections.get_mut(id) {
            connection.transport.connect_with_keys(now, path, keys);
        }
        self.settle_transport(now, id, egress);
        Ok(())
    }
}
