"""What a load is: how many peers of which kind, what they send, and for how long."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Feedback", "LoadConfig", "Video"]

Feedback = Literal["none", "rr", "twcc"]
"""What subscribers that only count tell the server: nothing, receiver reports (RFC 3550 §6.4.2), or these and
transport-wide feedback."""

# Bytes of a datagram and packets a second.
_NAMED = {"720p": (1200, 200), "360p": (1200, 80)}
_SHAPE = re.compile(r"(\d+)x(\d+)", re.ASCII)
_MIN_SIZE, _MAX_SIZE = 150, 1400
_FRAME = 8


@dataclass(frozen=True, kw_only=True)
class Video:
    """Constant video: every frame has `frame` packets of `size` bytes; a keyframe has four times as many.

    `size`: bytes of a datagram (SRTP, without UDP and IP), 150 to 1400. `rate`: packets a second,
    in whole frames: 300 in frames of 8 are 37 frames, 296 packets. With simulcast this
    is the highest of three encodings; the middle one has a quarter of its packets, the lowest a sixteenth, but one a
    frame at least.
    """

    size: int = 1200
    rate: int = 300
    frame: int = _FRAME

    def __post_init__(self) -> None:
        """Check.

        Raises:
            ValueError: A number is out of bounds.
        """
        if not _MIN_SIZE <= self.size <= _MAX_SIZE:
            raise ValueError(f"video: {self.size} bytes a packet; {_MIN_SIZE} to {_MAX_SIZE} fit")
        if not 1 <= self.frame <= 200:
            raise ValueError(f"video: {self.frame} packets a frame; 1 to 200")
        if not self.frame <= self.rate <= 120 * self.frame:
            rate = f"{self.rate / self.frame:g} frames of {self.frame} packets a second"
            raise ValueError(f"video: {self.rate} packets a second are {rate}; 1 to 120")

    @property
    def frames_per_second(self) -> int:
        """Frames of each encoding."""
        return self.rate // self.frame

    @classmethod
    def parse(cls, text: str, frame: int = _FRAME) -> Video:
        """Of "720p" (1200x200), "360p" (1200x80), or bytes of a packet x packets a second: "1200x300".

        Raises:
            ValueError: It is none of them, or a number is out of bounds.
        """
        shape = _SHAPE.fullmatch(text)
        named = _NAMED.get(text)
        if shape is None and named is None:
            raise ValueError(f"video: {text!r} is not 720p, 360p or BYTESxPACKETS_A_SECOND such as 1200x300")
        size, rate = named or (int(shape[1]), int(shape[2]))  # type: ignore[index]
        return cls(size=size, rate=rate, frame=frame)


@dataclass(frozen=True, kw_only=True)
class LoadConfig:
    """One run.

    Times are seconds. `video`, `audio`: what every publisher sends. `simulcast`: in three encodings. `paced`: the
    packets of a frame leave spread over two fifths of the time until the next one, as libwebrtc paces them (2.5 times
    the rate), and not as one burst. `feedback`: of the subscribers that only count. `verify`: so many subscribers,
    the first of each room in turn, open every packet instead, report as browsers do and check sequence, payload and
    delay; they get keyframes by asking. `nack`: one verifier asks for this share (0 to 1) of what came, as if it were
    lost, and checks what is sent again. `ramp`: joins a second; `None`: as fast as they are answered, 32 at a time.
    `warm_up`: between the last join and the measurement. `join_timeout`: until a join counts as failed. `watch`:
    publishers that a subscriber asks for, where it is the one who offers. `switch`: seconds after which one
    subscriber goes from the lowest layer to the highest and back, where the signalling can say so. `ip`: the peers'
    own address. `cores`: processors on which the thread of the peers stays. `gro`: sockets take coalesced datagrams
    (UDP_GRO): cheaper for this program, and on loopback for the server's too, which then does what no browser's
    socket lets it do. `cipher`: the one SRTP profile that the peers take, such as "AEAD_AES_128_GCM"; else the server
    chooses.
    """

    publishers: int = 1
    subscribers: int = 1
    video: Video | None = None
    audio: bool = False
    simulcast: bool = False
    paced: bool = False
    feedback: Feedback = "rr"
    verify: int = 0
    nack: float = 0.0
    seconds: float = 10.0
    warm_up: float = 1.0
    ramp: float | None = None
    join_timeout: float = 20.0
    watch: int = 1
    switch: float | None = None
    ip: str = "127.0.0.1"
    cores: tuple[int, ...] = ()
    gro: bool = False
    cipher: str | None = None

    @property
    def sections(self) -> tuple[int, int]:
        """Of audio and video, that a subscriber offers to receive in; both when nobody here publishes."""
        either = self.publishers == 0 and not self.audio and self.video is None
        return self.watch * (self.audio or either), self.watch * (self.video is not None or either)

    def __post_init__(self) -> None:
        """Check.

        Raises:
            ValueError: Something cannot be done.
        """
        for name, least in (("publishers", 0), ("subscribers", 0), ("verify", 0), ("watch", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: {getattr(self, name)}; {least} or more")
        for name in ("seconds", "join_timeout"):
            if not 0 < getattr(self, name) <= 86_400:
                raise ValueError(f"{name}: {getattr(self, name):g}; more than 0, a day at most")
        if not 0 <= self.warm_up <= 3600:
            raise ValueError(f"warm_up: {self.warm_up:g}; 0 to 3600")
        if self.publishers + self.subscribers == 0:
            raise ValueError("publishers, subscribers: at least one peer")
        if self.publishers and self.video is None and not self.audio:
            raise ValueError("publishers send video, audio or both")
        if self.simulcast and self.video is None:
            raise ValueError("simulcast needs video")
        if self.feedback not in ("none", "rr", "twcc"):
            raise ValueError(f"feedback: {self.feedback!r} is not none, rr or twcc")
        if self.verify > self.subscribers:
            raise ValueError(f"verify: {self.verify} of {self.subscribers} subscribers")
        if not 0 <= self.nack <= 0.5:
            raise ValueError(f"nack: {self.nack:.4g}; a share of all packets, 0.5 (50 %) at most")
        if self.nack and not self.verify:
            raise ValueError("nack: only a verifier asks again; verify one or more")
        if self.switch is not None and not 0.05 <= self.switch <= 3600:
            raise ValueError(f"switch: {self.switch:g}; 0.05 to 3600 seconds")
        if self.ramp is not None and not 0 < self.ramp <= 10_000:
            raise ValueError(f"ramp: {self.ramp:g} joins a second; more than 0, 10000 at most")
