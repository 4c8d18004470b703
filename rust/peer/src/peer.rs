//! The peer: negotiation, ICE, DTLS, what it sends and what it receives, in one sans-IO machine.
//!
//! In: SDP text, datagrams, time. Out: SDP text, datagrams in an [`Egress`], [`PeerEvent`]s, statistics. The same seed,
//! certificate and input give the same media; keys and SCTP tags come from the libraries' own randomness.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sfu_congestion::TwccSender;
use sfu_transport::{
    ChannelError, ChannelEvent, ChannelParameters, DatagramKind, DtlsRole, Egress, IceCredentials, Path, Random,
    Secured, SecuredConfig, SecuredEvent, SrtpProfile, StreamId, TransportClose, classify,
};
use sfu_wire::Ssrc;
use sfu_wire::rtcp::{self, Rtcp};

use crate::config::{AudioSource, ClipSource, PeerCodec, PeerConfig, Receiving, VideoSource};
use crate::ice::{Ice, IceChange};
use crate::model::ModelSource;
use crate::outlet::outlet;
use crate::publish::Uplink;
use crate::receive::{Delays, Doubts, Downlink, Reporter, StreamStats, Tally, TallyStats};
use crate::sdp::{Local, Negotiation, Remote, SdpError, SectionKind, candidate};
use crate::stats::{PeerStats, UplinkStats};

/// Bytes of channel messages that may wait for the server.
const CHANNEL_BUFFER: usize = 1 << 20;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerEvent {
    /// Media can flow.
    Connected(SrtpProfile),
    /// Over.
    Closed(TransportClose),
    /// The server has not answered checks for too long.
    ConsentLost,
    /// A data channel's.
    Channel(ChannelEvent),
}

/// One client.
///
/// In: `receive_*`, [`Peer::handle_datagram`], [`Peer::handle_timeout`] and the commands. Out: [`Peer::poll_event`] and
/// the egress. The rest are getters.
#[derive(Debug)]
pub struct Peer {
    config: PeerConfig,
    start: Instant,
    random: Random,
    ice: Ice,
    secured: Secured,
    negotiation: Negotiation,
    uplink: Uplink,
    downlink: Downlink,
    /// The server's, however it told of them.
    candidates: Vec<SocketAddr>,
    credentials: Option<IceCredentials>,
    /// In the downlink's place, of a peer that only counts.
    tally: Option<Tally>,
    twcc: TwccSender,
    cname: String,
    ssrc: Ssrc,
    echoes: VecDeque<(StreamId, bool, Vec<u8>)>,
    events: VecDeque<PeerEvent>,
    dropped: u64,
}

impl Peer {
    /// A peer that has not met its server.
    pub fn new(now: Instant, config: PeerConfig) -> Self {
        let mut random = Random::new(config.seed);
        let secured = Secured::new(SecuredConfig {
            certificate: config.certificate.clone(),
            role: DtlsRole::Active,
            channel_buffer: CHANNEL_BUFFER,
            profile: config.profile,
        });
        let doubts =
            (config.ask_again > 0.0).then(|| Doubts { random: Random::new(random.array()), share: config.ask_again });
        let mut peer = Self {
            start: now,
            ice: Ice::new(&mut random),
            secured,
            negotiation: Negotiation::default(),
            uplink: Uplink::new(config.id),
            downlink: Downlink::doubting(doubts),
            candidates: Vec::new(),
            credentials: None,
            tally: match config.receiving {
                Receiving::Verify => None,
                Receiving::Count(feedback) => Some(Tally::new(feedback)),
            },
            twcc: TwccSender::starting_at(random.u16()),
            cname: random.ice_string(16).replace(['+', '/'], "x"),
            ssrc: Ssrc::new(random.u32()),
            random,
            echoes: VecDeque::new(),
            events: VecDeque::new(),
            dropped: 0,
            config,
        };
        peer.add_configured();
        peer
    }

    /// An offer of all sections, to be answered by [`Peer::receive_answer`].
    pub fn create_offer(&mut self) -> String {
        let Self { negotiation, ice, config, uplink, cname, .. } = self;
        negotiation.offer(&local(ice, config, uplink, cname))
    }

    /// Takes the server's answer.
    pub fn receive_answer(&mut self, now: Instant, sdp: &str) -> Result<(), SdpError> {
        let remote = self.negotiation.receive_answer(sdp)?;
        self.apply(now, remote);
        Ok(())
    }

    /// Answers the server's offer.
    pub fn receive_offer(&mut self, now: Instant, sdp: &str) -> Result<String, SdpError> {
        let remote = self.negotiation.receive_offer(sdp)?;
        self.apply(now, remote);
        let Self { negotiation, ice, config, uplink, cname, .. } = self;
        Ok(negotiation.answer(&local(ice, config, uplink, cname)))
    }

    /// Takes a candidate of the server's that came outside of a description (RFC 8838): `candidate:…`, with or without `a=`.
    /// One that is of no use is passed over.
    pub fn add_candidate(&mut self, now: Instant, line: &str) {
        let value = line.trim().trim_start_matches("a=").trim_start_matches("candidate:");
        self.candidates.extend(candidate(value));
        self.seek(now);
    }

    /// Takes a datagram that came from `path.remote` to `path.local`.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &mut [u8], egress: &mut Egress) {
        match classify(datagram) {
            DatagramKind::Stun => {
                let change = self.ice.handle_stun(now, path, datagram, egress);
                self.note_ice(now, change, egress);
            }
            DatagramKind::Dtls => {
                if self.secured.handle_dtls(now, path, datagram, egress).is_err() {
                    self.dropped += 1;
                }
                self.collect_events(now, egress);
            }
            DatagramKind::Rtp => self.handle_rtp(now, datagram),
            DatagramKind::Rtcp => self.handle_rtcp(now, datagram, egress),
            DatagramKind::Unknown => self.dropped += 1,
        }
    }

    /// Time has passed: checks, media, feedback and retransmissions that are due are sent.
    pub fn handle_timeout(&mut self, now: Instant, egress: &mut Egress) {
        let change = self.ice.handle_timeout(now, &mut self.random, egress);
        self.note_ice(now, change, egress);
        if self.secured.poll_timeout().is_some_and(|at| now >= at) {
            self.secured.handle_timeout(now, self.ice.path(), egress);
            self.collect_events(now, egress);
        }
        let unix_time = self.unix_time(now);
        let Self { uplink, downlink, tally, negotiation, ssrc, cname, .. } = self;
        let Some(mut outlet) = outlet(now, unix_time, &self.ice, &mut self.secured, &mut self.twcc, egress) else {
            return;
        };
        uplink.handle_timeout(negotiation, &mut outlet);
        let reporter = Reporter { ssrc: *ssrc, cname, rtt: uplink.rtt };
        match tally {
            Some(tally) => tally.handle_timeout(reporter, &mut outlet),
            None => downlink.handle_timeout(reporter, uplink.streams(), &mut outlet),
        }
    }

    /// When to call [`Peer::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let media = if self.secured.profile().is_some() && self.ice.path().is_some() {
            let downlink = self.tally.as_ref().map_or_else(|| self.downlink.poll_timeout(), Tally::poll_timeout);
            [self.uplink.poll_timeout(&self.negotiation), downlink]
        } else {
            [None; 2]
        };
        [self.ice.poll_timeout(), self.secured.poll_timeout()].into_iter().chain(media).flatten().min()
    }

    /// The next event; `None` when drained.
    pub fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    /// A source more, in the next offer; its index.
    pub fn add_audio(&mut self, source: AudioSource) -> usize {
        let index = self.uplink.add_audio(source, &mut self.random);
        self.negotiation.add(SectionKind::Audio, Some((index, PeerCodec::Opus)));
        index
    }

    /// A source more, in the next offer; its index.
    pub fn add_video(&mut self, source: VideoSource) -> usize {
        let index = self.uplink.add_video(source, &mut self.random);
        self.negotiation.add(SectionKind::Video, Some((index, PeerCodec::Vp8)));
        index
    }

    /// The same of models: any codec, any structure.
    pub fn add_models(&mut self, source: ModelSource) -> usize {
        let codec = source.codec;
        let index = self.uplink.add_models(source, &mut self.random);
        self.negotiation.add(SectionKind::Video, Some((index, codec)));
        index
    }

    /// Sections more in which it can receive, in the next offer.
    pub fn add_receivers(&mut self, audio: usize, video: usize) {
        for (kind, count) in [(SectionKind::Audio, audio), (SectionKind::Video, video)] {
            (0..count).for_each(|_| self.negotiation.add(kind, None));
        }
    }

    /// Data channels, in the next offer.
    pub fn add_channels(&mut self) {
        self.negotiation.add(SectionKind::Application, None);
    }

    /// Stops a video source or lets it go on: `inactive` or `sendonly` in the next offer.
    pub fn set_video_sends(&mut self, source: usize, sends: bool) {
        self.negotiation.set_sends(SectionKind::Video, source, sends);
    }

    /// Stops an audio source or lets it go on: `inactive` or `sendonly` in the next offer.
    pub fn set_audio_sends(&mut self, source: usize, sends: bool) {
        self.negotiation.set_sends(SectionKind::Audio, source, sends);
    }

    /// Loudness of an audio source from now on (RFC 6464): 0 loudest, 127 silence.
    pub fn set_audio_level(&mut self, source: usize, level: u8) {
        if let Some(audio) = self.uplink.audio.get_mut(source) {
            audio.source.level = level.min(127);
        }
    }

    /// Stops an encoding of a video source or lets it go on.
    pub fn set_encoding_active(&mut self, source: usize, encoding: usize, active: bool) {
        if let Some(video) = self.uplink.video.get_mut(source) {
            video.set_active(encoding, active);
        }
    }

    /// New ICE credentials in the next offer.
    pub fn restart_ice(&mut self) {
        self.ice.restart(&mut self.random);
    }

    /// The peer's own address has changed; the next check tells the server.
    pub fn move_to(&mut self, now: Instant, local: SocketAddr) {
        self.config.local = local;
        self.ice.move_to(now, local);
    }

    /// Opens a data channel. It needs an application section (`PeerConfig::channels`).
    pub fn open_channel(&mut self, now: Instant, parameters: ChannelParameters) -> Result<StreamId, ChannelError> {
        self.secured.open_channel(now, parameters)
    }

    /// Sends a message; `false`: too much waits, `ChannelEvent::Writable` follows.
    pub fn send_message(
        &mut self,
        now: Instant,
        stream: StreamId,
        binary: bool,
        payload: Vec<u8>,
    ) -> Result<bool, ChannelError> {
        self.secured.send_message(now, stream, binary, payload)
    }

    /// Closes a data channel.
    pub fn close_channel(&mut self, now: Instant, stream: StreamId) -> Result<(), ChannelError> {
        self.secured.close_channel(now, stream)
    }

    /// Leaves as `RTCPeerConnection.close()` does: SCTP abort, DTLS `close_notify`.
    pub fn close(&mut self, now: Instant, egress: &mut Egress) {
        self.secured.close(now, self.ice.path(), egress);
        self.collect_events(now, egress);
    }

    /// Whether media can flow.
    pub fn is_connected(&self) -> bool {
        self.secured.profile().is_some() && self.ice.path().is_some()
    }

    /// The SRTP profile, once connected.
    pub fn profile(&self) -> Option<SrtpProfile> {
        self.secured.profile()
    }

    /// Every received stream, by SSRC.
    pub fn received(&self) -> impl Iterator<Item = &StreamStats> {
        self.downlink.stats()
    }

    /// RTP packets sent, without retransmissions.
    pub fn sent_packets(&self) -> u64 {
        self.uplink.streams().map(|stream| stream.packets).sum()
    }

    /// What came, of a peer that only counts (`Receiving::Count`).
    pub fn tally(&self) -> TallyStats {
        self.tally.as_ref().map(Tally::stats).unwrap_or_default()
    }

    /// From sending to arrival of what came first-hand, all streams together; empty of a peer that only counts.
    pub fn delays(&self) -> Delays {
        self.downlink.delays()
    }

    /// What came and went.
    pub fn stats(&self) -> PeerStats {
        let uplink = &self.uplink;
        PeerStats {
            uplink: UplinkStats {
                packets: self.sent_packets(),
                resent: uplink.streams().map(|s| s.resent).sum(),
                nacks: uplink.nacks,
                keyframe_requests: uplink.keyframe_requests,
                keyframes: uplink.video.iter().map(crate::publish::VideoPublisher::keyframes).sum(),
                feedbacks: uplink.feedbacks,
                remb: uplink.remb,
                rtt: uplink.rtt,
            },
            streams: self.received().cloned().collect(),
            unknown_packets: self.downlink.unknown,
            dropped: self.dropped,
            byes: self.downlink.byes,
        }
    }

    fn add_configured(&mut self) {
        for source in self.config.audio.clone() {
            self.add_audio(source);
        }
        for source in self.config.video.clone() {
            self.add_video(source);
        }
        for source in self.config.clips.clone() {
            self.add_clips(source);
        }
        self.add_receivers(self.config.receive_audio, self.config.receive_video);
        if self.config.channels {
            self.add_channels();
        }
    }

    fn add_clips(&mut self, source: ClipSource) {
        if let Some(clip) = source.audio {
            let index = self.uplink.add_audio_clip(clip, &mut self.random);
            self.negotiation.add(SectionKind::Audio, Some((index, PeerCodec::Opus)));
        }
        if !source.video.is_empty() {
            let index = self.uplink.add_video_clips(&source.video, &mut self.random);
            self.negotiation.add(SectionKind::Video, Some((index, PeerCodec::Vp8)));
        }
    }

    fn apply(&mut self, now: Instant, remote: Remote) {
        let sctp = remote.sctp.filter(|_| self.negotiation.has_application());
        self.secured.set_remote(now, remote.fingerprints, sctp);
        if !remote.candidates.is_empty() {
            self.candidates = remote.candidates;
        }
        self.credentials = Some(remote.credentials);
        self.seek(now);
    }

    /// Checks the server's address as soon as it and the credentials are known: there is one local address, so one pair.
    fn seek(&mut self, now: Instant) {
        let local = self.config.local;
        let same_family = |address: &&SocketAddr| address.is_ipv4() == local.is_ipv4();
        let near = self.candidates.iter().find(|address| address.ip() == local.ip());
        let candidate = near.or_else(|| self.candidates.iter().find(same_family)).copied();
        if let Some(remote) = self.config.remote.or(candidate)
            && let Some(credentials) = &self.credentials
        {
            self.ice.set_remote(now, credentials, Path { local, remote });
        }
    }

    fn note_ice(&mut self, now: Instant, change: Option<IceChange>, egress: &mut Egress) {
        match (change, self.ice.path()) {
            (Some(IceChange::Connected), Some(path)) => {
                self.secured.start(now, path, egress);
                self.collect_events(now, egress);
            }
            (Some(IceChange::Failed), _) => self.events.push_back(PeerEvent::ConsentLost),
            _ => {}
        }
    }

    fn handle_rtp(&mut self, now: Instant, datagram: &mut [u8]) {
        if let Some(tally) = &mut self.tally {
            self.dropped += u64::from(!tally.count(now, datagram, &self.negotiation));
            return;
        }
        match self.secured.unprotect_rtp(datagram) {
            Ok(clear) => {
                let unix_time = self.config.unix_time + now.saturating_duration_since(self.start);
                self.downlink.handle_rtp(now, unix_time, clear, &self.negotiation);
            }
            Err(_) => self.dropped += 1,
        }
    }

    fn handle_rtcp(&mut self, now: Instant, datagram: &mut [u8], egress: &mut Egress) {
        let unix_time = self.unix_time(now);
        let Ok(clear) = self.secured.unprotect_rtcp(datagram) else {
            self.dropped += 1;
            return;
        };
        let Self { uplink, downlink, tally, negotiation, .. } = self;
        let Some(mut outlet) = outlet(now, unix_time, &self.ice, &mut self.secured, &mut self.twcc, egress) else {
            return;
        };
        for packet in rtcp::packets(clear).flatten() {
            match (&mut *tally, &packet) {
                (Some(tally), Rtcp::SenderReport(report)) => tally.note_sender_report(now, report),
                _ => downlink.handle_rtcp(now, &packet),
            }
            uplink.handle_rtcp(&packet, negotiation, &mut outlet);
        }
    }

    fn collect_events(&mut self, now: Instant, egress: &mut Egress) {
        while let Some(event) = self.secured.poll_event() {
            let event = match event {
                SecuredEvent::Connected(profile) => {
                    self.uplink.start(now);
                    match &mut self.tally {
                        Some(tally) => tally.start(now),
                        None => self.downlink.start(now),
                    }
                    PeerEvent::Connected(profile)
                }
                SecuredEvent::Closed(reason) => PeerEvent::Closed(reason),
                SecuredEvent::Channel(event) => {
                    self.note_channel(&event);
                    PeerEvent::Channel(event)
                }
            };
            self.events.push_back(event);
        }
        self.send_echoes(now, egress);
    }

    fn note_channel(&mut self, event: &ChannelEvent) {
        if let ChannelEvent::Message { stream, binary, payload } = event
            && self.config.echo
        {
            self.echoes.push_back((*stream, *binary, payload.clone()));
        }
    }

    fn send_echoes(&mut self, now: Instant, egress: &mut Egress) {
        let mut sent = false;
        while let Some((stream, binary, payload)) = self.echoes.pop_front() {
            match self.secured.send_message(now, stream, binary, payload.clone()) {
                Ok(false) => {
                    self.echoes.push_front((stream, binary, payload));
                    break;
                }
                Ok(true) | Err(_) => sent = true,
            }
        }
        if sent {
            self.secured.handle_timeout(now, self.ice.path(), egress);
        }
    }

    fn unix_time(&self, now: Instant) -> Duration {
        self.config.unix_time + now.saturating_duration_since(self.start)
    }
}

fn local<'a>(ice: &'a Ice, config: &'a PeerConfig, uplink: &Uplink, cname: &'a str) -> Local<'a> {
    let (audio, video) = uplink.announced();
    Local {
        credentials: ice.credentials(),
        fingerprint: config.certificate.fingerprint(),
        address: config.local,
        audio,
        video,
        cname,
    }
}
