"""Who a session is, as others in the room see it.

Tracks, channels, subscriptions and events refer to a session by this; `Session` is the one that can also act.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Literal, get_args

__all__ = ["ConnectionState", "EndReason", "Member", "Source", "check_attributes", "merge_attributes", "sources_of"]

ConnectionState = Literal["connecting", "connected", "disconnected", "closed"]

Source = Literal["microphone", "camera", "screen", "screen_audio"]

EndReason = Literal[
    "left",
    "kicked",
    "replaced",
    "room_closed",
    "server_closed",
    "peer_closed",
    "timeout",
    "fingerprint_mismatch",
    "handshake_failed",
]
"""Why a session ended: `session.close()`, `session.kick()`, the same identity again, `room.close()`, `server.close()`,
the peer, no media path, a certificate that is not the SDP's, a failed DTLS handshake."""


class Member:
    """The facts about a session. Read-only here; `Session` changes them and tells the room."""

    def __init__(
        self,
        number: int,
        *,
        identity: str,
        name: str,
        metadata: str,
        attributes: Mapping[str, str],
        sources: frozenset[Source],
        can_subscribe: bool,
    ) -> None:
        """As `number` in the data plane."""
        self._id = number
        self._identity = identity
        self._name = name
        self._metadata = metadata
        self._attributes = {key: value for key, value in attributes.items() if value}
        self._sources = sources
        self._can_subscribe = can_subscribe
        self._state: ConnectionState = "connecting"

    @property
    def id(self) -> int:
        """Unique within the server."""
        return self._id

    @property
    def identity(self) -> str:
        """Who it is; unique in the room. `room.session(identity)` gives the session."""
        return self._identity

    @property
    def name(self) -> str:
        """What people call it."""
        return self._name

    @property
    def metadata(self) -> str:
        """The application's text about it."""
        return self._metadata

    @property
    def attributes(self) -> Mapping[str, str]:
        """The application's strings about it; read-only, see `Session.set_attributes`."""
        return MappingProxyType(self._attributes)

    @property
    def sources(self) -> frozenset[Source]:
        """What it may publish."""
        return self._sources

    @property
    def can_subscribe(self) -> bool:
        """Whether it may receive the others' tracks."""
        return self._can_subscribe

    @property
    def state(self) -> ConnectionState:
        """Of its media path."""
        return self._state


_MAX_ATTRIBUTES = 64 * 1024
"""Characters of all attributes of one room or session: everybody who joins is told of all of them."""


def check_attributes(attributes: object) -> None:
    """Strings to strings (or `None`). Raises `TypeError`, and `ValueError` for more than 64 KiB."""
    if not isinstance(attributes, Mapping):
        raise TypeError(f"attributes must be a mapping of str to str, not {type(attributes).__name__}")
    for key, value in attributes.items():
        if not isinstance(key, str) or not isinstance(value, str | None):
            raise TypeError(f"attributes must be a mapping of str to str; {key!r}: {value!r} is not")
    _check_size(attributes)


def merge_attributes(into: dict[str, str], changes: Mapping[str, str | None]) -> bool:
    """Apply changes; whether there were any. Raises as `check_attributes`; then nothing has changed."""
    check_attributes(changes)
    after = {key: value for key, value in {**into, **changes}.items() if value}
    _check_size(after)
    changed = after != into
    into.clear()
    into.update(after)
    return changed


def _check_size(attributes: Mapping[str, str | None]) -> None:
    size = sum(len(key) + len(value or "") for key, value in attributes.items())
    if size > _MAX_ATTRIBUTES:
        raise ValueError(f"all attributes together may have 64 KiB, not {size} characters")


def sources_of(can_publish: bool | Collection[Source]) -> frozenset[Source]:
    """What `can_publish` means."""
    every: frozenset[Source] = frozenset(get_args(Source))
    if isinstance(can_publish, bool):
        return every if can_publish else frozenset()
    if isinstance(can_publish, str) or not isinstance(can_publish, Iterable):
        raise TypeError(f"can_publish must be a bool or a collection of sources, not {can_publish!r}")
    sources = frozenset(can_publish)
    if unknown := sources - every:
        raise ValueError(f"can_publish: unknown sources {sorted(unknown)}; there are {', '.join(sorted(every))}")
    return sources
