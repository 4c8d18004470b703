"""RTP as the judge reads it (RFC 3550 §5.1, RFC 8285), and rtpdump files. Shares nothing with the SFU's own parsers."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Packet:
    """One packet. `seq` is extended beyond 16 bits when it comes out of `in_order`."""

    at: float
    ssrc: int
    payload_type: int
    seq: int
    timestamp: int
    marker: bool
    extensions: dict[int, bytes] = field(hash=False)
    payload: bytes


def parse(at: float, data: bytes) -> Packet:
    """One packet; `ValueError` when it is none."""
    first, second, seq, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    if first >> 6 != 2:
        raise ValueError("not RTP version 2")
    begin = 12 + 4 * (first & 0x0F)
    extensions = {}
    if first & 0x10:
        profile, words = struct.unpack_from("!HH", data, begin)
        block = data[begin + 4 : begin + 4 + 4 * words]
        if len(block) != 4 * words:
            raise ValueError("the extensions are cut")
        extensions = _extensions(profile, block)
        begin += 4 + 4 * words
    end = len(data) - (data[-1] if first & 0x20 else 0)
    if end < begin:
        raise ValueError("the packet is cut")
    return Packet(at, ssrc, second & 0x7F, seq, timestamp, bool(second & 0x80), extensions, data[begin:end])


def _extensions(profile: int, block: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(block):
        if block[at] == 0:
            at += 1
            continue
        if profile == 0xBEDE:
            number, length = block[at] >> 4, (block[at] & 0x0F) + 1
            at += 1
            if number == 15:
                break
        elif profile >> 4 == 0x100:
            number, length = block[at], block[at + 1]
            at += 2
        else:
            break
        if at + length > len(block):
            raise ValueError("an extension is cut")
        found.setdefault(number, block[at : at + length])
        at += length
    return found


def read(file: Path | bytes) -> list[Packet]:
    """The RTP packets of an rtpdump file in its order."""
    data = file if isinstance(file, bytes) else file.read_bytes()
    line, _, rest = data.partition(b"\n")
    if not line.startswith(b"#!rtpplay1.0 "):
        raise ValueError(f"not rtpdump: {line!r}")
    at, packets = 16, []
    while at < len(rest):
        length, packet_length, offset = struct.unpack_from("!HHI", rest, at)
        if packet_length:
            packets.append(parse(offset / 1000, rest[at + 8 : at + 8 + packet_length]))
        at += length
    return packets


def in_order(packets: Iterable[Packet]) -> list[Packet]:
    """One SSRC's packets by their extended sequence numbers, without duplicates."""
    highest: int | None = None
    found: dict[int, Packet] = {}
    for packet in packets:
        seq = packet.seq if highest is None else highest + (packet.seq - highest + 0x8000) % 0x10000 - 0x8000
        highest = seq if highest is None else max(highest, seq)
        numbered = Packet(**{**packet.__dict__, "seq": seq})
        found.setdefault(seq, numbered)
    return [found[seq] for seq in sorted(found)]
