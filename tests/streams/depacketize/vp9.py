"""VP9 (RFC 9628), flexible and non-flexible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.depacketize.unit import Unit, Unwrap, is_whole, unit_of

if TYPE_CHECKING:
    from streams.rtp import Packet


@dataclass(frozen=True)
class _Group:
    """One picture of a scalability structure's group (§4.2.1)."""

    temporal: int
    diffs: tuple[int, ...]


@dataclass(frozen=True)
class _Descriptor:
    length: int
    picture: int
    inter: bool
    flexible: bool
    begins: bool
    ends: bool
    temporal: int
    switch_up: bool
    spatial: int
    depends: bool
    tl0: int | None
    diffs: tuple[int, ...]
    group: tuple[_Group, ...] | None


def _descriptor(payload: bytes) -> _Descriptor:
    """§4.2."""
    first, at = payload[0], 1
    has_picture, inter, layered, flexible, begins, ends, structured = (bool(first & 0x80 >> bit) for bit in range(7))
    picture = 0
    if has_picture:
        if payload[at] & 0x80:
            picture, at = int.from_bytes(payload[at : at + 2], "big") & 0x7FFF, at + 2
        else:
            picture, at = payload[at], at + 1
    temporal, switch_up, spatial, depends, tl0 = 0, False, 0, False, None
    if layered:
        layer, at = payload[at], at + 1
        temporal, switch_up, spatial, depends = layer >> 5, bool(layer & 0x10), layer >> 1 & 7, bool(layer & 1)
        if not flexible:
            tl0, at = payload[at], at + 1
    diffs = []
    while flexible and inter:
        diffs.append(payload[at] >> 1)
        at += 1
        if not payload[at - 1] & 1:
            break
    group = None
    if structured:
        group, at = _structure(payload, at)
    return _Descriptor(
        at, picture, inter, flexible, begins, ends, temporal, switch_up, spatial, depends, tl0, tuple(diffs), group
    )


def _structure(payload: bytes, at: int) -> tuple[tuple[_Group, ...], int]:
    head, at = payload[at], at + 1
    if head & 0x10:
        at += 4 * ((head >> 5) + 1)
    group = []
    if head & 0x08:
        count, at = payload[at], at + 1
        for _ in range(count):
            one, at = payload[at], at + 1
            diffs = tuple(payload[at : at + (one >> 2 & 3)])
            at += len(diffs)
            group.append(_Group(one >> 5, diffs))
    return tuple(group), at


class _References:
    """Which pictures a layer frame needs, in both modes. A number is `picture * 8 + spatial layer`."""

    def __init__(self) -> None:
        self._picture = Unwrap(15)
        self._tl0 = Unwrap(8)
        self._group: tuple[_Group, ...] = ()
        self._group_start = 0
        self._bases: dict[int, int] = {}

    def fill(self, unit: Unit, one: _Descriptor) -> None:
        number = self._picture(one.picture)
        unit.spatial, unit.temporal = one.spatial, one.temporal
        unit.keyframe = not one.inter and not one.depends
        unit.number = number * 8 + one.spatial
        if one.group:
            self._group, self._group_start = one.group, number
        needs = [number * 8 + one.spatial - 1] if one.depends else []
        if one.inter:
            diffs = one.diffs if one.flexible else self._group_diffs(number)
            needs += [(number - diff) * 8 + one.spatial for diff in diffs]
        unit.needs = tuple(needs)
        unit.notes = {"picture": one.picture, "switch_up": int(one.switch_up)}
        unit.notes |= {"inter": int(one.inter), "depends": int(one.depends), "flexible": int(one.flexible)}

    def _group_diffs(self, number: int) -> tuple[int, ...]:
        if not self._group:
            return (1,)
        return self._group[(number - self._group_start) % len(self._group)].diffs


def units(packets: list[Packet], extension: int | None) -> list[Unit]:
    """Whole layer frames; the payload descriptor says it all, with `extension` or without."""
    references = _References()
    found: list[Unit] = []
    run: list[Packet] = []
    first: _Descriptor | None = None
    for packet in packets:
        if not packet.payload:
            continue
        one = _descriptor(packet.payload)
        if one.begins:
            run, first = [], one
        if first is None or (packet.timestamp, one.spatial) != (
            run[0].timestamp if run else packet.timestamp,
            first.spatial,
        ):
            run, first = [], None
            continue
        run.append(packet)
        if one.ends:
            if is_whole(run):
                data = b"".join(part.payload[_descriptor(part.payload).length :] for part in run)
                unit = unit_of(run, data)
                references.fill(unit, first)
                found.append(unit)
            run, first = [], None
    return found
