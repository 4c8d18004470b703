"""Where a server's live objects are found by id: brings each delivered event to the object that it is about.

Also owns the background tasks (handlers, undoing), so that closing a server leaves none. Invariant: a failing object
never keeps the rest of a batch from being delivered.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from sfu import _core
    from sfu._backend import Backend
    from sfu.config import Config

__all__ = ["Hub", "Sink"]

_log = logging.getLogger("sfu")

_GRACE = 0.5
"""Seconds for handlers of the last events. Higher: they get further. Lower: a server closes faster."""

_ROUTES: dict[str, str] = {
    "OfferReady": "session",
    "SectionsNeeded": "session",
    "ConnectionStateChanged": "session",
    "SessionEnded": "session",
    "Subscribed": "session",
    "Unsubscribed": "session",
    "SubscriptionFailed": "session",
    "LayerChanged": "session",
    "LayersWanted": "session",
    "AudioSlotChanged": "session",
    "ChannelOpened": "session",
    "TrackPublished": "room",
    "TrackUnpublished": "room",
    "SpeakersChanged": "room",
    "TrackStalled": "track",
    "LayersChanged": "track",
    "Dump": "track",
    "TapReady": "tap",
    "ChannelMessage": "channel",
    "ChannelWritable": "channel",
    "ChannelEnded": "channel",
}
"""By the event's class: the field that names the object it goes to."""


class Sink(Protocol):
    """An object that events are about."""

    def handle(self, event: Any) -> None:
        """Take one event of the data plane."""


class Hub:
    """The live objects of one server, its backend and its background tasks."""

    def __init__(self, backend: Backend, config: Config, dropped: Callable[[int], None]) -> None:
        """`dropped` is told how many events the data plane had to drop."""
        self.backend = backend
        self.config = config
        self.joining = 0
        """Joins under way, for `max_sessions`."""
        self.sinks: dict[str, dict[int, Sink]] = {"room": {}, "session": {}, "track": {}, "channel": {}, "tap": {}}
        self.at_end: set[Callable[[], None]] = set()
        """Whoever waits for events that a closed data plane will not bring."""
        self._dropped = dropped
        self._tasks: set[asyncio.Task[Any]] = set()

    def add(self, kind: str, number: int, sink: Sink) -> None:
        """Events about `number` go to `sink` from now on."""
        self.sinks[kind][number] = sink

    def remove(self, kind: str, number: int) -> None:
        """They go nowhere from now on."""
        self.sinks[kind].pop(number, None)

    def count(self, kind: str) -> int:
        """How many are alive."""
        return len(self.sinks[kind])

    def deliver(self, events: Sequence[_core.Event], dropped: int) -> None:
        """Bring a batch to its objects."""
        for event in events:
            field = _ROUTES.get(type(event).__name__)
            if field is None:
                _log.warning("unknown event %s", type(event).__name__)
                continue
            sink = self.sinks[field].get(getattr(event, field))
            if sink is None:
                continue  # it has ended here already
            try:
                sink.handle(event)
            except Exception:
                _log.exception("an event could not be handled: %s", type(event).__name__)
        if dropped:
            _log.warning("%d events were dropped: the event loop did not run for too long", dropped)
            self._dropped(dropped)
            for tap in list(self.sinks["tap"].values()):
                tap.handle(None)  # it may have been told of frames

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run in the background, until the server closes at most; a failure is logged."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def finish(self) -> None:
        """Let background tasks but the caller's own finish, for a moment; cancel those that do not."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=_GRACE)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def gone(self) -> None:
        """The data plane is closed: nothing more comes."""
        for tell in list(self.at_end):
            tell()

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a background task failed", exc_info=error)
