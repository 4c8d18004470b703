"""Counters as plain typed values, in the names of the W3C's webrtc-stats; seconds, bytes and bits per second.

Made from the data plane's snapshot in one go, so its numbers belong together. `to_dict()` gives plain JSON.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sfu.layer import Layer, layer_from

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sfu import _core
    from sfu.description import TransportName
    from sfu.member import ConnectionState

__all__ = [
    "DropCounts",
    "EncodingStats",
    "ResendRefusals",
    "RoomStats",
    "ServerStats",
    "SessionStats",
    "ShardStats",
    "SubscriptionStats",
    "TrackStats",
    "TransportStats",
]

T = TypeVar("T")


class _Value:
    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class DropCounts(_Value):
    """Datagrams dropped, by reason."""

    unknown_path: int
    malformed: int
    authentication: int
    replayed: int
    half_open_limit: int
    unbound_stream: int
    kernel: int
    """Dropped by the kernel because its buffer was full."""

    @property
    def total(self) -> int:
        """All of them."""
        return sum(asdict(self).values())


@dataclass(frozen=True)
class ShardStats(_Value):
    """Of one thread of the data plane."""

    shard: int
    """Its number, from 0."""
    sessions: int
    """Those that live there."""
    received_per_second: float
    """Datagrams that came in, over the last second."""
    sent_per_second: float
    """Datagrams that went out, over the last second."""
    busy: float
    """The share of a processor that it took in the last second: 0 … 1."""
    stall: float
    """Seconds: the longest time of the last ten seconds in which something was ready and the thread did not take it.
    One that stands still now is told of with the time since then, and the rest as it was before."""
    handed_over: int
    """Datagrams that came to it and belonged to another thread's session."""
    taken_over: int
    """Datagrams that belonged to its sessions and came to another thread."""
    relayed_bytes: int
    """Bytes that it gave to other threads for rooms that live on several."""
    ring_drops: int
    """Datagrams and relayed media that were lost because another thread was too late to take them."""


@dataclass(frozen=True)
class ServerStats(_Value):
    """Of a whole server."""

    rooms: int
    sessions: int
    tracks: int
    """Those with a section; `RoomStats` has those that also brought packets."""
    subscriptions: int
    channels: int
    datagrams_received: int
    """Of any kind, those in `dropped` too."""
    checks: int
    """Of them: authentic ICE checks (RFC 8445 §7.3)."""
    keep_alives: int
    """Of them: STUN binding indications over known paths (RFC 8445 §11)."""
    dtls: int
    """Of them: DTLS, handshakes and data channels alike, of which something was taken."""
    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    events_dropped: int
    dropped: DropCounts
    runs: tuple[int, ...]
    """Messages that the kernel took, by how many datagrams each held: of one, of two, and so on (`UDP_SEGMENT`)."""
    shards: tuple[ShardStats, ...]
    """The threads, by their number. Of a simulation: none."""

    @classmethod
    def of(cls, native: _core.SfuStats) -> ServerStats:
        """From the data plane's."""
        return _copy(
            cls,
            native,
            dropped=_copy(DropCounts, native.dropped),
            runs=tuple(native.runs),
            shards=tuple(_copy(ShardStats, one) for one in native.shards),
        )


@dataclass(frozen=True)
class TransportStats(_Value):
    """Of one transport of a session."""

    transport: TransportName
    state: ConnectionState
    cipher: str | None
    """The SRTP profile, once the handshake is done."""
    local: str | None
    remote: str | None
    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    rtt: float | None
    estimate: int | None
    """Bits per second that the way to the peer carries (RTP and what is in it), once video goes to the peer and it has
    reported on that."""
    dropped: DropCounts


@dataclass(frozen=True)
class EncodingStats(_Value):
    """Of one encoding of a track: one SSRC in, with its repair."""

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


@dataclass(frozen=True)
class TrackStats(_Value):
    """Of one published track."""

    track: int
    kind: _core.KindName
    mid: str
    codec: str
    muted: bool
    encodings: tuple[EncodingStats, ...]


@dataclass(frozen=True)
class ResendRefusals(_Value):
    """Packets that a subscriber asked again and was not sent, by reason."""

    unknown: int
    """Never sent, or too long ago."""
    superseded: int
    """A keyframe was sent after it."""
    too_old: int
    """It would have come too late to be played: more than 0.5 s after it was first sent."""
    too_often: int
    """Sent again three times already."""
    too_soon: int
    """Sent again less than a round trip ago."""
    over_budget: int
    """Retransmissions had used up their share of what is sent."""
    flood: int
    """Whole requests of a peer that asks for more than 20,000 packets a second."""


@dataclass(frozen=True)
class Choice(_Value):
    """What one subscription gets of its subscriber's bandwidth, and why not more."""

    layer: Layer | None
    """The highest that there is bandwidth for; `None`: for none."""
    bitrate: int
    """Bits per second that go out for it, as measured."""
    reason: _core.ChoiceReason
    """Why not more.

    `best`: there is no more; `limit`: more is not wanted; `not_flowing`: the publisher sends no more now; `budget`: it
    does not fit, or others bring more for it; `hysteresis`: the choice before is too young to be left.
    """
    waits_for: int | None
    """The estimate that probes are to show before anybody's next step on this way. `None`: nothing is looked for."""

    @classmethod
    def of(cls, native: tuple[tuple[int, int] | None, int, _core.ChoiceReason, int | None] | None) -> Choice | None:
        """From the data plane's."""
        if native is None:
            return None
        layer, bitrate, reason, waits_for = native
        return cls(layer=layer_from(layer), bitrate=bitrate, reason=reason, waits_for=waits_for)


@dataclass(frozen=True)
class SubscriptionStats(_Value):
    """Of one subscription."""

    subscription: int
    track: int
    """0: an audio slot in which nobody is heard."""
    mid: str | None
    ssrc: int
    layer: Layer | None
    max_layer: Layer | None
    paused: bool
    choice: Choice | None
    """`None` before the subscriber's bandwidth was divided for the first time."""
    packets_sent: int
    bytes_sent: int
    packets_retransmitted: int
    nacks_received: int
    """Packets that the peer asked again."""
    resends_refused: ResendRefusals
    plis_received: int
    packets_lost: int
    jitter: float
    rtt: float | None


@dataclass(frozen=True)
class SessionStats(_Value):
    """Of one session."""

    session: int
    identity: str
    age: float
    transports: tuple[TransportStats, ...]
    tracks: tuple[TrackStats, ...]
    subscriptions: tuple[SubscriptionStats, ...]

    @classmethod
    def of(cls, native: _core.SessionStats, identity: str) -> SessionStats:
        """From the data plane's."""
        return cls(
            session=native.session,
            identity=identity,
            age=native.age,
            transports=tuple(
                _copy(TransportStats, one, dropped=_copy(DropCounts, one.dropped)) for one in native.transports
            ),
            tracks=tuple(
                _copy(TrackStats, one, encodings=tuple(_copy(EncodingStats, each) for each in one.encodings))
                for one in native.tracks
            ),
            subscriptions=tuple(
                _copy(
                    SubscriptionStats,
                    one,
                    layer=layer_from(one.layer),
                    max_layer=layer_from(one.max_layer),
                    choice=Choice.of(one.choice),
                    resends_refused=_copy(ResendRefusals, one.resends_refused),
                )
                for one in native.subscriptions
            ),
        )


@dataclass(frozen=True)
class Explanation(_Value):
    """Why a subscription gets what it gets (`Subscription.explain`)."""

    estimate: int | None
    """Bits per second that the way to the subscriber carries, once that is estimated."""
    layer: Layer | None
    """What flows."""
    max_layer: Layer | None
    """What was asked; `None`: the highest that flows."""
    paused: bool
    """Whether `pause` was called."""
    choice: Choice | None
    """What there is bandwidth for, and what is waited for."""


@dataclass(frozen=True)
class RoomStats(_Value):
    """Of one room."""

    room: str
    sessions: tuple[SessionStats, ...]

    @classmethod
    def of(cls, native: _core.RoomStats, name: str, identities: Mapping[int, str]) -> RoomStats:
        """From the data plane's; sessions that have just left are left out."""
        return cls(
            room=name,
            sessions=tuple(
                SessionStats.of(one, identities[one.session]) for one in native.sessions if one.session in identities
            ),
        )


def _copy(cls: type[T], native: object, **nested: object) -> T:
    names = cls.__dataclass_fields__  # type: ignore[attr-defined]
    return cls(**{name: nested[name] if name in nested else getattr(native, name) for name in names})
