//! A published source: its encodings, who is subscribed, and what must be asked of the publisher.
//!
//! Keyed by session and mid; SSRCs come and go underneath. A track is announced with its first packet, because only then its
//! codec is known and a section without a source (`replaceTrack(null)`, a placeholder transceiver) is nobody's black tile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_wire::rtp::video_layers::VideoLayersAllocation;
use sfu_wire::{Extension, Mid, Rid, SeqNo, Ssrc};

use crate::arena::{ConnectionId, ReplicaId};
use crate::audio::{Recovered, Recovery, Talkspurts};
use crate::codec::{CodecName, Kind};
use crate::demand::Demand;
use crate::dump::Dump;
use crate::id::{RoomId, SessionId, SubscriptionId, TapId, TrackId};
use crate::keyframe::KeyframeGovernor;
use crate::keyframe_start::KeyframeStarts;
use crate::layer::{DependencyReader, Layer, Packet, Reading};
use crate::negotiation::{KeyframeRequest, ReceiveParameters};
use crate::relay::{Announcement, Inlet, Outlet, Outlets};
use crate::stream::{
    Activity, CaptureTimes, History, KeyframePart, LayerMeter, Mark, RecvStream, StoredExtensions, TimestampMap,
    ToldLayers,
};
use crate::timers::Timer;

/// An encoding that was silent for so long and flows again may be reachable again. A screen share may rest for shorter.
const SILENCE: Duration = Duration::from_secs(8);

/// One SSRC in, with its repair and what subscribers may still ask for.
#[derive(Debug)]
pub(crate) struct Encoding {
    pub(crate) rid: Option<Rid>,
    pub(crate) ssrc: Option<Ssrc>,
    pub(crate) rtx: Option<Ssrc>,
    pub(crate) stream: RecvStream,
    pub(crate) history: History,
    pub(crate) dependencies: DependencyReader,
    pub(crate) starts: KeyframeStarts,
    pub(crate) keyframes: KeyframeGovernor,
    pub(crate) layers: LayerMeter,
    pub(crate) recovery: Recovery,
    pub(crate) talkspurts: Talkspurts,
}

impl Encoding {
    fn new(kind: Kind, rid: Option<Rid>) -> Self {
        Self {
            rid,
            ssrc: None,
            rtx: None,
            stream: RecvStream::new(kind),
            history: History::new(kind),
            dependencies: DependencyReader::default(),
            starts: KeyframeStarts::default(),
            keyframes: KeyframeGovernor::default(),
            layers: LayerMeter::default(),
            recovery: Recovery::default(),
            talkspurts: Talkspurts::default(),
        }
    }

    /// Audio: marks the start of a talkspurt, and finds what was missing before.
    pub(crate) fn listen(&mut self, packet: &mut Packet<'_>) -> Option<Recovered> {
        if packet.codec.kind() != Kind::Audio || packet.payload.is_empty() {
            return None;
        }
        packet.marker |= self.talkspurts.starts(packet);
        Some(self.recovery.take(packet, &self.history)).filter(|recovered| !recovered.is_empty())
    }

    /// Draws from a packet what others than its subscribers want to know.
    pub(crate) fn learn(&mut self, now: Instant, packet: &Packet<'_>) {
        let part = self.stream.frame(packet.timestamp, &packet.facts);
        if part == KeyframePart::Start {
            self.keyframe_starts(now, packet.seq, packet.timestamp);
        } else if self.stream.silence() >= SILENCE {
            self.keyframes.resumed(now);
        }
        self.layers.packet(now, packet, part == KeyframePart::Start);
        self.keyframes.received(now, packet.payload.len(), part != KeyframePart::None);
    }

    /// A packet of the history is now known to start a keyframe.
    pub(crate) fn keyframe_known(&mut self, now: Instant, first: SeqNo) {
        if let Some(timestamp) = self.history.get(first).map(|stored| stored.timestamp()) {
            self.keyframe_starts(now, first, timestamp);
        }
    }

    /// A keyframe begins with packet `first`: what of it is there already was not known to be of one when it came.
    fn keyframe_starts(&mut self, now: Instant, first: SeqNo, timestamp: u64) {
        self.keyframes.arrived(now);
        let there = (first.get()..=self.stream.newest().get()).filter_map(|seq| self.history.get(SeqNo::new(seq)));
        let of_it = there.filter(|stored| stored.timestamp() == timestamp).map(|stored| stored.payload().len());
        self.keyframes.recount(now, of_it.sum());
    }
}

/// No voice has more packets within the time that [`Track::lately`] is asked about.
const LATELY: u64 = 4;

/// Whence its packets come.
#[derive(Debug)]
pub(crate) enum Origin {
    /// From its publisher.
    Connection(ConnectionId),
    /// From the shard of its publisher: this one is a replica.
    Relay(Box<Inlet>),
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) room: RoomId,
    pub(crate) session: SessionId,
    pub(crate) origin: Origin,
    pub(crate) mid: Mid,
    pub(crate) kind: Kind,
    pub(crate) parameters: ReceiveParameters,
    /// Known from the first packet on.
    pub(crate) codec: Option<CodecName>,
    /// The format parameters of what it carries: they tell H.264 profiles apart.
    pub(crate) fmtp: Arc<str>,
    /// So many earlier frames go with each Opus packet to those who take RED.
    pub(crate) red: u8,
    /// Muted by the server.
    pub(crate) muted: bool,
    pub(crate) stalled: bool,
    /// By rising quality.
    pub(crate) encodings: Vec<Encoding>,
    pub(crate) subscriptions: Vec<SubscriptionId>,
    pub(crate) taps: Vec<TapId>,
    pub(crate) timestamps: TimestampMap,
    pub(crate) capture_times: CaptureTimes,
    pub(crate) activity: Activity,
    pub(crate) dump: Option<Dump>,
    pub(crate) told_layers: ToldLayers,
    pub(crate) demand: Demand,
    /// The shards that it is carried to.
    pub(crate) outlets: Outlets,
    /// Counts what was changed since it was published.
    pub(crate) revision: u32,
    /// Its last packet was speech, as the room's home on another shard knows.
    pub(crate) speaks: bool,
}

impl Track {
    pub(crate) fn new(
        (room, session, origin): (RoomId, SessionId, Origin),
        mid: Mid,
        kind: Kind,
        parameters: ReceiveParameters,
    ) -> Self {
        let mut track = Self {
            room,
            session,
            origin,
            mid,
            kind,
            parameters,
            codec: None,
            fmtp: Arc::default(),
            red: 0,
            muted: false,
            stalled: false,
            encodings: Vec::new(),
            subscriptions: Vec::new(),
            taps: Vec::new(),
            timestamps: TimestampMap::new(kind),
            capture_times: CaptureTimes::new(kind),
            activity: Activity::new(kind),
            dump: None,
            told_layers: ToldLayers::default(),
            demand: Demand::new(),
            outlets: Vec::new(),
            revision: 0,
            speaks: false,
        };
        track.update_encodings();
        track
    }

    /// One that is published on another shard.
    pub(crate) fn replica(id: ReplicaId, of: &Announcement, red: u8) -> Self {
        let origin = Origin::Relay(Box::new(Inlet::new(id, of.label.clone())));
        let mut track = Self::new((of.room, of.session, origin), of.mid, of.kind(), parameters_of(of));
        (track.red, track.revision, track.muted) = (red, of.revision, of.muted);
        (track.codec, track.fmtp) = (Some(of.codec), of.fmtp.clone());
        track
    }

    /// What other shards know of it, once it is published.
    pub(crate) fn announcement(&self, id: TrackId, label: &str) -> Option<Announcement> {
        Some(Announcement {
            room: self.room,
            session: self.session,
            track: id,
            revision: self.revision,
            label: label.into(),
            mid: self.mid,
            codec: self.codec?,
            muted: self.muted,
            fmtp: self.fmtp.clone(),
            msid: self.parameters.msid.clone(),
            extensions: self.parameters.extensions,
            rids: self.parameters.rids.clone(),
        })
    }

    /// Its publisher's, unless that is on another shard.
    pub(crate) const fn connection(&self) -> Option<ConnectionId> {
        match self.origin {
            Origin::Connection(connection) => Some(connection),
            Origin::Relay(_) => None,
        }
    }

    /// That of another shard.
    pub(crate) fn inlet(&mut self) -> Option<&mut Inlet> {
        match &mut self.origin {
            Origin::Connection(_) => None,
            Origin::Relay(inlet) => Some(inlet),
        }
    }

    /// What is called when something is due.
    pub(crate) fn timer(&self) -> Timer {
        match &self.origin {
            Origin::Connection(connection) => Timer::Connection(*connection),
            Origin::Relay(inlet) => Timer::Replica(inlet.replica),
        }
    }

    /// Whether other shards would see no difference between these parameters and its own.
    pub(crate) fn is_told_alike(&self, parameters: &ReceiveParameters) -> bool {
        let ReceiveParameters { extensions, rids, msid, .. } = &self.parameters;
        (extensions, rids, msid) == (&parameters.extensions, &parameters.rids, &parameters.msid)
    }

    /// Where it goes to another shard.
    pub(crate) fn outlet(&mut self, shard: u16) -> Option<&mut Outlet> {
        self.outlets.iter_mut().find(|outlet| outlet.shard == shard)
    }

    /// What came within so long, as far as it is in the histories: encoding and number.
    pub(crate) fn lately(&self, now: Instant, age: Duration) -> impl Iterator<Item = (u8, SeqNo)> {
        (0..).zip(&self.encodings).flat_map(move |(place, encoding)| {
            let newest = encoding.stream.newest().get();
            let recent = (0..LATELY).filter_map(move |back| newest.checked_sub(back)).map(SeqNo::new);
            let is_young = |seq: &SeqNo| encoding.history.get(*seq).is_some_and(|one| now < one.arrival() + age);
            let mut young: Vec<SeqNo> = recent.filter(is_young).collect();
            young.reverse();
            young.into_iter().map(move |seq| (place, seq))
        })
    }

    /// Forgets what came: what comes next does not go on with it.
    pub(crate) fn start_over(&mut self) {
        let kind = self.kind;
        self.encodings.iter_mut().for_each(|encoding| *encoding = Encoding::new(kind, encoding.rid));
    }

    /// Takes over renegotiated parameters; encodings that stay keep their state. `Some`: their places have changed.
    pub(crate) fn renegotiate(&mut self, parameters: ReceiveParameters) -> Option<Moves> {
        self.parameters = parameters;
        let moves = self.update_encodings()?;
        self.timestamps.rearrange(|place| moves.to(place));
        self.activity.rearrange(|place| moves.to(place));
        // What is stored names the old places.
        self.encodings.iter_mut().for_each(|encoding| encoding.history.clear());
        Some(moves)
    }

    /// A packet of an encoding came under this SSRC: under another one its stream begins anew.
    pub(crate) fn heard_from(&mut self, place: usize, ssrc: Ssrc) {
        let Some(encoding) = self.encodings.get_mut(place) else { return };
        if encoding.ssrc.replace(ssrc).is_some_and(|known| known != ssrc) {
            encoding.stream.restart();
            self.timestamps.restarted(place);
        }
    }

    /// Whether anybody here gets its packets.
    pub(crate) fn is_taken(&self) -> bool {
        !self.subscriptions.is_empty() || !self.taps.is_empty()
    }

    pub(crate) fn is_published(&self) -> bool {
        self.codec.is_some()
    }

    /// Whether those who do not take RED have had this packet's frame already.
    pub(crate) fn was_recovered(&self, packet: &Packet<'_>) -> bool {
        let encoding = self.encodings.get(usize::from(packet.encoding));
        encoding.is_some_and(|encoding| encoding.recovery.contains(packet.seq))
    }

    /// The highest layers that it has, as far as they are known.
    pub(crate) fn top_layer(&self) -> Layer {
        let tops = self.encodings.iter().map(|encoding| encoding.layers.top());
        let top = tops.reduce(|a, b| Layer { spatial: a.spatial.max(b.spatial), temporal: a.temporal.max(b.temporal) });
        let top = top.unwrap_or_default();
        match self.encodings.len() {
            0 | 1 => top,
            count => Layer { spatial: (count - 1) as u8, ..top },
        }
    }

    /// The publisher says which layers it sends, how large and at which rate.
    pub(crate) fn learn_allocation(&mut self, allocation: &VideoLayersAllocation) {
        for stream in 0..allocation.streams {
            // Streams are counted in the order of the SDP, which need not be that of quality.
            let rid = self.parameters.rids.get(usize::from(stream));
            let place = rid.map_or(Some(usize::from(stream)), |rid| self.encoding_of_rid(*rid));
            if let Some(encoding) = place.and_then(|place| self.encodings.get_mut(place)) {
                let layers = allocation.layers().iter();
                encoding.layers.allocated(layers.filter(|layer| layer.stream == stream));
            }
        }
    }

    /// Packets of an encoding that came before `mark`, from the first to the last, as they are in its history.
    pub(crate) fn look_back(
        &self,
        (encoding, first, last): (u8, SeqNo, SeqNo),
        mark: Mark,
        mut each: impl FnMut(&Packet<'_>, StoredExtensions<'_>),
    ) {
        let Some(encoding) = self.encodings.get(usize::from(encoding)) else { return };
        let descriptor = self.parameters.extensions.id(Extension::DependencyDescriptor);
        for seq in first.get()..=last.get() {
            let stored = encoding.history.get(SeqNo::new(seq)).filter(|stored| stored.is_before(mark));
            let Some(stored) = stored else { continue };
            let value = stored.extensions().find(|(id, _)| Some(*id) == descriptor);
            let reading = value.map_or(Reading::None, |(_, value)| encoding.dependencies.look_up(value));
            each(&stored.packet(last, reading.as_ref()), stored.extensions());
        }
    }

    pub(crate) fn encoding_of_rid(&self, rid: Rid) -> Option<usize> {
        self.encodings.iter().position(|encoding| encoding.rid == Some(rid))
    }

    /// Makes the encodings those of the parameters; `None`: those that were there stay where they are.
    fn update_encodings(&mut self) -> Option<Moves> {
        let rids = by_rising_quality(&self.parameters.rids);
        if rids.is_empty() {
            if self.encodings.is_empty() {
                self.encodings.push(Encoding::new(self.kind, None));
            }
            return None;
        }
        let before: Vec<Option<Rid>> = self.encodings.iter().map(|encoding| encoding.rid).collect();
        let now: Vec<Option<Rid>> = rids.iter().copied().map(Some).collect();
        if before == now {
            return None;
        }
        let mut known = std::mem::take(&mut self.encodings);
        self.encodings = rids
            .into_iter()
            .map(|rid| {
                let position = known.iter().position(|encoding| encoding.rid == Some(rid));
                position.map_or_else(|| Encoding::new(self.kind, Some(rid)), |index| known.swap_remove(index))
            })
            .collect();
        (!now.starts_with(&before)).then_some(Moves { before, now })
    }
}

/// As far as others than the publisher's shard need them.
pub(crate) fn parameters_of(announcement: &Announcement) -> ReceiveParameters {
    ReceiveParameters {
        codecs: Arc::default(),
        extensions: announcement.extensions,
        rids: announcement.rids.clone(),
        paused_rids: Vec::new(),
        ssrcs: Vec::new(),
        msid: announcement.msid.clone(),
        twcc: false,
        remb: false,
        nack: false,
        keyframe_request: KeyframeRequest::Pli,
        rtcp_rsize: false,
    }
}

/// Where a renegotiation put the encodings of a track.
#[derive(Debug)]
pub(crate) struct Moves {
    before: Vec<Option<Rid>>,
    now: Vec<Option<Rid>>,
}

impl Moves {
    /// The new place of what was at `place`; `None`: it is gone.
    pub(crate) fn to(&self, place: usize) -> Option<usize> {
        let rid = self.before.get(place)?;
        self.now.iter().position(|known| known == rid)
    }
}

/// The order in which rids are offered says nothing (LiveKit's SDKs offer `h;q`, browsers what the page lists), so names that
/// have an agreed meaning are sorted by it; others stay in the order of `a=simulcast`, which pages list from low to high.
fn by_rising_quality(rids: &[Rid]) -> Vec<Rid> {
    const SCALES: [&[&str]; 4] =
        [&["q", "h", "f"], &["l", "m", "h"], &["low", "mid", "medium", "high"], &["0", "1", "2", "3"]];
    let rank = |scale: &[&str], rid: &Rid| scale.iter().position(|name| *name == rid.as_str());
    let mut sorted = rids.to_vec();
    if let Some(scale) = SCALES.iter().find(|scale| rids.iter().all(|rid| rank(scale, rid).is_some())) {
        sorted.sort_by_key(|rid| rank(scale, rid));
    }
    sorted
}

#[cfg(test)]
mod tests {
    use sfu_wire::rtp::video_layers::{LayerAllocation, LayerPicture};
    use sfu_wire::{ExtensionMap, SeqNo};

    use super::*;
    use crate::arena::Id as _;
    use crate::layer::{Dependencies, Encodings, frame_facts};

    fn sorted(names: &[&str]) -> Vec<String> {
        let rids: Vec<Rid> = names.iter().map(|name| Rid::new(name).expect("a rid")).collect();
        by_rising_quality(&rids).iter().map(|rid| rid.as_str().to_owned()).collect()
    }

    #[test]
    fn agreed_names_are_sorted_whatever_their_order() {
        assert_eq!(sorted(&["f", "q", "h"]), ["q", "h", "f"]);
        assert_eq!(sorted(&["h", "q"]), ["q", "h"]);
        assert_eq!(sorted(&["h", "l", "m"]), ["l", "m", "h"]);
        assert_eq!(sorted(&["2", "0", "1"]), ["0", "1", "2"]);
    }

    #[test]
    fn unknown_names_stay_in_their_order() {
        assert_eq!(sorted(&["tiny", "r1", "big"]), ["tiny", "r1", "big"]);
    }

    fn simulcast(names: &[&str]) -> Track {
        let parameters = ReceiveParameters {
            codecs: Arc::default(),
            extensions: ExtensionMap::default(),
            rids: names.iter().map(|name| Rid::new(name).expect("a rid")).collect(),
            paused_rids: Vec::new(),
            ssrcs: Vec::new(),
            msid: (String::new(), String::new()),
            twcc: true,
            remb: false,
            nack: true,
            keyframe_request: KeyframeRequest::Pli,
            rtcp_rsize: true,
        };
        let place = (RoomId::new(1), SessionId::new(1), Origin::Connection(ConnectionId::from_u64(1)));
        Track::new(place, Mid::new("0").expect("a mid"), Kind::Video, parameters)
    }

    #[test]
    fn an_allocation_counts_streams_in_the_order_of_the_sdp() {
        let mut track = simulcast(&["f", "h", "q"]);
        let now = Instant::now();
        for (encoding, place) in track.encodings.iter_mut().zip(0..) {
            let packet = Packet {
                encoding: place,
                epoch: 0,
                seq: SeqNo::new(1),
                newest: SeqNo::new(1),
                timestamp: 1,
                marker: true,
                codec: CodecName::Vp8,
                payload: &[0],
                facts: frame_facts(CodecName::Vp8, &[0], true),
                dependencies: Dependencies::None,
                arrival: now,
            };
            encoding.layers.packet(now, &packet, false);
        }
        let layer = |stream: u8| {
            let picture = Some(LayerPicture { width: 1280 >> stream, height: 720 >> stream, frame_rate: 30 });
            LayerAllocation { stream, temporal_layers: 1, picture, ..LayerAllocation::default() }
        };
        let allocation = VideoLayersAllocation::new(0, 3, &[layer(0), layer(1), layer(2)]).expect("three streams");
        track.learn_allocation(&allocation);
        let encodings = track.encodings.iter_mut().map(|encoding| (encoding.rid, &mut encoding.layers));
        let told = track.told_layers.update(now, encodings, (0..3).collect::<Encodings>()).expect("news");
        let sizes: Vec<_> = told.iter().map(|info| (info.layer.spatial, info.size)).collect();
        assert_eq!(sizes, [(0, Some((320, 180))), (1, Some((640, 360))), (2, Some((1280, 720)))]);
    }
}
