"""H.264 (RFC 6184, non-interleaved) and H.265 (RFC 7798 without DONL): NAL units in Annex B form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.depacketize.unit import Descriptors, Unit, is_whole, pictures, unit_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.rtp import Packet

START = b"\x00\x00\x00\x01"


def h264(packets: list[Packet], extension: int | None) -> list[Unit]:
    """Whole access units."""
    return _units(
        packets, extension, _h264_nals, lambda nal: nal[0] & 0x1F == 7, lambda nal: nal[0] & 0x1F in (6, 7, 9)
    )


def h265(packets: list[Packet], extension: int | None) -> list[Unit]:
    """Whole access units."""

    def kind(nal: bytes) -> int:
        return nal[0] >> 1 & 0x3F

    found = _units(packets, extension, _h265_nals, lambda nal: kind(nal) == 33, lambda nal: 32 <= kind(nal) <= 35)
    for unit in found:
        unit.temporal = unit.temporal or unit.notes.get("temporal", 0)
    return found


def _units(
    packets: list[Packet],
    extension: int | None,
    nals_of: Callable[[list[Packet]], list[bytes] | None],
    is_key: Callable[[bytes], bool],
    starts: Callable[[bytes], bool],
) -> list[Unit]:
    descriptors = Descriptors(extension)
    if any(extension in packet.extensions for packet in packets):
        found = []
        for run, descriptor, number in descriptors.frames(packets):
            if nals := nals_of(run):
                found.append(descriptors.fill(unit_of(run, _annex_b(nals)), descriptor, number))
        return found
    whole: list[Unit] = []
    ended_at: int | None = None
    for picture in pictures(packets):
        nals = nals_of(picture)
        # No packet says that it begins an access unit: the one before must have ended, or parameter sets begin it.
        begins = ended_at == picture[0].seq - 1 or (nals is not None and starts(nals[0]))
        ended_at = picture[-1].seq if picture[-1].marker else None
        if nals is None or not begins or not is_whole(picture) or not picture[-1].marker:
            continue
        unit = unit_of(picture, _annex_b(nals))
        # A picture that refers to nothing is of no use without its parameter sets.
        unit.keyframe = any(is_key(nal) for nal in nals)
        unit.number = picture[0].seq
        unit.needs = (
            () if unit.keyframe else ((whole[-1].number if whole and whole[-1].last_seq == picture[0].seq - 1 else -1),)
        )
        unit.notes = {"temporal": (nals[-1][1] & 7) - 1}
        whole.append(unit)
    return whole


def _annex_b(nals: list[bytes]) -> bytes:
    return b"".join(START + nal for nal in nals)


def _h264_nals(packets: list[Packet]) -> list[bytes] | None:
    nals: list[bytes] = []
    open_fragment = False
    for packet in packets:
        payload = packet.payload
        kind = payload[0] & 0x1F
        if kind == 28:
            header = payload[1]
            if header & 0x80:
                nals.append(bytes([payload[0] & 0xE0 | header & 0x1F]))
            elif not open_fragment:
                return None
            nals[-1] += payload[2:]
            open_fragment = not header & 0x40
        elif open_fragment:
            return None
        elif kind == 24:
            nals += _aggregated(payload, 1)
        elif 1 <= kind <= 23:
            nals.append(payload)
    return None if open_fragment or not nals else nals


def _h265_nals(packets: list[Packet]) -> list[bytes] | None:
    nals: list[bytes] = []
    open_fragment = False
    for packet in packets:
        payload = packet.payload
        kind = payload[0] >> 1 & 0x3F
        if kind == 49:
            header = payload[2]
            if header & 0x80:
                nals.append(bytes([payload[0] & 0x81 | (header & 0x3F) << 1, payload[1]]))
            elif not open_fragment:
                return None
            nals[-1] += payload[3:]
            open_fragment = not header & 0x40
        elif open_fragment:
            return None
        elif kind == 48:
            nals += _aggregated(payload, 2)
        elif kind < 48:
            nals.append(payload)
    return None if open_fragment or not nals else nals


def _aggregated(payload: bytes, at: int) -> list[bytes]:
    nals = []
    while at + 2 <= len(payload):
        length = int.from_bytes(payload[at : at + 2], "big")
        nals.append(payload[at + 2 : at + 2 + length])
        at += 2 + length
    return nals
