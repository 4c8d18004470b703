"""What simulated peers publish and over which links. Checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sfu._arguments import check_seconds, check_whole

__all__ = ["Audio", "Link", "Video"]

_MAX_SECONDS = 3600.0


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
    """A scripted camera: VP8 frames with true references, 960×540 in its highest encoding.

    Raises `ValueError` or `TypeError`, naming the field.
    """

    codec: str = "vp8"
    """`"vp8"` is the one that peers have."""
    simulcast: int = 1
    """How many encodings: 1 (600 kbit/s at 15 frames a second), 2 or 3."""
    frame_rate: int = 15
    """Frames per second."""
    temporal_layers: bool = True
    """L1T3, or else L1T1."""
    keyframe_delay: float = 0.05
    """Seconds from a keyframe request to the keyframe."""

    def __post_init__(self) -> None:
        """Check every field."""
        if self.codec != "vp8":
            raise ValueError(f"codec: simulated peers publish 'vp8', not {self.codec!r}; `sfu torture` has the others")
        check_whole("simulcast", self.simulcast, 1, 3, "encodings")
        check_whole("frame_rate", self.frame_rate, 1, 120)
        if not isinstance(self.temporal_layers, bool):
            raise TypeError(f"temporal_layers must be True or False, not {self.temporal_layers!r}")
        check_seconds("keyframe_delay", self.keyframe_delay, 60.0)


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
