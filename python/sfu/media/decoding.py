"""Decoded frames: one decoder for each track and layer, however many take its frames.

A taker has a short queue of the latest frames; what it does not take in time is replaced. Invariant: nobody waits for a
taker, and with the last one the decoder and its tap are gone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import av

from sfu._taps import open_tap
from sfu.errors import ConversionFailed, MediaError, SfuError
from sfu.media.decoder import Decoder

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from sfu import _core
    from sfu._backend import LayerTuple
    from sfu._hub import Hub
    from sfu._taps import Tap
    from sfu.media.decoder import Decoded

__all__ = ["Decoding", "decoded_frames"]

_CAPACITY = 16
"""Encoded frames that wait for the decoder. Higher: a longer stall loses nothing. Lower: what is shown is never old."""


class Decoding:
    """One decoder at work, and those who take its frames."""

    def __init__(self, hub: Hub, track: int, max_layer: LayerTuple | None) -> None:
        """Begins at once."""
        self._hub = hub
        self._track = track
        self._max_layer = max_layer
        self.takers: set[_Taker] = set()
        self.tap: Tap | None = None
        self.decoder = Decoder()
        self.over = False
        self._task = hub.spawn(self._run())

    def stop(self) -> None:
        """Nobody takes any more."""
        self._task.cancel()

    async def _run(self) -> None:
        try:
            self.tap = await open_tap(self._hub, self._track, self._max_layer, _CAPACITY)
            while batch := await self.tap.take():
                await asyncio.to_thread(self._decode, batch, list(self.takers))
                for taker in self.takers:
                    taker.wake()
                if self.decoder.broken:
                    await self._hub.backend.request_keyframe(self._track)
        except SfuError as error:
            self._end(error)
        except Exception as error:  # whatever ends their frames, takers are told, and as an error of this library
            failure = MediaError(f"decoding ended: {error!r}")
            failure.__cause__ = error
            self._end(failure)
        finally:
            self._end(None)
            if self.tap is not None and not self.tap.gone:
                self._hub.spawn(self.tap.close())

    def _decode(self, batch: Sequence[_core.EncodedFrame], takers: Sequence[_Taker]) -> None:
        """On a worker thread: only what will be seen is converted."""
        frames = self.decoder.decode(batch)
        for taker in takers:
            taker.put(frames)

    def _end(self, error: Exception | None) -> None:
        self.over = True
        for taker in self.takers:
            taker.end(error)


class _Taker:
    """The latest frames for one iteration, in its format."""

    def __init__(self, format: str | None, queue: int) -> None:
        self._frames: deque[Decoded] = deque(maxlen=queue)
        self._format = format
        self._resampler: av.AudioResampler | None = None
        self._ready = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    def put(self, frames: Sequence[Decoded]) -> None:
        """On a worker thread. What fails here is this taker's alone."""
        if self._error is not None:
            return
        try:
            for frame in frames[-(self._frames.maxlen or 1) :]:
                self._frames.extend(self._convert(frame))
        except Exception as error:  # PyAV raises what FFmpeg, Cython and it itself do
            self._error = ConversionFailed(f"a frame cannot be turned into {self._format!r}: {error}")
            self._error.__cause__ = error

    def wake(self) -> None:
        """Something may have been put."""
        if self._frames or self._error is not None:
            self._ready.set()

    def end(self, error: Exception | None) -> None:
        """Nothing more comes."""
        self._ended = True
        self._error = self._error or error
        self._ready.set()

    async def next(self) -> Decoded | None:
        """The oldest of the latest; `None` at the end."""
        while True:
            if self._frames:
                return self._frames.popleft()
            if self._error is not None:
                raise self._error
            if self._ended:
                return None
            self._ready.clear()
            await self._ready.wait()

    def _convert(self, frame: Decoded) -> Sequence[Decoded]:
        if self._format is None:
            return [frame]
        if isinstance(frame, av.VideoFrame):
            return [frame.reformat(format=self._format)]
        if self._resampler is None:
            self._resampler = av.AudioResampler(format=self._format)
        return self._resampler.resample(frame)


def check_format(kind: str, format: str | None) -> None:
    """Raise `ValueError` for a format that FFmpeg does not know."""
    if format is None:
        return
    try:
        if kind == "video":
            av.VideoFormat(format)
        else:
            av.AudioFormat(format)
    except ValueError:
        example = "rgb24, bgr24, gray or yuv420p" if kind == "video" else "s16, s16p, flt or fltp"
        raise ValueError(f"format must be one of FFmpeg's such as {example}, not {format!r}") from None


async def decoded_frames(
    hub: Hub,
    track: int,
    max_layer: LayerTuple | None,
    format: str | None,
    queue: int,
    decodings: dict[LayerTuple | None, Decoding],
) -> AsyncGenerator[Decoded, None]:
    """Until the track ends or the iteration is closed; `decodings` holds those at work, by layer."""
    taker = _Taker(format, queue)
    decoding = decodings.get(max_layer)
    if decoding is None or decoding.over:
        decoding = decodings[max_layer] = Decoding(hub, track, max_layer)
    decoding.takers.add(taker)
    try:
        while (frame := await taker.next()) is not None:
            yield frame
    finally:
        decoding.takers.discard(taker)
        if not decoding.takers:
            if decodings.get(max_layer) is decoding:
                del decodings[max_layer]
            decoding.stop()
