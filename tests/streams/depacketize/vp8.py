"""VP8 (RFC 7741)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.depacketize.unit import Descriptors, Unit, Unwrap, is_whole, pictures, unit_of

if TYPE_CHECKING:
    from streams.rtp import Packet


@dataclass(frozen=True)
class _Descriptor:
    starts: bool
    length: int
    picture: int | None = None
    picture_bits: int = 15
    tl0: int | None = None
    temporal: int = 0
    sync: bool = False
    key: int | None = None


def _descriptor(payload: bytes) -> _Descriptor:
    """§4.2."""
    first, at = payload[0], 1
    starts = first & 0x1F == 0x10
    if not first & 0x80:
        return _Descriptor(starts, at)
    flags, at = payload[at], at + 1
    picture, bits, tl0, temporal, sync, key = None, 15, None, 0, False, None
    if flags & 0x80:
        if payload[at] & 0x80:
            picture, at = int.from_bytes(payload[at : at + 2], "big") & 0x7FFF, at + 2
        else:
            picture, bits, at = payload[at], 7, at + 1
    if flags & 0x40:
        tl0, at = payload[at], at + 1
    if flags & 0x30:
        temporal, sync, key = payload[at] >> 6, bool(payload[at] & 0x20), payload[at] & 0x1F
        at += 1
    return _Descriptor(starts, at, picture, bits, tl0, temporal, sync, key)


def units(packets: list[Packet], extension: int | None) -> list[Unit]:
    """Whole frames. References are by the dependency descriptor if there is one, else by TL0PICIDX and picture id."""
    descriptors = Descriptors(extension)
    if any(extension in packet.extensions for packet in packets):
        found = []
        for run, descriptor, number in descriptors.frames(packets):
            if unit := _unit(run):
                found.append(descriptors.fill(unit, descriptor, number))
        return found
    return _by_payload([unit for picture in pictures(packets) if (unit := _unit(picture)) and picture[-1].marker])


def _unit(packets: list[Packet]) -> Unit | None:
    parsed = [_descriptor(packet.payload) for packet in packets]
    if not parsed[0].starts or not is_whole(packets):
        return None
    data = b"".join(packet.payload[one.length :] for packet, one in zip(packets, parsed, strict=True))
    unit = unit_of(packets, data)
    first = parsed[0]
    unit.temporal, unit.keyframe = first.temporal, not data[0] & 1
    fields = {"picture": first.picture, "bits": first.picture_bits, "tl0": first.tl0, "key": first.key}
    unit.notes = {name: value for name, value in fields.items() if value is not None} | {"sync": int(first.sync)}
    return unit


def _by_payload(found: list[Unit]) -> list[Unit]:
    """§4.2 on TL0PICIDX, Y and picture id: a frame needs the last one of layer 0, without Y those of its own, too."""
    picture, tl0 = Unwrap(15), Unwrap(8)
    bases: dict[int, int] = {}
    newest: dict[int, int] = {}
    present: set[int] = set()
    key = -1
    for unit in found:
        unit.number = picture(unit.notes.get("picture", 0))
        base = tl0(unit.notes.get("tl0", 0))
        present.add(unit.number)
        if "tl0" not in unit.notes:
            unit.needs = () if unit.keyframe else (unit.number - 1,)
        elif unit.keyframe:
            bases[base] = key = unit.number
            newest.clear()
        elif unit.temporal == 0:
            # -1: a base that never came.
            unit.needs = (bases.get(base - 1, -1),)
            bases[base] = unit.number
        else:
            unit.needs = (bases.get(base, -1),)
            if not unit.notes["sync"]:
                unit.needs += tuple(newest.get(layer, -1) for layer in range(1, unit.temporal + 1) if layer in newest)
                # A picture that is missing since may have been of this layer.
                since = newest.get(unit.temporal, key)
                if since < 0 or any(number not in present for number in range(since, unit.number)):
                    unit.needs = (-1,)
        newest[unit.temporal] = unit.number
    return found
