"""Decoding with FFmpeg's and dav1d's decoders through PyAV, picture by picture, and reading the counter back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import av
import numpy as np
from av.codec.context import Flags
from streams import counter
from streams.depacketize.av1 import TEMPORAL_DELIMITER

if TYPE_CHECKING:
    from streams.depacketize.unit import Unit

DECODERS = {"vp8": "vp8", "vp9": "vp9", "av1": "libdav1d", "h264": "h264", "h265": "hevc"}


@dataclass(frozen=True)
class Decoded:
    """One picture as it would be shown."""

    timestamp: int
    width: int
    height: int
    counter: int | None
    """As read; `None`: it cannot be read."""
    pixels: bytes
    """A digest of every sample."""
    corrupt: bool
    units: tuple[Unit, ...]


def decode(codec: str, pictures: list[list[Unit]]) -> list[Decoded]:
    """Decode units, grouped into pictures in decoding order. The last frame that a picture gives is the one shown."""
    context = av.CodecContext.create(DECODERS[codec], "r")
    context.thread_count = 1
    context.flags |= Flags.low_delay
    # dav1d gives every spatial layer: which is the highest that a picture has is ours to say.
    context.options = {"alllayers": "1"} if codec == "av1" else {"err_detect": "explode"}
    shown: dict[int, av.VideoFrame] = {}
    for index, units in enumerate(pictures):
        for data in _samples(codec, units):
            packet = av.Packet(data)
            packet.pts = index
            shown |= {frame.pts: frame for frame in context.decode(packet)}
    shown |= {frame.pts: frame for frame in context.decode(None)}
    lacking = [units[0] for index, units in enumerate(pictures) if index not in shown]
    assert not lacking, f"{codec}: the decoder shows nothing for {len(lacking)} pictures, such as {lacking[0]}"
    return [_shown(shown[index], units) for index, units in enumerate(pictures)]


def _samples(codec: str, units: list[Unit]) -> list[bytes]:
    if codec == "av1":
        return [TEMPORAL_DELIMITER + b"".join(unit.data for unit in units)]
    return [unit.data for unit in units]


def _shown(frame: av.VideoFrame, units: list[Unit]) -> Decoded:
    planes = [plane(one) for one in frame.planes]
    digest = hashlib.blake2b(digest_size=16)
    for one in planes:
        digest.update(one.tobytes())
    read = counter.read(planes[0])
    timestamp = units[0].timestamp
    return Decoded(timestamp, frame.width, frame.height, read, digest.digest(), frame.is_corrupt, tuple(units))


def plane(of: av.video.plane.VideoPlane) -> np.ndarray:
    """Its samples, height by width."""
    rows = np.frombuffer(of, np.uint8).reshape(-1, of.line_size)
    return rows[: of.height, : of.width]
