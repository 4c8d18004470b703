//! How a channel carries its messages, as its opening side asks.

use std::time::Duration;

use crate::sctp::Reliability;

/// How a channel behaves (RFC 8832 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelParameters {
    /// The label.
    pub label: String,
    /// The subprotocol.
    pub protocol: String,
    /// Whether messages arrive in order.
    pub ordered: bool,
    /// Given up after so many retransmissions.
    pub max_retransmits: Option<u16>,
    /// Given up after so long; ignored if `max_retransmits` is there.
    pub max_lifetime: Option<Duration>,
}

impl Default for ChannelParameters {
    fn default() -> Self {
        let (label, protocol) = (String::new(), String::new());
        Self { label, protocol, ordered: true, max_retransmits: None, max_lifetime: None }
    }
}

impl ChannelParameters {
    /// Whether label and protocol have at most `len` bytes each.
    pub(super) fn is_named_within(&self, len: usize) -> bool {
        self.label.len() <= len && self.protocol.len() <= len
    }

    /// For the association.
    pub(super) fn reliability(&self) -> Reliability {
        let max_lifetime = if self.max_retransmits.is_some() { None } else { self.max_lifetime };
        Reliability { unordered: !self.ordered, max_retransmits: self.max_retransmits, max_lifetime }
    }
}
