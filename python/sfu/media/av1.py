"""AV1 temporal units taken apart by spatial layer: dav1d gives one picture for what it is given at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["spatial_layers"]

_FRAME_HEADER, _FRAME = 3, 6


def spatial_layers(unit: bytes) -> list[bytes]:
    """The pieces of a temporal unit whose OBUs have sizes, each up to and with the frame of one spatial layer."""
    starts, newest = [0], None
    for start, kind, spatial in _obus(unit):
        if kind in (_FRAME_HEADER, _FRAME):
            if newest is not None and spatial > newest:
                starts.append(start)
            newest = spatial
    return [unit[start:end] for start, end in zip(starts, [*starts[1:], len(unit)], strict=True)]


def _obus(unit: bytes) -> Iterator[tuple[int, int, int]]:
    """Where each OBU starts, its type and its spatial layer (AV1 bitstream §5.3); stops at what is malformed."""
    at = 0
    while at + 2 <= len(unit):
        start, header = at, unit[at]
        extension = unit[at + 1] if header & 0x04 else 0
        at += 2 if header & 0x04 else 1
        size = shift = 0
        while at < len(unit):
            byte, at = unit[at], at + 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        yield start, header >> 3 & 0x0F, extension >> 3 & 0x03
        at += size
