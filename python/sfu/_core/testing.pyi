"""Parts of the data plane by themselves, for tests against other implementations."""

from collections.abc import Sequence
from typing import Any, final

__all__ = ["Srtp", "replay", "torture"]

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
