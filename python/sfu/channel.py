"""Data channels (RFC 8831) as async iterators of messages.

Sending waits while the peer does not read. A reader that is slower than the peer loses messages beyond a bound, and
`dropped` counts them: memory never grows with somebody else's speed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from sfu.errors import ChannelClosed, MessageTooLarge, UsageError

if TYPE_CHECKING:
    from sfu._hub import Hub
    from sfu.member import Member

__all__ = ["MAX_MESSAGE", "DataChannel"]

MAX_MESSAGE = 262_144
"""Bytes of one message."""

_MAX_WAITING = 4 * 1024 * 1024
"""Bytes of messages that wait for a reader. Higher: survives longer pauses. Lower: less memory per channel."""

_OVERHEAD = 64
"""Bytes that a waiting message counts on top, so that empty ones are bounded too."""

_log = logging.getLogger("sfu")


class DataChannel(AsyncIterator[str | bytes]):
    """One data channel of a session: `async for message in channel`, `await channel.send(message)`.

    Text is `str`, binary is `bytes`. Iteration ends when the channel closes.
    """

    def __init__(
        self,
        hub: Hub,
        session: Member,
        number: int,
        drop: Callable[[int], None],
        *,
        label: str,
        protocol: str,
        ordered: bool,
        by_peer: bool,
    ) -> None:
        """Made by `Session.open_channel` or by the peer; `drop` is told when it ends."""
        self._hub = hub
        self._session = session
        self._drop = drop
        self._id = number
        self._label = label
        self._protocol = protocol
        self._ordered = ordered
        self._by_peer = by_peer
        self._open = asyncio.Event()
        self._writable = asyncio.Event()
        self._closed = False
        self._sending = asyncio.Lock()
        self._messages: deque[str | bytes] = deque()
        self._waiting = 0
        self._dropped = 0
        self._waiter: asyncio.Future[None] | None = None

    @property
    def id(self) -> int:
        """Unique within the server."""
        return self._id

    @property
    def session(self) -> Member:
        """Whose it is."""
        return self._session

    @property
    def label(self) -> str:
        """Its name, as both sides see it."""
        return self._label

    @property
    def protocol(self) -> str:
        """Its subprotocol."""
        return self._protocol

    @property
    def ordered(self) -> bool:
        """Whether messages arrive in order."""
        return self._ordered

    @property
    def by_peer(self) -> bool:
        """Whether the peer opened it."""
        return self._by_peer

    @property
    def open(self) -> bool:
        """Whether it is open now."""
        return self._open.is_set() and not self._closed

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self._closed

    @property
    def dropped(self) -> int:
        """Messages that were lost because nobody read them in time."""
        return self._dropped

    async def opened(self) -> None:
        """Wait until it is open. Raises `ChannelClosed`."""
        self._check()
        await self._open.wait()
        self._check()

    async def send(self, message: str | bytes) -> None:
        """Send one message, in the order of the calls; waits until it is open and while the peer does not read.

        A cancelled `send` may still arrive. Raises `ChannelClosed`, and `MessageTooLarge` above 256 KiB.
        """
        _check_message(message)
        async with self._sending:
            await self.opened()
            while True:
                self._writable.clear()
                if await self._hub.backend.send_message(self._id, message):
                    return
                await self._writable.wait()
                self._check()

    async def try_send(self, message: str | bytes) -> bool:
        """Send one message unless the channel is not open or full; whether it was taken."""
        _check_message(message)
        if not self.open or self._sending.locked():
            return False
        try:
            return await self._hub.backend.send_message(self._id, message)
        except ChannelClosed:
            return False

    async def close(self) -> None:
        """Close it. What was sent before still arrives. Does nothing when it is closed already."""
        self._hub.backend.check()
        if not self._closed:
            await self._hub.backend.close_channel(self._id)
            self.end()

    def __aiter__(self) -> DataChannel:
        """Itself."""
        return self

    async def __anext__(self) -> str | bytes:
        """The next message."""
        if self._waiter is not None:
            raise UsageError("two tasks read one channel: a message goes to one reader only")
        while not self._messages:
            if self._closed:
                raise StopAsyncIteration
            self._hub.backend.check()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._messages.popleft()
        self._waiting -= len(message) + _OVERHEAD
        return message

    def handle(self, event: Any) -> None:
        """Take an event of the data plane."""
        match type(event).__name__:
            case "ChannelMessage":
                self._take(event.payload if event.binary else event.payload.decode("utf-8", "replace"))
            case "ChannelWritable":
                self._writable.set()
            case "ChannelEnded":
                self.end()

    def now_open(self) -> None:
        """Both sides know it."""
        self._open.set()

    def end(self) -> None:
        """It is over."""
        if self._closed:
            return
        self._closed = True
        self._hub.remove("channel", self._id)
        self._drop(self._id)
        self._open.set()
        self._writable.set()
        self._wake()

    def __repr__(self) -> str:
        """For people."""
        return f"<DataChannel {self._label!r} of {self._session.identity!r}>"

    def _take(self, message: str | bytes) -> None:
        if self._waiting + len(message) > _MAX_WAITING:
            if self._dropped == 0:
                _log.warning("messages of %r are dropped: nobody reads them in time", self)
            self._dropped += 1
            return
        self._messages.append(message)
        self._waiting += len(message) + _OVERHEAD
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _check(self) -> None:
        self._hub.backend.check()
        if self._closed:
            raise ChannelClosed(f"{self!r} is closed: open another one")


def _check_message(message: str | bytes) -> None:
    if not isinstance(message, str | bytes):
        raise TypeError(
            f"a message is str (text) or bytes (binary), not {type(message).__name__}; json.dumps() makes text"
        )
    size = len(message.encode()) if isinstance(message, str) else len(message)
    if size > MAX_MESSAGE:
        raise MessageTooLarge(f"a message of {size} bytes is too large: {MAX_MESSAGE} at most; send it in pieces")
