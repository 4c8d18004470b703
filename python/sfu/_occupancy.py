"""How full one room and its server are: places for those who are joining, and the clock of an empty room.

Stands under `Room`. Invariant: while somebody joins, the room does not count as empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sfu.errors import TooManySessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from sfu._backend import Timer
    from sfu._hub import Hub

__all__ = ["Occupancy"]


class Occupancy:
    """Of one room."""

    def __init__(self, hub: Hub, timeout: float | None, empty: Callable[[], None]) -> None:
        """`empty` is called when nobody has been in the room for `timeout` seconds (`None`: never)."""
        self._hub = hub
        self._timeout = timeout
        self._tell_empty = empty
        self._joining = 0
        self._timer: Timer | None = None

    @property
    def server_is_full(self) -> bool:
        """Whether the server holds its `Config.max_sessions`, with those who are joining."""
        limit = self._hub.config.max_sessions
        return limit is not None and self._hub.count("session") + self._hub.joining >= limit

    def refuse(self) -> TooManySessions:
        """What to raise then."""
        limit = self._hub.config.max_sessions
        return TooManySessions(f"the server holds its {limit} sessions: raise Config.max_sessions or wait")

    def hold(self) -> None:
        """Somebody is joining."""
        self._hub.joining += 1
        self._joining += 1

    def release(self) -> None:
        """They have joined, or not."""
        self._hub.joining -= 1
        self._joining -= 1

    def wait(self) -> None:
        """Nobody is in the room: start the clock, unless somebody is joining."""
        self.stop()
        if self._timeout is not None and not self._joining:
            self._timer = self._hub.backend.call_later(self._timeout, self._over)

    def stop(self) -> None:
        """Somebody is in it, or it is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        self._timer = None
        if not self._joining:
            self._tell_empty()
