"""Nanoseconds of a whole server's CPU for a packet that it forwards: ours beside what ordinary registries give.

One publisher, many subscribers, frames of 8 packets of 1200 bytes as bursts. Each server is started anew for each run
on a core of its own, the load (`sfu.load`) has the other. Who cannot carry a rate gets half of it, with ours beside it.
"""

import asyncio
import contextlib
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from peers.contestant import Contestant
from peers.janus import Janus
from peers.livekit import LiveKit
from peers.whip import Aiortc, Ours, Pion
from support.limit import HEADERS, LEAST_SENT, MAX_LOSS, SETTINGS, cores, far_end
from support.measure import Bench, Figures, Void, build_extension
from support.process import Place, ServerProcess
from support.wire import Wire

from sfu.load import LoadConfig, Video, run

# All have it, none would choose it of itself but ours.
CIPHER = "AEAD_AES_128_GCM"
AUDIO_RATE = 50
# There the share that arrived is known by the time that passed, which cuts frames at either end.
MAX_LOSS_ON_A_WIRE = 0.01
# Seconds.
COUNTED = 1.0
LOWEST_RATE = 8
OURS = Ours()
OTHERS: tuple[Contestant, ...] = (LiveKit(), Pion(), Janus(1), Janus(None), Aiortc())
FEEDBACK = ("none", "rr", "twcc")


@dataclass(frozen=True)
class Shape:
    """One publisher's load; without `rate` it is audio, 50 packets a second."""

    subscribers: int
    rate: int | None

    def __str__(self) -> str:
        what = "audio" if self.rate is None else f"{self.rate} packets/s"
        return f"1 → {self.subscribers}, {what}"

    def less(self) -> "Shape | None":
        """What somebody may carry who did not carry this; `None`: nothing is left."""
        if self.rate is None:
            return replace(self, subscribers=self.subscribers // 2) if self.subscribers > 1 else None
        rate = self.rate // 2 // 8 * 8
        return replace(self, rate=rate) if rate >= LOWEST_RATE else None


def main() -> None:
    """Rounds of all who are there; what they took, and ours beside each."""
    bench = Bench(
        __doc__,
        package=None,
        own={
            "--subscribers": {"type": int, "default": 200},
            "--rate": {"type": int, "default": 304, "help": "packets a second, in frames of 8"},
            "--seconds": {"type": float, "default": 10.0, "help": "of each run, joins not counted"},
            "--feedback": {"choices": FEEDBACK, "default": "none", "help": "of the subscribers"},
            "--setting": SETTINGS["--setting"],
            "--only": {"nargs": "*", "metavar": "NAME", "help": f"of {', '.join(one.name for one in OTHERS)}"},
        },
    )
    if not bench.quick:
        build_extension()
    Comparison(bench).run()


class Overload(ValueError):
    """Everybody was in, and too much was lost."""


class Comparison:
    """The shapes of all contestants, and what was measured."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._server_core, self._load_core = cores()
        self._seconds = 1.0 if bench.quick else bench.options.seconds
        self._skipped: dict[str, str] = {}
        self._about: dict[str, dict[str, str]] = {}
        self._taken: dict[str, list[Figures]] = {}
        self._overloaded: set[Contestant] = set()
        self._far: Wire | None = None
        subscribers = 5 if bench.quick else bench.options.subscribers
        video = Shape(subscribers, bench.options.rate // 8 * 8)
        audio = Shape(min(20, subscribers), None)
        self._shapes = {one: audio if isinstance(one, Aiortc) else video for one in OTHERS if self._takes_part(one)}
        self._default = video

    def run(self) -> None:
        """All rounds, and the report."""
        for number in range(self._bench.rounds):
            self._bench.say(f"round {number + 1} of {self._bench.rounds}")
            with far_end(self._bench.options.setting) as self._far:
                self._round()
        self._bench.report(
            {OURS.name: [], **self._taken},
            servers=self._about,
            skipped=self._skipped,
            setting=self._bench.options.setting,
            feedback=self._bench.options.feedback,
        )

    def _takes_part(self, contestant: Contestant) -> bool:
        only = self._bench.options.only
        if only is not None and contestant.name not in only:
            return False
        why = contestant.available()
        if why is not None:
            self._skipped[contestant.name] = why
            self._bench.say(f"{contestant.name}: {why}")
        return why is None

    def _round(self) -> None:
        """Everybody once, with ours of the same shape."""
        ours = {self._default: self._take(OURS, self._default)}
        for contestant in self._shapes:
            self._beside(contestant, ours)

    def _beside(self, contestant: Contestant, ours: dict[Shape, Figures | None]) -> None:
        """One contestant's run, noted with its ratio to ours. The first one finds what it can carry."""
        while True:
            shape = self._shapes[contestant]
            if shape not in ours:
                ours[shape] = self._take(OURS, shape)
            reference, theirs = ours[shape], self._take(contestant, shape)
            if contestant in self._overloaded:
                # It may have been the machine.
                theirs = self._take(contestant, shape)
            if reference is not None and theirs is not None:
                theirs["ratio"] = theirs["ns_per_packet"] / reference["ns_per_packet"]
                self._taken.setdefault(contestant.name, []).append(theirs)
            less = shape.less()
            if contestant not in self._overloaded or contestant.name in self._taken or less is None:
                return
            self._shapes[contestant] = less

    def _take(self, contestant: Contestant, shape: Shape) -> Figures | None:
        """One run's figures; `None`: it is void."""
        self._overloaded.discard(contestant)
        figures: Figures | None = None
        with self._bench.voiding(f"{contestant.name}, {shape}"):
            try:
                figures = asyncio.run(self._measure(contestant, shape))
            except (OSError, RuntimeError, ValueError) as error:
                if isinstance(error, Overload):
                    self._overloaded.add(contestant)
                raise Void(str(error)) from error
        if figures is None:
            return None
        self._bench.say(f"  {contestant.name:<12} {shape}: {figures['ns_per_packet']:,.0f} ns a packet")
        if contestant is OURS:
            self._taken.setdefault(self._key(contestant, shape), []).append(figures)
        return figures

    def _key(self, contestant: Contestant, shape: Shape) -> str:
        """Ours is measured in several shapes."""
        return contestant.name if contestant is not OURS or shape == self._default else f"{OURS.name}, {shape}"

    def _place(self, folder: Path) -> Place:
        return Place(self._server_core, folder, self._far.far.host if self._far else "127.0.0.1")

    def _load(self, shape: Shape, address: str) -> LoadConfig:
        return LoadConfig(
            subscribers=shape.subscribers,
            video=None if shape.rate is None else Video(rate=shape.rate),
            audio=shape.rate is None,
            feedback=self._bench.options.feedback,
            seconds=self._seconds + (COUNTED if self._far else 0),
            ip=self._far.far.address if self._far else address,
            cores=(self._load_core,),
            cipher=CIPHER,
        )

    async def _measure(self, contestant: Contestant, shape: Shape) -> Figures:
        """Serve, load, stop. Raises `ValueError` for a run that says nothing."""
        with tempfile.TemporaryDirectory(prefix="sfu-compare-") as folder:
            async with contestant.serve(self._place(Path(folder))) as running:
                empty = running.process.resident_bytes()
                window = Window(running.process, self._far)
                with self._far.far.entered() if self._far else contextlib.nullcontext():
                    result = await run(self._load(shape, running.address), running.signaling, window)
        if problems := result.problems(MAX_LOSS):
            everybody = not result.publishers.failed + result.subscribers.failed
            raise (Overload if everybody else ValueError)("; ".join(problems))
        assert result.figures is not None, "else it has problems"
        if not self._bench.quick and result.rate("sent") < LEAST_SENT * (shape.rate or AUDIO_RATE):
            raise ValueError(f"the load sent {result.rate('sent'):.0f} packets a second; the machine is too busy")
        self._about[self._key(contestant, shape)] = {
            "version": running.version,
            "settings": contestant.settings,
            "load": str(shape),
            "cipher": ", ".join(result.figures["profiles"]),
        }
        packets, loss = result.figures["received"], result.loss or 0.0
        if self._far:
            packets = window.bytes / (result.figures["counted_bytes"] / result.figures["counted"])
            loss = 1 - packets / (result.rate("sent") * window.seconds * shape.subscribers)
            if not self._bench.quick and abs(loss) > MAX_LOSS_ON_A_WIRE:
                raise Overload(f"{loss:.1%} did not arrive at the far end")
        ns = window.cpu_ns / packets
        return {
            "ns_per_packet": ns,
            "kpps_per_core": 1e6 / ns,
            "core_percent": window.cpu_ns / window.seconds / 1e7,
            "packets_per_second": packets / window.seconds,
            "loss": loss,
            "kb_per_subscriber": (window.resident_bytes - empty) / shape.subscribers / 1e3,
        }


class Window:
    """What a whole process takes while the load measures; on a wire from when media is dropped at its far end."""

    def __init__(self, process: ServerProcess, far: Wire | None) -> None:
        self._process = process
        self._far = far
        self.resident_bytes = 0
        self.cpu_ns = 0
        self.seconds = 0.0
        self.bytes = 0
        """Of datagrams that were dropped."""

    async def __aenter__(self) -> None:
        self._beginning = asyncio.create_task(self._begin())

    async def __aexit__(self, *_: object) -> None:
        await self._beginning
        self.cpu_ns += self._process.cpu_ns()
        self.seconds += time.monotonic()
        self.bytes += self._dropped()
        if self._far:
            self._far.let_through()
        self.resident_bytes = self._process.resident_bytes()

    async def _begin(self) -> None:
        if self._far:
            # Until then the load counts what comes: so it is known how long packets are.
            await asyncio.sleep(COUNTED)
            self._far.drop(["1-65535"])
        self.cpu_ns -= self._process.cpu_ns()
        self.seconds -= time.monotonic()
        self.bytes -= self._dropped()

    def _dropped(self) -> int:
        if self._far is None:
            return 0
        messages, count = self._far.dropped()
        return count - messages * HEADERS


if __name__ == "__main__":
    main()
