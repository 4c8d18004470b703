//! One publisher, many viewers, one bad uplink.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use sfu_core::codec::Kind;
use sfu_core::command::Command;
use sfu_core::config::{Offers, SessionConfig};
use sfu_core::event::Event;
use sfu_core::id::SubscriptionId;
use sfu_core::layer::Layer;
use sfu_wire::{Extension, Ssrc};

use crate::encoder::Structure;
use crate::error::SimError;
use crate::judge::{Observer, Truth, Verdict, judge};
use crate::link::{LinkConfig, Loss};
use crate::publisher::{Publisher, PublisherConfig, format};
use crate::random::Random;
use crate::sdp::{self, Direction, Section};
use crate::world::{Arrived, RelayConfig, World, WorldConfig};

/// Between the publisher and the SFU.
const ONE_WAY: Duration = Duration::from_millis(25);
/// Between two wishes of one viewer, in seconds.
const DWELL: (f64, f64) = (0.01, 5.0);
/// The mean of that.
const MEAN_DWELL: f64 = 0.8;
/// Higher: less of the time goes into what the viewers share. Lower: less memory.
const VIEWERS: u64 = 64;
/// A scene is judged when it is over; until then everything is remembered.
const LONGEST: Duration = Duration::from_secs(130);
/// In the schedule: one who takes a place when the time has come.
const NEWCOMER: usize = usize::MAX;

/// Settings of a [`Scene`].
#[derive(Debug, Clone, Copy)]
pub struct SceneConfig {
    /// What is published.
    pub structure: Structure,
    /// How many watch.
    pub viewers: usize,
    /// How long at most.
    pub duration: Duration,
    /// So many times in all viewers change their minds; when the last wish has had its time, the scene is over.
    pub switches: u64,
    /// From the publisher to the SFU.
    pub uplink: LinkConfig,
    /// Of how many shards the SFU is, and what is between them; the publisher is on the first.
    pub relay: RelayConfig,
    /// The SFU reads what has come in so long, all together; zero: each datagram by itself.
    pub reads_every: Duration,
    /// Decides everything random.
    pub seed: u64,
}

impl SceneConfig {
    /// The `number`th scene of a run in which so many target changes are to come yet.
    pub fn of(structure: Structure, switches: u64, seed: u64, number: u64) -> Self {
        let mut random = Random::new(seed).fork(number + 1);
        let viewers = switches.clamp(1, VIEWERS);
        // A little more than the mean needs, for the time before the first wish.
        let seconds = 3.0 + 1.1 * MEAN_DWELL * switches as f64 / viewers as f64;
        let loss = if random.chance(0.25) { 0.0 } else { 0.2 * random.unit() };
        let uplink = LinkConfig {
            delay: ONE_WAY,
            jitter: Duration::from_millis(random.below(20)),
            loss: if random.chance(0.5) {
                Loss::Uniform(loss)
            } else {
                Loss::Bursts { begin: loss / 4.0, end: 0.25, lost: 0.8 }
            },
            reorder: if random.chance(0.3) { 0.0 } else { 0.05 * random.unit() },
            reorder_by: 1 + random.below(30) as u32,
            duplicate: if random.chance(0.5) { 0.0 } else { 0.02 },
            ..LinkConfig::default()
        };
        Self {
            structure,
            viewers: viewers as usize,
            duration: Duration::from_secs_f64(seconds).min(LONGEST),
            switches,
            uplink,
            relay: RelayConfig::default(),
            reads_every: Duration::ZERO,
            seed: random.next(),
        }
    }
}

/// A viewer and what it has wished.
#[derive(Debug)]
struct Viewer {
    subscription: Option<SubscriptionId>,
    observer: Observer,
    random: Random,
    layer: Layer,
}

/// See the module's text.
#[derive(Debug)]
pub struct Scene {
    world: World,
    start: Instant,
    structure: Structure,
    publisher: Publisher,
    viewers: Vec<Viewer>,
    /// When each viewer acts next.
    schedule: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Changes of mind that are to come yet.
    switches: u64,
    random: Random,
}

impl Scene {
    /// Plays the whole scene and judges it.
    ///
    /// # Errors
    /// The SFU refuses a command.
    pub fn play(start: Instant, config: &SceneConfig) -> Result<Verdict, SimError> {
        let mut scene = Self::new(start, config)?;
        scene.run(start + config.duration)?;
        Ok(scene.judge())
    }

    fn new(start: Instant, config: &SceneConfig) -> Result<Self, SimError> {
        let mut random = Random::new(config.seed);
        let SceneConfig { relay, reads_every, seed, .. } = *config;
        let mut world = World::new(WorldConfig { relay, reads_every, ..WorldConfig::new(seed, start) });
        // Long enough that parameter sets do not make keyframes dear: the governor counts bytes.
        let publisher = PublisherConfig { filler: 60, ..PublisherConfig::new(config.structure) };
        let publisher = Publisher::join(&mut world, publisher, random.fork(1))?;
        world.uplink(publisher.id()).set_config(config.uplink);
        world.downlink(publisher.id()).set_config(LinkConfig::delayed(ONE_WAY));
        world.watch(publisher.id());
        let mut schedule = BinaryHeap::new();
        for _ in 0..config.viewers {
            let joins = start + Duration::from_millis(500 + random.below(1500));
            schedule.push(Reverse((joins, NEWCOMER)));
        }
        let viewers = Vec::with_capacity(config.viewers);
        let SceneConfig { structure, switches, .. } = *config;
        Ok(Self { world, start, structure, publisher, viewers, schedule, switches, random })
    }

    fn run(&mut self, end: Instant) -> Result<(), SimError> {
        let span = end.saturating_duration_since(self.start);
        let mut restart = self.random.chance(0.3).then(|| self.start + span.mul_f64(0.2 + 0.6 * self.random.unit()));
        while self.world.now() < end && !self.schedule.is_empty() {
            if restart.is_some_and(|at| at <= self.world.now()) {
                restart = None;
                self.publisher.restart(self.world.now());
            }
            let publisher = self.publisher.poll_timeout();
            let viewer = self.schedule.peek().map(|Reverse((at, _))| *at);
            let due = [publisher, viewer].into_iter().flatten().min().map_or(end, |due| due.min(end));
            while let Some(arrived) = self.world.next(due) {
                self.take(arrived);
            }
            self.read_events();
            if publisher.is_some_and(|at| at <= due) {
                self.publisher.handle_timeout(&mut self.world);
            }
            if viewer.is_some_and(|at| at <= due) {
                self.act()?;
            }
        }
        let (step, at) = (self.world.step(), self.world.elapsed());
        self.viewers.iter_mut().for_each(|viewer| viewer.observer.ends(step, at));
        Ok(())
    }

    fn judge(&self) -> Verdict {
        let truth = Truth::new(&self.publisher, self.world.reached(), ONE_WAY);
        let mut total = Verdict::default();
        for viewer in &self.viewers {
            total += judge(&truth, &viewer.observer);
        }
        total
    }

    fn take(&mut self, arrived: Arrived) {
        if arrived.to == self.publisher.id() {
            if arrived.rtcp {
                self.publisher.handle_rtcp(&mut self.world, &arrived.packet);
            }
        } else if !arrived.rtcp
            && let Some(viewer) = self.viewers.get_mut(arrived.to.index() - 1)
        {
            let at = arrived.at.duration_since(self.start);
            viewer.observer.handle_rtp((arrived.since, arrived.step, at), &arrived.packet);
        }
        self.world.recycle(arrived.packet);
    }

    fn read_events(&mut self) {
        while let Some(event) = self.world.poll_event() {
            if let Event::Subscribed { session, subscription, .. } = event
                && let Some(who) = self.world.participant(session)
                && let Some(viewer) = self.viewers.get_mut(who.index() - 1)
            {
                viewer.subscription = Some(subscription);
            }
        }
    }

    /// A viewer joins, or changes its mind.
    fn act(&mut self) -> Result<(), SimError> {
        let Some(Reverse((at, index))) = self.schedule.pop() else { return Ok(()) };
        if index == NEWCOMER {
            return self.join(at);
        }
        let Some(left) = self.switches.checked_sub(1) else { return Ok(()) };
        let viewer = &mut self.viewers[index];
        let Some(subscription) = viewer.subscription else {
            self.schedule.push(Reverse((at + Duration::from_millis(50), index)));
            return Ok(());
        };
        let layer = other_layer(self.structure, viewer.layer, &mut viewer.random);
        viewer.layer = layer;
        self.world.command(Command::SetLayer(subscription, Some(layer)))?;
        self.switches = left;
        let now = (self.world.step(), self.world.elapsed());
        let viewer = &mut self.viewers[index];
        viewer.observer.wants(now, layer);
        let dwell = viewer.random.log_uniform(DWELL.0, DWELL.1);
        self.schedule.push(Reverse((at + Duration::from_secs_f64(dwell), index)));
        Ok(())
    }

    fn join(&mut self, at: Instant) -> Result<(), SimError> {
        let index = self.viewers.len();
        let session = SessionConfig { offers: Offers::Client, ..SessionConfig::default() };
        let who = self.world.join(session)?;
        let answer = self.world.offer(who, &sdp::offer(&[section(self.structure)]))?;
        let ssrc = sdp::senders(&answer).first().and_then(|sender| sender.ssrc).unwrap_or(Ssrc::new(0));
        let mut observer = Observer::new(ssrc, self.structure);
        observer.wants((self.world.step(), self.world.elapsed()), Layer::MAX);
        let random = self.random.fork(index as u64 + 100);
        self.viewers.push(Viewer { subscription: None, observer, random, layer: Layer::MAX });
        self.schedule.push(Reverse((at + Duration::from_millis(500), index)));
        Ok(())
    }
}

/// Any layer but the one that was wanted before.
fn other_layer(structure: Structure, before: Layer, random: &mut Random) -> Layer {
    let spatial = u64::from(structure.encodings.max(structure.spatial));
    loop {
        let layer =
            Layer { spatial: random.below(spatial) as u8, temporal: random.below(u64::from(structure.temporal)) as u8 };
        if layer != before {
            return layer;
        }
    }
}

fn section(structure: Structure) -> Section {
    Section {
        mid: String::from("0"),
        kind: Kind::Video,
        direction: Direction::RecvOnly,
        formats: vec![format(structure)],
        extensions: sdp::extensions(&[Extension::Mid, Extension::DependencyDescriptor]),
        rids: Vec::new(),
        ssrcs: Vec::new(),
    }
}
