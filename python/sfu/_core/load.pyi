"""Peers of this process's own, for rooms without cameras and for load."""

from typing import Any, Literal, final

__all__ = ["Generator", "Publisher"]

@final
class Generator:
    """Many peers on a thread of its own, over real sockets; the GIL is never held.

    Peers are known by number. Every order but the two that make a peer returns a ticket, which `drain` answers.
    Raises RuntimeError when it is closed.
    """

    def __new__(cls, ip: str, *, coalesce: bool = False, cipher: str | None = None) -> Generator:
        """Start the thread; the peers' sockets are on `ip`. `coalesce`: they take datagrams together (UDP_GRO).

        `cipher`: the one SRTP profile that they take, by its registered name. Raises ValueError for what is no IP
        address and no profile, OSError when there is no thread for it.
        """

    def fileno(self) -> int:
        """A descriptor that is readable while `drain` has something."""

    def publisher(
        self,
        *,
        size: int,
        packets_per_frame: int,
        frames_per_second: int,
        simulcast: bool = False,
        paced: bool = False,
        audio: bool = False,
    ) -> int:
        """A peer more that sends VP8 in datagrams of `size` bytes (0: none) and, if asked, Opus; its number."""

    def subscriber(self, *, feedback: str, ask_again: float = 0.0) -> int:
        """A peer more that receives; its number.

        `feedback`: "none", "rr" or "twcc" of one that counts, "verify" for one that opens every packet and asks for the
        share `ask_again` (0 to 1) of them again.
        """

    def offer(self, peer: int, *, audio: int = 0, video: int = 0) -> int:
        """Its offer, with so many sections more to receive in; answered by the SDP."""

    def accept(self, peer: int, sdp: str) -> int:
        """The server's answer."""

    def answer(self, peer: int, sdp: str) -> int:
        """The server's offer; answered by the SDP of the answer."""

    def add_candidate(self, peer: int, candidate: str) -> int:
        """A candidate of the server's that came on its own."""

    def leave(self, peer: int) -> int:
        """Leave as a closed page does; what it counted stays counted."""

    def begin(self) -> int:
        """Figures count from now on."""

    def figures(self) -> int:
        """Answered by what all peers together have counted since the beginning, as a dict."""

    def drain(
        self,
    ) -> list[tuple[Literal["answered", "refused", "connected", "media", "ended"], int, Any]]:
        """All that happened, in order.

        ("answered", ticket, SDP, figures or None), ("refused", ticket, why), ("connected", peer, SRTP profile),
        ("media", peer, None): its first packet has come or left, ("ended", peer, why).
        """

    def close(self) -> None:
        """Have all peers leave, and wait for the thread. Idempotent."""

@final
class Publisher:
    """A publisher of clips on a thread of its own, over a real socket like any peer; the GIL is never held."""

    def __new__(cls, server: str, *, video: dict[str, bytes], audio: bytes | None = None) -> Publisher:
        """Start it; the clips are published over and over.

        `server`: the media server's IP:PORT. `video`: IVF files of VP8 by rid, lowest quality first, of one frame rate.
        `audio`: an IVF file of Opus packets of 20 ms.

        Raises ValueError for what is no clip, OSError when there is no socket for it.
        """

    def offer(self) -> str:
        """SDP for the server."""

    def answer(self, sdp: str) -> None:
        """Take the server's answer: publishing begins.

        Raises ValueError for an answer that cannot be followed, RuntimeError when the publisher is closed.
        """

    def close(self) -> None:
        """Leave as a closed page does, and wait for the thread. Idempotent."""
