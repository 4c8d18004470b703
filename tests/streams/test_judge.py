"""The judge sees what is wrong: streams that were fine, damaged by hand."""

import struct
from collections.abc import Callable

import av
import pytest
from streams import rtp
from streams.judge import judge
from streams.source import NAMES, Source, load

Packets = list[tuple[int, bytearray]]


def records(source: Source) -> Packets:
    """The recording's top encoding alone, from its first keyframe on: milliseconds and packets."""
    rest, at, packets = source.capture.partition(b"\n")[2], 16, []
    while at < len(rest):
        length, packet_length, offset = struct.unpack_from("!HHI", rest, at)
        packets.append((offset, bytearray(rest[at + 8 : at + 8 + packet_length])))
        at += length
    sizes: dict[int, int] = {}
    for _, packet in packets:
        sizes[ssrc(packet)] = sizes.get(ssrc(packet), 0) + len(packet)
    top = max(sizes, key=sizes.__getitem__)
    first = source.layers[-1][0].decoded.timestamp
    alone = [one for one in packets if ssrc(one[1]) == top]
    begin = next(index for index, (_, packet) in enumerate(alone) if timestamp(packet) == first)
    stamps = [timestamp(packet) for _, packet in alone]
    # The last picture may be cut.
    return [one for one, stamp in zip(alone[begin:], stamps[begin:], strict=True) if stamp != stamps[-1]]


def ssrc(packet: bytearray) -> int:
    return struct.unpack_from("!I", packet, 8)[0]


def timestamp(packet: bytearray) -> int:
    return struct.unpack_from("!I", packet, 4)[0]


def seq(packet: bytearray) -> int:
    return struct.unpack_from("!H", packet, 2)[0]


def dump(packets: Packets) -> bytes:
    return (
        b"#!rtpplay1.0 0.0.0.0/0\n"
        + bytes(16)
        + b"".join(struct.pack("!HHI", len(one) + 8, len(one), at) + one for at, one in packets)
    )


def untouched(packets: Packets) -> Packets:
    return packets


def without_a_packet(packets: Packets) -> Packets:
    return packets[:20] + packets[21:]


def with_other_bits(packets: Packets) -> Packets:
    """In the middle of the largest packet's coded picture."""
    packet = max((packet for _, packet in packets[:40]), key=len)
    for at in range(600, 700):
        packet[at] ^= 0x55
    return packets


def without_pictures(packets: Packets) -> Packets:
    """Every third picture is left out and its numbers are closed, as if nobody needed it."""
    order = list(dict.fromkeys(timestamp(packet) for _, packet in packets))
    kept = [one for one in packets if order.index(timestamp(one[1])) % 3 != 2]
    first = seq(kept[0][1])
    for index, (_, packet) in enumerate(kept):
        struct.pack_into("!H", packet, 2, (first + index) % 65_536)
    return kept


def without_markers(packets: Packets) -> Packets:
    for _, packet in packets[30:60]:
        packet[1] &= 0x7F
    return packets


def with_time_going_back(packets: Packets) -> Packets:
    for _, packet in packets[60:]:
        struct.pack_into("!I", packet, 4, (timestamp(packet) - 90_000) % 2**32)
    return packets


def with_a_jump_in_time(packets: Packets) -> Packets:
    for _, packet in packets[60:]:
        struct.pack_into("!I", packet, 4, (timestamp(packet) + 45_000) % 2**32)
    return packets


def with_a_number_used_twice(packets: Packets) -> Packets:
    at, packet = packets[30]
    return [*packets[:31], (at, bytearray(packet)), *packets[31:]]


DAMAGE = [
    without_a_packet,
    with_other_bits,
    without_pictures,
    without_markers,
    with_time_going_back,
    with_a_jump_in_time,
    with_a_number_used_twice,
]


# A picture of VP9's K-SVC that lacks its upper layer has no marker as it comes from the browser.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "vp9-l3t3-key"])
def test_what_is_fine_is_found_fine(name: str) -> None:
    source = load(name)
    assert judge(source, dump(untouched(records(source)))).problems == []


@pytest.mark.parametrize("name", ["vp8-simulcast", "vp9-l3t3", "av1-l3t3", "h264-simulcast", "h265-simulcast"])
@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_what_is_wrong_is_found(name: str, damage: Callable[[Packets], Packets]) -> None:
    source = load(name)
    try:
        problems = judge(source, dump(damage(records(source)))).problems
    except (av.error.FFmpegError, AssertionError) as error:
        # A decoder may refuse damaged bits: that is found, too.
        problems = [repr(error)]
    assert problems
    assert rtp.read(dump(records(source))), "the recording itself is as it was"
