"""The extension module: the data plane behind the asyncio API. Private; `sfu` is the public face.

Every command returns a ticket at once; its answer comes out of `Core.drain()` together with the events.
Ids are plain integers. Nothing here waits, and nothing here calls back into Python.
"""

from typing import Literal, final

from . import load as load
from . import testing as testing

__all__ = [
    "AudioSlotChanged",
    "ChannelEnded",
    "ChannelMessage",
    "ChannelOpened",
    "ChannelWritable",
    "ChoiceReason",
    "CodecName",
    "CommandFailed",
    "ConnectionStateChanged",
    "Core",
    "Description",
    "Drained",
    "DropCounts",
    "Dump",
    "EncodedFrame",
    "EncodingStats",
    "Event",
    "KindName",
    "LayerChanged",
    "LayerInfo",
    "LayersChanged",
    "LayersWanted",
    "OfferReady",
    "Reply",
    "ResendRefusals",
    "RoomStats",
    "SectionsNeeded",
    "SessionEnded",
    "SessionStats",
    "SfuStats",
    "ShardStats",
    "SpeakersChanged",
    "StateName",
    "Subscribed",
    "SubscriptionFailed",
    "SubscriptionStats",
    "TapFrames",
    "TapReady",
    "TrackPublished",
    "TrackStalled",
    "TrackStats",
    "TrackUnpublished",
    "TransportName",
    "TransportStats",
    "Unsubscribed",
    "__version__",
    "load",
    "self_signed",
    "testing",
]

TransportName = Literal["main", "publisher", "subscriber"]
KindName = Literal["audio", "video"]
ChoiceReason = Literal["best", "limit", "not_flowing", "budget", "hysteresis"]
CodecName = Literal["opus", "red", "VP8", "VP9", "AV1", "H264", "H265"]
StateName = Literal["connecting", "connected", "disconnected", "closed"]

__version__: str

def self_signed(names: list[str]) -> tuple[str, str]:
    """A new P-256 certificate for `names` (hosts, IP addresses), good for 90 days: certificate and private key as PEM.

    Raises ValueError for a name that no certificate can carry.
    """

@final
class Core:
    """One running data plane: threads, sockets, outbox."""

    def __new__(
        cls,
        *,
        udp: list[str],
        announce: list[str],
        shards: int | None = None,
        pin: list[int] = ...,
        spread: bool = False,
        hold: float = 0.0,
        certificate_pem: str | None = None,
        private_key_pem: str | None = None,
        consent_timeout: float = 10.0,
        close_timeout: float = 20.0,
        connect_timeout: float = 20.0,
        max_half_open: int = 1024,
        channel_buffer: int = 4194304,
        remb_bitrate: int = 8_000_000,
        receive_buffer: int = 8388608,
        send_buffer: int = 8388608,
        event_capacity: int = 65536,
        congestion_control: bool = True,
        log_level: str = "info",
    ) -> Core:
        """Bind the sockets and start the threads.

        `udp`: socket addresses to bind ("0.0.0.0:7882", "[::]:7882"); port 0 picks one port for all.
        `announce`: IP addresses for the host candidates; empty: loopback and interface addresses that match `udp`.
        `shards`: threads; None: as many as this process has processors. `pin`: the processor of each. `spread`: whether
        a room's sessions go to all of them alike from the first on. `hold`: seconds for which each lets datagrams come.
        `congestion_control`: whether layers are chosen by what each subscriber's way carries.
        Raises OSError (port in use, address not available) or ValueError (not an address, bad PEM).
        """

    def event_fd(self) -> int:
        """Readable while the outbox holds something; `drain` resets it."""

    def candidates(self) -> list[str]:
        """The announced socket addresses."""

    def fingerprint(self) -> str:
        """The certificate's `sha-256 AA:BB:…`."""

    def warnings(self) -> list[str]:
        """What the start had to put up with (socket buffers capped by the kernel, IPv6 not available, …)."""

    def close(self) -> None:
        """Stop and join all threads (the GIL is released), close the sockets. Idempotent."""

    def drain(self) -> Drained:
        """Everything that waits: replies, events, log records."""

    # Commands; each returns a ticket. RuntimeError after close().
    def create_room(
        self,
        *,
        max_sessions: int | None,
        video_codecs: list[CodecName],
        audio_codecs: list[CodecName],
        red: int = 0,
        audio_slots: int | None = None,
    ) -> int: ...
    def close_room(self, room: int) -> int: ...
    def join(
        self,
        room: int,
        *,
        offers: Literal["either", "client", "split"],
        label: str,
        auto_subscribe: bool,
        publish_audio: bool,
        publish_video: bool,
    ) -> int: ...
    def close_session(self, session: int) -> int: ...
    def receive(
        self, session: int, transport: TransportName, type: Literal["offer", "answer"], sdp: str, id: int | None
    ) -> int: ...
    def add_candidate(self, session: int, transport: TransportName, candidate: str) -> int: ...
    def restart_ice(self, session: int, transport: TransportName, ufrag: str, pwd: str) -> int: ...
    def offer_ice_restart(self, session: int, transport: TransportName) -> int: ...
    def subscribe(self, session: int, track: int, max_layer: tuple[int, int] | None) -> int: ...
    def unsubscribe(self, subscription: int) -> int: ...
    def set_layer(self, subscription: int, max_layer: tuple[int, int] | None) -> int: ...
    def set_paused(self, subscription: int, paused: bool) -> int: ...
    def set_muted(self, track: int, muted: bool) -> int: ...
    def request_keyframe(self, track: int) -> int: ...
    def open_channel(
        self,
        session: int,
        *,
        label: str,
        protocol: str,
        ordered: bool,
        max_retransmits: int | None,
        max_lifetime: float | None,
    ) -> int: ...
    def send_message(self, channel: int, binary: bool, payload: bytes) -> int: ...
    def close_channel(self, channel: int) -> int: ...
    def dump(self, track: int, seconds: float, max_bytes: int) -> int: ...
    def tap(self, track: int, max_layer: tuple[int, int] | None, capacity: int) -> int: ...
    def take_frames(self, tap: int) -> int: ...
    def untap(self, tap: int) -> int: ...
    def sfu_stats(self) -> int: ...
    def room_stats(self, room: int) -> int: ...
    def session_stats(self, session: int) -> int: ...

@final
class Drained:
    """One batch out of the outbox, in order."""

    __match_args__ = ("replies", "events", "logs", "events_dropped")
    @property
    def replies(self) -> list[tuple[int, Reply]]: ...
    @property
    def events(self) -> list[Event]: ...
    @property
    def logs(self) -> list[tuple[int, str, str]]:
        """(level as in `logging`, target, message)."""
    @property
    def events_dropped(self) -> int:
        """How many events did not fit since the last drain."""

@final
class CommandFailed:
    """A refused command: nothing has changed."""

    __match_args__ = ("code", "message")
    @property
    def code(
        self,
    ) -> Literal[
        "room_closed",
        "room_full",
        "room_unavailable",
        "session_closed",
        "track_ended",
        "subscription_ended",
        "tap_ended",
        "channel_closed",
        "not_in_room",
        "already_subscribed",
        "no_such_transport",
        "message_too_large",
        "negotiation",
        "candidate",
        "internal",
    ]:
        """`internal`: the data plane has failed; its log says why."""
    @property
    def message(self) -> str: ...

@final
class Description:
    """A session description; `id` counts the server's offers of a transport."""

    __match_args__ = ("transport", "type", "sdp", "id")
    @property
    def transport(self) -> TransportName: ...
    @property
    def type(self) -> Literal["offer", "answer"]: ...
    @property
    def sdp(self) -> str: ...
    @property
    def id(self) -> int | None: ...

# Events: frozen, one class each, the fields in this order also as `__match_args__`.

@final
class OfferReady:
    __match_args__ = ("session", "description")
    session: int
    description: Description

@final
class SectionsNeeded:
    __match_args__ = ("session", "audio", "video")
    session: int
    audio: int
    video: int

@final
class ConnectionStateChanged:
    __match_args__ = ("session", "state")
    session: int
    state: StateName

@final
class SessionEnded:
    __match_args__ = ("session", "reason", "detail")
    session: int
    reason: Literal["requested", "room_closed", "peer_closed", "timeout", "fingerprint_mismatch", "handshake_failed"]
    detail: str

@final
class TrackPublished:
    __match_args__ = ("room", "session", "track", "kind", "mid", "codec", "rids", "stream", "source")
    room: int
    session: int
    track: int
    kind: KindName
    mid: str
    codec: CodecName
    rids: list[str]
    stream: str
    source: str
    """`stream` and `source`: the publisher's a=msid identifiers."""

@final
class TrackUnpublished:
    __match_args__ = ("room", "session", "track")
    room: int
    session: int
    track: int

@final
class TrackStalled:
    __match_args__ = ("track", "stalled")
    track: int
    stalled: bool

@final
class Subscribed:
    __match_args__ = ("session", "subscription", "track", "mid", "transport")
    session: int
    subscription: int
    track: int
    mid: str
    transport: TransportName

@final
class Unsubscribed:
    __match_args__ = ("session", "subscription", "track")
    session: int
    subscription: int
    track: int

@final
class SubscriptionFailed:
    __match_args__ = ("session", "subscription", "track", "problem", "codec")
    session: int
    subscription: int
    track: int
    problem: Literal["codec_unsupported", "rejected"]
    codec: CodecName | None

@final
class LayerChanged:
    __match_args__ = ("session", "subscription", "before", "after", "reason", "wait", "keyframe_wait")
    session: int
    subscription: int
    before: tuple[int, int] | None
    after: tuple[int, int] | None
    reason: Literal["started", "chosen", "paused", "muted", "bandwidth", "flow"]
    wait: float
    keyframe_wait: float

@final
class LayerInfo:
    __match_args__ = ("layer", "rid", "width", "height", "frame_rate", "bitrate", "flowing")
    layer: tuple[int, int]
    rid: str | None
    width: int | None
    height: int | None
    frame_rate: float
    bitrate: int
    flowing: bool

@final
class LayersChanged:
    __match_args__ = ("track", "layers")
    track: int
    layers: list[LayerInfo]

@final
class LayersWanted:
    __match_args__ = ("session", "track", "layers")
    session: int
    track: int
    layers: list[tuple[int, int]]
    """(spatial, highest temporal)."""

@final
class AudioSlotChanged:
    __match_args__ = ("session", "subscription", "slot", "mid", "track")
    session: int
    subscription: int
    slot: int
    mid: str
    track: int | None

@final
class SpeakersChanged:
    __match_args__ = ("room", "speakers")
    room: int
    speakers: list[tuple[int, int, int]]
    """(session, track, level in dBov), loudest first."""

@final
class ChannelOpened:
    __match_args__ = ("session", "channel", "label", "protocol", "ordered", "by_peer")
    session: int
    channel: int
    label: str
    protocol: str
    ordered: bool
    by_peer: bool

@final
class ChannelMessage:
    __match_args__ = ("channel", "binary", "payload")
    channel: int
    binary: bool
    payload: bytes

@final
class ChannelWritable:
    __match_args__ = ("channel",)
    channel: int

@final
class ChannelEnded:
    __match_args__ = ("channel",)
    channel: int

@final
class TapReady:
    __match_args__ = ("tap",)
    tap: int

@final
class Dump:
    __match_args__ = ("track", "data", "last")
    track: int
    data: bytes
    last: bool

Event = (
    OfferReady
    | SectionsNeeded
    | ConnectionStateChanged
    | SessionEnded
    | TrackPublished
    | TrackUnpublished
    | TrackStalled
    | Subscribed
    | Unsubscribed
    | SubscriptionFailed
    | LayerChanged
    | LayersChanged
    | LayersWanted
    | AudioSlotChanged
    | SpeakersChanged
    | ChannelOpened
    | ChannelMessage
    | ChannelWritable
    | ChannelEnded
    | TapReady
    | Dump
)

@final
class EncodedFrame:
    """One encoded frame, as a decoder wants it."""

    __match_args__ = ("codec", "timestamp", "captured", "capture_source", "keyframe", "layer", "data")
    codec: CodecName
    timestamp: int
    captured: float | None
    capture_source: Literal["abs-capture-time", "sender-report"] | None
    keyframe: bool
    layer: tuple[int, int]
    data: bytes

@final
class TapFrames:
    """What waited in a tap; `ended`: nothing more comes and the tap is gone."""

    __match_args__ = ("frames", "dropped", "damaged", "ended")
    frames: list[EncodedFrame]
    dropped: int
    damaged: int
    ended: bool

# Stats: frozen, W3C webrtc-stats names; seconds, bytes and bits per second.

@final
class DropCounts:
    """Datagrams dropped, by reason."""

    __match_args__ = (
        "unknown_path",
        "malformed",
        "authentication",
        "replayed",
        "half_open_limit",
        "unbound_stream",
        "kernel",
    )
    unknown_path: int
    malformed: int
    authentication: int
    replayed: int
    half_open_limit: int
    unbound_stream: int
    kernel: int

@final
class ShardStats:
    __match_args__ = (
        "shard",
        "sessions",
        "received_per_second",
        "sent_per_second",
        "busy",
        "stall",
        "handed_over",
        "taken_over",
        "relayed_bytes",
        "ring_drops",
    )
    shard: int
    sessions: int
    received_per_second: float
    sent_per_second: float
    busy: float
    stall: float
    handed_over: int
    taken_over: int
    relayed_bytes: int
    ring_drops: int

@final
class SfuStats:
    __match_args__ = (
        "rooms",
        "sessions",
        "tracks",
        "subscriptions",
        "channels",
        "datagrams_received",
        "checks",
        "keep_alives",
        "dtls",
        "packets_received",
        "bytes_received",
        "packets_sent",
        "bytes_sent",
        "events_dropped",
        "dropped",
        "runs",
        "shards",
    )
    rooms: int
    sessions: int
    tracks: int
    subscriptions: int
    channels: int
    datagrams_received: int
    checks: int
    keep_alives: int
    dtls: int
    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    events_dropped: int
    dropped: DropCounts
    runs: list[int]
    shards: list[ShardStats]

@final
class RoomStats:
    __match_args__ = ("room", "sessions")
    room: int
    sessions: list[SessionStats]

@final
class SessionStats:
    __match_args__ = ("session", "age", "transports", "tracks", "subscriptions")
    session: int
    age: float
    transports: list[TransportStats]
    tracks: list[TrackStats]
    subscriptions: list[SubscriptionStats]

@final
class TransportStats:
    __match_args__ = (
        "transport",
        "state",
        "cipher",
        "local",
        "remote",
        "packets_received",
        "bytes_received",
        "packets_sent",
        "bytes_sent",
        "rtt",
        "estimate",
        "dropped",
    )
    transport: TransportName
    state: StateName
    cipher: str | None
    local: str | None
    remote: str | None
    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    rtt: float | None
    estimate: int | None
    dropped: DropCounts

@final
class TrackStats:
    __match_args__ = ("track", "kind", "mid", "codec", "muted", "encodings")
    track: int
    kind: KindName
    mid: str
    codec: CodecName
    muted: bool
    encodings: list[EncodingStats]

@final
class EncodingStats:
    __match_args__ = (
        "rid",
        "ssrc",
        "spatial",
        "active",
        "packets_received",
        "bytes_received",
        "packets_lost",
        "packets_repaired",
        "jitter",
        "nacks_sent",
        "plis_sent",
        "keyframes",
        "frames",
        "bitrate",
    )
    rid: str | None
    ssrc: int
    spatial: int
    active: bool
    packets_received: int
    bytes_received: int
    packets_lost: int
    packets_repaired: int
    jitter: float
    nacks_sent: int
    plis_sent: int
    keyframes: int
    frames: int
    bitrate: int

@final
class ResendRefusals:
    """Packets that a subscriber asked again and was not sent, by reason."""

    __match_args__ = ("unknown", "superseded", "too_old", "too_often", "too_soon", "over_budget", "flood")
    unknown: int
    superseded: int
    too_old: int
    too_often: int
    too_soon: int
    over_budget: int
    flood: int

@final
class SubscriptionStats:
    __match_args__ = (
        "subscription",
        "track",
        "mid",
        "ssrc",
        "layer",
        "max_layer",
        "paused",
        "choice",
        "packets_sent",
        "bytes_sent",
        "packets_retransmitted",
        "nacks_received",
        "resends_refused",
        "plis_received",
        "packets_lost",
        "jitter",
        "rtt",
    )
    subscription: int
    track: int
    mid: str | None
    ssrc: int
    layer: tuple[int, int] | None
    max_layer: tuple[int, int] | None
    paused: bool
    choice: tuple[tuple[int, int] | None, int, ChoiceReason, int | None] | None
    """Layer, bits per second, why not more, what probes look for."""
    packets_sent: int
    bytes_sent: int
    packets_retransmitted: int
    nacks_received: int
    resends_refused: ResendRefusals
    plis_received: int
    packets_lost: int
    jitter: float
    rtt: float | None

Reply = (
    None | int | bool | Description | tuple[str, str] | CommandFailed | TapFrames | SfuStats | RoomStats | SessionStats
)
"""None: done. int: the new id. bool: whether a message was taken. Description: the answer. (ufrag, pwd)."""
