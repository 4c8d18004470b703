//! A participant who publishes one video track, and an audio track beside it if that is wanted: scripted encoders, keyframes on request, retransmissions, sender reports.
//!
//! It is driven like everything sans-IO: `handle_*` puts in, [`Publisher::poll_timeout`] says when. What it truly sent stays
//! readable for the judges.

mod audio;
mod clock;
mod stream;

use std::time::{Duration, Instant};

use sfu_core::codec::Kind;
use sfu_core::config::{Offers, SessionConfig};
use sfu_wire::rtcp::{Rtcp, packets};
use sfu_wire::{Extension, Ssrc};

use crate::encoder::Structure;
use crate::error::SimError;
use crate::random::Random;
use crate::sdp::{self, Direction, Format, Section};
use crate::world::{ParticipantId, World};

pub use audio::AudioStream;
pub use clock::MediaClock;
pub use stream::Stream;

/// The payload types of simulated publishers and viewers.
pub const MEDIA_PT: u8 = 96;
/// Of the retransmissions.
pub const RTX_PT: u8 = 97;

/// Settings of a [`Publisher`].
#[derive(Debug, Clone, Copy)]
pub struct PublisherConfig {
    /// What it encodes.
    pub structure: Structure,
    /// Between pictures.
    pub interval: Duration,
    /// From a keyframe request to the keyframe; `None`: requests are not answered.
    pub keyframe_delay: Option<Duration>,
    /// Keyframes without being asked; `None`: only the first.
    pub keyframe_interval: Option<Duration>,
    /// Bytes that make payloads as long as real ones; 0: as short as they can be.
    pub filler: usize,
    /// Packets of each layer of a keyframe; 0: as many as of any other frame.
    pub keyframe_packets: u8,
    /// Packets tell when they were captured (abs-capture-time).
    pub capture_times: bool,
    /// Between sender reports of one stream; `None`: none are sent.
    pub reports: Option<Duration>,
    /// Publishes sound, too.
    pub audio: bool,
    /// What its timestamps and reports go by.
    pub clock: MediaClock,
    /// Video and what is reported of it is so much longer on its way than sound.
    pub video_detour: Duration,
}

impl PublisherConfig {
    /// 30 pictures a second; a keyframe takes 50 ms to make.
    pub const fn new(structure: Structure) -> Self {
        Self {
            structure,
            interval: Duration::from_micros(33_333),
            keyframe_delay: Some(Duration::from_millis(50)),
            keyframe_interval: None,
            filler: 0,
            keyframe_packets: 0,
            capture_times: false,
            reports: Some(Duration::from_secs(1)),
            audio: false,
            clock: MediaClock::EXACT,
            video_detour: Duration::ZERO,
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Publisher {
    who: ParticipantId,
    config: PublisherConfig,
    random: Random,
    /// Live ones and those that a restart ended, in the order of their tokens.
    streams: Vec<Stream>,
    audio: Option<AudioStream>,
    next_picture: Instant,
    paused: bool,
    keyframe_requests: u64,
}

impl Publisher {
    /// Joins and offers its track; the first picture leaves at once.
    ///
    /// # Errors
    /// The SFU refuses a command or does not take the codec.
    pub fn join(world: &mut World, config: PublisherConfig, random: Random) -> Result<Self, SimError> {
        let session = SessionConfig { offers: Offers::Client, ..SessionConfig::default() };
        let who = world.join(session)?;
        let mut publisher = Self {
            who,
            config,
            random,
            streams: Vec::new(),
            audio: None,
            next_picture: world.now(),
            paused: false,
            keyframe_requests: 0,
        };
        publisher.add_streams(world.now());
        let mut sections = vec![publisher.section()];
        if config.audio {
            let audio = AudioStream::new(world.now(), &config, who, publisher.random.fork(1 << 16));
            sections.push(audio.section());
            publisher.audio = Some(audio);
        }
        let answer = world.offer(who, &sdp::offer(&sections))?;
        if answer.contains("m=video 0 ") {
            return Err(SimError::CodecRefused(config.structure.payload.map().to_owned()));
        }
        Ok(publisher)
    }

    /// Who it is.
    pub const fn id(&self) -> ParticipantId {
        self.who
    }

    /// What it sends and sent, by the `source` of the tokens.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Its sound.
    pub const fn audio(&self) -> Option<&AudioStream> {
        self.audio.as_ref()
    }

    /// Requests (PLI, FIR) that reached it.
    pub const fn keyframe_requests(&self) -> u64 {
        self.keyframe_requests
    }

    /// Stops sending (`replaceTrack(null)`, a muted camera), or goes on.
    pub fn set_paused(&mut self, now: Instant, paused: bool) {
        self.paused = paused;
        self.next_picture = self.next_picture.max(now);
    }

    /// All streams start over with new SSRCs and numbers (a page that replaced its sender).
    pub fn restart(&mut self, now: Instant) {
        self.streams.iter_mut().for_each(Stream::end);
        self.add_streams(now);
    }

    /// No more sender reports leave (as if all were lost).
    pub fn stop_reports(&mut self) {
        self.streams.iter_mut().for_each(Stream::stop_reports);
        self.audio.iter_mut().for_each(AudioStream::stop_reports);
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let reports = self.streams.iter().filter_map(Stream::poll_timeout);
        let video = (!self.paused).then(|| reports.chain([self.next_picture]).min()).flatten();
        [video, self.audio.as_ref().map(AudioStream::poll_timeout)].into_iter().flatten().min()
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, world: &mut World) {
        let now = world.now();
        if let Some(audio) = &mut self.audio {
            audio.handle_timeout(world);
        }
        world.set_detour(self.who, self.config.video_detour);
        if !self.paused && self.next_picture <= now {
            for stream in self.streams.iter_mut().filter(|stream| stream.is_live()) {
                stream.send_picture(world, self.config.interval);
            }
            self.next_picture += self.config.interval;
        }
        for stream in &mut self.streams {
            if stream.poll_timeout().is_some_and(|due| due <= now) {
                stream.send_report(world);
            }
        }
        world.set_detour(self.who, Duration::ZERO);
    }

    /// Takes a clear RTCP compound from the SFU.
    pub fn handle_rtcp(&mut self, world: &mut World, compound: &[u8]) {
        world.set_detour(self.who, self.config.video_detour);
        for packet in packets(compound).flatten() {
            match packet {
                Rtcp::Pli(pli) => self.request_keyframe(world, pli.media),
                Rtcp::Fir(fir) => fir.entries.iter().for_each(|entry| self.request_keyframe(world, entry.ssrc)),
                Rtcp::Nack(nack) => {
                    if let Some(stream) = self.live(nack.media) {
                        nack.seqs().for_each(|seq| stream.retransmit(world, seq));
                    }
                }
                _ => {}
            }
        }
        world.set_detour(self.who, Duration::ZERO);
    }

    fn request_keyframe(&mut self, world: &World, ssrc: Ssrc) {
        self.keyframe_requests += 1;
        let delay = self.config.keyframe_delay;
        if let Some(stream) = self.live(ssrc) {
            stream.want_keyframe(world, delay);
        }
    }

    fn live(&mut self, ssrc: Ssrc) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.is_live() && stream.ssrc() == ssrc)
    }

    fn add_streams(&mut self, now: Instant) {
        for place in 0..self.config.structure.encodings {
            let source = self.streams.len() as u8;
            let random = self.random.fork(u64::from(source) + 1);
            self.streams.push(Stream::new(now, &self.config, (self.who, source, place), random));
        }
    }

    fn section(&self) -> Section {
        let structure = self.config.structure;
        let mut wanted = vec![Extension::Mid, Extension::Rid, Extension::RepairedRid];
        if self.config.capture_times {
            wanted.push(Extension::AbsCaptureTime);
        }
        if structure.has_dependency_descriptor() {
            wanted.push(Extension::DependencyDescriptor);
        }
        let simulcast = structure.encodings > 1;
        let live = self.streams.iter().filter(|stream| stream.is_live());
        Section {
            mid: String::from("0"),
            kind: Kind::Video,
            direction: Direction::SendOnly,
            formats: vec![format(structure)],
            extensions: sdp::extensions(&wanted),
            rids: if simulcast { live.clone().map(|stream| stream.rid().to_owned()).collect() } else { Vec::new() },
            ssrcs: if simulcast {
                Vec::new()
            } else {
                live.map(|stream| (stream.ssrc(), Some(stream.rtx_ssrc()))).collect()
            },
        }
    }
}

/// The payload format of a structure, as simulated participants offer it.
pub fn format(structure: Structure) -> Format {
    Format {
        pt: MEDIA_PT,
        rtx: Some(RTX_PT),
        map: structure.payload.map().to_owned(),
        fmtp: structure.payload.fmtp().to_owned(),
    }
}
