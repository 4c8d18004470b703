"""What a simulated peer has seen and sent: plain frozen values, counted since it joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sfu.layer import Layer

__all__ = ["Received", "Sent", "Streams"]


@dataclass(frozen=True, kw_only=True)
class Received:
    """One track as it arrived at a peer. The frames are of video; for audio they are 0."""

    publisher: str
    """The name of the peer that published it."""
    kind: Literal["audio", "video"]
    source: int
    """Counts the publisher's tracks of this kind, from 0."""
    mid: str
    """The section in the peer's SDP."""
    packets: int
    """With those that came by retransmission."""
    repaired: int
    """Of `packets`: by retransmission."""
    lost: int
    """Given up."""
    nacks: int
    """Packets asked for again, each as often as it was."""
    keyframe_requests: int
    longest_delay: float
    """Seconds from capture to arrival, the longest."""
    encoding: int | None
    """Which of the publisher's encodings came last, by rising quality."""
    layer: Layer | None
    """The highest that was decoded within the last second; `None` before the first frame. `spatial` counts encodings or
    spatial layers."""
    decoded: int
    """Pictures that came whole, at least in their lowest layer, and could be decoded."""
    keyframes: int
    undecodable: int
    """Frames that came whole and refer to what never came; each spatial layer of a picture is a frame."""
    freezes: int
    """Pauses that a viewer notices (W3C webrtc-stats `freezeCount`), behind a jitter buffer of 0.1 to 0.5 seconds."""
    idle: float | None
    """Seconds since the last decoded frame; `None` before the first."""
    faults: int
    """What is never right: frames that are torn though nothing is lost, numbers and timestamps that do not continue,
    switches without a keyframe."""
    wrong: int
    """Packets whose payload is damaged or somebody else's."""


@dataclass(frozen=True, kw_only=True)
class Sent:
    """What a peer sent, and what the server asked of it."""

    connected: bool
    packets: int
    """RTP, without retransmissions."""
    resent: int
    keyframes: int
    keyframe_requests: int
    nacks: int
    """Packets that the server asked for again."""
    lost_up: int
    """Datagrams that vanished on the way to the server."""
    lost_down: int
    """On the way from it."""


class Streams(dict[str, Received]):
    """By the publisher's name; of several tracks of a kind the first. Says who is there when somebody is not."""

    def __init__(self, owner: str, kind: str, received: list[Received]) -> None:
        """What `owner` receives of this kind."""
        super().__init__()
        self._about = f"{owner!r} has received no {kind} of"
        for one in sorted(received, key=lambda one: one.source, reverse=True):
            if one.kind == kind:
                self[one.publisher] = one

    def __missing__(self, name: str) -> Received:
        """Nothing came."""
        there = ", ".join(map(repr, sorted(self))) or "nobody: let time go on with `await sim.run(seconds=…)`"
        raise KeyError(f"{self._about} {name!r}; of {there}")
