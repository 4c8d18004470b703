"""What a peer says about the sections that it sends in: it may speak before a section's first packet arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sfu.member import Source

__all__ = ["Note", "Sections"]

_LIMIT = 512
"""Notes kept. A client may name any section: beyond this, the oldest note goes. Its track knows it by then."""


class Note(NamedTuple):
    """About one section; `None`: nothing was said."""

    source: Source | None = None
    name: str | None = None
    muted: bool | None = None


class Sections:
    """The notes of one session by mid."""

    def __init__(self) -> None:
        """None yet."""
        self._notes: dict[str, Note] = {}

    def note(self, mid: str) -> Note:
        """What was said last."""
        return self._notes.get(mid, Note())

    def add(self, mid: str, new: Note) -> None:
        """Take what is said now; what is left out stays."""
        earlier = self._notes.pop(mid, Note())
        if len(self._notes) >= _LIMIT:
            del self._notes[next(iter(self._notes))]
        self._notes[mid] = Note(
            new.source if new.source is not None else earlier.source,
            new.name if new.name is not None else earlier.name,
            new.muted if new.muted is not None else earlier.muted,
        )
