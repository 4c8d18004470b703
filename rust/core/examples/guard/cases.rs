//! What is counted, one case after another: who is there, what they send in a round, and what a round makes.

use std::time::Duration;

use sfu_congestion::TwccReceiver;
use sfu_core::command::Command;
use sfu_core::event::Event;
use sfu_core::id::SubscriptionId;
use sfu_core::layer::Layer;
use sfu_wire::Ssrc;
use sfu_wire::rtcp::{Nack, NackPair};
use sfu_wire::rtp::RtpPacket;
use sfu_wire::rtp::extension_value::TransportSeq;

use crate::Meter;
use crate::support::scene::{MID, Packet, Scene, VP8, audio, header, video};

const TWCC: &str = "extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const SEND_TIME: &str = "extmap:6 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
const FEEDBACK: &str = "rtcp-fb:96 transport-cc";
const RID: &str = "extmap:7 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const LEVEL: &str = "extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const OPUS: u8 = 111;
const MANY: usize = 50;
/// Packets of a frame, and bytes of each one's payload: 1200 bytes on the wire.
const FRAME: u16 = 8;
const PAYLOAD: usize = 1156;
const SPEECH: usize = 100;
/// Between two rounds.
const INTERVAL: Duration = Duration::from_millis(33);
const PUBLISHER: usize = 0;

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Datagrams that a round sends, or what else it is divided by.
    pub(crate) units: u32,
    play: fn(&mut Stage, Meter) -> u32,
    stage: fn() -> Stage,
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "single",
        about: "one packet of video to one subscriber",
        units: 1,
        stage: || Stage::video(1, &[]),
        play: |stage, meter| stage.frame(meter, 1),
    },
    Case {
        name: "frame",
        about: "a frame of 8 packets of VP8 to 50 subscribers, each of the 400 packets that leave",
        units: 400,
        stage: || Stage::video(MANY, &[]),
        play: |stage, meter| stage.frame(meter, FRAME),
    },
    Case {
        name: "twcc",
        about: "the same with transport-wide numbers and send times",
        units: 400,
        stage: || Stage::video(MANY, &[TWCC, SEND_TIME, FEEDBACK]),
        play: |stage, meter| stage.frame(meter, FRAME),
    },
    Case {
        name: "audio",
        about: "one packet of Opus to 50 subscribers, each of the 50 packets that leave",
        units: 50,
        stage: Stage::audio,
        play: Stage::speech,
    },
    Case {
        name: "nack",
        about: "a subscriber asks for 2 packets of the last frame and gets them, each",
        units: 2,
        stage: || Stage::video(1, &[]),
        play: Stage::repair,
    },
    Case {
        name: "feedback",
        about: "transport-wide feedback of a subscriber on a frame of 8 packets",
        units: 1,
        stage: || Stage::video(1, &[TWCC, FEEDBACK]),
        play: Stage::feedback,
    },
    Case {
        name: "switch",
        about: "50 subscribers go to the other simulcast encoding, each of the 50 packets that begin its keyframe",
        units: 50,
        stage: Stage::simulcast,
        play: Stage::switch,
    },
    Case {
        name: "reports",
        about: "a second of a subscriber to video that flows, without its packets",
        units: 50,
        stage: || Stage::video(MANY, &[]),
        play: Stage::second,
    },
    Case {
        name: "idle",
        about: "a second of a session that is connected and receives nothing",
        units: 50,
        stage: Stage::idle,
        play: Stage::quiet_second,
    },
];

impl Case {
    /// Gives what the rounds that count have made.
    pub(crate) fn play(&self, warm_up: u32, rounds: u32) -> u32 {
        let mut stage = (self.stage)();
        for _ in 0..warm_up {
            (self.play)(&mut stage, Meter::Off);
        }
        (0..rounds).map(|_| (self.play)(&mut stage, Meter::On)).sum()
    }
}

/// A scene, and where its streams stand.
pub(crate) struct Stage {
    scene: Scene,
    round: u32,
    /// Of each encoding.
    seqs: [u16; 2],
    subscriptions: Vec<SubscriptionId>,
    twcc: TwccReceiver,
}

impl Stage {
    fn new() -> Self {
        let (seqs, subscriptions) = ([0; 2], Vec::new());
        Self { scene: Scene::new(), round: 0, seqs, subscriptions, twcc: TwccReceiver::new() }
    }

    /// A publisher, then viewers; `lines` are of both.
    fn video(viewers: usize, lines: &[&str]) -> Self {
        let mut stage = Self::new();
        stage.scene.join(&video("sendonly", lines));
        stage.send_frame(Meter::Off, 0, true, 1);
        stage.fill(&video("recvonly", lines), viewers);
        stage.send_frame(Meter::Off, 0, true, 1);
        stage
    }

    fn simulcast() -> Self {
        let mut stage = Self::new();
        stage.scene.join(&video("sendonly", &[RID, "rid:h send", "rid:l send", "simulcast:send h;l"]));
        (0..2).for_each(|encoding| _ = stage.send_frame(Meter::Off, encoding, true, 1));
        stage.fill(&video("recvonly", &[]), MANY);
        (0..2).for_each(|encoding| _ = stage.send_frame(Meter::Off, encoding, true, 1));
        stage
    }

    fn audio() -> Self {
        let mut stage = Self::new();
        stage.scene.join(&audio("sendonly", &[LEVEL]));
        stage.speech(Meter::Off);
        stage.fill(&audio("recvonly", &[LEVEL]), MANY);
        stage
    }

    fn idle() -> Self {
        let mut stage = Self::new();
        stage.fill(&video("recvonly", &[TWCC, FEEDBACK]), MANY);
        stage
    }

    fn fill(&mut self, section: &str, viewers: usize) {
        (0..viewers).for_each(|_| _ = self.scene.join(section));
        self.scene.wait(INTERVAL);
        self.forget();
    }

    fn forget(&mut self) {
        let subscribed = self.scene.forget().into_iter().filter_map(|event| match event {
            Event::Subscribed { subscription, .. } => Some(subscription),
            _ => None,
        });
        self.subscriptions.extend(subscribed);
    }

    /// The next frame of the first encoding.
    fn frame(&mut self, meter: Meter, packets: u16) -> u32 {
        self.send_frame(meter, 0, false, packets)
    }

    /// Time passes, and a frame of an encoding comes; gives how many datagrams it made.
    fn send_frame(&mut self, meter: Meter, encoding: usize, keyframe: bool, packets: u16) -> u32 {
        self.scene.wait(INTERVAL);
        self.forget();
        self.round += 1;
        let (timestamp, ssrc) = (self.round * 2970, 11 + encoding as u32);
        let mut datagrams: Vec<Vec<u8>> = (0..packets)
            .map(|place| {
                let seq = self.seqs[encoding];
                self.seqs[encoding] += 1;
                let number = seq.to_be_bytes();
                let rid: &[u8] = if encoding == 0 { b"h" } else { b"l" };
                let extensions: [(u8, &[u8]); 3] = [(MID, b"0"), (5, &number), (7, rid)];
                let start = vp8(self.round, place == 0, keyframe);
                let header = header(VP8, ssrc, seq, timestamp, place + 1 == packets);
                self.scene.seal(PUBLISHER, &Packet { header, extensions: &extensions, start: &start, len: PAYLOAD })
            })
            .collect();
        let scene = &mut self.scene;
        meter.run(|| scene.give_together(PUBLISHER, &mut datagrams));
        self.scene.egress.len() as u32
    }

    fn speech(&mut self, meter: Meter) -> u32 {
        self.scene.wait(Duration::from_millis(20));
        self.forget();
        self.round += 1;
        let header = header(OPUS, 11, self.round as u16, self.round * 960, false);
        let packet = Packet { header, extensions: &[(MID, b"0"), (1, &[0x9e])], start: &[0x78], len: SPEECH };
        let mut datagram = self.scene.seal(PUBLISHER, &packet);
        let scene = &mut self.scene;
        meter.run(|| scene.give(PUBLISHER, &mut datagram));
        self.scene.egress.len() as u32
    }

    fn repair(&mut self, meter: Meter) -> u32 {
        self.send_frame(Meter::Off, 0, false, FRAME);
        let (media, last) = self.newest();
        // As after a round trip.
        self.scene.wait(Duration::from_millis(15));
        self.forget();
        let pairs: Vec<NackPair> = NackPair::pack([last.wrapping_sub(5), last.wrapping_sub(2)]).collect();
        let nack = Nack { sender: Ssrc::new(9), media, pairs: pairs.as_slice().into() };
        let mut datagram = self.scene.seal_report(1, &nack);
        let scene = &mut self.scene;
        meter.run(|| scene.give(1, &mut datagram));
        self.scene.egress.len() as u32
    }

    /// The stream that the first viewer gets, and its newest number.
    fn newest(&mut self) -> (Ssrc, u16) {
        let newest = self.scene.open(1, VP8).pop().expect("it gets media");
        let header = *RtpPacket::parse(&newest).expect("a packet").header();
        (header.ssrc, header.seq)
    }

    fn feedback(&mut self, meter: Meter) -> u32 {
        self.send_frame(Meter::Off, 0, false, FRAME);
        for packet in self.scene.open(1, VP8) {
            let packet = RtpPacket::parse(&packet).expect("a packet");
            let seq = TransportSeq::parse(packet.extension(5).expect("its number")).expect("two bytes");
            self.twcc.record(self.scene.now, packet.header().ssrc, seq.0);
        }
        self.scene.wait(INTERVAL * 4);
        self.forget();
        let report = self.twcc.poll_feedback(self.scene.now, Ssrc::new(9)).expect("it is due");
        let mut datagram = self.scene.seal_report(1, &report);
        let scene = &mut self.scene;
        meter.run(|| scene.give(1, &mut datagram));
        1
    }

    fn switch(&mut self, meter: Meter) -> u32 {
        // No more often than keyframes are asked for.
        self.scene.wait(Duration::from_secs(1));
        // Two frames a switch.
        let target = self.round as usize / 2 % 2;
        let layer = Layer { spatial: 1 - target as u8, temporal: Layer::MAX.temporal };
        for subscription in self.subscriptions.clone() {
            self.scene.command(Command::SetLayer(subscription, Some(layer)));
        }
        let before = self.send_frame(Meter::Off, 1 - target, false, 1);
        assert!(meter == Meter::Off || before >= MANY as u32, "they get the encoding that they leave");
        self.send_frame(meter, target, true, 1)
    }

    fn second(&mut self, meter: Meter) -> u32 {
        self.send_frame(Meter::Off, 0, false, 1);
        self.quiet_second(meter)
    }

    fn quiet_second(&mut self, meter: Meter) -> u32 {
        let scene = &mut self.scene;
        meter.run(|| scene.wait(Duration::from_secs(1)));
        MANY as u32
    }
}

/// The payload descriptor of a VP8 packet with a picture id, and the beginning of its frame (RFC 7741 §4.2, §4.3).
fn vp8(picture: u32, first: bool, keyframe: bool) -> Vec<u8> {
    let [high, low] = (picture as u16 | 0x8000).to_be_bytes();
    let mut start = vec![if first { 0x90 } else { 0x80 }, 0x80, high, low];
    match (first, keyframe) {
        (true, true) => start.extend([0, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1]),
        (true, false) => start.extend([1, 0, 0]),
        (false, _) => {}
    }
    start
}
