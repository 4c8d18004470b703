"""What simulated peers publish and over which links. Checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sfu._arguments import check_choice, check_seconds, check_whole

__all__ = ["Audio", "Link", "Video"]

_MAX_SECONDS = 3600.0

_TEMPORAL = ("L1T1", "L1T2", "L1T3")
_SPATIAL = tuple(f"L{spatial}T{temporal}" for spatial in (2, 3) for temporal in (1, 2, 3))
_KEY = tuple(f"{layers}_KEY" for layers in _SPATIAL)
_SHIFT = tuple(f"{layers}_KEY_SHIFT" for layers in _SPATIAL if not layers.endswith("1"))
_STREAMS = tuple(f"S{layers[1:]}" for layers in _SPATIAL)
_STRUCTURES = {
    "vp8": _TEMPORAL,
    "vp9": _TEMPORAL + _SPATIAL + _KEY,
    "av1": _TEMPORAL + _SPATIAL + _KEY + _SHIFT + _STREAMS,
    "h264": _TEMPORAL,
    "h265": _TEMPORAL,
}
_USUAL = {"vp8": "L1T3", "vp9": "L1T3", "av1": "L1T2", "h264": "L1T1", "h265": "L1T3"}


@dataclass(frozen=True, kw_only=True)
class Link:
    """A network path, both ways alike: `Link(delay=0.05, loss=0.02, rate=2_000_000)`. The default is a perfect one.

    Raises `ValueError` or `TypeError`, naming the field.
    """

    delay: float = 0.0
    """Seconds from one end to the other."""
    jitter: float = 0.0
    """Up to so many seconds more, without changing the order."""
    loss: float = 0.0
    """The share of packets that vanish, 0 to 1."""
    burst: float = 1.0
    """How many vanish in a row on average (Gilbert-Elliott); 1: each for itself."""
    reorder: float = 0.0
    """The share of packets that are overtaken..."""
    reorder_by: int = 0
    """...by at most so many."""
    duplicate: float = 0.0
    """The share of packets that come twice."""
    rate: int | None = None
    """Bits per second of the bottleneck; `None`: there is none."""
    queue: float = 0.2
    """Seconds that the queue in front of the bottleneck holds; what comes on top is dropped."""

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("delay", "jitter", "queue"):
            check_seconds(name, getattr(self, name), _MAX_SECONDS)
        for name in ("loss", "reorder", "duplicate"):
            _check_share(name, getattr(self, name))
        if not 1 <= _number("burst", self.burst) <= 1e6:
            raise ValueError(f"burst must be a number of packets, 1 or more, not {self.burst}")
        check_whole("reorder_by", self.reorder_by, 0, 1000)
        if self.rate is not None:
            check_whole("rate", self.rate, 1000, 10**12, "bits per second; None means no bottleneck")


@dataclass(frozen=True, kw_only=True)
class Video:
    """A scripted camera: frames with true references and true descriptors, and payload that proves itself.

    By default VP8 of up to 960×540 with frames as large as a browser's. With a `structure`, any codec and its layers;
    frames are then of one to three packets. Raises `ValueError` or `TypeError`, naming the field.
    """

    codec: str = "vp8"
    """`"vp8"`, `"vp9"`, `"av1"`, `"h264"` or `"h265"`."""
    structure: str | None = None
    """Of each encoding, as in W3C webrtc-svc: `"L1T3"`, `"L3T3"`, `"L3T3_KEY"` (VP9, AV1), `"L3T3_KEY_SHIFT"`, `"S3T3"`
    (AV1). `None`: `"L1T3"`, for AV1 `"L1T2"`, for H.264 `"L1T1"`."""
    simulcast: int = 1
    """How many encodings: 1 (VP8 by default: 600 kbit/s at 15 frames a second), 2 or 3."""
    frame_rate: int = 15
    """Frames per second."""
    temporal_layers: bool = True
    """`False` is `structure="L1T1"`, with VP8 of a browser's size."""
    flexible: bool = True
    """Each VP9 packet lists its references (RFC 9628 §4.2); else a group of pictures of three temporal layers does."""
    dependency_descriptor: bool = False
    """It stands beside the payload descriptor; AV1 always has it."""
    keyframe_delay: float = 0.05
    """Seconds from a keyframe request to the keyframe."""

    def __post_init__(self) -> None:
        """Check every field, and fill in the structure."""
        check_choice("codec", self.codec, tuple(_STRUCTURES))
        check_whole("simulcast", self.simulcast, 1, 3, "encodings")
        check_whole("frame_rate", self.frame_rate, 1, 120)
        for name in ("temporal_layers", "flexible", "dependency_descriptor"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False, not {getattr(self, name)!r}")
        check_seconds("keyframe_delay", self.keyframe_delay, 60.0)
        if self.structure is None:
            if self.codec == "vp8" and not self.dependency_descriptor:
                return
            usual = _USUAL[self.codec] if self.temporal_layers else "L1T1"
            object.__setattr__(self, "structure", usual)
        check_choice("structure", self.structure, _STRUCTURES[self.codec])
        layers = str(self.structure)
        if self.codec == "h264" and layers != "L1T1" and not self.dependency_descriptor:
            raise ValueError("structure: H.264 tells of temporal layers with dependency_descriptor=True only")
        if self.codec == "vp9" and not self.flexible and layers[3] != "3":
            raise ValueError(f"structure: VP9 with flexible=False has three temporal layers, not {layers!r}")
        if self.simulcast > 1 and layers[1] != "1":
            raise ValueError(f"simulcast is of encodings with one spatial layer, not {layers!r}")


@dataclass(frozen=True, kw_only=True)
class Audio:
    """A scripted microphone: an Opus packet every 20 ms."""

    level: int = -30
    """Loudness in dBov (RFC 6464): 0 is the loudest, -127 silence."""

    def __post_init__(self) -> None:
        """Check the level."""
        check_whole("level", self.level, -127, 0, "dBov")


def link_of(name: str, value: Any) -> Link:
    """A perfect link for `None`."""
    if value is None:
        return Link()
    if not isinstance(value, Link):
        names = ", ".join(field.name for field in fields(Link))
        raise TypeError(f"{name} must be an sfu.testing.Link ({names}), not {type(value).__name__}")
    return value


def _check_share(name: str, value: Any) -> None:
    if not 0 <= _number(name, value) <= 1:
        raise ValueError(f"{name} must be a share from 0 to 1, not {value}: 0.02 is 2 %")


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    return value
