"""AV1 (AV1 RTP payload specification 1.0, §4.4): OBU elements back to OBUs with sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.depacketize.unit import Descriptors, Unit, is_whole, pictures, unit_of

if TYPE_CHECKING:
    from streams.rtp import Packet

TEMPORAL_DELIMITER = bytes([0x12, 0x00])


def units(packets: list[Packet], extension: int | None) -> list[Unit]:
    """Whole frames; without dependency descriptors whole temporal units."""
    descriptors = Descriptors(extension)
    if any(extension in packet.extensions for packet in packets):
        found = []
        for run, descriptor, number in descriptors.frames(packets):
            if data := _obus(run):
                found.append(descriptors.fill(unit_of(run, data), descriptor, number))
        return found
    whole = []
    for picture in pictures(packets):
        if is_whole(picture) and picture[-1].marker and not picture[0].payload[0] & 0x80 and (data := _obus(picture)):
            unit = unit_of(picture, data)
            unit.keyframe = bool(picture[0].payload[0] & 0x08)
            unit.number = len(whole)
            unit.needs = () if unit.keyframe else (unit.number - 1,)
            whole.append(unit)
    return whole


def _obus(packets: list[Packet]) -> bytes | None:
    """`None` when the first element continues something, or the last is not finished."""
    elements: list[bytes] = []
    unfinished = False
    for packet in packets:
        continues, unfinished_now, pieces = _elements(packet.payload)
        if continues != unfinished:
            return None
        if continues:
            elements[-1] += pieces.pop(0)
        elements += pieces
        unfinished = unfinished_now
    return None if unfinished else b"".join(_with_size(element) for element in elements if element)


def _elements(payload: bytes) -> tuple[bool, bool, list[bytes]]:
    head, at = payload[0], 1
    count, pieces = head >> 4 & 3, []
    while at < len(payload):
        if count and len(pieces) == count - 1:
            length = len(payload) - at
        else:
            length, at = _leb128(payload, at)
        pieces.append(payload[at : at + length])
        at += length
    return bool(head & 0x80), bool(head & 0x40), pieces


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte, at = data[at], at + 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7


def _with_size(obu: bytes) -> bytes:
    """`obu_has_size_field` set (AV1 bitstream specification §5.3.2); temporal delimiters are the decoder's to add."""
    kind = obu[0] >> 3 & 0x0F
    if kind == 2:
        return b""
    header = 2 if obu[0] & 0x04 else 1
    if obu[0] & 0x02:
        return obu
    size, length = len(obu) - header, bytearray()
    while True:
        length.append(size & 0x7F | (0x80 if size > 0x7F else 0))
        size >>= 7
        if not size:
            break
    return bytes([obu[0] | 0x02]) + obu[1:header] + bytes(length) + obu[header:]
