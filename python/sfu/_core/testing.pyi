"""Parts of the data plane by themselves, for tests against other implementations."""

from collections.abc import Sequence
from typing import Any, Protocol, final

from sfu._core import Core

__all__ = ["Simulation", "Srtp", "replay", "torture"]

@final
class Srtp:
    """Both directions of SRTP under one key. Every method raises ValueError with the name of what is wrong."""

    def __new__(cls, profile: str, key: bytes, salt: bytes) -> Srtp:
        """`profile`: AEAD_AES_128_GCM, AEAD_AES_256_GCM or AES128_CM_HMAC_SHA1_80; master key and master salt.

        Raises ValueError with the lengths or the profiles that would do.
        """

    def protect_rtp(self, packet: bytes, roc: int) -> bytes:
        """Seal a clear packet whose rollover counter is `roc`; each index once."""

    def unprotect_rtp(self, packet: bytes) -> bytes:
        """Open a packet; the rollover counter is guessed from what came before."""

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Seal a clear compound packet under the next index."""

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Open a compound packet."""

def replay(
    capture: bytes,
    *,
    codec: str,
    extmap: Sequence[str],
    schedule: str,
    loss: float = 0.0,
    reorder: int = 0,
    seed: int = 0,
    rtcp: bool = False,
) -> tuple[bytes, dict[str, Any]]:
    """What one subscriber receives of a captured publisher, as an rtpdump file, and the report on it (docs/replay.md).

    `capture`: an rtpdump, pcap or pcapng file; `extmap`: `ID=URI` each; `schedule`: lines `SECONDS SPATIAL TEMPORAL`.
    Raises ValueError that says what is wrong with which of them.
    """

def torture(codec: str, *, switches: int, seed: int) -> tuple[dict[str, int], list[str]]:
    """Viewers who change layers all the time over a bad network, in virtual time: counts, and what was wrong in words.

    `codec`: vp8, vp9, vp9-flex, vp9-ksvc, av1-l1t2, av1-l3t3, av1-l3t3-key, av1-s3t3, h264 or h265; at least `switches`
    target changes; the same `seed` gives the same counts. Raises ValueError for another codec (docs/torture.md).
    """

class _Link(Protocol):
    @property
    def delay(self) -> float: ...
    @property
    def jitter(self) -> float: ...
    @property
    def loss(self) -> float: ...
    @property
    def burst(self) -> float: ...
    @property
    def reorder(self) -> float: ...
    @property
    def reorder_by(self) -> int: ...
    @property
    def duplicate(self) -> float: ...
    @property
    def rate(self) -> int | None: ...
    @property
    def queue(self) -> float: ...

class _Video(Protocol):
    @property
    def codec(self) -> str: ...
    @property
    def structure(self) -> str | None: ...
    @property
    def flexible(self) -> bool: ...
    @property
    def dependency_descriptor(self) -> bool: ...
    @property
    def simulcast(self) -> int: ...
    @property
    def frame_rate(self) -> int: ...
    @property
    def temporal_layers(self) -> bool: ...
    @property
    def keyframe_delay(self) -> float: ...

@final
class Simulation:
    """A call in virtual time: a server's data plane (`core`), clients by number, links, a clock.

    RuntimeError after the core was closed; ValueError for SDP and settings that cannot be.
    """

    def __new__(
        cls,
        *,
        seed: int,
        consent_timeout: float,
        close_timeout: float,
        connect_timeout: float,
        max_half_open: int,
        channel_buffer: int,
        remb_bitrate: int,
        congestion_control: bool,
    ) -> Simulation: ...
    def core(self) -> Core:
        """The data plane; it carries each command out at once, and `drain` brings the answer."""

    def now(self) -> float:
        """Seconds since the beginning."""

    def run(self, duration: float) -> bool:
        """Go on for so many seconds, or until events wait in the core: whether they do."""

    def add_client(
        self, *, audio: list[int], video: Sequence[_Video], channels: bool, uplink: _Link, downlink: _Link
    ) -> int:
        """A client that publishes audio of these levels (RFC 6464) and this video."""

    def set_links(self, client: int, uplink: _Link, downlink: _Link) -> None: ...
    def add_audio(self, client: int, level: int) -> int: ...
    def add_video(self, client: int, video: _Video) -> int: ...
    def add_receivers(self, client: int, audio: int, video: int) -> None: ...
    def create_offer(self, client: int) -> str: ...
    def receive_offer(self, client: int, sdp: str) -> str:
        """The client's answer."""

    def receive_answer(self, client: int, sdp: str) -> None: ...
    def restart_ice(self, client: int) -> None: ...
    def set_sends(self, client: int, video: bool, source: int, sends: bool) -> None: ...
    def set_level(self, client: int, source: int, level: int) -> None: ...
    def set_encoding(self, client: int, source: int, encoding: int, active: bool) -> None: ...
    def move_away(self, client: int) -> None:
        """It gets another address."""

    def vanish(self, client: int) -> None:
        """It sends and receives nothing any more."""

    def close(self, client: int) -> None:
        """It closes its transport."""

    def open_channel(self, client: int, label: str, ordered: bool) -> int: ...
    def send_message(self, client: int, stream: int, binary: bool, payload: bytes) -> bool: ...
    def close_channel(self, client: int, stream: int) -> None: ...
    def events(self, client: int) -> list[tuple[str, int, str, Any]]:
        """What happened to it since the last call: (kind, channel, text, value)."""

    def received(self, client: int) -> list[dict[str, Any]]:
        """Each stream that it receives."""

    def sent(self, client: int) -> dict[str, Any]:
        """What it sends."""
