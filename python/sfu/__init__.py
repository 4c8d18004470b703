"""The SFU you import: rooms, sessions and tracks of a WebRTC selective forwarding unit as asyncio Python.

Media runs in Rust on its own threads; this package decides who gets what. Start with `Server`::

    async with sfu.Server(sfu.Config(udp="0.0.0.0:7882")) as server:
        room = await server.create_room("standup")
        async with await room.join("alice") as session:
            answer = await session.answer(offer)

`sfu.asgi(server)` is the page with its signalling, WHIP and WHEP as an ASGI application; `sfu.tokens` makes and checks
access tokens; `sfu serve` on the command line is all of it at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sfu._emitter import EventsDropped, EventStream
from sfu._taps import EncodedFrame, TapStats
from sfu._version import VERSION
from sfu.channel import DataChannel
from sfu.config import Config
from sfu.description import Description
from sfu.errors import (
    AlreadySubscribed,
    ChannelClosed,
    ChannelError,
    ConfigError,
    ConversionFailed,
    DecoderMissing,
    Forbidden,
    MediaError,
    MediaMissing,
    MessageTooLarge,
    NegotiationError,
    NotInRoom,
    NotRunning,
    RoomClosed,
    RoomError,
    RoomExists,
    RoomFull,
    RoomNotFound,
    RoomUnavailable,
    SessionClosed,
    SessionError,
    SessionReplaced,
    SfuError,
    SubscriptionEnded,
    SubscriptionError,
    TokenError,
    TooManyRooms,
    TooManySessions,
    TrackBusy,
    TrackEnded,
    TrackError,
    TransportError,
    UsageError,
    WrongLoop,
    WrongProcess,
)
from sfu.events import (
    AudioSlotChanged,
    ChannelOpened,
    ConnectionStateChanged,
    LayerChanged,
    LayersChanged,
    LayersWanted,
    MessageReceived,
    OfferReady,
    OwnTrackPublished,
    OwnTrackUnpublished,
    RoomUpdated,
    SectionsNeeded,
    SessionEnded,
    SessionEvent,
    SessionJoined,
    SessionLeft,
    SessionUpdated,
    Speaker,
    SpeakersChanged,
    Subscribed,
    SubscriptionFailed,
    TrackMuted,
    TrackPublished,
    TrackStalled,
    TrackUnmuted,
    TrackUnpublished,
    TrackUpdated,
    Unsubscribed,
)
from sfu.layer import Layer, LayerInfo
from sfu.member import Member
from sfu.room import Room, RoomEnded, RoomEvent
from sfu.server import RoomCreated, Server, ServerEvent
from sfu.session import Session
from sfu.stats import (
    Choice,
    DropCounts,
    EncodingStats,
    Explanation,
    ResendRefusals,
    RoomStats,
    ServerStats,
    SessionStats,
    ShardStats,
    SubscriptionStats,
    TrackStats,
    TransportStats,
)
from sfu.subscription import Subscription
from sfu.track import Track

if TYPE_CHECKING:
    from sfu import tokens
    from sfu.web.asgi import asgi

__all__ = [
    "AlreadySubscribed",
    "AudioSlotChanged",
    "ChannelClosed",
    "ChannelError",
    "ChannelOpened",
    "Choice",
    "Config",
    "ConfigError",
    "ConnectionStateChanged",
    "ConversionFailed",
    "DataChannel",
    "DecoderMissing",
    "Description",
    "DropCounts",
    "EncodedFrame",
    "EncodingStats",
    "EventStream",
    "EventsDropped",
    "Explanation",
    "Forbidden",
    "Layer",
    "LayerChanged",
    "LayerInfo",
    "LayersChanged",
    "LayersWanted",
    "MediaError",
    "MediaMissing",
    "Member",
    "MessageReceived",
    "MessageTooLarge",
    "NegotiationError",
    "NotInRoom",
    "NotRunning",
    "OfferReady",
    "OwnTrackPublished",
    "OwnTrackUnpublished",
    "ResendRefusals",
    "Room",
    "RoomClosed",
    "RoomCreated",
    "RoomEnded",
    "RoomError",
    "RoomEvent",
    "RoomExists",
    "RoomFull",
    "RoomNotFound",
    "RoomStats",
    "RoomUnavailable",
    "RoomUpdated",
    "SectionsNeeded",
    "Server",
    "ServerEvent",
    "ServerStats",
    "Session",
    "SessionClosed",
    "SessionEnded",
    "SessionError",
    "SessionEvent",
    "SessionJoined",
    "SessionLeft",
    "SessionReplaced",
    "SessionStats",
    "SessionUpdated",
    "SfuError",
    "ShardStats",
    "Speaker",
    "SpeakersChanged",
    "Subscribed",
    "Subscription",
    "SubscriptionEnded",
    "SubscriptionError",
    "SubscriptionFailed",
    "SubscriptionStats",
    "TapStats",
    "TokenError",
    "TooManyRooms",
    "TooManySessions",
    "Track",
    "TrackBusy",
    "TrackEnded",
    "TrackError",
    "TrackMuted",
    "TrackPublished",
    "TrackStalled",
    "TrackStats",
    "TrackUnmuted",
    "TrackUnpublished",
    "TrackUpdated",
    "TransportError",
    "TransportStats",
    "Unsubscribed",
    "UsageError",
    "WrongLoop",
    "WrongProcess",
    "__version__",
    "asgi",
    "tokens",
]


__version__ = VERSION


def __getattr__(name: str) -> Any:
    """`asgi` and `tokens` bring starlette and PyJWT: only for those who use them."""
    if name == "asgi":
        return import_module("sfu.web.asgi").asgi
    if name == "tokens":
        return import_module("sfu.tokens")
    raise AttributeError(f"module 'sfu' has no attribute {name!r}")
