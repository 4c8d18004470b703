"""A recording as the judge knows it: the pictures of every layer, decoded undisturbed."""

from __future__ import annotations

import functools
import itertools
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams import dependency_descriptor, rtp
from streams.decode import Decoded, decode
from streams.depacketize import av1, h26x, vp8, vp9

if TYPE_CHECKING:
    from streams.depacketize.unit import Unit
    from streams.rtp import Packet

RECORDINGS = Path(__file__).parent / "recordings"
NAMES = sorted(path.stem for path in RECORDINGS.glob("*.rtpdump"))
DEPACKETIZERS = {"vp8": vp8.units, "vp9": vp9.units, "av1": av1.units, "h264": h26x.h264, "h265": h26x.h265}


@dataclass(frozen=True)
class Shown:
    """A picture at one spatial layer."""

    counter: int
    spatial: int
    """The highest layer that it has, at most the one asked for."""
    temporal: int
    timestamp: int
    """Unwrapped, of its encoding."""
    at: float
    """When its first packet came, in seconds."""
    decoded: Decoded


@dataclass(frozen=True)
class Source:
    """See the module's text."""

    name: str
    codec: str
    capture: bytes
    extmap: dict[str, int]
    simulcast: bool
    layers: tuple[tuple[Shown, ...], ...]
    """By spatial layer: what a subscriber of it is shown when nothing is left out, from the first keyframe on."""
    by_pixels: dict[tuple[int, int, int], Shown]
    """By width, height and counter."""

    @property
    def descriptor(self) -> int | None:
        """The dependency descriptor's id."""
        return self.extmap.get(dependency_descriptor.URI)

    def can_show(self, one: Shown, spatial: int) -> bool:
        """Whether a subscriber of `spatial` can be shown a picture that may lack that layer.

        With inter-layer prediction the lower layers are there and decodable; K-SVC leaves them out between keyframes.
        """
        return one.spatial == spatial or self.simulcast or not self.name.endswith("-key")

    def units(self, packets: list[Packet]) -> list[Unit]:
        """Whole coded frames in packets that are in order."""
        return DEPACKETIZERS[self.codec](packets, self.descriptor)


def pictures(units: list[Unit]) -> list[list[Unit]]:
    """Units of one timestamp each."""
    return [list(group) for _, group in itertools.groupby(units, key=lambda unit: unit.timestamp)]


def spatial_layers(name: str) -> int:
    """How many a recording has, by its description alone."""
    about = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    encodings = about["encodings"]
    return len(encodings) if len(encodings) > 1 else int(encodings[0]["mode"][1])


@functools.cache
def load(name: str) -> Source:
    """One recording, decoded at every spatial layer."""
    about: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))
    capture = (RECORDINGS / f"{name}.rtpdump").read_bytes()
    codec, extmap = about["codec"], about["extmap"]
    packets = rtp.read(capture)
    streams: dict[int, list[Packet]] = defaultdict(list)
    for packet in packets:
        streams[packet.ssrc].append(packet)
    found = [
        DEPACKETIZERS[codec](rtp.in_order(stream), extmap.get(dependency_descriptor.URI)) for stream in streams.values()
    ]
    arrivals = {(packet.ssrc, packet.timestamp): packet.at - packets[0].at for packet in reversed(packets)}
    if len(found) > 1:
        layers = [
            _layer(codec, units, {unit.timestamp: arrivals[ssrc, unit.timestamp] for unit in units})
            for ssrc, units in zip(streams, found, strict=True)
        ]
        layers.sort(key=lambda shown: shown[0].decoded.width)
        layers = [[Shown(**{**one.__dict__, "spatial": index}) for one in shown] for index, shown in enumerate(layers)]
    else:
        (ssrc,), (units,) = streams, found
        times = {unit.timestamp: arrivals[ssrc, unit.timestamp] for unit in units}
        top = max(unit.spatial for unit in units)
        layers = [
            _layer(codec, [unit for unit in units if unit.spatial <= spatial], times) for spatial in range(top + 1)
        ]
    by_pixels = {(one.decoded.width, one.decoded.height, one.counter): one for shown in layers for one in shown}
    return Source(name, codec, capture, extmap, len(found) > 1, tuple(map(tuple, layers)), by_pixels)


def _layer(codec: str, units: list[Unit], times: dict[int, float]) -> list[Shown]:
    first = next(index for index, unit in enumerate(units) if unit.keyframe)
    shown = []
    timestamp = 0
    for picture in decode(codec, pictures(units[first:])):
        assert picture.counter is not None, f"a picture of the recording cannot be read: {picture}"
        assert not picture.corrupt
        top = picture.units[-1]
        timestamp += (picture.timestamp - timestamp + 2**31) % 2**32 - 2**31
        at = times[picture.timestamp]
        shown.append(Shown(picture.counter, top.spatial, top.temporal, timestamp, at, picture))
    return shown
