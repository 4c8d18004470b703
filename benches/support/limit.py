"""The server beside the physical limit: one core in turns, the same packets at the same rate in the same bursts."""

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.measure import Bench, Figures, Void, build
from support.wire import Wire, wire

MAX_LOSS = 0.001
# Of what the publishers should send in the time of a measurement.
LEAST_SENT = 0.98
CIPHERS = {"gcm": "AEAD_AES_128_GCM", "sha1": "AES128_CM_HMAC_SHA1_80"}
SETTINGS = {
    "--setting": {"choices": ("loopback", "wire"), "default": "loopback", "help": "where the datagrams go"},
    "--profile": {"choices": tuple(CIPHERS), "default": "gcm", "help": "how packets are sealed"},
}
_WAYS = ("by_sendto", "by_sendmmsg", "by_gso", "by_gso_by_8", "by_gso_by_64")
# Of the far end's addresses; nobody listens there.
_FIRST_PORT = 20_000
# IP and UDP, once a message.
HEADERS = 28


@dataclass(frozen=True)
class Shape:
    """Who sends what to how many. `rate`: packets a second of a publisher; `frame`: those that leave as one burst.

    `hold`: microseconds for which the server lets datagrams come.
    """

    subscribers: int
    publishers: int = 1
    media: str = "video"
    rate: int = 304
    frame: int = 8
    bytes: int = 1200
    feedback: str = "none"
    shards: int = 1
    hold: int = 0

    def words(self) -> list[str]:
        """As the measuring program takes it."""
        return [f"{name}={value}" for name, value in vars(self).items()]

    def least(self) -> "Shape":
        """What the limit sends for it; feedback is not its affair."""
        return Shape(self.subscribers, 1, self.media, self.rate * self.publishers, self.frame, self.bytes)


def frames(rate: int, frame: int) -> int:
    """A rate in packets a second as whole frames a second have it."""
    return max(round(rate / frame), 1) * frame


def wanted_rate(bench: Bench, shape: Shape) -> int:
    """Packets a second of all publishers, that a run has to come to; a quick one is too short to tell."""
    return 0 if bench.quick else shape.rate * shape.publishers


def window(bench: Bench, seconds: int, core: int) -> list[str]:
    """How long the measuring program measures, and where; a quick run does not wait until the server is warm."""
    return [f"seconds={seconds}", f"core={core}", *(["warm=0.1"] if bench.quick else [])]


def carried(figures: Figures, rate: float = 0) -> Figures:
    """Those of a run that lost no more than 0.1 % and whose publishers sent at their `rate`; any other is void."""
    if (sent := figures["packets_in_per_second"]) < LEAST_SENT * rate:
        raise Void(f"the load sent {sent:.0f} packets a second, not {rate:.0f}")
    if figures["loss"] > MAX_LOSS:
        drops = figures["kernel_drops"]
        raise Void(f"{figures['loss']:.2%} were lost, {drops:.0f} packets of them by the load's sockets")
    return figures


def cores() -> tuple[int, int]:
    """One for the server, one for the load, to which this process and what it starts goes from now on."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < 2:
        sys.exit("two cores are needed: one for the server, one for the load")
    # What a thread of the server is pinned to is its own affair; all others stay here.
    os.sched_setaffinity(0, {available[1]})
    return available[0], available[1]


def compare(
    bench: Bench, shapes: dict[str, Shape], seconds: int, setting: str = "loopback", profile: str = "gcm"
) -> None:
    """Rounds of the server in each shape with the limit of each in between; what held is reported."""
    program = build("sfu-limit", release=not bench.quick)
    server_core, load_core = cores()
    limits: dict[tuple[int, Shape], Figures] = {}
    with far_end(setting) as far:

        def limit(number: int, shape: Shape) -> Figures:
            """Of a round; shapes that differ in what is the server's affair alone have one."""
            if (number, shape) not in limits:
                run = [*_words(shape, profile, 0.1 if bench.quick else seconds / 2), "--core", str(server_core)]
                words = [*run, "--reader-core", str(load_core)]
                limits[number, shape] = _limit(bench, number, program, words, shape, far)
            return limits[number, shape]

        def take(shape: Shape, number: int) -> Figures:
            words = [*shape.words(), f"profile={profile}", *window(bench, seconds, server_core)]
            # What comes late of joining would be counted as media at the far end: there the server is warm in any case.
            words += [far.word, "warm=2"] if far else []
            ours = bench.take(number, ["fanout", *words], answer=far and far.answer)
            ours = carried(ours, wanted_rate(bench, shape))
            least = limit(number, shape.least())
            if (loss := least["limit_loss"]) > MAX_LOSS:
                raise Void(f"{loss:.2%} of the limit's were lost")
            return {**ours, **least, "ratio": ours["ns_per_packet"] / least["limit_ns_per_packet"]}

        figures = {name: functools.partial(take, shape) for name, shape in shapes.items()}
        bench.each(figures, cipher=CIPHERS[profile], setting=setting)


@contextlib.contextmanager
def far_end(setting: str) -> Iterator[Wire | None]:
    """The wire of a setting that has one."""
    if setting == "wire":
        with wire() as far:
            yield far
    else:
        yield None


def _words(shape: Shape, profile: str, seconds: float) -> list[str]:
    settings = {
        "--destinations": shape.subscribers,
        "--rate": shape.rate,
        "--frame": shape.frame,
        "--bytes": shape.bytes,
        "--seconds": seconds,
        "--cipher": profile,
    }
    return [str(word) for pair in settings.items() for word in pair]


def _limit(bench: Bench, number: int, program: Path, arguments: list[str], shape: Shape, far: Wire | None) -> Figures:
    """The best way at that rate, with its loss; and each way's cost."""
    before = (0, 0)
    if far is not None:
        arguments += ["--to", f"{far.far.address}:{_FIRST_PORT}"]
        far.drop(range(_FIRST_PORT, _FIRST_PORT + shape.subscribers))
        before = far.dropped()
    figures = bench.take(number, arguments, program)
    best = min(_WAYS, key=lambda way: figures[way])
    if far is not None:
        messages, dropped = (after - earlier for after, earlier in zip(far.dropped(), before, strict=True))
        loss = 1 - (dropped - messages * HEADERS) / (figures["sent"] * shape.bytes)
    else:
        loss = figures[f"{best}_loss"]
    costs = {f"limit_{way}": figures[way] for way in _WAYS}
    bare = {"bare_seal": figures["seal"], "bare_sendto": figures["sendto"]}
    late = figures[f"{best}_late"]
    return {"limit_ns_per_packet": figures[best], "limit_loss": loss, **costs, **bare, "limit_late": late}
