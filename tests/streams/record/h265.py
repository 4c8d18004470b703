"""Makes `h265-simulcast`: `python tests/streams/record/h265.py`. No browser here sends H.265, so x265 does.

The pictures are those of `page.js`; packets are as RFC 7798 has them (single NAL units, one aggregation packet with the
parameter sets, fragmentation units), three encodings with a keyframe every 1.3 s each.
"""

from __future__ import annotations

import json
import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

from streams import counter  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDING = HERE.parent / "recordings" / "h265-simulcast"
FRAME_RATE, SECONDS, KEYFRAME_EVERY = 15, 5, 20
# rid: (width, height, bits per second)
ENCODINGS = {"q": (240, 136, 70_000), "h": (480, 272, 150_000), "f": (960, 544, 350_000)}
PAYLOAD_TYPE, RID_EXTENSION, MTU = 104, 10, 1150
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"


def picture(number: int, width: int, height: int) -> np.ndarray:
    """RGB with the counter above and something that moves below."""
    rows, columns = np.mgrid[0:height, 0:width]
    wave = np.sin(columns / width * 9 + number / 5) + np.cos(rows / height * 7 - number / 7)
    image = np.stack([128 + 50 * wave, 128 + 40 * np.roll(wave, 9, 0), 128 - 45 * wave], axis=2).astype(np.uint8)
    proof = counter.proof(number)
    for cell in range(24):
        bit = (number >> (11 - cell)) & 1 if cell < 12 else (proof >> (23 - cell)) & 1
        top, left = int(cell // 8 * height * 0.2), cell % 8 * width // 8
        image[top : int((cell // 8 + 1) * height * 0.2), left : left + width // 8 + 1] = 255 * bit
    return image


def encode(width: int, height: int, bit_rate: int) -> Iterator[list[bytes]]:
    """Each frame's NAL units."""
    encoder = av.CodecContext.create("libx265", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FRAME_RATE), Fraction(FRAME_RATE)
    encoder.bit_rate = bit_rate
    parameters = f"keyint={KEYFRAME_EVERY}:min-keyint={KEYFRAME_EVERY}:scenecut=0:bframes=0:repeat-headers=1:info=0"
    encoder.options = {
        "preset": "veryfast",
        "tune": "zerolatency",
        "x265-params": f"{parameters}:log-level=none:pools=1:frame-threads=1",
    }
    for number in range(FRAME_RATE * SECONDS):
        frame = av.VideoFrame.from_ndarray(picture(number + 100, width, height), format="rgb24").reformat(
            format="yuv420p"
        )
        frame.pts = number
        for packet in encoder.encode(frame):
            yield nal_units(bytes(packet))
    assert not encoder.encode(None), "a frame was late"


def nal_units(annex_b: bytes) -> list[bytes]:
    """Between the start codes."""
    parts = annex_b.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
    return [part for part in parts if part]


def payloads(nals: list[bytes]) -> Iterator[bytes]:
    """RFC 7798 §4.4."""
    sets = [nal for nal in nals if nal[0] >> 1 in range(32, 35)]
    if sets:
        yield bytes([48 << 1, 1]) + b"".join(struct.pack("!H", len(nal)) + nal for nal in sets)
    for nal in nals:
        if nal in sets or nal[0] >> 1 in (35, 39):
            continue
        if len(nal) <= MTU:
            yield nal
            continue
        pieces = [nal[at : at + MTU] for at in range(2, len(nal), MTU)]
        for index, piece in enumerate(pieces):
            flags = 0x80 * (index == 0) | 0x40 * (index == len(pieces) - 1)
            yield bytes([nal[0] & 0x81 | 49 << 1, nal[1], flags | nal[0] >> 1]) + piece


def rtp_packets(index: int, rid: str, size: tuple[int, int, int]) -> Iterator[tuple[int, int, bytes]]:
    """Milliseconds, encoding and bytes of each packet."""
    seq, ssrc = 65_500 + index, 0x4265_0000 + index
    for number, nals in enumerate(encode(*size)):
        timestamp = (0xFFFF_0000 + index * 77_777 + number * 90_000 // FRAME_RATE) % 2**32
        everything = list(payloads(nals))
        for place, payload in enumerate(everything):
            extension = bytes([RID_EXTENSION << 4]) + rid.encode() + bytes(2)
            marker = place == len(everything) - 1
            head = struct.pack("!BBHII", 0x90, marker << 7 | PAYLOAD_TYPE, seq % 65_536, timestamp, ssrc)
            yield (
                number * 1000 // FRAME_RATE + 3 * index,
                index,
                head + struct.pack("!HH", 0xBEDE, 1) + extension + payload,
            )
            seq += 1


def main() -> None:
    """Write the recording and its description."""
    packets = sorted(
        packet
        for index, (rid, size) in enumerate(ENCODINGS.items())
        for packet in _numbered(rtp_packets(index, rid, size))
    )
    body = b"".join(struct.pack("!HHI", len(one) + 8, len(one), at) + one for at, _, _, one in packets)
    RECORDING.with_suffix(".rtpdump").write_bytes(b"#!rtpplay1.0 0.0.0.0/0\n" + bytes(16) + body)
    about = {"codec": "h265", "encoder": f"x265 of PyAV {av.__version__}", "extmap": {RID: RID_EXTENSION}}
    about["encodings"] = [{"rid": rid, "width": size[0], "height": size[1]} for rid, size in ENCODINGS.items()]
    RECORDING.with_suffix(".json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _numbered(packets: Iterator[tuple[int, int, bytes]]) -> Iterator[tuple[int, int, int, bytes]]:
    """Keeps the order of an encoding when all are sorted by time."""
    for number, (at, index, data) in enumerate(packets):
        yield at, index, number, data


if __name__ == "__main__":
    main()
