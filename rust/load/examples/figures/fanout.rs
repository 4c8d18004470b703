//! Few publishers, many subscribers who only count, the server's thread on a processor of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use sfu_core::codec::Kind;
use sfu_core::command::Command;
use sfu_core::config::{Estimation, SessionConfig};
use sfu_core::id::SubscriptionId;
use sfu_core::layer::Layer;
use sfu_load::PeerId;
use sfu_peer::{AudioSource, Encoding, Feedback, Pacing, PeerConfig, Receiving, VideoSource};
use sfu_runtime::{CoreSettings, RuntimeConfig};
use sfu_transport::SrtpProfile;

use crate::Figures;
use crate::live::shard_cpu;
use crate::settings::Settings;
use crate::support::{self, House};
use crate::window::{Window, run_polled};
use crate::wire::{self, Wire};

/// Subscribers that open and verify every packet: one of them asks again for some, one switches layers.
const VERIFIERS: usize = 2;
/// The share of its packets that one subscriber asks for again.
const ASKED_AGAIN: f64 = 0.01;
/// Of a datagram as it leaves: the fixed header, and the block of extensions.
const HEADERS: usize = 12 + 16;
/// Temporal layers of a publisher's video.
const TEMPORAL_LAYERS: u64 = 3;

/// What is sent, and to how many.
struct Load {
    publishers: usize,
    subscribers: usize,
    media: Media,
    feedback: Feedback,
    /// The server makes of the feedback what each way carries, and probes and divides it.
    estimates: bool,
    profile: SrtpProfile,
    seconds: u64,
    /// Seconds more without media, for what subscribers cost that receive nothing.
    fixed: u64,
    /// From the first packets until the server is warm.
    warm: Duration,
    /// The processors on which the server's threads stay, one each.
    cores: Vec<usize>,
    /// For which these let datagrams come.
    hold: Duration,
    wire: Option<Wire>,
}

#[derive(Clone, Copy)]
enum Media {
    /// Packets a second, a multiple of those of a frame, which leave the publisher as one burst; bytes of a datagram.
    Video { rate: usize, frame: usize, bytes: usize },
    /// 50 packets a second of so many bytes.
    Audio { bytes: usize },
}

impl Media {
    fn bytes(self) -> usize {
        match self {
            Self::Video { bytes, .. } | Self::Audio { bytes } => bytes,
        }
    }

    /// From one frame to the next.
    fn period(self) -> Duration {
        match self {
            Self::Video { rate, frame, .. } => Duration::from_secs(1) * frame as u32 / rate as u32,
            Self::Audio { .. } => Duration::from_millis(20),
        }
    }
}

pub(crate) fn fanout(settings: Settings) -> Figures {
    let load = Load::read(settings);
    let mut call = Call::start(&load);
    let window = call.measure(&load);
    let elapsed = window.elapsed.as_secs_f64();
    let share = |cpu: Duration, seconds: f64| cpu.as_secs_f64() * 1e6 / seconds / load.subscribers as f64;
    let mut figures = window.figures();
    figures.extend([
        ("us_per_subscriber_second", share(window.cpu, elapsed)),
        ("repaired", call.repaired() as f64),
        ("corrupt", call.corrupt() as f64),
        ("kernel_drops", call.house.swarm.kernel_drops().unwrap() as f64),
    ]);
    figures.append(&mut call.arrived);
    if load.fixed > 0 {
        let (cpu, seconds) = call.without_media(&load);
        let rest = window.cpu.as_nanos() as f64 - cpu.as_nanos() as f64 * elapsed / seconds;
        figures.extend([
            ("fixed_us_per_subscriber_second", share(cpu, seconds)),
            ("ns_per_packet_without_fixed", rest / window.packets()),
        ]);
    }
    figures
}

impl Load {
    fn read(mut settings: Settings) -> Self {
        let bytes = settings.take("bytes", 1200);
        let (rate, frame) = (settings.take("rate", 304), settings.take("frame", 8));
        let media = match settings.take("media", String::from("video")).as_str() {
            "video" => Media::Video { rate, frame, bytes },
            "audio" => Media::Audio { bytes },
            other => panic!("media is video or audio, not {other}"),
        };
        let core: usize = settings.take("core", 0);
        let feedback = settings.take("feedback", String::from("none"));
        let load = Self {
            publishers: settings.take("publishers", 1),
            subscribers: settings.take("subscribers", 200),
            media,
            feedback: feedback_of(&feedback),
            estimates: feedback == "control",
            profile: profile_of(&settings.take("profile", String::from("gcm"))),
            seconds: settings.take("seconds", 10),
            fixed: settings.take("fixed", 0),
            warm: Duration::from_secs_f64(settings.take("warm", 2.0)),
            hold: Duration::from_micros(settings.take("hold", 0)),
            cores: (0..settings.take("shards", 1)).map(|shard| core + shard).collect(),
            wire: settings.find("wire"),
        };
        settings.finish();
        load
    }

    fn publish(&self, config: &mut PeerConfig) {
        config.profile = Some(self.profile);
        let payload = |bytes: usize| bytes - HEADERS - self.profile.rtp_overhead();
        match self.media {
            Media::Video { rate, frame, bytes } => config.video.push(VideoSource {
                encodings: vec![Encoding {
                    rid: None,
                    width: 1280,
                    height: 720,
                    packets_per_frame: frame,
                    packet_len: payload(bytes),
                }],
                frames_per_second: (rate / frame) as u32,
                temporal_layers: true,
                keyframe_delay: Duration::from_millis(50),
                pacing: Pacing::Burst,
            }),
            Media::Audio { bytes } => {
                config.audio.push(AudioSource { packet_len: payload(bytes), ..AudioSource::default() });
            }
        }
    }

    /// Offers one section, which connects it; the server offers the tracks.
    fn watch(&self, number: usize, config: &mut PeerConfig) {
        config.profile = Some(self.profile);
        config.channels = true;
        config.ask_again = if number == 0 { ASKED_AGAIN } else { 0.0 };
        config.receiving = if number < VERIFIERS { Receiving::Verify } else { Receiving::Count(self.feedback) };
    }
}

fn feedback_of(word: &str) -> Feedback {
    match word {
        "none" => Feedback::None,
        "rr" => Feedback::Reports,
        "twcc" | "control" => Feedback::TransportWide,
        _ => panic!("feedback is none, rr, twcc or control, not {word}"),
    }
}

fn profile_of(word: &str) -> SrtpProfile {
    match word {
        "gcm" => SrtpProfile::AeadAes128Gcm,
        "sha1" => SrtpProfile::Aes128CmHmacSha1_80,
        _ => panic!("profile is gcm or sha1, not {word}"),
    }
}

/// A server with its publishers and subscribers, media flowing.
struct Call {
    house: House,
    publishers: Vec<PeerId>,
    verifiers: Vec<PeerId>,
    counting: Vec<PeerId>,
    /// Of the second verifier: the subscription whose layer changes.
    switching: Option<SubscriptionId>,
    /// What the subscribers got, or the far end of the wire.
    arrived: Figures,
}

impl Call {
    fn start(load: &Load) -> Self {
        let host = load.wire.as_ref().map_or(Ipv4Addr::LOCALHOST.into(), |wire| wire.host);
        let peers: IpAddr = load.wire.as_ref().map_or(Ipv4Addr::LOCALHOST.into(), |wire| wire.address);
        let settings = support::settings();
        let estimation = if load.estimates { Estimation::Gcc } else { Estimation::Off };
        let mut house = House::far(
            &RuntimeConfig {
                udp: vec![SocketAddr::new(host, 0)],
                shards: Some(load.cores.len()),
                spread: true,
                hold: load.hold,
                pin: load.cores.clone(),
                core: CoreSettings { estimation, ..settings.core.clone() },
                ..settings
            },
            peers,
        );
        // The server's sockets are there: those of the peers lie at the other end.
        load.wire.iter().for_each(Wire::enter);
        let room = house.create_room();
        let alone = || SessionConfig { auto_subscribe: false, ..SessionConfig::default() };
        let publishers: Vec<PeerId> =
            (0..load.publishers).map(|_| house.join(room, alone(), |peer| load.publish(peer))).collect();
        house.run_until("tracks", |house| house.tracks.len() == load.publishers);
        let mut viewers: Vec<PeerId> = (0..load.subscribers)
            .map(|number| house.join(room, SessionConfig::default(), |peer| load.watch(number, peer)))
            .collect();
        let counting = viewers.split_off(VERIFIERS.min(viewers.len()));
        let mut call = Self { house, publishers, verifiers: viewers, counting, switching: None, arrived: Vec::new() };
        call.wait_for_media(load);
        call
    }

    /// Everybody gets every track; and what the last to come have asked for is over, so that the server is warm.
    fn wait_for_media(&mut self, load: &Load) {
        let Self { house, verifiers, counting, .. } = self;
        house.run_until("media", |house| {
            let complete = |peer: &PeerId| house.swarm.peer(*peer).unwrap().received().count() == load.publishers;
            // Who only counts packets counts them before its side of the handshake is over.
            let connected = |peer: &PeerId| house.swarm.peer(*peer).unwrap().profile().is_some();
            house.subscriptions.len() == load.publishers * load.subscribers
                && counting.iter().all(connected)
                && verifiers.iter().all(complete)
                && counting.iter().all(|peer| house.swarm.peer(*peer).unwrap().tally().packets > 0)
        });
        for peer in verifiers.iter().chain(&*counting) {
            assert_eq!(house.swarm.peer(*peer).unwrap().profile(), Some(load.profile));
        }
        let switcher = verifiers.get(1).and_then(|peer| house.session_of(*peer));
        let is_video = house.tracks.iter().any(|(_, _, kind)| *kind == Kind::Video);
        let of_switcher = |(session, ..): &&(_, _, _)| Some(*session) == switcher;
        self.switching = house.subscriptions.iter().find(of_switcher).filter(|_| is_video).map(|found| found.2);
        run_polled(&mut self.house, load.warm);
    }

    fn measure(&mut self, load: &Load) -> Window {
        let before = load.wire.as_ref().map(|_| {
            self.drop_media();
            self.sent_and_dropped(load.media)
        });
        let switching = self.switching;
        let window = Window::take(&mut self.house, &self.counting, load.seconds, |house, second| {
            if let Some(subscription) = switching {
                let temporal = (second % TEMPORAL_LAYERS) as u8;
                house.tell(Command::SetLayer(subscription, Some(Layer { spatial: 0, temporal })));
            }
        });
        let (loss, bytes) = match before {
            Some((sent_before, dropped_before)) => {
                let (sent, dropped) = self.sent_and_dropped(load.media);
                let bytes = load.media.bytes() as f64;
                let arrived = (dropped - dropped_before) as f64 / bytes / self.counting.len() as f64;
                (1.0 - arrived / (sent - sent_before) as f64, bytes)
            }
            None => (window.loss(), window.bytes_per_packet()),
        };
        self.arrived = vec![("loss", loss), ("bytes_per_packet", bytes)];
        window
    }

    /// From now on the far end drops what the counting subscribers would count.
    fn drop_media(&mut self) {
        let ports = self.counting.iter().map(|peer| self.house.swarm.address(*peer).unwrap().port());
        wire::drop_media_of(ports);
        run_polled(&mut self.house, Duration::from_secs(1));
    }

    /// Packets that the publishers have sent, and bytes of those that the far end has dropped, when nothing is on its way.
    fn sent_and_dropped(&mut self, media: Media) -> (u64, u64) {
        let before = self.published();
        while self.published() == before {
            run_polled(&mut self.house, Duration::from_millis(1));
        }
        run_polled(&mut self.house, media.period() / 3);
        (self.published(), wire::dropped_bytes())
    }

    /// Packets that the publishers have sent.
    fn published(&self) -> u64 {
        let sent = |peer: &PeerId| self.house.swarm.peer(*peer).unwrap().stats().uplink.packets;
        self.publishers.iter().map(sent).sum()
    }

    /// The server's time, and seconds, with all tracks muted.
    fn without_media(&mut self, load: &Load) -> (Duration, f64) {
        for (_, track, _) in self.house.tracks.clone() {
            self.house.tell(Command::SetMuted(track, true));
        }
        run_polled(&mut self.house, load.warm / 2);
        let (cpu, at) = (shard_cpu(), Instant::now());
        run_polled(&mut self.house, Duration::from_secs(load.fixed));
        (shard_cpu().saturating_sub(cpu), at.elapsed().as_secs_f64())
    }

    /// Packets that came because they were asked for again.
    fn repaired(&self) -> u64 {
        let streams = self.verifiers.first().map(|peer| self.house.swarm.peer(*peer).unwrap().received());
        streams.into_iter().flatten().map(|stream| stream.repaired).sum()
    }

    /// Packets that do not prove themselves, or are gone for good.
    fn corrupt(&self) -> u64 {
        let streams = self.verifiers.iter().flat_map(|peer| self.house.swarm.peer(*peer).unwrap().received());
        streams.map(|stream| stream.corrupt + stream.misrouted + stream.lost).sum()
    }
}
