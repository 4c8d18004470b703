"""What a subscriber received, judged by decoding it: right counter, right size, the very pixels of the recording."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streams import rtp
from streams.decode import decode
from streams.depacketize.unit import Descriptors
from streams.source import pictures

if TYPE_CHECKING:
    from streams.depacketize.unit import Unit
    from streams.rtp import Packet
    from streams.source import Shown, Source


# By this share two pictures may be further apart, or closer, than the publisher sent them: timestamps are slewed.
SLEW = 0.02
# So many ticks too late is a keyframe that was switched to, when its own time is that of what was shown before.
AHEAD = 900
# Ticks between two pictures: the counter is drawn every 1/15 s, by a browser's timer, which may be so many ticks off.
PICTURE, JITTER = 6000, 9000


@dataclass
class Verdict:
    """What was found."""

    packets: list[Packet]
    units: list[Unit]
    undecodable: list[Unit]
    shown: list[Shown] = field(default_factory=list)
    """In the recording, what was shown."""
    times: list[float] = field(default_factory=list)
    """When the last packet of each picture came, in seconds from the capture's first packet."""
    problems: list[str] = field(default_factory=list)
    """Everything that must not be."""


def judge(source: Source, out: bytes, *, damaged: bool = False) -> Verdict:
    """Judge an rtpdump file. `damaged`: packets were lost or overtaken on the way in, so frames may be cut."""
    received = rtp.read(out)
    packets = rtp.in_order(received)
    units = source.units(packets)
    verdict = Verdict(packets, units, [])
    _check_numbers(verdict, received, damaged)
    decodable = _decodable(verdict, damaged)
    if source.descriptor is not None and not damaged:
        _check_descriptors(verdict, source.descriptor)
    if decodable:
        _check_pictures(verdict, source, decodable, damaged)
    return verdict


def _check_numbers(verdict: Verdict, received: list[Packet], damaged: bool) -> None:
    problems, packets = verdict.problems, verdict.packets
    if len({one.ssrc for one in packets}) > 1 or len({one.payload_type for one in packets}) > 1:
        problems.append("more than one SSRC or payload type")
    if len(received) != len(packets):
        problems.append(f"{len(received) - len(packets)} sequence numbers were used twice")
    if any(not one.payload for one in packets):
        problems.append("padding on the primary SSRC")
    for one, following in itertools.pairwise(packets):
        if (following.timestamp - one.timestamp + 2**31) % 2**32 < 2**31:
            problems.append(f"the timestamp goes back at sequence number {following.seq % 65536}")
    if damaged:
        return
    gaps = [one.seq % 65536 for one, following in itertools.pairwise(packets) if following.seq != one.seq + 1]
    # A switch in mid-frame would leave one number out; without damage frames come in bursts, so none is cut.
    if gaps:
        problems.append(f"sequence numbers are missing behind {gaps[:5]} though nothing was lost")
    markers = Counter(one.timestamp for one in packets if one.marker)
    last = {one.timestamp: one for one in packets}
    wrong = [stamp for stamp, one in last.items() if markers[stamp] != 1 or not one.marker]
    # The capture may end in the middle of a picture.
    if [stamp for stamp in wrong if stamp != packets[-1].timestamp]:
        problems.append(f"{len(wrong)} of {len(last)} pictures have no marker on their last packet, or several")


def _decodable(verdict: Verdict, damaged: bool) -> list[Unit]:
    """The units whose references were received and decodable, by what the descriptors tell a receiver."""
    have: set[int] = set()
    decodable = []
    for unit in verdict.units:
        if unit.keyframe or all(need in have for need in unit.needs):
            have.add(unit.number)
            decodable.append(unit)
        else:
            verdict.undecodable.append(unit)
    if verdict.undecodable and not damaged:
        first = verdict.undecodable[0]
        verdict.problems.append(f"{len(verdict.undecodable)} frames lack what they need, the first: {_brief(first)}")
    if not damaged:
        in_units = sum(unit.last_seq - unit.first_seq + 1 for unit in verdict.units)
        lost = [one for one in verdict.packets if one.timestamp != verdict.packets[-1].timestamp]
        if in_units < len(lost):
            verdict.problems.append(f"{len(lost) - in_units} packets belong to no whole frame")
    return decodable


def _check_descriptors(verdict: Verdict, extension: int) -> None:
    """The same by the dependency descriptors, whatever the codec's own descriptor says."""
    if not any(extension in packet.extensions for packet in verdict.packets):
        return
    descriptors = Descriptors(extension)
    have: set[int] = set()
    unread = 0
    for packet in verdict.packets:
        unread += descriptors.read(packet) is None
    if unread:
        verdict.problems.append(f"{unread} dependency descriptors cannot be read")
    descriptors = Descriptors(extension)
    lacking, dead = [], []
    previous = None
    for run, descriptor, number in descriptors.frames(verdict.packets):
        needs = [number - diff for diff in descriptor.frame.frame_diffs]
        if not descriptor.has_structure and any(need not in have for need in needs):
            lacking.append(run[0].seq % 65536)
        if previous is not None and number <= previous:
            verdict.problems.append(f"the frame number goes back at sequence number {run[0].seq % 65536}")
        active = descriptor.active
        present = [target for target, dti in enumerate(descriptor.frame.dtis) if dti]
        if active is not None and not any(active >> target & 1 for target in present):
            dead.append(run[0].seq % 65536)
        have.add(number)
        previous = number
    if lacking:
        verdict.problems.append(f"{len(lacking)} frames lack what their dependency descriptors refer to: {lacking[:5]}")
    if dead:
        verdict.problems.append(f"{len(dead)} frames belong to no active decode target: {dead[:5]}")


def _check_pictures(verdict: Verdict, source: Source, decodable: list[Unit], damaged: bool) -> None:
    problems = verdict.problems
    first = next((index for index, unit in enumerate(decodable) if unit.keyframe), None)
    if first != 0:
        problems.append("it does not begin with a keyframe")
        return
    previous, behind = None, 0
    for picture in decode(source.codec, pictures(decodable)):
        where = _brief(picture.units[-1])
        if picture.counter is None or picture.corrupt:
            problems.append(f"the picture cannot be read: {where}")
            continue
        known = source.by_pixels.get((picture.width, picture.height, picture.counter))
        if known is None:
            problems.append(f"no layer has picture {picture.counter} in {picture.width}x{picture.height}: {where}")
            continue
        if known.decoded.pixels != picture.pixels:
            problems.append(f"picture {picture.counter} of layer {known.spatial} has other pixels: {where}")
        if previous is not None:
            behind = _check_step(problems, previous, (known, picture.timestamp), behind if damaged else None)
        previous = known, picture.timestamp
        verdict.shown.append(known)
        verdict.times.append(picture.units[-1].at)


def _check_step(problems: list[str], before: tuple[Shown, int], now: tuple[Shown, int], behind: int | None) -> int:
    """From one picture to the next: forward, and as far on the subscriber's clock as on the publisher's.

    Takes and gives by how many ticks the publisher's time may be behind what was sent; `None`: nothing was damaged.
    """
    (one, one_stamp), (other, other_stamp) = before, now
    frames = (other.counter - one.counter) % 4096
    switched = one.decoded.width != other.decoded.width
    ticks = (other_stamp - one_stamp) % 2**32
    if switched and behind is not None:
        # A keyframe that dozens of packets overtook shows what was shown long ago; its timestamp does not go back.
        passed = ticks - ((frames + 2048) % 4096 - 2048) * PICTURE
        return passed + JITTER if passed > 0 else 0
    # The keyframe that was switched to may show once more, in another size, what was shown last.
    if frames not in range(0 if switched else 1, 2048):
        problems.append(f"picture {other.counter} is shown after {one.counter}")
        return 0
    sent = other.timestamp - one.timestamp
    # What follows such a keyframe is squeezed in until its time has caught up.
    squeezed = 0 if switched else min(behind or 0, max(0, sent - ticks))
    ticks += squeezed
    if not switched and abs(ticks - sent) > AHEAD + sent * SLEW:
        problems.append(f"from picture {one.counter} to {other.counter} are {ticks} ticks, sent were {sent}")
    if abs(ticks - frames * PICTURE) > JITTER:
        problems.append(f"{frames} pictures last {ticks / 90_000:.3f} s, from {one.counter} to {other.counter}")
    return (behind or 0) - squeezed


def _brief(unit: Unit) -> str:
    kind = "keyframe" if unit.keyframe else "frame"
    return f"{kind} S{unit.spatial}T{unit.temporal} at {unit.at:.2f} s, sequence number {unit.first_seq % 65536}"
