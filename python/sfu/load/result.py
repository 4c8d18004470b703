"""What came of a load: how the joins went, what flowed, and what of it is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sfu.load.config import LoadConfig

__all__ = ["Joins", "LoadResult"]


@dataclass(kw_only=True)
class Joins:
    """The joins of one role.

    `connected`, `media`: seconds from the first message until the path was secured, and until the first packet.
    `failures`: how often for which reason. `start`: of the first join, `end`: when the last was secured, by
    `time.perf_counter`.
    """

    connected: list[float] = field(default_factory=list)
    media: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    start: float = 0.0
    end: float = 0.0

    @property
    def failed(self) -> int:
        """Peers that did not get in, or got in and saw nothing."""
        return self.failures.total()

    def note_connected(self, start: float, end: float) -> None:
        """A join that began and was through at these times, by the clock of `start`."""
        self.connected.append(end - start)
        self.end = max(self.end, end)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; milliseconds where the name says so, `None` where nothing was measured."""
        return {
            "joined": len(self.media),
            "failed": self.failed,
            "failures": dict(self.failures.most_common()),
            "per_second": len(self.connected) / (self.end - self.start) if self.connected else None,
            "connected_p50_ms": _percentile_ms(self.connected, 0.5),
            "connected_p99_ms": _percentile_ms(self.connected, 0.99),
            "media_p50_ms": _percentile_ms(self.media, 0.5),
            "media_p99_ms": _percentile_ms(self.media, 0.99),
        }


@dataclass(kw_only=True)
class LoadResult:
    """One run.

    `figures`: what the peers counted while it was measured, `None` when nobody got in. `ended`: peers that got in and
    did not stay, by reason.

    Of `figures`, packets and bytes are sums over all peers: `sent`, `received`, `expected`, `bytes_received`
    (datagrams), `seconds`, `silent` (subscribers to which nothing came), `delay_p50_us`, `delay_p99_us`,
    `delay_p999_us` (from the stamp in the payload to the kernel's receive time, at the verifiers; `None` without),
    `corrupt`, `given_up`, `nacks`, `repaired`, `feedbacks_sent`, `cpu_seconds` and `kernel_drops` (of this program),
    `profiles` (SRTP profile to peers), and more.
    """

    config: LoadConfig
    publishers: Joins
    subscribers: Joins
    figures: dict[str, Any] | None = None
    ended: Counter[str] = field(default_factory=Counter)

    @property
    def loss(self) -> float | None:
        """The share of packets that did not come, of those that the numbering promises; `None` when none was."""
        if not self.figures or not self.figures["expected"]:
            return None
        return max(0.0, 1.0 - float(self.figures["received"]) / float(self.figures["expected"]))

    def rate(self, name: str) -> float:
        """A figure per second of the measurement."""
        return float(self.figures[name]) / float(self.figures["seconds"]) if self.figures else 0.0

    def problems(self, max_loss: float = 1.0) -> list[str]:
        """What makes the run worthless, a line each; `max_loss`: a share. Empty if all is well."""
        found = []
        for role, joins in (("publishers", self.publishers), ("subscribers", self.subscribers)):
            wanted = getattr(self.config, role)
            found += [f"{count} of {wanted} {role}: {reason}" for reason, count in joins.failures.most_common()]
        figures = self.figures
        if figures is None:
            return found or ["nobody joined"]
        found += [f"{count} peers did not stay: {reason}" for reason, count in self.ended.most_common()]
        if self.config.publishers and not figures["sent"]:
            found.append("nothing was sent")
        if figures["silent"]:
            found.append(f"nothing came to {figures['silent']} subscribers")
        if figures["corrupt"] or figures["misrouted"]:
            found.append(f"{figures['corrupt']} packets are corrupt, {figures['misrouted']} belong to another stream")
        if self.loss is not None and self.loss > max_loss:
            drops = figures["kernel_drops"]
            blame = f"; {drops} of them here: this program was too slow" if drops else ""
            found.append(f"{self.loss:.3%} of the packets are lost{blame}")
        return found

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        figures = dict(self.figures or {})
        seconds = figures.get("seconds", 0.0)
        rates = {
            "sent_per_second": self.rate("sent"),
            "received_per_second": self.rate("received"),
            "received_mbit_per_second": self.rate("bytes_received") * 8 / 1e6,
            "loss": self.loss,
            "cpu_percent": 100 * figures["cpu_seconds"] / seconds if seconds else None,
        }
        return {
            "config": asdict(self.config),
            "publishers": self.publishers.to_dict(),
            "subscribers": self.subscribers.to_dict(),
            "ended": dict(self.ended),
            **figures,
            **(rates if self.figures else {}),
        }


def _percentile_ms(seconds: list[float], share: float) -> float | None:
    """The nearest rank, in milliseconds."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]
