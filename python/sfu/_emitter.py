"""How events reach an application: bounded streams for `async for`, and handlers for `@obj.on("name")`.

The data plane delivers in batches on the loop; nothing here ever waits for a reader. Invariant: a stream holds at most
`limit` events (and the owner's last one); what comes on top until the reader has caught up is one `EventsDropped`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args

from sfu.errors import UsageError

if TYPE_CHECKING:
    from types import UnionType

__all__ = ["Emitter", "EventStream", "EventsDropped"]

E = TypeVar("E")
H = TypeVar("H", bound=Callable[..., Any])

_log = logging.getLogger("sfu")


@dataclass(frozen=True)
class EventsDropped:
    """This reader was too slow: so many events after the last one are missing. Read the state anew from the objects."""

    count: int


class EventStream(AsyncIterator[E], Generic[E]):
    """Events for one reader. Ends when its owner does."""

    def __init__(self, limit: int, leave: Callable[[EventStream[E]], None], waiting: set[Any] | None = None) -> None:
        """Of `limit` events at most; `leave` is told when the reader has gone; it is in `waiting` while it waits."""
        self._limit = limit
        self._leave = leave
        self._waiting = set() if waiting is None else waiting
        self._queue: deque[Any] = deque()
        self._dropped = 0
        self._ended = False
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> EventStream[E]:
        """Itself."""
        return self

    async def __anext__(self) -> E:
        """The next event."""
        if self._waiter is not None:
            raise UsageError("two tasks read one event stream: call events() once for each reader")
        while not self._queue:
            if self._dropped:
                count, self._dropped = self._dropped, 0
                return EventsDropped(count)  # type: ignore[return-value]
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(self)
            try:
                await self._waiter
            finally:
                self._waiter = None
                self._waiting.discard(self)
        event: E = self._queue.popleft()
        return event

    async def aclose(self) -> None:
        """Stop listening."""
        self.end()
        self._queue.clear()
        self._dropped = 0
        self._leave(self)

    def put(self, event: E, *, last: bool = False) -> None:
        """Queue an event, or count it when the reader is behind: once one is missing, all are until it caught up."""
        if self._ended:
            return
        if not last and (self._dropped or len(self._queue) >= self._limit):
            self._dropped += 1
            return
        if last and self._dropped:
            self._queue.append(EventsDropped(self._dropped))
            self._dropped = 0
        self._queue.append(event)
        self._wake()

    def skip(self, count: int) -> None:
        """Note events that were lost before they came here."""
        if not self._ended:
            self._dropped += count
            self._wake()

    def end(self) -> None:
        """No more events."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Emitter(Generic[E]):
    """The streams and handlers of one room, session or server."""

    def __init__(
        self,
        kinds: UnionType,
        limit: int,
        spawn: Callable[[Coroutine[Any, Any, Any]], object],
        *,
        backlog: bool = False,
    ) -> None:
        """For events of `kinds`. With `backlog` the first reader also gets what came before it."""
        self._kinds = {_snake(kind.__name__): kind for kind in get_args(kinds)}
        self._limit = limit
        self._spawn = spawn
        self._handlers: dict[type, list[Callable[..., Any]]] = {}
        self._streams: list[weakref.ref[EventStream[E]]] = []
        """Weak: a reader that stops iterating lets go of its stream, and nothing is kept for it any more."""
        self._waiting: set[EventStream[E]] = set()
        """Strong: the loop does not hold a task that waits, so we do."""
        self._backlog: EventStream[E] | None = None
        self._ended = False
        if backlog:
            self._backlog = self._add()

    def stream(self) -> EventStream[E]:
        """A stream for one reader."""
        if self._backlog is not None:
            stream, self._backlog = self._backlog, None
            return stream
        stream = self._add()
        if self._ended:
            stream.end()
        return stream

    def drop_backlog(self) -> None:
        """Nobody will read: keep nothing."""
        if self._backlog is not None:
            self._remove(self._backlog)
            self._backlog = None

    def on(self, name: str) -> Callable[[H], H]:
        """Decorate a handler for the events called `name`."""
        if not isinstance(name, str):
            raise TypeError(f'write @obj.on("name") with the event\'s name, not @obj.on({name!r})')
        kind = self._kinds.get(name)
        if kind is None:
            raise ValueError(f"there is no event {name!r} here; there are: {', '.join(sorted(self._kinds))}")

        def register(handler: H) -> H:
            if not callable(handler):
                raise TypeError(f"a handler must be a function, not {type(handler).__name__}")
            self._handlers.setdefault(kind, []).append(handler)
            return handler

        return register

    def emit(self, event: E, *, last: bool = False) -> None:
        """Give an event to all handlers and streams; with `last` the streams end."""
        if self._ended:
            return
        for stream in self._live():
            stream.put(event, last=last)
        for handler in self._handlers.get(type(event), ()):
            self._call(handler, event)
        if last:
            self.end()

    def skip(self, count: int) -> None:
        """Events were lost before they came here."""
        for stream in self._live():
            stream.skip(count)
        for handler in self._handlers.get(EventsDropped, ()):
            self._call(handler, EventsDropped(count))

    def end(self) -> None:
        """No more events, and no last one."""
        self._ended = True
        for stream in self._live():
            stream.end()
        self._streams.clear()

    def _call(self, handler: Callable[..., Any], event: object) -> None:
        fields = [getattr(event, name) for name in event.__match_args__]  # type: ignore[attr-defined]
        try:
            result = handler(*fields)
        except Exception:
            _log.exception("the handler %r of %s failed", handler, type(event).__name__)
            return
        if inspect.iscoroutine(result):
            self._spawn(result)

    def _add(self) -> EventStream[E]:
        stream: EventStream[E] = EventStream(self._limit, self._remove, self._waiting)
        self._streams.append(weakref.ref(stream, self._streams_lost))
        return stream

    def _live(self) -> list[EventStream[E]]:
        return [stream for one in list(self._streams) if (stream := one()) is not None]

    def _remove(self, stream: EventStream[E]) -> None:
        self._streams_lost(weakref.ref(stream))

    def _streams_lost(self, gone: weakref.ref[EventStream[E]]) -> None:
        if gone in self._streams:
            self._streams.remove(gone)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
