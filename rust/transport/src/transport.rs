//! One secured path to one peer: ICE-lite below, DTLS, SRTP and channels above, and the peer's consent over all.
//!
//! Datagrams of one session come in, clear RTP and RTCP come back in place, what leaves is written into an [`Egress`].
//! Invariants: no byte of media is accepted from or sent to an address that has not passed an authenticated check, and
//! none is sent without keys, a verified peer and its consent (RFC 7675).

mod keyed;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_wire::{SeqNo, Ssrc};

use crate::certificate::Certificate;
use crate::channels::{ChannelError, ChannelEvent, ChannelParameters, SctpParameters, StreamId};
use crate::classify::{DatagramKind, classify};
use crate::drops::{DropCounts, DropReason};
use crate::dtls::DtlsRole;
use crate::egress::{Class, Egress, Path};
use crate::fingerprint::Fingerprint;
use crate::ice::{Checked, IceCredentials, IceLite, Stun};
use crate::secured::{Secured, SecuredConfig, SecuredEvent, TransportClose};
use crate::srtp::SrtpProfile;

/// Settings of a [`Transport`].
#[derive(Debug, Clone)]
pub struct TransportConfig {
    /// Our user fragment: how datagrams of first contact find this transport.
    pub ufrag: String,
    /// Our password; at least 22 characters (RFC 8445 §5.3).
    pub pwd: String,
    /// Ours.
    pub certificate: Arc<Certificate>,
    /// The SFU is passive.
    pub role: DtlsRole,
    /// Without an authenticated check for so long the peer has not consented to more media (RFC 7675 §5.1).
    pub consent_timeout: Duration,
    /// Bound of channel bytes that wait for a peer that does not read.
    pub channel_buffer: usize,
}

/// What the peer's SDP says. (Its ICE credentials are not needed: a lite agent sends no checks.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Of its certificate; one match suffices.
    pub fingerprints: Vec<Fingerprint>,
    /// With an accepted `m=application` section.
    pub sctp: Option<SctpParameters>,
}

/// What a datagram was.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// An authentic check; it is answered.
    Check,
    /// A keep-alive of the peer's NAT binding, which wants no answer.
    KeepAlive,
    /// DTLS; it is dealt with.
    Dtls,
    /// A clear RTP packet, in place.
    Rtp(&'a mut [u8]),
    /// A clear RTCP compound, in place.
    Rtcp(&'a mut [u8]),
    /// It was dropped and counted.
    Dropped(DropReason),
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportEvent {
    /// A path has passed its first check: datagrams from it belong to this transport.
    PathAdded(Path),
    /// A path is forgotten.
    PathRemoved(Path),
    /// What we send goes here from now on.
    PathChanged(Path),
    /// An ICE restart is complete: checks with this user fragment of ours are not answered any more.
    UfragRetired(String),
    /// Keys are there and the peer is who the signalling says.
    Connected {
        /// The SRTP profile.
        profile: SrtpProfile,
    },
    /// Consent expired: media is held back.
    Disconnected,
    /// A check has revived it.
    Reconnected,
    /// Over; nothing more comes.
    Closed(TransportClose),
    /// A data channel's.
    Channel(ChannelEvent),
}

/// In the order of a transport's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportState {
    /// No check has come.
    New,
    /// Checked; the handshake is awaited or under way: the transport is half open.
    Connecting,
    /// Media flows.
    Connected,
    /// Consent expired; a check revives it.
    Disconnected,
    /// Over.
    Closed,
}

/// What came in, each datagram in one of the counts, and what SRTP and SRTCP went out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Authentic packets in.
    pub packets_received: u64,
    /// Their bytes, protection included.
    pub bytes_received: u64,
    /// Packets out.
    pub packets_sent: u64,
    /// Their bytes, protection included.
    pub bytes_sent: u64,
    /// Authentic checks in.
    pub checks: u64,
    /// STUN binding indications in, over known paths.
    pub keep_alives: u64,
    /// DTLS datagrams in of which something was taken.
    pub dtls: u64,
    /// Datagrams that were dropped here.
    pub drops: DropCounts,
}

impl Counters {
    /// All datagrams that came in.
    pub fn datagrams_received(&self) -> u64 {
        self.packets_received + self.checks + self.keep_alives + self.dtls + self.drops.total()
    }
}

/// One secured path to one peer.
///
/// In: [`Transport::handle_datagram`], [`Transport::handle_timeout`] and the commands. Out: [`Transport::poll_event`] and
/// what `send_*` writes. Everything else is a getter. Drain events after every input.
#[derive(Debug)]
pub struct Transport {
    ice: IceLite,
    secured: Secured,
    state: TransportState,
    consent_timeout: Duration,
    last_check: Option<Instant>,
    counters: Counters,
    events: VecDeque<TransportEvent>,
}

impl Transport {
    /// Waits for the peer's first check.
    pub fn new(config: TransportConfig) -> Self {
        let TransportConfig { ufrag, pwd, certificate, role, consent_timeout, channel_buffer } = config;
        Self {
            ice: IceLite::new(IceCredentials { ufrag, pwd }),
            secured: Secured::new(SecuredConfig { certificate, role, channel_buffer, profile: None }),
            state: TransportState::New,
            consent_timeout,
            last_check: None,
            counters: Counters::default(),
            events: VecDeque::new(),
        }
    }

    /// What the peer's SDP says, at first and on every renegotiation.
    pub fn set_remote(&mut self, now: Instant, remote: Remote) {
        self.secured.set_remote(now, remote.fingerprints, remote.sctp);
        self.collect_events();
    }

    /// New credentials of ours. The old ones stay valid until the first check with the new ones: no media gap.
    pub fn restart_ice(&mut self, ufrag: String, pwd: String) {
        if let Some(never_used) = self.ice.restart(IceCredentials { ufrag, pwd }) {
            self.events.push_back(TransportEvent::UfragRetired(never_used));
        }
    }

    /// Takes a datagram that came over `path`.
    pub fn handle_datagram<'a>(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &'a mut [u8],
        egress: &mut Egress,
    ) -> Incoming<'a> {
        match self.receive(now, path, datagram, egress) {
            Ok(incoming) => incoming,
            Err(reason) => {
                self.counters.drops.count(reason);
                Incoming::Dropped(reason)
            }
        }
    }

    /// The next event; `None` when drained.
    pub fn poll_event(&mut self) -> Option<TransportEvent> {
        self.events.pop_front()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant, egress: &mut Egress) {
        self.secured.handle_timeout(now, self.ice.path(), egress);
        self.collect_events();
        if self.state == TransportState::Connected && self.consent_deadline().is_some_and(|deadline| now >= deadline) {
            self.state = TransportState::Disconnected;
            self.events.push_back(TransportEvent::Disconnected);
        }
    }

    /// When to call [`Transport::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let consent = match self.state {
            TransportState::Connected => self.consent_deadline(),
            _ => None,
        };
        [self.secured.poll_timeout(), consent].into_iter().flatten().min()
    }

    /// Asks for the memory of what seals; [`Self::prefetch_keys`] goes on from there, when that has come.
    pub fn prefetch_sealer(&self) {
        self.secured.prefetch_sealer();
    }

    /// Asks for the memory of the keys and of what was sealed last.
    pub fn prefetch_keys(&self) {
        self.secured.prefetch_keys();
    }

    /// Lets `write` put a clear RTP packet of at most `max_len` bytes into the egress and seals it there. `write` returns
    /// the packet's length and that of its header with extensions; a length of 0 sends nothing.
    ///
    /// `false` if nothing was sent: no keys, no path, no consent, or the index was used before.
    pub fn send_rtp(
        &mut self,
        egress: &mut Egress,
        class: Class,
        (ssrc, seq): (Ssrc, SeqNo),
        max_len: usize,
        write: impl FnOnce(&mut [u8]) -> (usize, usize),
    ) -> bool {
        let Some((path, profile)) = self.open_path() else {
            return false;
        };
        let mut sent = 0;
        egress.write(path, class, max_len + profile.rtp_overhead(), |buffer| {
            let lengths = write(&mut buffer[..max_len]);
            if lengths.0 > 0 {
                sent = self.secured.protect_rtp(buffer, lengths, ssrc, seq).unwrap_or(0);
            }
            sent
        });
        self.count_sent(sent)
    }

    /// Seals a clear RTCP compound into the egress. `false` if nothing was sent.
    pub fn send_rtcp(&mut self, egress: &mut Egress, compound: &[u8]) -> bool {
        let Some((path, profile)) = self.open_path() else {
            return false;
        };
        let mut sent = 0;
        egress.write(path, Class::Control, compound.len() + profile.rtcp_overhead(), |buffer| {
            buffer[..compound.len()].copy_from_slice(compound);
            sent = self.secured.protect_rtcp(buffer, compound.len()).unwrap_or(0);
            sent
        });
        self.count_sent(sent)
    }

    /// A stream that we sent has ended. Its SSRC must not come again.
    pub fn forget(&mut self, ssrc: Ssrc) {
        self.secured.forget(ssrc);
    }

    /// Opens a data channel, now or as soon as there is an association. `ChannelEvent::Opened` follows.
    pub fn open_channel(&mut self, now: Instant, parameters: ChannelParameters) -> Result<StreamId, ChannelError> {
        let opened = self.secured.open_channel(now, parameters);
        self.collect_events();
        opened
    }

    /// Sends a message of at most 256 KiB, or refuses it with `false` when too much waits for the peer already;
    /// `ChannelEvent::Writable` follows then. It leaves with [`Transport::handle_timeout`], which is due at once.
    pub fn send_message(
        &mut self,
        now: Instant,
        stream: StreamId,
        binary: bool,
        payload: Vec<u8>,
    ) -> Result<bool, ChannelError> {
        self.secured.send_message(now, stream, binary, payload)
    }

    /// Closes a channel once what waits is sent. `ChannelEvent::Closed` follows.
    pub fn close_channel(&mut self, now: Instant, stream: StreamId) -> Result<(), ChannelError> {
        let closed = self.secured.close_channel(now, stream);
        self.collect_events();
        closed
    }

    /// Bytes that wait to be sent on a channel.
    pub fn buffered_amount(&self, stream: StreamId) -> usize {
        self.secured.buffered_amount(stream)
    }

    /// Tells the peer that it is over.
    pub fn close(&mut self, now: Instant, egress: &mut Egress) {
        self.secured.close(now, self.ice.path(), egress);
        self.collect_events();
    }

    /// Where to send.
    pub fn path(&self) -> Option<Path> {
        self.ice.path()
    }

    /// Every path that has passed a check and is not forgotten.
    pub fn paths(&self) -> impl Iterator<Item = Path> {
        self.ice.paths()
    }

    /// Our credentials, the newest.
    pub fn credentials(&self) -> &IceCredentials {
        self.ice.credentials()
    }

    /// The SRTP profile, once connected.
    pub fn profile(&self) -> Option<SrtpProfile> {
        self.secured.profile()
    }

    /// Where it is in its life.
    pub fn state(&self) -> TransportState {
        self.state
    }

    /// What came, went and was dropped.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// When the peer last consented.
    pub fn last_check(&self) -> Option<Instant> {
        self.last_check
    }

    fn receive<'a>(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &'a mut [u8],
        egress: &mut Egress,
    ) -> Result<Incoming<'a>, DropReason> {
        if self.state == TransportState::Closed {
            return Err(DropReason::UnknownPath);
        }
        let kind = classify(datagram);
        match kind {
            DatagramKind::Stun => {
                return self.ice.handle_stun(now, path, datagram, egress).map(|stun| self.note_stun(now, stun));
            }
            DatagramKind::Unknown => return Err(DropReason::Malformed),
            _ if !self.ice.knows(path) => return Err(DropReason::UnknownPath),
            DatagramKind::Dtls => {
                let taken = self.secured.handle_dtls(now, path, datagram, egress);
                self.collect_events();
                taken?;
                self.counters.dtls += 1;
                return Ok(Incoming::Dtls);
            }
            DatagramKind::Rtp | DatagramKind::Rtcp => {}
        }
        let protected = datagram.len();
        let incoming = match kind {
            DatagramKind::Rtp => Incoming::Rtp(self.secured.unprotect_rtp(datagram)?),
            _ => Incoming::Rtcp(self.secured.unprotect_rtcp(datagram)?),
        };
        self.counters.packets_received += 1;
        self.counters.bytes_received += protected as u64;
        Ok(incoming)
    }

    fn note_stun(&mut self, now: Instant, stun: Stun) -> Incoming<'static> {
        if let Stun::KeepAlive = stun {
            self.counters.keep_alives += 1;
            return Incoming::KeepAlive;
        }
        self.counters.checks += 1;
        if let Stun::Check(checked) = stun {
            self.note_check(now, checked);
        }
        Incoming::Check
    }

    fn note_check(&mut self, now: Instant, checked: Checked) {
        self.last_check = Some(now);
        let Checked { change, retired } = checked;
        let events = [
            change.removed.map(TransportEvent::PathRemoved),
            change.added.map(TransportEvent::PathAdded),
            change.selected.map(TransportEvent::PathChanged),
            retired.map(TransportEvent::UfragRetired),
        ];
        self.events.extend(events.into_iter().flatten());
        match self.state {
            TransportState::New => self.state = TransportState::Connecting,
            TransportState::Disconnected => {
                self.state = TransportState::Connected;
                self.events.push_back(TransportEvent::Reconnected);
            }
            TransportState::Connecting | TransportState::Connected | TransportState::Closed => {}
        }
    }

    fn collect_events(&mut self) {
        while let Some(event) = self.secured.poll_event() {
            let event = match event {
                SecuredEvent::Connected(profile) => {
                    self.state = TransportState::Connected;
                    TransportEvent::Connected { profile }
                }
                SecuredEvent::Closed(reason) => {
                    self.state = TransportState::Closed;
                    TransportEvent::Closed(reason)
                }
                SecuredEvent::Channel(event) => TransportEvent::Channel(event),
            };
            self.events.push_back(event);
        }
    }

    fn consent_deadline(&self) -> Option<Instant> {
        self.last_check.map(|check| check + self.consent_timeout)
    }

    /// The path, if media may be sent over it.
    fn open_path(&self) -> Option<(Path, SrtpProfile)> {
        match self.state {
            TransportState::Connected => Some((self.ice.path()?, self.secured.profile()?)),
            _ => None,
        }
    }

    fn count_sent(&mut self, len: usize) -> bool {
        if len > 0 {
            self.counters.packets_sent += 1;
            self.counters.bytes_sent += len as u64;
        }
        len > 0
    }
}
