//! What a peer sends: sources on a schedule, streams with history, answers to the server's feedback.

mod audio;
mod encoder;
mod script;
mod stream;
mod video;

use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_transport::Random;
use sfu_wire::rtcp::Rtcp;
use sfu_wire::{Rid, Ssrc};

use crate::clip::Clip;
use crate::config::{AudioSource, VideoSource};
use crate::model::ModelSource;
use crate::outlet::Outlet;
use crate::sdp::{Negotiation, SectionKind, SourceStreams, Standing};

pub(crate) use audio::{AudioPublisher, PROOF_OFFSET as AUDIO_PROOF_OFFSET};
pub(crate) use script::proof_offset;
pub(crate) use stream::{Destination, SendStream};
pub(crate) use video::VideoPublisher;

/// All sources of a peer.
#[derive(Debug)]
pub(crate) struct Uplink {
    pub(crate) audio: Vec<AudioPublisher>,
    pub(crate) video: Vec<VideoPublisher>,
    publisher: u32,
    started: Option<Instant>,
    /// Round trip by the server's receiver reports.
    pub(crate) rtt: Option<Duration>,
    pub(crate) nacks: u64,
    pub(crate) keyframe_requests: u64,
    pub(crate) feedbacks: u64,
    pub(crate) remb: Option<u64>,
}

impl Uplink {
    pub(crate) fn new(publisher: u32) -> Self {
        Self {
            audio: Vec::new(),
            video: Vec::new(),
            publisher,
            started: None,
            rtt: None,
            nacks: 0,
            keyframe_requests: 0,
            feedbacks: 0,
            remb: None,
        }
    }

    pub(crate) fn add_audio(&mut self, source: AudioSource, random: &mut Random) -> usize {
        let index = self.audio.len();
        self.audio.push(AudioPublisher::new(source, index as u16, random));
        self.start_late();
        index
    }

    pub(crate) fn add_video(&mut self, source: VideoSource, random: &mut Random) -> usize {
        let index = self.video.len();
        // Sources of both kinds are told apart in the payload.
        self.video.push(VideoPublisher::new(source, VIDEO_SOURCES + index as u16, random));
        self.start_late();
        index
    }

    pub(crate) fn add_models(&mut self, source: ModelSource, random: &mut Random) -> usize {
        let index = self.video.len();
        self.video.push(VideoPublisher::of_models(source, VIDEO_SOURCES + index as u16, random));
        self.start_late();
        index
    }

    pub(crate) fn add_audio_clip(&mut self, clip: Arc<Clip>, random: &mut Random) -> usize {
        let index = self.audio.len();
        self.audio.push(AudioPublisher::of_clip(clip, index as u16, random));
        index
    }

    pub(crate) fn add_video_clips(&mut self, clips: &[(Option<Rid>, Arc<Clip>)], random: &mut Random) -> usize {
        let index = self.video.len();
        self.video.push(VideoPublisher::of_clips(clips, VIDEO_SOURCES + index as u16, random));
        index
    }

    /// Sends what is due in the sections that the server has accepted.
    pub(crate) fn handle_timeout(&mut self, negotiation: &Negotiation, outlet: &mut Outlet<'_>) {
        for (index, audio) in self.audio.iter_mut().enumerate() {
            if let Some(to) = destination(negotiation, SectionKind::Audio, index) {
                audio.send_due(self.publisher, &to, outlet);
            }
        }
        for (index, video) in self.video.iter_mut().enumerate() {
            if let Some(to) = destination(negotiation, SectionKind::Video, index) {
                video.send_due(self.publisher, &to, outlet);
            }
        }
    }

    pub(crate) fn poll_timeout(&self, negotiation: &Negotiation) -> Option<Instant> {
        let audio = self.audio.iter().enumerate().filter_map(|(index, audio)| {
            destination(negotiation, SectionKind::Audio, index).and_then(|_| audio.next_due())
        });
        let video = self.video.iter().enumerate().filter_map(|(index, video)| {
            destination(negotiation, SectionKind::Video, index).and_then(|_| video.next_due())
        });
        audio.chain(video).min()
    }

    /// A source that is added to a running call starts with it.
    fn start_late(&mut self) {
        if let Some(started) = self.started {
            self.start(started);
        }
    }

    /// The schedule starts when media can flow.
    pub(crate) fn start(&mut self, now: Instant) {
        self.started = Some(now);
        for audio in &mut self.audio {
            audio.start(now);
        }
        for video in &mut self.video {
            video.start(now);
        }
    }

    /// What the server asks of our streams.
    pub(crate) fn handle_rtcp(&mut self, packet: &Rtcp<'_>, negotiation: &Negotiation, outlet: &mut Outlet<'_>) {
        match packet {
            Rtcp::Nack(nack) => {
                self.nacks += nack.seqs().count() as u64;
                self.resend(nack.media, nack.seqs(), negotiation, outlet);
            }
            Rtcp::Pli(pli) => self.request_keyframe(pli.media, outlet.now),
            Rtcp::Fir(fir) => fir.entries.iter().for_each(|entry| self.request_keyframe(entry.ssrc, outlet.now)),
            Rtcp::TransportFeedback(feedback) => {
                self.feedbacks += 1;
                outlet.twcc.on_feedback(outlet.now, feedback);
            }
            Rtcp::Remb(remb) => self.remb = Some(remb.bitrate.get()),
            Rtcp::SenderReport(report) => self.note_round_trip(report.reports.iter(), outlet),
            Rtcp::ReceiverReport(report) => self.note_round_trip(report.reports.iter(), outlet),
            _ => {}
        }
    }

    /// Every stream, with its clock rate.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &SendStream> {
        let audio = self.audio.iter().map(|a| &a.stream);
        audio.chain(self.video.iter().flat_map(VideoPublisher::streams))
    }

    fn note_round_trip(&mut self, reports: impl Iterator<Item = sfu_wire::rtcp::ReportBlock>, outlet: &Outlet<'_>) {
        let now = sfu_wire::NtpTime::from_unix(outlet.unix_time);
        for report in reports {
            if let Some(rtt) = sfu_wire::ntp::round_trip(now, report.last_sr, report.delay_since_last_sr) {
                self.rtt = Some(rtt);
            }
        }
    }

    fn resend(
        &mut self,
        ssrc: Ssrc,
        seqs: impl Iterator<Item = u16>,
        negotiation: &Negotiation,
        outlet: &mut Outlet<'_>,
    ) {
        let mut audio = self.audio.iter_mut().enumerate().map(|(index, a)| (SectionKind::Audio, index, &mut a.stream));
        let mut video = self
            .video
            .iter_mut()
            .enumerate()
            .filter_map(|(index, v)| Some((SectionKind::Video, index, v.stream_mut(ssrc)?)));
        let found = audio.find(|(.., stream)| stream.ssrc == ssrc).or_else(|| video.next());
        let Some((kind, index, stream)) = found else { return };
        if let Some(to) = destination(negotiation, kind, index) {
            seqs.for_each(|seq| stream.resend(seq, &to, outlet));
        }
    }

    fn request_keyframe(&mut self, ssrc: Ssrc, now: Instant) {
        self.keyframe_requests += 1;
        for video in &mut self.video {
            video.request_keyframe(ssrc, now);
        }
    }

    /// For SDP: the streams of each source of a kind.
    pub(crate) fn announced(&self) -> (SourceStreams, SourceStreams) {
        let describe = |stream: &SendStream| (stream.rid, stream.ssrc, stream.repair());
        let audio = self.audio.iter().map(|a| vec![describe(&a.stream)]).collect();
        let video = self.video.iter().map(|v| v.streams().map(describe).collect()).collect();
        (audio, video)
    }
}

/// Where the numbers of video sources start.
const VIDEO_SOURCES: u16 = 0x8000;

fn destination(negotiation: &Negotiation, kind: SectionKind, source: usize) -> Option<Destination<'_>> {
    let section = negotiation.of_source(kind, source)?;
    let open = section.sends && section.standing == Standing::Accepted;
    open.then_some(Destination { mid: section.mid, codec: *section.codecs.first()?, ids: &section.extensions })
}
