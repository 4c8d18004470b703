//! Rooms in which everybody publishes simulcast video and audio, and receives some of the others in layers of their own.

use std::time::Duration;

use sfu_core::codec::Kind;
use sfu_core::command::Command;
use sfu_core::config::SessionConfig;
use sfu_core::id::{SessionId, TrackId};
use sfu_core::layer::Layer;
use sfu_load::PeerId;
use sfu_peer::{AudioSource, Delays, Encoding, Feedback, Pacing, PeerConfig, Receiving, VideoSource};
use sfu_runtime::RuntimeConfig;
use sfu_wire::Rid;

use crate::Figures;
use crate::settings::Settings;
use crate::support::schedule::Share;
use crate::support::{self, House};
use crate::window::{Window, run_polled};

/// Bytes of a packet's payload; datagrams are some sixty longer.
const PAYLOAD: usize = 1100;
/// Packets of a frame of each encoding: 720p and what a browser sends beside it.
const ENCODINGS: [(&str, u16, u16, usize); 3] = [("l", 320, 180, 1), ("m", 640, 360, 2), ("h", 1280, 720, 8)];
const TEMPORAL: u8 = 7;

/// Who is there, and how many of the others each one receives: by layer, and how many voices.
struct Crowd {
    rooms: usize,
    people: usize,
    /// Low, middle, high.
    pictures: [usize; ENCODINGS.len()],
    voices: usize,
    frames_per_second: u32,
    seconds: u64,
    /// From the first packets until the server is warm.
    warm: Duration,
    core: usize,
    /// Threads of the server, all on the core; rooms take turns.
    shards: usize,
    steer: bool,
}

pub(crate) fn crowd(settings: Settings) -> Figures {
    let crowd = Crowd::read(settings);
    let _share = Share::take();
    let (shards, pin) = (Some(crowd.shards), vec![crowd.core; crowd.shards]);
    let mut house = House::with(&RuntimeConfig { shards, pin, steer: crowd.steer, ..support::settings() });
    let rooms: Vec<Vec<PeerId>> = (0..crowd.rooms).map(|_| crowd.come(&mut house)).collect();
    let sessions = crowd.rooms * crowd.people;
    house.run_until("tracks", |house| house.tracks.len() == 2 * sessions);
    for room in &rooms {
        crowd.subscribe(&mut house, room);
    }
    let wanted = sessions * crowd.of_each();
    house.run_until("subscriptions", |house| house.subscriptions.len() == wanted);
    let counting: Vec<PeerId> = rooms.iter().flat_map(|room| room[1..].iter().copied()).collect();
    house.run_until("media", |house| counting.iter().all(|id| house.swarm.peer(*id).unwrap().tally().packets > 0));
    run_polled(&mut house, crowd.warm);

    let before = delays(&house, &rooms);
    let window = Window::take(&mut house, &counting, crowd.seconds, |_, _| {});
    let delays = delays(&house, &rooms).since(&before);
    let delay = |share| delays.percentile(share).map_or(0.0, |delay| delay.as_secs_f64() * 1e3);
    let mut figures = window.figures();
    figures.extend([
        ("sessions", sessions as f64),
        ("loss", window.loss()),
        ("delay_p50_ms", delay(0.5)),
        ("delay_p95_ms", delay(0.95)),
        ("delay_p99_ms", delay(0.99)),
        ("kernel_drops", house.swarm.kernel_drops().unwrap() as f64),
    ]);
    figures
}

impl Crowd {
    fn read(mut settings: Settings) -> Self {
        let crowd = Self {
            rooms: settings.take("rooms", 1),
            people: settings.take("people", 10),
            pictures: ["low", "middle", "high"].map(|name| settings.take(name, 0)),
            voices: settings.take("voices", 0),
            frames_per_second: settings.take("fps", 30),
            seconds: settings.take("seconds", 10),
            warm: Duration::from_secs_f64(settings.take("warm", 3.0)),
            core: settings.take("core", 0),
            shards: settings.take("shards", 1),
            steer: settings.take("steer", true),
        };
        settings.finish();
        assert!(crowd.of_each() < 2 * crowd.people, "nobody receives more than there is");
        crowd
    }

    fn of_each(&self) -> usize {
        self.pictures.iter().sum::<usize>() + self.voices
    }

    /// The people of one room. The first of them opens every packet, the others count.
    fn come(&self, house: &mut House) -> Vec<PeerId> {
        let room = house.create_room();
        let session = || SessionConfig { auto_subscribe: false, ..SessionConfig::default() };
        let people = 0..self.people;
        people.map(|number| house.join(room, session(), |config| self.configure(config, number == 0))).collect()
    }

    fn configure(&self, config: &mut PeerConfig, verifies: bool) {
        let encodings = ENCODINGS.map(|(rid, width, height, packets_per_frame)| Encoding {
            rid: Rid::new(rid),
            width,
            height,
            packets_per_frame,
            packet_len: PAYLOAD,
        });
        config.video.push(VideoSource {
            encodings: encodings.to_vec(),
            frames_per_second: self.frames_per_second,
            temporal_layers: true,
            keyframe_delay: Duration::from_millis(50),
            pacing: Pacing::Burst,
        });
        config.audio.push(AudioSource::default());
        config.receiving = if verifies { Receiving::Verify } else { Receiving::Count(Feedback::TransportWide) };
    }

    /// Everybody receives those who came next: the first of them in the highest layer, then in the middle one, then in the lowest.
    fn subscribe(&self, house: &mut House, room: &[PeerId]) {
        let sessions: Vec<SessionId> =
            room.iter().map(|peer| house.session_of(*peer).expect("it has joined")).collect();
        for (number, &session) in sessions.iter().enumerate() {
            let others: Vec<SessionId> =
                sessions.iter().cycle().skip(number + 1).take(sessions.len() - 1).copied().collect();
            let layers = self.pictures.iter().enumerate().rev().flat_map(|(spatial, count)| {
                std::iter::repeat_n(Layer { spatial: spatial as u8, temporal: TEMPORAL }, *count)
            });
            let pictures = others.iter().zip(layers).map(|(of, layer)| (track(house, *of, Kind::Video), Some(layer)));
            let voices = others.iter().take(self.voices).map(|of| (track(house, *of, Kind::Audio), None));
            let wanted: Vec<_> = pictures.chain(voices).collect();
            for (track, max_layer) in wanted {
                house.tell(Command::Subscribe { session, track, max_layer });
            }
        }
    }
}

fn track(house: &House, session: SessionId, kind: Kind) -> TrackId {
    let found = house.tracks.iter().find(|(of, _, is)| (*of, *is) == (session, kind));
    found.expect("everybody publishes both").1
}

/// From sending to the kernel's receive time, of those who open every packet.
fn delays(house: &House, rooms: &[Vec<PeerId>]) -> Delays {
    rooms.iter().fold(Delays::default(), |mut all, room| {
        all.merge(&house.swarm.peer(room[0]).unwrap().delays());
        all
    })
}
