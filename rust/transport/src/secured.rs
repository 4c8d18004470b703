//! The upper half of a transport: DTLS, the SRTP keys that it yields, and the data channels inside it.
//!
//! It works for either DTLS role and over any path that ICE has authenticated. Invariant: nothing of the peer is believed
//! and nothing but the handshake is sent before the peer's certificate has matched a fingerprint of the signalling.

mod keyed;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use sfu_wire::{SeqNo, Ssrc};

use crate::certificate::Certificate;
use crate::channels::{ChannelError, ChannelEvent, ChannelParameters, Channels, SctpParameters, StreamId};
use crate::drops::DropReason;
use crate::dtls::{Dtls, DtlsEndpoint, DtlsError, DtlsOutput, DtlsRole, Fate};
use crate::egress::{Class, Egress, Path};
use crate::fingerprint::Fingerprint;
use crate::srtp::{SrtpError, SrtpKeys, SrtpProfile, SrtpReceiver, SrtpSender};

/// Settings of a [`Secured`].
#[derive(Debug, Clone)]
pub struct SecuredConfig {
    /// Ours.
    pub certificate: Arc<Certificate>,
    /// Who starts the handshake.
    pub role: DtlsRole,
    /// Bound of channel bytes that wait to be sent.
    pub channel_buffer: usize,
    /// The one SRTP profile that it takes; `None`: the cheapest that both sides have.
    pub profile: Option<SrtpProfile>,
}

/// Why a transport is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportClose {
    /// We closed it.
    Requested,
    /// The peer did (DTLS `close_notify`, or a fatal alert).
    PeerClosed,
    /// The peer's certificate matches no fingerprint of its SDP.
    FingerprintMismatch,
    /// No keys came out of the handshake; why.
    HandshakeFailed(String),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecuredEvent {
    /// Keys are there and the peer is who the signalling says.
    Connected(SrtpProfile),
    /// Over.
    Closed(TransportClose),
    /// A channel's.
    Channel(ChannelEvent),
}

/// DTLS, SRTP and channels over one path.
///
/// `handle_*` puts in, [`Secured::poll_event`] takes out, `send_*` seals into the egress.
#[derive(Debug)]
pub struct Secured {
    config: SecuredConfig,
    /// Made with the first datagram: a session that never connects costs no handshake state.
    dtls: Option<Box<Dtls>>,
    identity: Identity,
    keys: Keys,
    channels: Channels,
    sctp: Option<SctpParameters>,
    state: State,
    /// Something waits to be sent at the next timeout.
    due: Option<Instant>,
    events: VecDeque<SecuredEvent>,
}

/// In the order of a connection's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Handshaking,
    Connected(SrtpProfile),
    /// The peer is not who the signalling says; it is still to be told.
    Refused,
    Closed,
}

/// What is known of who the peer should be, and is.
#[derive(Debug, Default)]
struct Identity {
    expected: Vec<Fingerprint>,
    /// In DER, until it has matched.
    certificate: Option<Vec<u8>>,
    verified: bool,
}

#[derive(Debug)]
enum Keys {
    None,
    Ready { profile: SrtpProfile, sender: Box<SrtpSender>, receiver: Box<SrtpReceiver> },
}

impl Keys {
    /// Each side seals with its own half (RFC 5764 §4.2).
    fn new(keys: &SrtpKeys, role: DtlsRole) -> Self {
        let (ours, theirs) = match role {
            DtlsRole::Active => (&keys.client, &keys.server),
            DtlsRole::Passive => (&keys.server, &keys.client),
        };
        Self::Ready {
            profile: keys.profile,
            sender: Box::new(SrtpSender::new(keys.profile, ours)),
            receiver: Box::new(SrtpReceiver::new(keys.profile, theirs)),
        }
    }
}

impl Secured {
    /// Nothing happens yet.
    pub fn new(config: SecuredConfig) -> Self {
        let channels = Channels::new(config.role, config.channel_buffer);
        Self {
            config,
            dtls: None,
            identity: Identity::default(),
            keys: Keys::None,
            channels,
            sctp: None,
            state: State::Handshaking,
            due: None,
            events: VecDeque::new(),
        }
    }

    /// What the peer's SDP says. May come after the handshake (the server's offer), and again.
    pub fn set_remote(&mut self, now: Instant, fingerprints: Vec<Fingerprint>, sctp: Option<SctpParameters>) {
        self.identity.expected = fingerprints;
        self.sctp = sctp.or(self.sctp);
        self.verify_identity();
        self.progress(now);
        self.due = Some(now);
    }

    /// Starts the handshake of an active side, over a path that is there.
    pub fn start(&mut self, now: Instant, path: Path, egress: &mut Egress) {
        if self.dtls.is_none() && self.state == State::Handshaking {
            self.dtls = Some(self.new_dtls(now));
            self.handle_timeout(now, Some(path), egress);
        }
    }

    /// A DTLS datagram from an authenticated path. Answers go back to where it came from.
    pub fn handle_dtls(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
        egress: &mut Egress,
    ) -> Result<(), DropReason> {
        if self.state == State::Closed {
            return Err(DropReason::UnknownPath);
        }
        if self.dtls.is_none() {
            self.dtls = Some(self.new_dtls(now));
        }
        let Some(dtls) = &mut self.dtls else {
            return Ok(());
        };
        let result = dtls.handle_datagram(now, datagram);
        self.pump(now, Some(path), egress);
        match result {
            Ok(Fate::Taken) => Ok(()),
            Ok(Fate::Dropped(reason)) => Err(reason),
            Err(error) => {
                self.fail(&error);
                Ok(())
            }
        }
    }

    /// Authenticates and decrypts an RTP packet in place.
    pub fn unprotect_rtp<'a>(&mut self, datagram: &'a mut [u8]) -> Result<&'a mut [u8], DropReason> {
        let receiver = self.receiver()?;
        let len = receiver.unprotect_rtp(datagram).map_err(drop_reason)?;
        Ok(&mut datagram[..len])
    }

    /// Authenticates and decrypts a compound RTCP packet in place.
    pub fn unprotect_rtcp<'a>(&mut self, datagram: &'a mut [u8]) -> Result<&'a mut [u8], DropReason> {
        let receiver = self.receiver()?;
        let len = receiver.unprotect_rtcp(datagram).map_err(drop_reason)?;
        Ok(&mut datagram[..len])
    }

    /// See [`Transport::prefetch_sealer`](crate::Transport::prefetch_sealer).
    pub(crate) fn prefetch_sealer(&self) {
        if let Keys::Ready { sender, .. } = &self.keys {
            sender.prefetch();
        }
    }

    /// See [`Transport::prefetch_keys`](crate::Transport::prefetch_keys).
    pub(crate) fn prefetch_keys(&self) {
        if let Keys::Ready { sender, .. } = &self.keys {
            sender.prefetch_keys();
        }
    }

    /// Seals the clear RTP packet that lies in `buffer[..len]`; `None` without keys, or when the packet may not be sent.
    pub fn protect_rtp(
        &mut self,
        buffer: &mut [u8],
        (len, header_len): (usize, usize),
        ssrc: Ssrc,
        seq: SeqNo,
    ) -> Option<usize> {
        match (&self.state, &mut self.keys) {
            (State::Connected(_), Keys::Ready { sender, .. }) => {
                sender.protect_rtp(buffer, len, header_len, ssrc, seq).ok()
            }
            _ => None,
        }
    }

    /// Seals the clear RTCP that lies in `buffer[..len]`; `None` without keys.
    pub fn protect_rtcp(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        match (&self.state, &mut self.keys) {
            (State::Connected(_), Keys::Ready { sender, .. }) => sender.protect_rtcp(buffer, len).ok(),
            _ => None,
        }
    }

    /// A stream that we sent has ended: its cryptographic state is dropped. Its SSRC must not come again.
    pub fn forget(&mut self, ssrc: Ssrc) {
        if let Keys::Ready { sender, .. } = &mut self.keys {
            sender.forget(ssrc);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant, path: Option<Path>, egress: &mut Egress) {
        self.due = None;
        if self.state == State::Closed {
            return;
        }
        self.channels.handle_timeout(now);
        let result = match &mut self.dtls {
            Some(dtls) => dtls.handle_timeout(now),
            None => Ok(()),
        };
        self.pump(now, path, egress);
        if let Err(error) = result {
            self.fail(&error);
        }
    }

    /// When to call [`Secured::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.state == State::Closed {
            return None;
        }
        let dtls = self.dtls.as_ref().and_then(|d| d.poll_timeout());
        [self.due, dtls, self.channels.poll_timeout()].into_iter().flatten().min()
    }

    /// The next event; `None` when drained.
    pub fn poll_event(&mut self) -> Option<SecuredEvent> {
        self.events.pop_front()
    }

    /// Opens a data channel, now or as soon as there is an association.
    pub fn open_channel(&mut self, now: Instant, parameters: ChannelParameters) -> Result<StreamId, ChannelError> {
        if self.state == State::Closed {
            return Err(ChannelError::Closed);
        }
        self.due = Some(now);
        let opened = self.channels.open(now, parameters);
        self.collect_channel_events();
        opened
    }

    /// Sends a message; see [`Channels::send`]. It leaves with the next [`Secured::handle_timeout`], which is due at once.
    pub fn send_message(
        &mut self,
        now: Instant,
        stream: StreamId,
        binary: bool,
        payload: Vec<u8>,
    ) -> Result<bool, ChannelError> {
        self.due = Some(now);
        self.channels.send(now, stream, binary, payload)
    }

    /// Closes a channel once what waits is sent.
    pub fn close_channel(&mut self, now: Instant, stream: StreamId) -> Result<(), ChannelError> {
        self.due = Some(now);
        let closed = self.channels.close(now, stream);
        self.collect_channel_events();
        closed
    }

    /// Bytes that wait to be sent on a channel.
    pub fn buffered_amount(&self, stream: StreamId) -> usize {
        self.channels.buffered(stream)
    }

    /// Tells the peer that it is over: an SCTP abort and a DTLS `close_notify`.
    pub fn close(&mut self, now: Instant, path: Option<Path>, egress: &mut Egress) {
        if self.state == State::Closed {
            return;
        }
        self.channels.abort(now);
        self.pump(now, path, egress);
        if let Some(dtls) = &mut self.dtls {
            dtls.close();
        }
        self.pump(now, path, egress);
        self.end(TransportClose::Requested);
    }

    /// The SRTP profile, once connected.
    pub fn profile(&self) -> Option<SrtpProfile> {
        match self.state {
            State::Connected(profile) => Some(profile),
            _ => None,
        }
    }

    fn new_dtls(&self, now: Instant) -> Box<Dtls> {
        Box::new(Dtls::new(now, Arc::clone(&self.config.certificate), self.config.role, self.config.profile))
    }

    fn receiver(&mut self) -> Result<&mut SrtpReceiver, DropReason> {
        match (&self.state, &mut self.keys) {
            (State::Connected(_), Keys::Ready { receiver, .. }) => Ok(receiver),
            _ => Err(DropReason::Malformed),
        }
    }

    /// Moves everything that waits in DTLS and SCTP: what one gives out may make the other speak.
    fn pump(&mut self, now: Instant, path: Option<Path>, egress: &mut Egress) {
        let mut buffer = vec![0; 2048];
        self.drain_dtls(now, path, egress, &mut buffer);
        if self.state == State::Refused {
            if let Some(dtls) = &mut self.dtls {
                dtls.refuse_certificate();
            }
            self.drain_dtls(now, path, egress, &mut buffer);
            return self.end(TransportClose::FingerprintMismatch);
        }
        self.progress(now);
        while let Some(packet) = self.channels.poll_packet(now) {
            let Some(dtls) = &mut self.dtls else { break };
            if let Err(error) = dtls.send(&packet) {
                self.fail(&error);
                break;
            }
            self.drain_dtls(now, path, egress, &mut buffer);
        }
        self.collect_channel_events();
    }

    fn drain_dtls(&mut self, now: Instant, path: Option<Path>, egress: &mut Egress, buffer: &mut Vec<u8>) {
        loop {
            let Some(output) = self.dtls.as_mut().and_then(|dtls| dtls.poll_output(buffer)) else {
                return;
            };
            match output {
                DtlsOutput::Packet(packet) => {
                    if let Some(path) = path {
                        egress.push(path, Class::Control, packet);
                    }
                }
                DtlsOutput::Certificate(der) => {
                    self.identity.certificate = Some(der.to_vec());
                    self.verify_identity();
                    if self.state == State::Refused {
                        // The rest of the handshake is not for it.
                        return;
                    }
                }
                DtlsOutput::Keys(keys) => self.keys = Keys::new(&keys, self.config.role),
                DtlsOutput::Connected => {}
                DtlsOutput::ApplicationData(payload) => self.channels.handle_packet(now, payload),
                DtlsOutput::CloseNotify => self.end(TransportClose::PeerClosed),
                DtlsOutput::BufferTooSmall(needed) => buffer.resize(needed, 0),
            }
        }
    }

    /// Compares the certificate with the fingerprints when both are known (RFC 8122 §6.2: one match suffices).
    fn verify_identity(&mut self) {
        let Some(certificate) = &self.identity.certificate else {
            return;
        };
        if self.identity.expected.is_empty() {
            return;
        }
        if self.identity.expected.iter().any(|f| f.matches(certificate)) {
            self.identity.verified = true;
        } else {
            self.state = State::Refused;
        }
    }

    /// Connected once keys and identity are there; then the channels start.
    fn progress(&mut self, now: Instant) {
        if let (State::Handshaking, true, Keys::Ready { profile, .. }) =
            (self.state, self.identity.verified, &self.keys)
        {
            self.state = State::Connected(*profile);
            self.events.push_back(SecuredEvent::Connected(*profile));
        }
        if let (State::Connected(_), Some(sctp)) = (self.state, self.sctp) {
            self.channels.start(now, sctp);
        }
    }

    fn collect_channel_events(&mut self) {
        while let Some(event) = self.channels.poll_event() {
            self.events.push_back(SecuredEvent::Channel(event));
        }
    }

    fn fail(&mut self, error: &DtlsError) {
        let reason = match (error, self.state) {
            (DtlsError::Connection(_), State::Connected(_)) => TransportClose::PeerClosed,
            (error, _) => TransportClose::HandshakeFailed(error.to_string()),
        };
        log::debug!("a DTLS connection ends: {error}");
        self.end(reason);
    }

    fn end(&mut self, reason: TransportClose) {
        if self.state != State::Closed {
            self.collect_channel_events();
            self.state = State::Closed;
            self.dtls = None;
            self.keys = Keys::None;
            self.events.push_back(SecuredEvent::Closed(reason));
        }
    }
}

fn drop_reason(error: SrtpError) -> DropReason {
    match error {
        SrtpError::Replayed | SrtpError::TooOld => DropReason::Replayed,
        SrtpError::TooShort | SrtpError::Malformed | SrtpError::Unencrypted => DropReason::Malformed,
        _ => DropReason::Authentication,
    }
}
