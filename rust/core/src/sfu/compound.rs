//! RTCP for one peer that is put together before it is sent: what falls due at one time leaves as one datagram.
//!
//! Invariant: whoever adds for a peer sends before anybody adds for another one.

use sfu_transport::{Egress, Transport};
use sfu_wire::rtcp::CompoundWriter;

/// A compound stays below the usual MTU with room for SRTCP, UDP and IPv6.
const MAX_LEN: usize = 1100;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Compound {
    bytes: Vec<u8>,
    len: usize,
}

impl Compound {
    /// Adds the packets that `write` writes, all or none; it is told whether they come first. If they do not fit behind what
    /// waits, that is sent before.
    pub(super) fn add(
        &mut self,
        transport: &mut Transport,
        egress: &mut Egress,
        write: impl Fn(&mut CompoundWriter<'_>, bool) -> bool,
    ) {
        if !self.try_add(&write) && self.len > 0 {
            self.send(transport, egress);
            self.try_add(&write);
        }
    }

    /// Sends what waits.
    pub(super) fn send(&mut self, transport: &mut Transport, egress: &mut Egress) {
        let len = std::mem::take(&mut self.len);
        if len > 0 {
            transport.send_rtcp(egress, &self.bytes[..len]);
        }
    }

    fn try_add(&mut self, write: impl Fn(&mut CompoundWriter<'_>, bool) -> bool) -> bool {
        self.bytes.resize(MAX_LEN, 0);
        let mut writer = CompoundWriter::new(&mut self.bytes[self.len..]);
        let fits = write(&mut writer, self.len == 0);
        if fits {
            self.len += writer.len();
        }
        fits
    }
}
