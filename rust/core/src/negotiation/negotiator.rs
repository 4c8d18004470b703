//! The offer/answer state machine of one transport.

use super::config::NegotiatorConfig;
use super::error::NegotiationError;
use super::remote::RemoteTransport;
use super::section::Section;
use super::sender::{Sender, SenderStatus};
use crate::command::IceCredentials;
use crate::id::SubscriptionId;

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerOutcome {
    /// It is agreed now.
    Applied,
    /// It answers an offer that was rolled back; nothing has changed.
    Stale,
}

/// The offer/answer state of one transport.
///
/// `receive_*` puts descriptions in, `poll_offer` takes offers out; the rest are commands and getters. After each of
/// them `sections`, `remote`, `credentials` and `sender_status` say how things stand.
#[derive(Debug)]
pub struct Negotiator {
    config: NegotiatorConfig,
}

impl Negotiator {
    /// Nothing negotiated.
    pub fn new(config: NegotiatorConfig) -> Self {
        Self { config }
    }

    /// Answers a client's offer. `fresh` become the server's credentials if the offer restarts ICE. An own offer that
    /// waits for its answer is rolled back; what it carried is offered again by the next `poll_offer`.
    pub fn receive_offer(&mut self, _sdp: &str, _fresh: &IceCredentials) -> Result<String, NegotiationError> {
        Err(NegotiationError::OfferNotAllowed)
    }

    /// Applies the answer to the offer `id` (`None`: to the one that waits).
    pub fn receive_answer(&mut self, _sdp: &str, _id: Option<u64>) -> Result<AnswerOutcome, NegotiationError> {
        Err(NegotiationError::UnexpectedAnswer)
    }

    /// The next offer and its id: when something is to be offered, the role allows it and none waits for its answer.
    pub fn poll_offer(&mut self) -> Option<(u64, String)> {
        None
    }

    /// Looks for a section for `sender`: in the next answer or offer.
    pub fn add_sender(&mut self, _sender: Sender) {}

    /// Its section falls silent at once and is reused for the next sender of its kind.
    pub fn remove_sender(&mut self, _subscription: SubscriptionId) {}

    /// How far a sender got; `None` if there is no such.
    pub fn sender_status(&self, _subscription: SubscriptionId) -> Option<SenderStatus> {
        None
    }

    /// Sections (audio, video) that the client should add and offer for the senders that wait; (0, 0) unless only the
    /// client offers.
    pub fn missing_sections(&self) -> (u32, u32) {
        (0, 0)
    }

    /// Whether senders wait for the client's next offer: with no sections missing, free ones are there to be reused.
    pub fn wants_client_offer(&self) -> bool {
        false
    }

    /// Offers an `m=application` section unless there is one.
    pub fn want_data(&mut self) {}

    /// Restarts ICE without SDP: both sides' new credentials (WHIP PATCH, RFC 9725 §4.3.2).
    pub fn restart_ice(&mut self, local: IceCredentials, _remote: &IceCredentials) {
        self.config.credentials = local;
    }

    /// Restarts ICE with the next offer, which carries `local` (RFC 9429 §5.2.3.7).
    pub fn offer_ice_restart(&mut self, _local: IceCredentials) {}

    /// The server's credentials, newest first agreed.
    pub fn credentials(&self) -> &IceCredentials {
        &self.config.credentials
    }

    /// The credentials in the own offer that waits, if they differ: checks with them must be answered already.
    pub fn offered_credentials(&self) -> Option<&IceCredentials> {
        None
    }

    /// The peer's side of the transport, once known.
    pub fn remote(&self) -> Option<&RemoteTransport> {
        None
    }

    /// The agreed sections in m-line order.
    pub fn sections(&self) -> &[Section] {
        &[]
    }
}
