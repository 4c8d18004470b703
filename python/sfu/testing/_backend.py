"""The simulated data plane as a `Backend`, and its clock.

The same commands, answers and events as natively (`sfu._native`); but answers wait in the loop's next turn instead of
behind an eventfd, and time goes on only in `advance`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import TYPE_CHECKING

from sfu._core import testing
from sfu._native import NativeBackend
from sfu.errors import NotRunning, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sfu import _core
    from sfu.config import Config

__all__ = ["SimulatedBackend"]

_QUIET = 12
"""Turns of the loop without a command after which everybody has had their say. Higher: longer chains of tasks get
through in one instant of virtual time. Lower: runs are faster."""

_ENDLESS = 100_000
"""Turns after which a task that asks for ever without letting time go on is told so."""


class _Timer:
    """A callback at a time."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """It will not be called."""
        self.callback = None


class SimulatedBackend(NativeBackend):
    """`_core.testing.Simulation` behind the `Backend` protocol."""

    def __init__(self, config: Config, seed: int) -> None:
        """Nothing starts yet."""
        super().__init__(config)
        self._seed = seed
        self._timers: list[tuple[float, int, _Timer]] = []
        self._count = itertools.count()
        self._commands = 0
        self._now = 0.0
        self.simulation: testing.Simulation

    @property
    def now(self) -> float:
        """Virtual seconds since the beginning."""
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> _Timer:
        """Virtual time."""
        timer = _Timer(callback)
        heapq.heappush(self._timers, (self._now + seconds, next(self._count), timer))
        return timer

    async def advance(self, seconds: float) -> None:
        """Let time go on; everybody in the loop has their say in between."""
        until = self._now + seconds
        await self._settle_tasks()
        while True:
            self.check()
            due = min(until, self._timers[0][0]) if self._timers else until
            if self.simulation.run(max(due - self._now, 0.0)):
                self._now = min(self.simulation.now(), due)
                self._drain()
            else:
                self._now = due
                self._ring()
                if self._now >= until and not (self._timers and self._timers[0][0] <= until):
                    break
            await self._settle_tasks()
        await self._settle_tasks()

    def _ring(self) -> None:
        while self._timers and self._timers[0][0] <= self._now:
            _, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                timer.callback()

    async def _settle_tasks(self) -> None:
        quiet, turns, before = 0, 0, self._commands
        while quiet < _QUIET:
            await asyncio.sleep(0)
            quiet, before = (quiet + 1, before) if self._commands == before else (0, self._commands)
            turns += 1
            if turns > _ENDLESS:
                raise UsageError("a task asks the server again and again without waiting: time cannot go on")
        self.check()

    def _open(self, config: Config) -> _core.Core:
        self.simulation = testing.Simulation(
            seed=self._seed,
            consent_timeout=config.consent_timeout,
            close_timeout=config.close_timeout,
            connect_timeout=config.connect_timeout,
            max_half_open=config.max_half_open,
            channel_buffer=config.channel_buffer,
            remb_bitrate=config.remb_bitrate,
            congestion_control=config.congestion_control,
        )
        return self.simulation.core()

    def _listen(self) -> None:
        """There is nothing to listen to."""

    def _ignore(self) -> None:
        """Nor to stop listening to."""

    def _posted(self) -> None:
        self._commands += 1
        self._loop.call_soon(self._answer)

    def _answer(self) -> None:
        if not self._closed:
            self._drain()


def running(backend: SimulatedBackend | None) -> SimulatedBackend:
    """The backend of a simulation that runs."""
    if backend is None:
        raise NotRunning("the simulation has not been started: write `async with sfu.testing.Simulation() as sim`")
    backend.check()
    return backend
