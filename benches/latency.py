"""Microseconds that a packet takes through the server at half a core's load, beside a bare echo of the same sizes.

`single`: one packet to 50 subscribers, 50 times a second. `burst`: frames of 10 packets to 50, 30 times a second. From
the stamp at sending to the kernel's receive time, of every packet at every subscriber, while other rooms keep the
server busy. The limit is an echo to 50 addresses, of whole frames, that does nothing else: the last of them waits for
the others. Each is taken in pairs, one of which has a Python thread of the server hold the GIL all the time
(`held_`): the changes are told with their upper 95 % bounds.
"""

import asyncio
import math
import statistics
import time
import urllib.request

from support.behind import behind
from support.limit import cores
from support.measure import Bench, Figures, Void
from support.process import ServerProcess
from support.server import endpoints, server

from sfu.load import LoadConfig, Video, run

SUBSCRIBERS = 50
SHAPES = {"single": Video(size=1200, rate=50, frame=1), "burst": Video(size=1200, rate=300, frame=10)}
# Behind: rooms of one publisher and ten viewers, frames of two packets.
VIEWERS_BEHIND = 10
VIDEO_BEHIND = Video(size=1200, rate=120, frame=2)
# Of Student's distribution, one-sided, for ten pairs; more need less.
T95 = 1.833
PAIRS = 10


class Window:
    """What the server uses meanwhile; and, if asked, its interpreter held."""

    def __init__(self, server: ServerProcess, url: str, held: float) -> None:
        self._server = server
        self._hold = f"{url}/hold/{held}" if held else None
        self.core_percent = 0.0

    async def __aenter__(self) -> None:
        if self._hold:
            await asyncio.to_thread(urllib.request.urlopen, self._hold)
        self._begin = (time.monotonic_ns(), self._server.cpu_ns())

    async def __aexit__(self, *_: object) -> None:
        elapsed, used = time.monotonic_ns() - self._begin[0], self._server.cpu_ns() - self._begin[1]
        self.core_percent = 100 * used / elapsed


class Latency:
    """One script's run."""

    def __init__(self, bench: Bench) -> None:
        options = bench.options
        self.bench = bench
        self.server_core, self.load_core = cores()
        self.pairs = 1 if bench.quick else math.ceil(options.pairs / bench.rounds)
        self.seconds = 1 if bench.quick else options.seconds
        self.rooms = 1 if bench.quick else options.rooms
        self.warm_up = 0.2 if bench.quick else 1.0
        self.taken: dict[str, list[Figures]] = {name: [] for name in SHAPES}
        self.held: dict[str, list[Figures]] = {name: [] for name in SHAPES}

    async def round(self, number: int) -> None:
        """Echoes on a core that nobody uses, then the pairs of each shape with the rooms behind."""
        echoes = {
            name: self._echo("echo", number, video) | self._echo("limit", number, video, SUBSCRIBERS)
            for name, video in SHAPES.items()
        }
        async with (
            server(self.server_core) as (process, url),
            behind(self._rooms(), endpoints(url, "behind{n}")) as load,
        ):
            await load.inside()
            for pair in range(self.pairs):
                for name, video in SHAPES.items():
                    with self.bench.voiding(name):
                        free, held = [await self._take(name, video, process, url, held=held) for held in (False, True)]
                        self.bench.say(f"round {number + 1}, pair {pair + 1}: {name} {free}")
                        self.taken[name].append({**free, **echoes[name], **_added(free, echoes[name])})
                        self.held[name].append({key: held[key] / free[key] - 1 for key in CHANGES})

    async def _take(self, name: str, video: Video, process: ServerProcess, url: str, *, held: bool) -> Figures:
        load = LoadConfig(
            subscribers=SUBSCRIBERS,
            verify=SUBSCRIBERS,
            video=video,
            warm_up=self.warm_up,
            seconds=self.seconds,
            cores=(self.load_core,),
        )
        # The hold begins before the measurement and ends after it.
        window = Window(process, url, self.seconds + 0.5 if held else 0)
        result = await run(load, endpoints(url, name), window)
        if problems := result.problems(0.001):
            raise Void("; ".join(problems))
        assert result.figures is not None
        delays = {f"{share}_us": float(result.figures[f"delay_{share}_us"]) for share in ("p50", "p99", "p999")}
        return {**delays, "packets_per_second": result.rate("received"), "core_percent": window.core_percent}

    def _echo(self, kind: str, number: int, video: Video, destinations: int = 1) -> Figures:
        words = [f"size={video.size}", f"frame={video.frame}", f"rate={video.rate}", f"seconds={self.seconds}"]
        words += [f"destinations={destinations}", f"core={self.server_core}"]
        return {f"{kind}_{name}": value for name, value in self.bench.take(number, ["echo", *words]).items()}

    def _rooms(self) -> LoadConfig:
        return LoadConfig(
            publishers=self.rooms,
            subscribers=self.rooms * VIEWERS_BEHIND,
            video=VIDEO_BEHIND,
            feedback="none",
            seconds=86_400,
            cores=(self.load_core,),
        )


CHANGES = ("p99_us", "packets_per_second")


def _added(figures: Figures, echo: Figures) -> Figures:
    return {f"added_{share}_us": figures[f"{share}_us"] - echo[f"echo_{share}_us"] for share in ("p50", "p99")}


def _upper(changes: list[float]) -> float:
    """Percent that the true change stays below, with 95 % confidence."""
    spread = statistics.stdev(changes) / math.sqrt(len(changes)) if len(changes) > 1 else 0.0
    return 100 * (statistics.mean(changes) + T95 * spread)


def _held(pairs: list[Figures]) -> Figures:
    """Slower is more microseconds and fewer packets."""
    p99, rate = ([pair[name] for pair in pairs] for name in CHANGES)
    return {
        "pairs": len(pairs),
        "p99_change_percent": 100 * statistics.mean(p99),
        "p99_change_percent_upper": _upper(p99),
        "throughput_loss_percent": -100 * statistics.mean(rate),
        "throughput_loss_percent_upper": _upper([-change for change in rate]),
    }


async def main() -> None:
    """Rounds of both shapes."""
    bench = Bench(
        __doc__,
        own={
            "--seconds": {"type": int, "default": 5, "help": "of each run"},
            "--pairs": {"type": int, "default": PAIRS, "help": "with and without the GIL held, over all rounds"},
            "--rooms": {"type": int, "default": 60, "help": f"behind, each of {VIEWERS_BEHIND} viewers"},
        },
    )
    latency = Latency(bench)
    for number in range(bench.rounds):
        with bench.voiding(f"round {number + 1}"):
            await latency.round(number)
    held = {f"held_{name}": [_held(pairs)] for name, pairs in latency.held.items() if pairs}
    bench.report({**latency.taken, **held})


if __name__ == "__main__":
    asyncio.run(main())
