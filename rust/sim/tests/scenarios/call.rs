//! One publisher and viewers with receivers of their own.

use std::time::{Duration, Instant};

use sfu_core::codec::Kind;
use sfu_core::command::{Command, Reply};
use sfu_core::config::{Offers, SessionConfig};
use sfu_core::event::Event;
use sfu_core::id::SubscriptionId;
use sfu_core::layer::Layer;
use sfu_core::stats::SubscriptionStats;
use sfu_sim::publisher::{AudioStream, Publisher, PublisherConfig, format};
use sfu_sim::receiver::{Receiver, Streams};
use sfu_sim::sdp::{self, Direction, Section};
use sfu_sim::{Arrived, LinkConfig, ParticipantId, Random, World, WorldConfig};
use sfu_wire::{Extension, Ssrc};

pub(crate) fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) struct Viewer {
    pub(crate) receiver: Receiver,
    /// The stream of the sound, if there is any.
    pub(crate) audio: Option<Ssrc>,
    pub(crate) subscription: Option<SubscriptionId>,
    /// Every clear packet as it came, if it is kept.
    pub(crate) packets: Vec<Vec<u8>>,
}

pub(crate) struct Call {
    pub(crate) world: World,
    pub(crate) publisher: Publisher,
    pub(crate) viewers: Vec<Viewer>,
    pub(crate) keeps_packets: bool,
    config: PublisherConfig,
}

impl Call {
    /// A publisher 25 ms away from the SFU.
    pub(crate) fn new(seed: u64, config: PublisherConfig) -> Self {
        let mut world = World::new(WorldConfig::new(seed, Instant::now()));
        let publisher = Publisher::join(&mut world, config, Random::new(seed)).unwrap();
        let link = LinkConfig::delayed(millis(25));
        world.uplink(publisher.id()).set_config(link);
        world.downlink(publisher.id()).set_config(link);
        Self { world, publisher, viewers: Vec::new(), keeps_packets: false, config }
    }

    /// A viewer joins over links with these settings, once the track is there; its index.
    pub(crate) fn join(&mut self, uplink: LinkConfig, downlink: LinkConfig) -> usize {
        let session = SessionConfig { offers: Offers::Client, ..SessionConfig::default() };
        let who = self.world.join(session).unwrap();
        self.world.uplink(who).set_config(uplink);
        self.world.downlink(who).set_config(downlink);
        let mut sections = vec![Section {
            mid: String::from("0"),
            kind: Kind::Video,
            direction: Direction::RecvOnly,
            formats: vec![format(self.config.structure)],
            extensions: sdp::extensions(&[Extension::Mid, Extension::DependencyDescriptor]),
            rids: Vec::new(),
            ssrcs: Vec::new(),
        }];
        if self.config.audio {
            sections.push(Section {
                mid: String::from("1"),
                kind: Kind::Audio,
                formats: vec![AudioStream::format()],
                extensions: sdp::extensions(&[Extension::Mid]),
                ..sections[0].clone()
            });
        }
        let answer = self.world.offer(who, &sdp::offer(&sections)).unwrap();
        let senders = sdp::senders(&answer);
        let (sender, audio) = (senders[0], senders.get(1).and_then(|sender| sender.ssrc));
        let streams = Streams { media: sender.ssrc.unwrap_or(Ssrc::new(0)), rtx: sender.rtx };
        let receiver = Receiver::new(&self.world, who, streams, uplink.delay + downlink.delay);
        self.viewers.push(Viewer { receiver, audio, subscription: None, packets: Vec::new() });
        self.read_events();
        self.viewers.len() - 1
    }

    /// The last viewer leaves.
    pub(crate) fn leave(&mut self) {
        if let Some(viewer) = self.viewers.pop() {
            let session = self.world.session(viewer.receiver.id());
            self.world.command(Command::CloseSession(session)).unwrap();
        }
    }

    pub(crate) fn set_layer(&mut self, viewer: usize, spatial: u8, temporal: u8) {
        let subscription = self.viewers[viewer].subscription.expect("it is subscribed");
        self.world.command(Command::SetLayer(subscription, Some(Layer { spatial, temporal }))).unwrap();
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.world.now() + duration;
        while self.world.now() < end {
            let receivers = self.viewers.iter().map(|viewer| viewer.receiver.poll_timeout());
            let due = receivers.chain(self.publisher.poll_timeout()).min().map_or(end, |due| due.min(end));
            while let Some(arrived) = self.world.next(due) {
                self.take(arrived);
            }
            self.read_events();
            if self.publisher.poll_timeout().is_some_and(|at| at <= due) {
                self.publisher.handle_timeout(&mut self.world);
            }
            for viewer in &mut self.viewers {
                if viewer.receiver.poll_timeout() <= due {
                    viewer.receiver.handle_timeout(&mut self.world);
                }
            }
        }
    }

    pub(crate) fn stats(&mut self, viewer: usize) -> SubscriptionStats {
        let session = self.world.session(self.viewers[viewer].receiver.id());
        match self.world.command(Command::SessionStats(session)) {
            Ok(Reply::SessionStats(stats)) => stats.subscriptions[0].clone(),
            other => panic!("no statistics but {other:?}"),
        }
    }

    fn take(&mut self, arrived: Arrived) {
        let Some(place) = place(arrived.to) else {
            if arrived.rtcp {
                self.publisher.handle_rtcp(&mut self.world, &arrived.packet);
            }
            return;
        };
        let streams = self.publisher.streams();
        let keyframe = |token: sfu_sim::encoder::Token| {
            streams[usize::from(token.source)].encoder().frames()[token.frame as usize].is_keyframe()
        };
        // What is under way to those who left comes to nobody.
        let Some(viewer) = self.viewers.get_mut(place) else { return };
        viewer.receiver.handle(&arrived, keyframe);
        if self.keeps_packets {
            viewer.packets.push(arrived.packet);
        } else {
            self.world.recycle(arrived.packet);
        }
    }

    fn read_events(&mut self) {
        while let Some(event) = self.world.poll_event() {
            if let Event::Subscribed { session, subscription, mid, .. } = event
                && mid.as_str() == "0"
                && let Some(place) = self.world.participant(session).and_then(place)
                && let Some(viewer) = self.viewers.get_mut(place)
            {
                viewer.subscription = Some(subscription);
            }
        }
    }
}

/// Which of the viewers it is; the publisher was the first to join.
fn place(who: ParticipantId) -> Option<usize> {
    who.index().checked_sub(1)
}
