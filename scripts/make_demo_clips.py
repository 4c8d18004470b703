"""Makes the clips that `sfu demo` publishes: moving, labelled test pictures in three sizes, and tones.

    python scripts/make_demo_clips.py            # writes python/sfu/clips/, needs PyAV and numpy

Each publisher gets `NAME.{l,m,h}.ivf` (VP8, 15 frames/s, a keyframe every second, loops seamlessly) and
`NAME.opus.ivf` (Opus frames of 20 ms in the same container, fourcc OPUS). IVF is 32 bytes of
header and 12 bytes before each frame: size (32 bits, little-endian) and timestamp (64 bits).
"""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

CLIPS = Path(__file__).parent.parent / "python" / "sfu" / "clips"
FPS = 15
SECONDS = 6
# name: (background hue in turns, tone in Hz, seconds of the loop in which it "speaks")
PUBLISHERS = {
    "anna": (0.58, 294.0, (0.0, 2.0)),
    "ben": (0.35, 220.0, (2.0, 4.0)),
    "cleo": (0.93, 370.0, (4.0, 6.0)),
}
# rid: (width, height, bits per second)
LAYERS = {"l": (240, 136, 60_000), "m": (480, 270, 150_000), "h": (960, 540, 420_000)}

# 5x7 capitals, digits and a few signs, one string of rows a glyph.
GLYPHS = {
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "B": "11110 10001 11110 10001 10001 10001 11110",
    "C": "01111 10000 10000 10000 10000 10000 01111",
    "E": "11111 10000 11110 10000 10000 10000 11111",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "N": "10001 11001 10101 10011 10001 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "x": "00000 00000 10001 01010 00100 01010 10001",
    ".": "00000 00000 00000 00000 00000 01100 01100",
    " ": "00000 00000 00000 00000 00000 00000 00000",
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "11110 00001 00001 01110 00001 00001 11110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
}


def text(label: str, scale: int) -> np.ndarray:
    """A mask (rows, columns) of `label`, True where ink is."""
    rows = []
    for row in range(7):
        bits = "0".join(GLYPHS[letter].split()[row] for letter in label)
        rows.append([bit == "1" for bit in bits])
    return np.kron(np.array(rows), np.ones((scale, scale), dtype=bool))


def draw(picture: np.ndarray, mask: np.ndarray, top: int, left: int, colour: tuple[int, int, int]) -> None:
    picture[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = colour


def hue(turns: np.ndarray, value: float) -> np.ndarray:
    """RGB (…, 3) of hues at moderate saturation."""
    channels = [np.clip(np.abs((turns + shift) % 1.0 * 6 - 3) - 1, 0, 1) for shift in (0.0, 2 / 3, 1 / 3)]
    return (255 * value * (0.45 + 0.55 * np.stack(channels, axis=-1))).astype(np.uint8)


def picture(name: str, width: int, height: int, frame: int) -> np.ndarray:
    base, _, speaks = PUBLISHERS[name]
    turn = frame / (FPS * SECONDS)
    y, x = np.mgrid[0:height, 0:width]
    wave = 0.06 * np.sin(2 * np.pi * (x / width + turn)) + 0.04 * np.cos(2 * np.pi * (y / height - turn))
    image = hue(base + wave, 0.62)
    # A head and shoulders that sway, so that a tile looks like a person and motion is seen at once.
    cx = width * (0.5 + 0.06 * np.sin(2 * np.pi * turn))
    radius = height * 0.17
    head = (x - cx) ** 2 + (y - height * 0.40) ** 2 < radius**2
    body = ((x - cx) / 1.5) ** 2 + (y - height * 0.92) ** 2 < (height * 0.30) ** 2
    image[body] = hue(np.array(base + 0.5), 0.8)
    image[head] = (245, 222, 196)
    seconds = frame / FPS
    talking = speaks[0] <= seconds < speaks[1]
    mouth_height = radius * (0.10 + (0.14 * abs(np.sin(seconds * 9)) if talking else 0.0))
    mouth = ((x - cx) / (radius * 0.35)) ** 2 + ((y - height * 0.47) / mouth_height) ** 2 < 1
    image[mouth] = (150, 60, 60)
    for side in (-1, 1):
        image[(x - cx - side * radius * 0.4) ** 2 + (y - height * 0.36) ** 2 < (radius * 0.1) ** 2] = (40, 40, 40)
    scale = max(height // 68, 1)
    draw(image, text(name.upper(), scale), scale * 2, scale * 2, (255, 255, 255))
    size = text(f"{width}x{height}", max(scale * 2 // 3, 1))
    draw(image, size, scale * 2, width - size.shape[1] - scale * 2, (255, 255, 255))
    clock = text(f"{seconds:04.1f}", max(scale * 2 // 3, 1))
    draw(image, clock, height - clock.shape[0] - scale * 2, width - clock.shape[1] - scale * 2, (255, 255, 255))
    return image


def encode_video(name: str, width: int, height: int, bitrate: int) -> list[bytes]:
    codec = av.codec.CodecContext.create("libvpx", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
    codec.time_base, codec.bit_rate = Fraction(1, FPS), bitrate
    codec.options = {
        "g": str(FPS),
        "keyint_min": str(FPS),
        "deadline": "good",
        "cpu-used": "2",
        "lag-in-frames": "0",
        "error-resilient": "1",
        "auto-alt-ref": "0",
    }
    frames = []
    for index in range(FPS * SECONDS):
        frame = av.VideoFrame.from_ndarray(picture(name, width, height, index), format="rgb24").reformat(
            format="yuv420p"
        )
        frame.pts = index
        frames += [bytes(packet) for packet in codec.encode(frame)]
    return frames + [bytes(packet) for packet in codec.encode(None)]


def encode_audio(name: str) -> list[bytes]:
    _, tone, (start, end) = PUBLISHERS[name]
    rate = 48_000
    t = np.arange(rate * SECONDS) / rate
    # Syllables: four a second, each a soft swell of a chord; silence outside the publisher's turn.
    syllable = np.clip(np.sin(2 * np.pi * 2 * t) ** 2, 0, 1)
    chord = np.sin(2 * np.pi * tone * t) + 0.5 * np.sin(2 * np.pi * tone * 1.5 * t)
    samples = (0.22 * 32767 / 1.5 * syllable * chord * ((t >= start) & (t < end))).astype(np.int16)
    codec = av.codec.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.bit_rate = rate, "mono", "s16", 24_000
    codec.options = {"frame_duration": "20", "application": "voip", "vbr": "on"}
    frames = []
    for index in range(0, len(samples), 960):
        frame = av.AudioFrame.from_ndarray(samples[None, index : index + 960], format="s16", layout="mono")
        frame.sample_rate, frame.pts = rate, index
        frames += [bytes(packet) for packet in codec.encode(frame)]
    return frames


def write_ivf(path: Path, fourcc: bytes, size: tuple[int, int], rate: int, frames: Iterable[bytes]) -> None:
    frames = list(frames)
    header = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, fourcc, *size, rate, 1, len(frames), 0)
    body = b"".join(struct.pack("<IQ", len(frame), index) + frame for index, frame in enumerate(frames))
    path.write_bytes(header + body)


def main() -> None:
    CLIPS.mkdir(exist_ok=True)
    for name in PUBLISHERS:
        for rid, (width, height, bitrate) in LAYERS.items():
            write_ivf(
                CLIPS / f"{name}.{rid}.ivf", b"VP80", (width, height), FPS, encode_video(name, width, height, bitrate)
            )
        write_ivf(CLIPS / f"{name}.opus.ivf", b"OPUS", (0, 0), 50, encode_audio(name))


if __name__ == "__main__":
    main()
