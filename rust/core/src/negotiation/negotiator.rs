//! The offer/answer state machine of one transport.

use sfu_transport::IceCredentials;

use super::answer::answer;
use super::config::{NegotiatorConfig, NegotiatorRole};
use super::error::NegotiationError;
use super::format::FormatPool;
use super::offer::{MidSource, Proposal, accept_answer};
use super::parse::{Description, RemoteSection, parse};
use super::remote::{RemoteTransport, Role, transport};
use super::section::{Section, SectionKind};
use super::sender::{Sender, SenderStatus, Senders, Standing};
use super::state::{MediaSection, State};
use super::write::{Header, write};
use crate::codec::{CodecName, Kind};
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
    agreed: State,
    /// `agreed` as the rest of the core reads it.
    sections: Vec<Section>,
    remote: Option<RemoteTransport>,
    senders: Senders,
    offering: Offering,
    /// Something may have to be offered.
    stale: bool,
    wants_data: bool,
    repairs_audio: bool,
    /// Credentials for the next own offer.
    restart: Option<IceCredentials>,
    /// Own offers so far.
    offers: u64,
    /// Descriptions so far.
    version: u64,
    mids: MidSource,
    pool: FormatPool,
}

/// How far the own offer is (RFC 9429 §3.2, the server's half).
#[derive(Debug)]
enum Offering {
    /// None waits; `answered` is the last one that got its answer.
    Stable { answered: Option<u64> },
    /// The client's offer won; the answer to the own one may still come.
    RolledBack,
    /// It waits for its answer.
    Pending(Box<Pending>),
}

#[derive(Debug)]
struct Pending {
    id: u64,
    state: State,
    credentials: Option<IceCredentials>,
}

impl Negotiator {
    /// Nothing negotiated.
    pub fn new(config: NegotiatorConfig) -> Self {
        Self {
            config,
            agreed: State::default(),
            sections: Vec::new(),
            remote: None,
            senders: Senders::default(),
            offering: Offering::Stable { answered: None },
            stale: false,
            wants_data: false,
            repairs_audio: false,
            restart: None,
            offers: 0,
            version: 0,
            mids: MidSource::default(),
            pool: FormatPool::default(),
        }
    }

    /// Answers a client's offer. `fresh` become the server's credentials if the offer restarts ICE. An own offer that
    /// waits for its answer is rolled back; what it carried is offered again by the next `poll_offer`.
    pub fn receive_offer(&mut self, sdp: &str, fresh: &IceCredentials) -> Result<String, NegotiationError> {
        if self.config.role == NegotiatorRole::ServerOffers {
            return Err(NegotiationError::OfferNotAllowed);
        }
        let description = parse(sdp)?;
        let answered = answer(&self.agreed, &description, &self.senders, &self.config, &mut self.pool)?;
        let remote = transport(&description, &live_of(&description, &answered.state), Role::Offer)?;
        // From here on nothing fails.
        if matches!(self.offering, Offering::Pending(_)) {
            self.offering = Offering::RolledBack;
        }
        if let (Some(before), Some(now)) = (&self.remote, &remote)
            && before.credentials != now.credentials
        {
            self.config.credentials = fresh.clone();
            self.restart = None;
        }
        self.remote = remote.or(self.remote.take());
        for subscription in &answered.unsupported {
            self.senders.set_standing(*subscription, Standing::Unsupported);
        }
        self.settle(answered.state, &answered.rejected);
        Ok(self.write(&self.agreed, &self.config.credentials, "passive", self.version))
    }

    /// Applies the answer to the offer `id` (`None`: to the one that waits).
    pub fn receive_answer(&mut self, sdp: &str, id: Option<u64>) -> Result<AnswerOutcome, NegotiationError> {
        self.check_answer_id(id)?;
        let Offering::Pending(pending) = &self.offering else {
            return Ok(AnswerOutcome::Stale);
        };
        if id.is_some_and(|id| id != pending.id) {
            return Ok(AnswerOutcome::Stale);
        }
        let description = parse(sdp)?;
        let accepted = accept_answer(&pending.state, &description, &mut self.pool)?;
        let remote = transport(&description, &live_of(&description, &accepted.state), Role::Answer)?;
        // From here on nothing fails.
        if let Some(credentials) = &pending.credentials {
            self.restart = self.restart.take().filter(|wanted| wanted != credentials);
            self.config.credentials = credentials.clone();
        }
        // Data channels that the client rejects are not offered again.
        let has_data = |state: &State| state.sections.iter().any(MediaSection::is_live_data);
        self.wants_data &= has_data(&accepted.state) || !has_data(&pending.state);
        self.offering = Offering::Stable { answered: Some(pending.id) };
        self.remote = remote.or(self.remote.take());
        self.settle(accepted.state, &accepted.rejected);
        Ok(AnswerOutcome::Applied)
    }

    /// The next offer and its id: when something is to be offered, the role allows it and none waits for its answer.
    pub fn poll_offer(&mut self) -> Option<(u64, String)> {
        if !self.stale || matches!(self.offering, Offering::Pending(_)) || !self.may_offer() {
            return None;
        }
        self.stale = false;
        if !self.has_something_to_offer() {
            return None;
        }
        let proposal = Proposal {
            senders: &self.senders,
            config: &self.config,
            repairs_audio: self.repairs_audio,
            mids: &mut self.mids,
            pool: &mut self.pool,
        };
        let state = proposal.make(&self.agreed, self.wants_data);
        let credentials = self.restart.clone();
        self.offers += 1;
        self.version += 1;
        let written = credentials.as_ref().unwrap_or(&self.config.credentials);
        let sdp = self.write(&state, written, "actpass", self.version);
        self.offering = Offering::Pending(Box::new(Pending { id: self.offers, state, credentials }));
        Some((self.offers, sdp))
    }

    /// Looks for a section for `sender`: in the next answer or offer.
    pub fn add_sender(&mut self, sender: Sender) {
        self.senders.add(sender);
        self.stale = true;
    }

    /// The sender's track carries another codec now. Where that was agreed already nothing has to be negotiated.
    pub fn change_codec(&mut self, subscription: SubscriptionId, codec: CodecName, fmtp: &str) {
        self.senders.change_codec(subscription, codec, fmtp);
        self.stale = true;
    }

    /// Its section falls silent at once and is reused for the next sender of its kind.
    pub fn remove_sender(&mut self, subscription: SubscriptionId) {
        let standing = self.senders.remove(subscription);
        self.stale |= standing.is_some();
        if let Some(Standing::Placed(index)) = standing
            && let Some(mid) = self.agreed.sections.get(index).and_then(|section| section.mid)
            && let Some(section) = self.sections.iter_mut().find(|section| section.mid == mid)
        {
            section.send = None;
        }
    }

    /// How far a sender got; `None` if there is no such.
    pub fn sender_status(&self, subscription: SubscriptionId) -> Option<SenderStatus> {
        let sender = self.senders.get(subscription)?;
        Some(match self.senders.standing(subscription)? {
            Standing::Rejected => SenderStatus::Rejected,
            Standing::Placed(index) => status_in(&self.agreed.sections[index], sender),
            Standing::Waiting | Standing::Unsupported if self.is_offered(subscription) => SenderStatus::Offered,
            Standing::Unsupported => SenderStatus::Unsupported,
            Standing::Waiting => SenderStatus::Waiting,
        })
    }

    /// Sections (audio, video) that the client should add and offer for the senders that wait, beside the free ones that
    /// are there; (0, 0) unless only the client offers.
    pub fn missing_sections(&self) -> (u32, u32) {
        let missing = |kind: Kind| {
            let free = self.agreed.sections.iter().filter(|section| self.is_free(section, kind)).count();
            self.senders.waiting(kind).saturating_sub(free) as u32
        };
        match self.config.role {
            NegotiatorRole::ClientOffers => (missing(Kind::Audio), missing(Kind::Video)),
            NegotiatorRole::Either | NegotiatorRole::ServerOffers => (0, 0),
        }
    }

    /// Whether senders wait for the client's next offer. With no sections missing, free ones are there to be reused, and
    /// the client should offer again without adding any.
    pub fn wants_client_offer(&self) -> bool {
        self.config.role == NegotiatorRole::ClientOffers && self.senders.any_waiting()
    }

    /// Offers an `m=application` section unless there is one.
    pub fn want_data(&mut self) {
        self.wants_data = true;
        self.stale = true;
    }

    /// Whether the client has shown that it takes retransmissions of audio, which browsers do not.
    pub fn takes_audio_rtx(&self) -> bool {
        self.agreed.numbers.has_audio_rtx()
    }

    /// The client has shown on another transport that it takes retransmissions of audio: they are offered here too.
    pub fn offer_audio_rtx(&mut self) {
        self.stale |= !self.repairs_audio;
        self.repairs_audio = true;
    }

    /// Restarts ICE without SDP: both sides' new credentials (WHIP PATCH, RFC 9725 §4.3.2).
    pub fn restart_ice(&mut self, local: IceCredentials, remote: &IceCredentials) {
        self.config.credentials = local;
        self.restart = None;
        if let Some(known) = &mut self.remote {
            known.credentials = remote.clone();
        }
    }

    /// Restarts ICE with the next offer, which carries `local` (RFC 9429 §5.2.3.7).
    pub fn offer_ice_restart(&mut self, local: IceCredentials) -> Result<(), NegotiationError> {
        if !self.may_offer() {
            return Err(NegotiationError::OnlyClientOffers);
        }
        self.restart = Some(local);
        self.stale = true;
        Ok(())
    }

    /// The server's agreed credentials.
    pub fn credentials(&self) -> &IceCredentials {
        &self.config.credentials
    }

    /// Those in the own offer that waits, if they differ: the client checks with them before its answer arrives.
    pub fn offered_credentials(&self) -> Option<&IceCredentials> {
        self.pending().and_then(|pending| pending.credentials.as_ref())
    }

    /// The client's side of the transport, once known.
    pub fn remote(&self) -> Option<&RemoteTransport> {
        self.remote.as_ref()
    }

    /// The agreed sections in m-line order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    fn settle(&mut self, state: State, rejected: &[SubscriptionId]) {
        self.version += 1;
        self.agreed = state;
        self.stale = true;
        for subscription in rejected {
            self.senders.set_standing(*subscription, Standing::Rejected);
        }
        for (index, section) in self.agreed.sections.iter().enumerate() {
            if let Some(subscription) = section.sender {
                self.senders.set_standing(subscription, Standing::Placed(index));
            }
        }
        let sender = |section: &MediaSection| section.sender.and_then(|sender| self.senders.get(sender));
        self.sections = self.agreed.sections.iter().filter_map(|section| section.public(sender(section))).collect();
    }

    fn write(&self, state: &State, credentials: &IceCredentials, setup: &'static str, version: u64) -> String {
        write(&Header { config: &self.config, credentials, setup, version }, state, &self.senders)
    }

    /// Whether an answer with this id belongs to any offer that was made and has no answer yet.
    fn check_answer_id(&self, id: Option<u64>) -> Result<(), NegotiationError> {
        match (&self.offering, id) {
            (Offering::Stable { answered: Some(answered) }, Some(id)) if *answered == id => {
                Err(NegotiationError::AnsweredTwice { id })
            }
            (_, Some(id)) if (1..=self.offers).contains(&id) => Ok(()),
            (Offering::Pending(_) | Offering::RolledBack, None) => Ok(()),
            _ => Err(NegotiationError::UnexpectedAnswer),
        }
    }

    fn may_offer(&self) -> bool {
        self.config.role != NegotiatorRole::ClientOffers
    }

    fn has_something_to_offer(&self) -> bool {
        let abandoned = |section: &MediaSection| section.sender.is_some_and(|sender| !self.senders.contains(sender));
        self.restart.is_some()
            || self.senders.any_waiting()
            || self.agreed.sections.iter().any(abandoned)
            || (self.repairs_audio && self.agreed.sections.iter().any(MediaSection::lacks_audio_rtx))
            || (self.wants_data && !self.agreed.sections.iter().any(MediaSection::is_live_data))
    }

    fn pending(&self) -> Option<&Pending> {
        match &self.offering {
            Offering::Pending(pending) => Some(pending),
            Offering::Stable { .. } | Offering::RolledBack => None,
        }
    }

    fn is_offered(&self, subscription: SubscriptionId) -> bool {
        self.pending()
            .is_some_and(|pending| pending.state.sections.iter().any(|section| section.sender == Some(subscription)))
    }

    fn is_free(&self, section: &MediaSection, kind: Kind) -> bool {
        section.kind == Some(SectionKind::from(kind))
            && !section.stopped
            && section.client.receives
            && section.sender.is_none_or(|sender| !self.senders.contains(sender))
    }
}

fn status_in(section: &MediaSection, sender: &Sender) -> SenderStatus {
    match section.mid {
        None => SenderStatus::Waiting,
        Some(mid) if !section.sends() => SenderStatus::Held(mid),
        Some(_) if !section.takes(sender) => SenderStatus::Unsupported,
        Some(mid) => SenderStatus::Attached(mid),
    }
}

/// The client's sections that are alive in `state` too.
fn live_of<'d, 'a>(description: &'d Description<'a>, state: &State) -> Vec<&'d RemoteSection<'a>> {
    let pairs = description.sections.iter().zip(&state.sections);
    pairs.filter(|(_, agreed)| !agreed.stopped).map(|(remote, _)| remote).collect()
}
