"""What waits for one WebSocket.

Answers always fit. News does not when the client reads too slowly, and then it gets the whole state instead.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

__all__ = ["Outbox"]

_LIMIT = 256
"""News that may wait. Higher: survives longer stalls. Lower: less memory per client."""


class Outbox:
    """Messages in order; one reader."""

    def __init__(self) -> None:
        """Empty and open."""
        self._messages: deque[dict[str, Any]] = deque()
        self._changed = asyncio.Event()
        self._drained = asyncio.Event()
        self._closed = False
        self.behind = False
        """News was lost: the reader sends the whole state when it has sent the rest."""

    @property
    def closed(self) -> bool:
        """Whether nothing more goes out."""
        return self._closed

    def answer(self, message: dict[str, Any]) -> None:
        """Queue what the client asked for; it asks one thing after another, so it is bounded."""
        if not self._closed:
            self._messages.append(message)
            self._changed.set()

    def tell(self, message: dict[str, Any]) -> None:
        """Queue news, or note that the client is behind."""
        if self.behind or len(self._messages) >= _LIMIT:
            self.lose()
        else:
            self.answer(message)

    def lose(self) -> None:
        """Some news is missing."""
        self.behind = True
        self._changed.set()

    def close(self) -> None:
        """Nothing more comes; what waits still goes out."""
        self._closed = True
        self._changed.set()
        self._drained.set()

    async def next(self) -> dict[str, Any] | None:
        """The next message; `None`: the client is behind, or (`closed`) it is over."""
        while not self._messages:
            if self._closed or self.behind:
                return None
            self._changed.clear()
            await self._changed.wait()
        self._drained.set()
        return self._messages.popleft()

    async def has_room(self) -> None:
        """Wait while the client asks faster than it reads the answers."""
        while len(self._messages) >= 2 * _LIMIT and not self._closed:
            self._drained.clear()
            await self._drained.wait()
