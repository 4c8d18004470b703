"""Peers of this process's own, for rooms without cameras."""

from typing import final

__all__ = ["Publisher"]

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
