"""One run: let everybody in, wait, measure, let everybody go."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from sfu.load._swarm import Swarm
from sfu.load.result import Joins, LoadResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from sfu.load._swarm import Peer
    from sfu.load.config import LoadConfig
    from sfu.load.signaling import LoadPeer, Signaling

__all__ = ["ChoosesLayers", "run"]

_TOGETHER = 32
"""Joins under way without a ramp. Higher: the server sees a crowd. Lower: each join is measured alone."""

_OTHER_FILES = 256
"""Descriptors beside the peers' own: twice a socket for each of these, and what Python has open."""


@runtime_checkable
class ChoosesLayers(Protocol):
    """A `Signaling` by which a subscriber can choose its quality (`LoadConfig.switch`)."""

    async def choose(self, peer: LoadPeer, quality: str) -> None:
        """Not above "low", "medium" or "high" from now on, for all that it sees."""


async def run(
    config: LoadConfig, signaling: Signaling, window: AbstractAsyncContextManager[object] | None = None
) -> LoadResult:
    """Let publishers and then subscribers in, let `warm_up` pass, and measure for `seconds`.

    `window`: entered when measuring begins and left when it ends, for what else is measured meanwhile.

    Failed joins are in the result. The signalling is closed at the end, however it comes. Raises `ValueError` for what
    cannot be done with this signalling or on this machine, `OSError` when the peers' thread cannot start.
    """
    try:
        if config.switch is not None and not isinstance(signaling, ChoosesLayers):
            raise ValueError("switch: this signalling cannot choose layers")
        _allow_sockets(config.publishers + config.subscribers)
        with _on_cores(config.cores):
            swarm = Swarm(config)
        async with swarm:
            return await _Run(config, signaling, swarm).run(window or contextlib.nullcontext())
    finally:
        await signaling.close()


@dataclass(frozen=True)
class _Joining:
    """What the joins of one role share. A place is taken until the path is secured: media may wait for a keyframe."""

    negotiate: Callable[[LoadPeer], Awaitable[None]]
    joins: Joins
    places: asyncio.Semaphore


class _Run:
    def __init__(self, config: LoadConfig, signaling: Signaling, swarm: Swarm) -> None:
        self._config = config
        self._signaling = signaling
        self._swarm = swarm
        self._inside: list[Peer] = []

    async def run(self, window: AbstractAsyncContextManager[object]) -> LoadResult:
        config, signaling = self._config, self._signaling
        publishers = await self._join_all(config.publishers, self._swarm.publisher, signaling.publish)
        subscribers = Joins()
        if publishers.media or not config.publishers:
            subscribers = await self._join_all(config.subscribers, self._swarm.subscriber, signaling.subscribe)
        result = LoadResult(config=config, publishers=publishers, subscribers=subscribers)
        if self._inside:
            await asyncio.sleep(config.warm_up)
            async with window:
                await self._swarm.begin()
                async with self._switching():
                    await asyncio.sleep(config.seconds)
                result.figures = await self._swarm.figures()
            result.ended = Counter(peer.ended for peer in self._inside if peer.ended is not None)
        await asyncio.gather(*(signaling.leave(peer) for peer in self._inside))
        return result

    async def _join_all(
        self, count: int, make: Callable[[int], Peer], negotiate: Callable[[LoadPeer], Awaitable[None]]
    ) -> Joins:
        start = time.perf_counter()
        joins = Joins(start=start)
        places = asyncio.Semaphore(_TOGETHER if self._config.ramp is None else count + 1)
        async with asyncio.TaskGroup() as tasks:
            for number in range(count):
                if self._config.ramp is not None:
                    await asyncio.sleep(start + number / self._config.ramp - time.perf_counter())
                await places.acquire()
                tasks.create_task(self._join(make(number), _Joining(negotiate, joins, places)))
        return joins

    async def _join(self, peer: Peer, joining: _Joining) -> None:
        joins, start, waits_for = joining.joins, time.perf_counter(), "answer"
        try:
            async with asyncio.timeout(self._config.join_timeout):
                try:
                    await joining.negotiate(peer)
                    waits_for = "connection"
                    await peer.wait_connected()
                finally:
                    joining.places.release()
                joins.note_connected(start, time.perf_counter())
                waits_for = "media"
                await peer.wait_media()
        except TimeoutError:
            failure = f"no {waits_for} within {self._config.join_timeout:g} s"
        except Exception as error:  # of any signalling
            failure = str(error) or type(error).__name__
        else:
            joins.media.append(time.perf_counter() - start)
            self._inside.append(peer)
            return
        joins.failures[failure] += 1
        await self._signaling.leave(peer)
        await peer.leave()

    @contextlib.asynccontextmanager
    async def _switching(self) -> AsyncIterator[None]:
        """One subscriber, a verifier if there is one, goes to and fro between the lowest and the highest layer."""
        seconds, signaling = self._config.switch, self._signaling
        viewers = [peer for peer in self._inside if peer.role == "subscriber"]
        if seconds is None or not viewers or not isinstance(signaling, ChoosesLayers):
            yield
            return
        # Of several verifiers the second: the first asks for packets again.
        wanted = 1 if self._config.verify > 1 else 0
        viewer = min(viewers, key=lambda peer: abs(peer.number - wanted))

        async def switch() -> None:
            while True:
                for quality in ("low", "high"):
                    await signaling.choose(viewer, quality)
                    await asyncio.sleep(seconds)

        switching = asyncio.get_running_loop().create_task(switch())
        try:
            yield
        finally:
            switching.cancel()
            await asyncio.wait({switching})


def _allow_sockets(peers: int) -> None:
    """As many descriptors as two for each peer need, if the hard limit has them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * peers + _OTHER_FILES
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))


@contextlib.contextmanager
def _on_cores(cores: tuple[int, ...]) -> Iterator[None]:
    """Threads that begin in here stay on `cores`. Raises `ValueError` when the machine does not have them."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        raise ValueError(f"cores: {', '.join(map(str, cores))} are not there: {error.strerror}") from None
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
