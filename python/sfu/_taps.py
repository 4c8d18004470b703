"""Encoded frames of a track for the application itself.

A tap is a subscription whose sink is a bounded ring in the data plane; frames are taken out in batches when it says
that some wait. Invariant: whoever closes, breaks off or cancels the iteration ends the tap.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sfu.errors import NotRunning, TrackEnded
from sfu.layer import Layer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from sfu import _core
    from sfu._backend import LayerTuple
    from sfu._hub import Hub

__all__ = ["EncodedFrame", "Tap", "TapStats", "encoded_frames"]


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One whole encoded frame, as a decoder takes it."""

    data: bytes
    """VP8 and Opus as they are; the layers of a VP9 picture as one superframe; an AV1 temporal unit whose OBUs have
    sizes; H264 and H265 in Annex B, keyframes with their parameter sets."""
    timestamp: int
    """In ticks of 1/90000 s (audio: 1/48000 s) since the tap's first frame; continuous over layer switches."""
    capture_time: float | None
    """When it was captured, in seconds since the Unix epoch by this machine's clock; `None` before the publisher's
    first sender report (RFC 3550 §6.4.1), which ties its clock to ours: late by what that report took on its way."""
    capture_source: Literal["abs-capture-time", "sender-report"] | None
    """Whence `capture_time` is known: what the publisher says of its frames (the header extension abs-capture-time), or
    else when the frame was sampled by the RTP clock and the sender reports; `None` with it."""
    keyframe: bool
    """Whether a decoder can start here; always true of audio."""
    layer: Layer
    """The spatial layer that the picture has, and its own temporal layer."""
    codec: str
    """`opus`, `VP8`, `VP9`, `AV1`, `H264` or `H265`."""


@dataclass(frozen=True, slots=True)
class TapStats:
    """What taps of one track cost and lost; of those that live."""

    taps: int
    """Rings in the data plane: one for each `encoded_frames`, one for each decoder."""
    decoders: int
    """One for each layer that is asked for, however many take its frames."""
    takers: int
    """Iterations over decoded frames."""
    frames_decoded: int
    """By the decoders."""
    frames_dropped: int
    """Encoded frames that found no room because nobody took them in time, and those that need them."""
    frames_damaged: int
    """Encoded frames that came with a hole, and those that need them."""


class Tap:
    """A ring in the data plane."""

    def __init__(self, hub: Hub, number: int) -> None:
        """Made by `open_tap`."""
        self._hub = hub
        self._number = number
        self._ready = asyncio.Event()
        self._gone = False
        self.dropped = 0
        self.damaged = 0
        hub.add("tap", number, self)
        hub.at_end.add(self._end)

    @property
    def gone(self) -> bool:
        """Whether the data plane has ended it."""
        return self._gone

    def handle(self, event: Any) -> None:
        """Frames wait, or may."""
        self._ready.set()

    async def take(self) -> list[_core.EncodedFrame]:
        """The frames that wait, when there are some; none: the track has ended."""
        while not self._gone:
            self._ready.clear()
            try:
                taken = await self._hub.backend.take_frames(self._number)
            except (NotRunning, TrackEnded):
                self._end()
                break
            self.dropped, self.damaged = taken.dropped, taken.damaged
            if taken.ended:
                self._end()
            if taken.frames:
                return taken.frames
            if not self._gone:
                await self._ready.wait()
        return []

    async def close(self) -> None:
        """End it. Does nothing when it has ended."""
        if not self._gone:
            self._end()
            with contextlib.suppress(NotRunning, TrackEnded):
                await self._hub.backend.untap(self._number)

    def _end(self) -> None:
        self._gone = True
        self._hub.remove("tap", self._number)
        self._hub.at_end.discard(self._end)
        self._ready.set()


async def open_tap(hub: Hub, track: int, max_layer: LayerTuple | None, capacity: int) -> Tap:
    """Make one. A cancelled call leaves nothing behind. Raises `TrackEnded`."""
    made: list[Tap] = []
    try:
        await hub.backend.tap(track, max_layer, capacity, lambda number: made.append(Tap(hub, number)))
    except BaseException:
        if made:
            hub.spawn(made[0].close())
        raise
    return made[0]


async def encoded_frames(
    hub: Hub, track: int, max_layer: LayerTuple | None, capacity: int, taps: set[Tap]
) -> AsyncGenerator[EncodedFrame, None]:
    """Until the track ends or the iteration is closed; `taps` holds the tap meanwhile."""
    tap = await open_tap(hub, track, max_layer, capacity)
    taps.add(tap)
    try:
        while batch := await tap.take():
            for one in batch:
                yield EncodedFrame(
                    data=one.data,
                    timestamp=one.timestamp,
                    capture_time=one.captured,
                    capture_source=one.capture_source,
                    keyframe=one.keyframe,
                    layer=Layer(*one.layer),
                    codec=one.codec,
                )
    finally:
        taps.discard(tap)
        # Whoever cancelled does not wait for an answer.
        if not tap.gone:
            hub.spawn(tap.close())
