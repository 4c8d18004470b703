"""Load that goes on behind what is measured, on threads that stand back for it."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sfu.load import LoadConfig, LoadResult, Signaling, run

_NICE = 10


class Everybody:
    """A window that tells when everybody is in."""

    def __init__(self) -> None:
        self.inside = threading.Event()

    async def __aenter__(self) -> None:
        self.inside.set()

    async def __aexit__(self, *_: object) -> None:
        """Nothing was measured."""


class Behind(threading.Thread):
    """One load in an event loop of its own. What it starts inherits its niceness."""

    def __init__(self, config: LoadConfig, signaling: Signaling) -> None:
        super().__init__(daemon=True)
        self._config = config
        self._signaling = signaling
        self._loop = asyncio.new_event_loop()
        self._everybody = Everybody()
        self._task: asyncio.Task[LoadResult] | None = None

    def run(self) -> None:
        """The thread's own."""
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        self._loop.run_until_complete(self._load())

    async def _load(self) -> None:
        self._task = asyncio.ensure_future(run(self._config, self._signaling, self._everybody))
        await asyncio.wait([self._task])
        # Nobody waits for ever for those who could not come.
        self._everybody.inside.set()

    async def inside(self) -> None:
        """Until everybody is."""
        await asyncio.to_thread(self._everybody.inside.wait)

    async def over(self) -> None:
        """Until the load has ended by itself."""
        await asyncio.to_thread(self.join)

    async def stop(self) -> None:
        """Have everybody leave."""
        if self._task is not None and not self._task.done():
            self._loop.call_soon_threadsafe(self._task.cancel)
        await self.over()


@asynccontextmanager
async def behind(config: LoadConfig, signaling: Signaling) -> AsyncIterator[Behind]:
    """A load behind the block. It joins meanwhile; see `Behind.inside`."""
    load = Behind(config, signaling)
    load.start()
    try:
        yield load
    finally:
        await load.stop()
