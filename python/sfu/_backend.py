"""What `Room` and `Session` stand on: commands that answer, and events that are delivered.

The native data plane is one implementation (`_native`), the simulator (`testing`) another. Ids are the plain integers
of `_core`; events have the names and fields of `_core`'s classes. Invariants: `adopt` is called with a new id before
any event about it is delivered; a command that is cancelled before it was adopted leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from sfu import _core
    from sfu.description import Description, TransportName

__all__ = [
    "Adopt",
    "Backend",
    "ChannelOptions",
    "Deliver",
    "LayerTuple",
    "Offers",
    "RoomOptions",
    "SessionOptions",
    "Timer",
]

Adopt = Callable[[int], None]
Deliver = Callable[[Sequence["_core.Event"], int], None]
LayerTuple = tuple[int, int]
Offers = Literal["either", "client", "split"]


@dataclass(frozen=True, kw_only=True)
class RoomOptions:
    """Of a new room."""

    max_sessions: int | None
    video_codecs: tuple[_core.CodecName, ...]
    audio_codecs: tuple[_core.CodecName, ...]
    red: int = 0
    audio_slots: int | None = None


@dataclass(frozen=True, kw_only=True)
class SessionOptions:
    """Of a new session."""

    offers: Offers
    label: str
    auto_subscribe: bool
    publish_audio: bool
    publish_video: bool


@dataclass(frozen=True, kw_only=True)
class ChannelOptions:
    """Of a new data channel."""

    label: str
    protocol: str
    ordered: bool
    max_retransmits: int | None
    max_lifetime: float | None


class Timer(Protocol):
    """Something that will be called."""

    def cancel(self) -> None:
        """It will not."""


class Backend(Protocol):
    """A data plane. Refused commands raise from `sfu.errors`."""

    def start(self, deliver: Deliver) -> None:
        """Begin; `deliver(events, dropped)` is called on the running loop. `TransportError`, `ConfigError`."""

    async def close(self) -> None:
        """End; every waiting command fails with `NotRunning`."""

    def check(self) -> None:
        """Raise `NotRunning`, `WrongLoop` or `WrongProcess` when a command could not work here."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back on the loop after so many seconds of the data plane's time, which in a simulation is virtual."""

    def candidates(self) -> list[str]:
        """The announced socket addresses."""

    def fingerprint(self) -> str:
        """Of the DTLS certificate."""

    def warnings(self) -> list[str]:
        """What the start had to put up with."""

    async def create_room(self, options: RoomOptions, adopt: Adopt) -> None:
        """Make a room."""

    async def close_room(self, room: int) -> None:
        """Close it and its sessions."""

    async def join(self, room: int, options: SessionOptions, adopt: Adopt) -> None:
        """Make a session."""

    async def close_session(self, session: int) -> None:
        """End it."""

    async def receive(self, session: int, description: Description) -> Description | None:
        """Apply a description; the answer to an offer."""

    async def add_candidate(self, session: int, transport: TransportName, candidate: str) -> None:
        """Take a trickled candidate."""

    async def restart_ice(self, session: int, transport: TransportName, ufrag: str, pwd: str) -> tuple[str, str]:
        """Exchange ICE credentials without SDP."""

    async def offer_ice_restart(self, session: int, transport: TransportName) -> None:
        """Offer fresh ICE credentials."""

    async def subscribe(self, session: int, track: int, max_layer: LayerTuple | None, adopt: Adopt) -> None:
        """Make a subscription."""

    async def unsubscribe(self, subscription: int) -> None:
        """End it."""

    async def set_layer(self, subscription: int, max_layer: LayerTuple | None) -> None:
        """Choose its layer."""

    async def set_paused(self, subscription: int, paused: bool) -> None:
        """Stop or restart it."""

    async def set_muted(self, track: int, muted: bool) -> None:
        """Drop what a track brings, or no longer."""

    async def request_keyframe(self, track: int) -> None:
        """Ask the publisher."""

    async def open_channel(self, session: int, options: ChannelOptions, adopt: Adopt) -> None:
        """Make a data channel."""

    async def send_message(self, channel: int, message: str | bytes) -> bool:
        """Send; false when the buffer is full, then `ChannelWritable` follows."""

    async def close_channel(self, channel: int) -> None:
        """Close it."""

    async def dump(self, track: int, seconds: float, max_bytes: int) -> None:
        """Deliver a track's packets as `Dump` events."""

    async def tap(self, track: int, max_layer: LayerTuple | None, capacity: int, adopt: Adopt) -> None:
        """Make a tap; `TapReady` tells of frames."""

    async def take_frames(self, tap: int) -> _core.TapFrames:
        """What waits in it."""

    async def untap(self, tap: int) -> None:
        """End it."""

    async def sfu_stats(self) -> _core.SfuStats:
        """Of everything."""

    async def room_stats(self, room: int) -> _core.RoomStats:
        """Of a room."""

    async def session_stats(self, session: int) -> _core.SessionStats:
        """Of a session."""
