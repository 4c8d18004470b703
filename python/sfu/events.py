"""What happens, as typed frozen values, past tense.

`session.events()`, `room.events()` and `server.events()` yield them; `@room.on("track_published")` calls a handler with
an event's fields in their order. The name for `on` is the class's in snake case. Those of `Room` and `Server` that
concern themselves stand with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sfu._emitter import EventsDropped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sfu.channel import DataChannel
    from sfu.description import Description
    from sfu.layer import Layer
    from sfu.member import ConnectionState, EndReason, Member
    from sfu.subscription import Subscription
    from sfu.track import Track

__all__ = [
    "AudioSlotChanged",
    "ChannelOpened",
    "ConnectionStateChanged",
    "LayerChanged",
    "LayersChanged",
    "LayersWanted",
    "MessageReceived",
    "OfferReady",
    "OwnTrackPublished",
    "OwnTrackUnpublished",
    "RoomUpdated",
    "SectionsNeeded",
    "SessionEnded",
    "SessionEvent",
    "SessionJoined",
    "SessionLeft",
    "SessionUpdated",
    "SharedEvent",
    "Speaker",
    "SpeakersChanged",
    "Subscribed",
    "SubscriptionFailed",
    "TrackMuted",
    "TrackPublished",
    "TrackStalled",
    "TrackUnmuted",
    "TrackUnpublished",
    "TrackUpdated",
    "Unsubscribed",
]


@dataclass(frozen=True)
class Speaker:
    """One who speaks."""

    session: Member
    track: Track
    level: int
    """dBov, -127 (silence) to 0 (RFC 6464)."""


# Of a session's own connection.


@dataclass(frozen=True)
class OfferReady:
    """The server wants to change a transport: send `offer`, give the answer to `session.receive`."""

    offer: Description


@dataclass(frozen=True)
class SectionsNeeded:
    """The client should add so many `recvonly` sections and offer (`offers="client"`)."""

    audio: int
    video: int


@dataclass(frozen=True)
class ConnectionStateChanged:
    """A session's media path changed state (the worst of its transports)."""

    session: Member
    state: ConnectionState


@dataclass(frozen=True)
class OwnTrackPublished:
    """This session's first media of a section arrived; the others get `TrackPublished`."""

    track: Track


@dataclass(frozen=True)
class OwnTrackUnpublished:
    """This session stopped a track."""

    track: Track


@dataclass(frozen=True)
class Subscribed:
    """A subscription has a section (`subscription.mid`): media may flow."""

    subscription: Subscription


@dataclass(frozen=True)
class Unsubscribed:
    """A subscription is over."""

    subscription: Subscription


@dataclass(frozen=True)
class SubscriptionFailed:
    """A subscription cannot flow as things are."""

    subscription: Subscription
    problem: Literal["codec_unsupported", "rejected"]
    codec: str | None
    """The codec that the subscriber did not accept."""


@dataclass(frozen=True)
class LayerChanged:
    """Another layer flows; `None`: nothing does."""

    subscription: Subscription
    before: Layer | None
    after: Layer | None
    reason: Literal["started", "chosen", "paused", "muted", "bandwidth", "flow"] = field(
        default="flow", kw_only=True, compare=False
    )
    """What it was decided by: the beginning, `set_layer`, `pause` and `resume` (or a lost and found transport), the
    server's mute, what the subscriber's way carries (`after` is `None` when it carries nothing of this track), or what
    the publisher sends."""
    wait: float = field(default=0.0, kw_only=True, compare=False)
    """Seconds from the decision until the first packet of the new layer had gone out."""
    keyframe_wait: float = field(default=0.0, kw_only=True, compare=False)
    """Seconds of `wait` in which a keyframe was awaited."""


@dataclass(frozen=True)
class LayersWanted:
    """Which layers of the session's own track its subscribers may come to need: those at or below what they ask for.

    One `Layer` for each spatial layer, rising, with its highest temporal layer; empty when nobody needs any. The
    publisher may stop the others (`track.rids[layer.spatial]` names the simulcast encoding; a page sets
    `encodings[].active`, or in SVC a `scalabilityMode` with fewer spatial layers). What is needed again is told at
    once, what is not within 5 s. A new track begins with all of its layers wanted.
    """

    track: Track
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class AudioSlotChanged:
    """Somebody else is heard in one of the session's audio slots (`create_room(audio_slots=…)`), or it has its section.

    A slot keeps its section while the voices in it change, so nothing is renegotiated.
    """

    slot: int
    """From 0 to `audio_slots` - 1."""
    mid: str
    """The section in the subscriber's SDP."""
    track: Track | None
    """Whose voice it is (`track.session`); `None`: nobody's."""


@dataclass(frozen=True)
class ChannelOpened:
    """A data channel is open, by either side (`channel.by_peer`)."""

    channel: DataChannel


@dataclass(frozen=True)
class MessageReceived:
    """A topic message for this session, from another one or (`sender` `None`) from the application."""

    topic: str
    data: Any
    sender: Member | None


@dataclass(frozen=True)
class SessionEnded:
    """The session is over; its last event."""

    reason: EndReason
    detail: str


# Of the room; every session in it gets them too.


@dataclass(frozen=True)
class SessionJoined:
    """Somebody joined the room."""

    session: Member


@dataclass(frozen=True)
class SessionLeft:
    """Somebody left the room; its tracks have gone."""

    session: Member
    reason: EndReason


@dataclass(frozen=True)
class SessionUpdated:
    """A session's name, metadata or attributes changed."""

    session: Member


@dataclass(frozen=True)
class TrackPublished:
    """First media of a track arrived."""

    track: Track


@dataclass(frozen=True)
class TrackUnpublished:
    """The publisher stopped a track, or left."""

    track: Track


@dataclass(frozen=True)
class TrackUpdated:
    """A track's source or name changed."""

    track: Track


@dataclass(frozen=True)
class TrackMuted:
    """A track was muted, by its publisher or by the server."""

    track: Track
    by: Literal["publisher", "server"]


@dataclass(frozen=True)
class TrackUnmuted:
    """A mute was lifted. `track.muted` may still hold: publisher and server mute independently."""

    track: Track
    by: Literal["publisher", "server"]


@dataclass(frozen=True)
class TrackStalled:
    """No packets of a track have come for a while, or (`stalled` false) they come again."""

    track: Track
    stalled: bool


@dataclass(frozen=True)
class LayersChanged:
    """`track.layers` has changed: a layer appeared, began or stopped to flow, or has another size."""

    track: Track


@dataclass(frozen=True)
class SpeakersChanged:
    """Who speaks, loudest first."""

    speakers: tuple[Speaker, ...]


@dataclass(frozen=True)
class RoomUpdated:
    """The room's metadata or attributes changed."""

    metadata: str
    attributes: Mapping[str, str]


SharedEvent = (
    ConnectionStateChanged
    | SessionJoined
    | SessionLeft
    | SessionUpdated
    | TrackPublished
    | TrackUnpublished
    | TrackUpdated
    | TrackMuted
    | TrackUnmuted
    | TrackStalled
    | LayersChanged
    | SpeakersChanged
    | RoomUpdated
    | EventsDropped
)
"""What sessions and rooms both report."""

SessionEvent = (
    SharedEvent
    | OfferReady
    | SectionsNeeded
    | OwnTrackPublished
    | OwnTrackUnpublished
    | Subscribed
    | Unsubscribed
    | SubscriptionFailed
    | LayerChanged
    | LayersWanted
    | AudioSlotChanged
    | ChannelOpened
    | MessageReceived
    | SessionEnded
)
"""What `session.events()` yields."""
