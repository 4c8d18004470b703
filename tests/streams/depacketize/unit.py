"""What depacketisers give: coded frames (of one spatial layer each), with what they need to be decoded."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams import dependency_descriptor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.rtp import Packet


@dataclass
class Unit:
    """One coded frame."""

    timestamp: int
    """As received, 32 bits."""
    at: float
    """When its last packet came, in seconds."""
    data: bytes
    spatial: int = 0
    temporal: int = 0
    keyframe: bool = False
    number: int = 0
    """What others call it in `needs`; unwrapped."""
    needs: tuple[int, ...] = ()
    """Numbers of units that it cannot be decoded without."""
    first_seq: int = 0
    last_seq: int = 0
    notes: dict[str, int] = field(default_factory=dict)
    """Fields of the payload descriptor."""


class Unwrap:
    """Numbers of `bits` bits that wrap, made continuous."""

    def __init__(self, bits: int) -> None:
        self.modulus = 1 << bits
        self.highest: int | None = None

    def __call__(self, value: int) -> int:
        if self.highest is None:
            self.highest = value
            return value
        half = self.modulus // 2
        number = self.highest + (value - self.highest + half) % self.modulus - half
        self.highest = max(self.highest, number)
        return number


def pictures(packets: list[Packet]) -> Iterator[list[Packet]]:
    """Packets of one timestamp each, in the order of sequence numbers; padding is left out."""
    for _, group in itertools.groupby((one for one in packets if one.payload), key=lambda one: one.timestamp):
        yield list(group)


def is_whole(packets: list[Packet]) -> bool:
    """Whether no sequence number is missing between the first and the last."""
    return packets[-1].seq - packets[0].seq + 1 == len(packets)


class Descriptors:
    """Reads the dependency descriptors of one stream: its structure, and frame numbers that do not wrap."""

    def __init__(self, extension: int | None) -> None:
        self.extension = extension
        self.structure: dependency_descriptor.Structure | None = None
        self._unwrap = Unwrap(16)

    def read(self, packet: Packet) -> dependency_descriptor.Descriptor | None:
        """Of one packet; `None` without one, or as long as no structure has come."""
        value = packet.extensions.get(self.extension) if self.extension is not None else None
        if value is None:
            return None
        try:
            descriptor = dependency_descriptor.parse(value, self.structure)
        except ValueError:
            return None
        self.structure = descriptor.structure
        return descriptor

    def frames(self, packets: list[Packet]) -> Iterator[tuple[list[Packet], dependency_descriptor.Descriptor, int]]:
        """Runs from start of frame to end of frame that are whole: packets, first descriptor, unwrapped number."""
        run: list[Packet] = []
        first = None
        for packet in packets:
            descriptor = self.read(packet)
            if descriptor is None:
                run, first = [], None
                continue
            if descriptor.start:
                run, first = [], descriptor
            if first is None or descriptor.number != first.number:
                run, first = [], None
                continue
            run.append(packet)
            if descriptor.end:
                if is_whole(run):
                    yield run, first, self._unwrap(first.number)
                run, first = [], None

    @staticmethod
    def fill(unit: Unit, descriptor: dependency_descriptor.Descriptor, number: int) -> Unit:
        """Layer, number and references of a unit by its descriptor."""
        unit.spatial, unit.temporal = descriptor.frame.spatial, descriptor.frame.temporal
        unit.number = number
        unit.needs = tuple(number - diff for diff in descriptor.frame.frame_diffs)
        unit.keyframe = descriptor.has_structure
        return unit


def unit_of(packets: list[Packet], data: bytes) -> Unit:
    """A unit of these packets."""
    return Unit(
        timestamp=packets[0].timestamp,
        at=max(one.at for one in packets),
        data=data,
        first_seq=packets[0].seq,
        last_seq=packets[-1].seq,
    )
