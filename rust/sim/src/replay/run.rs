//! The replay itself: the world, the captured publisher, one subscriber, and the schedule.

use std::time::{Duration, Instant};

use sfu_core::command::{Command, Reply};
use sfu_core::config::{Offers, SessionConfig};
use sfu_core::event::Event;
use sfu_core::id::SubscriptionId;
use sfu_core::layer::Layer;
use sfu_wire::Extension;
use sfu_wire::rtcp::{CompoundWriter, Rtcp, SenderReport, packets};
use sfu_wire::rtp::RtpPacket;

use super::extensions::known;
use super::item::{Item, ItemKind, media};
use super::publisher::{Codec, FILLER_LEAD, Publisher};
use super::report::{Outcome, Report, Switch};
use super::streams::{Role, Streams};
use super::{ReplayConfig, ReplayError, Replayed, Step, tally};
use crate::capture::{Capture, write_rtpdump};
use crate::link::{LinkConfig, Loss};
use crate::sdp::senders;
use crate::world::{Arrived, ParticipantId, World, WorldConfig};

/// How much is overtaken when anything is.
const REORDERED: f64 = 0.05;
/// What is under way at the end arrives by then.
const EPILOGUE: Duration = Duration::from_secs(1);

/// Lets the SFU forward a capture to one subscriber. Virtual time begins at `now`; only differences to it count.
///
/// # Errors
/// When the capture has no video, or the SFU does not take it.
pub fn replay(now: Instant, config: &ReplayConfig, capture: &Capture) -> Result<Replayed, ReplayError> {
    let codec = Codec::of(&config.codec)?;
    let streams = Streams::find(capture, codec.kind, &config.extensions)?;
    let packets = media(capture, &streams);
    let mut stage = Stage::set(now, (config, codec), &streams, &packets)?;
    for item in &packets {
        stage.run_to(stage.begin + item.at);
        stage.play(item);
    }
    let end = packets.last().map(|item| item.at).unwrap_or_default();
    stage.run_to(stage.begin + end + EPILOGUE);
    stage.note_reached();
    Ok(stage.finish(capture, &streams, end))
}

/// The world with its two people.
#[derive(Debug)]
struct Stage {
    world: World,
    codec: &'static str,
    publisher: Publisher,
    publishing: ParticipantId,
    watching: ParticipantId,
    subscription: SubscriptionId,
    /// When the first packet of the capture is sent.
    begin: Instant,
    steps: Vec<Step>,
    target: Option<Layer>,
    extensions: Vec<(u8, Extension)>,
    flowing: Option<Layer>,
    out: Vec<(Duration, bool, Vec<u8>)>,
    outcome: Outcome,
    keep_rtcp: bool,
    refused: u64,
    report: Report,
}

impl Stage {
    /// Both have joined, the track is announced, the subscriber has a section.
    fn set(
        now: Instant,
        (config, codec): (&ReplayConfig, Codec),
        streams: &Streams,
        items: &[Item<'_>],
    ) -> Result<Self, ReplayError> {
        let begin = now + FILLER_LEAD;
        let mut world = World::new(WorldConfig::new(config.seed, now));
        let session = || SessionConfig { offers: Offers::Client, ..SessionConfig::default() };
        let mut publisher = Publisher::new(codec, &config.extensions, streams.encodings.len());
        let publishing = world.join(session())?;
        let answer = world.offer(publishing, &publisher.offer())?;
        if answer.lines().any(|line| line.starts_with("m=video 0 ")) {
            return Err(ReplayError::Unsupported(codec.name.to_owned()));
        }
        announce(&mut world, &mut publisher, publishing, items);
        let watching = world.join(session())?;
        let pt = streams.payload_type();
        let answer = world.offer(watching, &codec.subscriber_offer(pt, &config.extensions))?;
        let track = std::iter::from_fn(|| world.poll_event()).find_map(|event| match event {
            Event::Subscribed { subscription, .. } => Some(subscription),
            _ => None,
        });
        let (Some(subscription), true) = (track, senders(&answer).iter().any(|sender| sender.ssrc.is_some())) else {
            return Err(ReplayError::Unsupported(codec.name.to_owned()));
        };
        let mut uplink = LinkConfig::default();
        if config.loss > 0.0 {
            uplink.loss = Loss::Uniform(config.loss);
        }
        if config.reorder > 0 {
            (uplink.reorder, uplink.reorder_by) = (REORDERED, config.reorder);
        }
        world.uplink(publishing).set_config(uplink);
        world.watch(publishing);
        let mut stage = Self {
            world,
            codec: codec.name,
            publisher,
            publishing,
            watching,
            subscription,
            begin,
            steps: config.schedule.steps.iter().rev().copied().collect(),
            target: None,
            extensions: config.extensions.iter().filter_map(|(id, uri)| Some((*id, known(uri)?))).collect(),
            flowing: None,
            out: Vec::new(),
            outcome: Outcome::default(),
            keep_rtcp: config.rtcp,
            refused: 0,
            report: Report { codec: codec.name.to_owned(), payload_type: pt, ..Report::default() },
        };
        stage.take_steps(Duration::ZERO);
        Ok(stage)
    }

    /// Lets time pass, with what the schedule says on the way.
    fn run_to(&mut self, until: Instant) {
        while let Some(step) = self.steps.last().copied().filter(|step| self.begin + step.at <= until) {
            self.drain(self.begin + step.at);
            self.take_steps(step.at);
        }
        self.drain(until);
    }

    fn drain(&mut self, until: Instant) {
        loop {
            let arrived = self.world.next(until);
            while let Some(event) = self.world.poll_event() {
                self.happened(&event);
            }
            match arrived {
                Some(arrived) => self.arrived(arrived),
                None => return,
            }
        }
    }

    /// All steps that are due at `at`.
    fn take_steps(&mut self, at: Duration) {
        while let Some(step) = self.steps.pop_if(|step| step.at <= at) {
            self.note_reached();
            self.target = Some(step.target);
            self.report.reached.push((step.at, step.target, None));
            let reply = self.world.command(Command::SetLayer(self.subscription, Some(step.target)));
            debug_assert!(matches!(reply, Ok(Reply::Done)), "{reply:?}");
        }
    }

    /// What the step before has come to.
    fn note_reached(&mut self) {
        if let Some((.., reached)) = self.report.reached.last_mut() {
            *reached = self.flowing;
        }
    }

    fn play(&mut self, item: &Item<'_>) {
        match &item.kind {
            ItemKind::Rtp { packet, encoding, repair } => {
                let adopted = self.publisher.adopt(packet, *encoding, *repair);
                if self.world.send_rtp(self.publishing, adopted) {
                    self.report.packets_sent += 1;
                } else {
                    self.refused += 1;
                }
            }
            ItemKind::Report(report) => {
                let mut buffer = [0; 64];
                let mut writer = CompoundWriter::new(&mut buffer);
                let alone = SenderReport { reports: sfu_wire::rtcp::List::default(), ..*report };
                if writer.push(&alone) && self.world.send_rtcp(self.publishing, writer.as_bytes()) {
                    self.report.sender_reports += 1;
                }
            }
        }
    }

    fn arrived(&mut self, arrived: Arrived) {
        if arrived.to == self.publishing {
            for rtcp in packets(&arrived.packet).flatten() {
                match rtcp {
                    Rtcp::Pli(_) => self.report.keyframe_requests += 1,
                    Rtcp::Nack(nack) => self.report.packets_asked_again += nack.seqs().count() as u64,
                    _ => {}
                }
            }
        } else if arrived.to == self.watching {
            let at = arrived.at.saturating_duration_since(self.begin);
            if arrived.rtcp {
                if self.keep_rtcp {
                    self.out.push((at, true, arrived.packet));
                }
                return;
            }
            if let Ok(packet) = RtpPacket::parse(&arrived.packet) {
                self.outcome.take(&packet, self.codec, &self.extensions);
            }
            self.out.push((at, false, arrived.packet));
            return;
        }
        self.world.recycle(arrived.packet);
    }

    fn happened(&mut self, event: &Event) {
        match event {
            Event::LayerChanged { subscription, from, to, reason, wait, keyframe_wait, .. }
                if *subscription == self.subscription =>
            {
                self.flowing = *to;
                self.report.switches.push(Switch {
                    at: self.world.now().saturating_duration_since(self.begin),
                    target: self.target,
                    from: *from,
                    to: *to,
                    reason: *reason,
                    wait: *wait,
                    keyframe_wait: *keyframe_wait,
                });
            }
            Event::SubscriptionFailed { problem, .. } => {
                self.report.anomalies.push(format!("the subscription failed: {problem:?}"));
            }
            Event::SessionClosed(_, reason) => self.report.anomalies.push(format!("a session closed: {reason:?}")),
            _ => {}
        }
    }

    fn finish(mut self, capture: &Capture, streams: &Streams, end: Duration) -> Replayed {
        self.report.duration = end;
        self.report.packets_lost = self.world.uplink(self.publishing).lost();
        self.report.packets_overtaken = tally::overtaken(self.world.reached(), streams);
        let keyframes = self.keyframes();
        self.report.encodings = tally::encodings(capture, streams, (self.codec, &self.extensions), &keyframes);
        self.report.frames = self.report.encodings.iter().map(|encoding| encoding.frames).sum();
        for (ssrc, role) in &streams.roles {
            if let Role::Ignored(why) = role {
                let packets = streams.packets_of.get(ssrc).copied().unwrap_or_default() as u64;
                self.report.ignored.push((ssrc.get(), packets, (*why).to_owned()));
            }
        }
        for (id, extension) in &self.extensions {
            self.report.extensions.push((*id, extension.uri().to_owned()));
        }
        self.note_anomalies(capture, streams);
        self.outcome.settle(&mut self.report);
        let out = write_rtpdump(self.out.iter().map(|(at, rtcp, packet)| (*at, *rtcp, packet.as_slice())));
        Replayed { out, report: self.report }
    }

    /// What there is to say before one looks at what was received.
    fn note_anomalies(&mut self, capture: &Capture, streams: &Streams) {
        let mut note = |text: String| self.report.anomalies.push(text);
        if capture.cut {
            note(String::from("the capture ends within a packet"));
        }
        if capture.snipped > 0 {
            note(format!("{} packets are cut by the capture's snapshot length and left out", capture.snipped));
        }
        if capture.sorted {
            note(String::from(
                "the capture's packets are not in the order of their times: they are played by their times",
            ));
        }
        if capture.leaps > 0 {
            note(format!(
                "the capture's clock leaps {} times by more than an hour: no time passes there",
                capture.leaps
            ));
        }
        let descriptor = self.extensions.iter().find(|(_, extension)| *extension == Extension::DependencyDescriptor);
        match descriptor {
            Some((id, _)) if !streams.described => {
                note(format!("no packet has a dependency descriptor, which extension {id} is said to be"));
            }
            None if !streams.unnamed.is_empty() => note(format!(
                "no --extmap names the header extensions {:?}: if one of them is the dependency descriptor, it tells of layers",
                streams.unnamed
            )),
            None if self.codec == "AV1" => note(String::from(
                "without a dependency descriptor (--extmap ID=dd) nothing tells of AV1's layers: they are forwarded together",
            )),
            _ => {}
        }
        if streams.untimed {
            note(String::from("the capture's times are not the stream's: RTP timestamps set the pace"));
        }
        if self.refused > 0 {
            note(format!("{} packets of the capture came twice and were left out", self.refused));
        }
        if self.world.unopened() > 0 {
            note(format!("{} packets could not be opened", self.world.unopened()));
        }
        for (index, encoding) in self.report.encodings.iter().enumerate() {
            if encoding.keyframes == 0 {
                note(format!("encoding {index} has no keyframe that the SFU knows: nobody can start with it"));
            }
            if encoding.missing > 0 {
                note(format!("encoding {index} lacks {} packets in the capture", encoding.missing));
            }
        }
    }

    /// As the SFU counted them, encoding by encoding.
    fn keyframes(&mut self) -> Vec<u64> {
        let session = self.world.session(self.publishing);
        match self.world.command(Command::SessionStats(session)) {
            Ok(Reply::SessionStats(stats)) => {
                let track = stats.tracks.into_iter().next();
                track.map(|track| track.encodings.iter().map(|one| one.keyframes).collect()).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

/// Sends the packet with which the track is announced.
fn announce(world: &mut World, publisher: &mut Publisher, who: ParticipantId, items: &[Item<'_>]) {
    let headers = items.iter().filter_map(|item| match &item.kind {
        ItemKind::Rtp { packet, encoding, repair: false } => Some((*packet.header(), *encoding)),
        _ => None,
    });
    let mut headers = headers.peekable();
    let Some((first, encoding)) = headers.peek().copied() else { return };
    // The capture may begin with packets that have overtaken others.
    let near = headers.filter(|(header, _)| header.ssrc == first.ssrc).take(32);
    let earliest =
        near.map(|(header, _)| (header.seq.wrapping_sub(first.seq) as i16, header)).min_by_key(|(seq, _)| *seq);
    let earliest = earliest.map_or(first, |(_, header)| header);
    world.send_rtp(who, publisher.filler(first.ssrc, earliest.seq, earliest.timestamp, encoding));
    let now = world.now();
    while world.next(now).is_some() {}
}
