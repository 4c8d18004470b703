"""FFmpeg's decoders, through PyAV: encoded frames in, pictures and samples out.

Runs on worker threads, one call at a time. Invariant: after an error nothing is shown until a keyframe.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.codec.codec import UnknownCodecError
from av.codec.context import Flags
from av.error import FFmpegError

from sfu.errors import DecoderMissing
from sfu.media.av1 import spatial_layers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sfu import _core

__all__ = ["Decoded", "Decoder"]

Decoded = av.VideoFrame | av.AudioFrame

_DECODERS: dict[str, tuple[str, ...]] = {
    "VP8": ("vp8",),
    "VP9": ("vp9",),
    "AV1": ("libdav1d", "av1"),
    "H264": ("h264",),
    "H265": ("hevc",),
    "opus": ("opus", "libopus"),
}
"""By codec, the best first. FFmpeg's own AV1 decoder needs hardware."""

_OPTIONS: dict[str, dict[str, str]] = {
    # A picture of each spatial layer, at once; else dav1d waits for the next temporal unit to know the highest.
    "libdav1d": {"alllayers": "1", "max_frame_delay": "1"},
}


class Decoder:
    """Of one track and layer, whatever codecs it goes through."""

    def __init__(self) -> None:
        self._codec: str | None = None
        self._context: av.AudioCodecContext | av.VideoCodecContext | None = None
        self._broken = False
        self.decoded = 0
        """Frames so far."""

    @property
    def broken(self) -> bool:
        """Whether it waits for a keyframe because of an error."""
        return self._broken

    def decode(self, frames: Sequence[_core.EncodedFrame]) -> list[Decoded]:
        """What `frames` show, in order: one picture for each, of its highest layer. Raises `DecoderMissing`."""
        return [decoded for frame in frames for decoded in self._decode(frame)]

    def _decode(self, frame: _core.EncodedFrame) -> list[Decoded]:
        if frame.codec != self._codec:
            self._codec, self._context = frame.codec, _context(frame.codec)
            self._broken = False
        if self._broken and not frame.keyframe:
            return []
        assert self._context is not None
        time_base = Fraction(1, 48_000 if frame.codec == "opus" else 90_000)
        found: list[Decoded] = []
        try:
            for data in spatial_layers(frame.data) if frame.codec == "AV1" else (frame.data,):
                packet = av.Packet(data)
                packet.pts = packet.dts = frame.timestamp
                packet.time_base = time_base
                found += self._context.decode(packet)
        except FFmpegError:
            self._broken = True
            return []
        self._broken = False
        shown = found if frame.codec == "opus" else found[-1:]
        self.decoded += len(shown)
        for one in shown:
            one.pts, one.time_base = frame.timestamp, time_base
        return shown


def _context(codec: str) -> av.AudioCodecContext | av.VideoCodecContext:
    for name in _DECODERS.get(codec, ()):
        try:
            context = av.CodecContext.create(name, "r")
        except UnknownCodecError:
            continue
        context.options = _OPTIONS.get(name, {})
        # A picture is to come out with the packet that completes it.
        context.thread_count = 1
        context.flags |= Flags.low_delay
        if isinstance(context, av.AudioCodecContext):
            context.sample_rate = 48_000
            context.layout = "stereo"
        assert isinstance(context, av.AudioCodecContext | av.VideoCodecContext)
        return context
    raise DecoderMissing(f"PyAV {av.__version__} has no decoder for {codec}: take encoded_frames()")
