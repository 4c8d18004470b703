"""Who may come in, and what they may do there: tokens, or everybody when the server has no keys."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sfu._arguments import check_text
from sfu.errors import Forbidden, TokenError
from sfu.member import Source, sources_of
from sfu.tokens import verify

__all__ = ["Access", "Grant"]

_SOURCES: dict[str, Source] = {
    "camera": "camera",
    "microphone": "microphone",
    "screen_share": "screen",
    "screen_share_audio": "screen_audio",
    "screen": "screen",
    "screen_audio": "screen_audio",
}
"""LiveKit's names and ours."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What one client may do. Without a token: everything but moderation."""

    identity: str | None = None
    room: str | None = None
    name: str = ""
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    sources: frozenset[Source] = field(default_factory=lambda: sources_of(True))
    subscribe: bool = True
    send: bool = True
    update: bool = True
    admin: bool = False

    def room_for(self, wanted: str | None) -> str:
        """The room that it opens. Raises `Forbidden` for another one, `ValueError` when none is named."""
        if self.room is not None and wanted not in (None, "", self.room):
            raise Forbidden(f"the token is for the room {self.room!r}, not for {wanted!r}")
        room = self.room or wanted
        if not room:
            raise ValueError("name a room")
        return room

    def identity_for(self, wanted: str | None) -> str | None:
        """Who comes. Raises `Forbidden` for somebody else than the token's."""
        if self.identity is not None and wanted not in (None, "", self.identity):
            raise Forbidden(f"the token is for {self.identity!r}, not for {wanted!r}")
        return self.identity or wanted or None


class Access:
    """The keys and the browser origins of one door."""

    def __init__(self, keys: Mapping[str, str] | None = None, origins: Collection[str] = ()) -> None:
        """`keys`: key to secret; empty: open to everybody. `origins`: allowed besides the page's own; `"*"`: all."""
        if keys is not None and not isinstance(keys, Mapping):
            raise TypeError(f"keys must be a mapping of key to secret: {{'key': 'secret'}}, not {type(keys).__name__}")
        for key, secret in (keys or {}).items():
            check_text("a key", key)
            check_text(f"the secret of {key!r}", secret)
            if not key or not secret:
                raise ValueError("a key and its secret must not be empty; without keys the server is open")
        if isinstance(origins, str):
            raise TypeError(f"origins must be a collection of origins: [{origins!r}]")
        self._keys = dict(keys or {})
        self._origins = {origin.rstrip("/").lower() for origin in origins}

    @property
    def open(self) -> bool:
        """Whether everybody may come in."""
        return not self._keys

    def admit(self, token: str | None, *, allow_expired: bool = False) -> Grant:
        """What a token grants. Raises `TokenError` (none, or a wrong one) and `Forbidden` (not one for joining)."""
        if self.open:
            return Grant()
        if not token:
            raise TokenError("this server wants an access token: `sfu token` makes one")
        claims = verify(token, self._keys, allow_expired=allow_expired)
        video = claims.video
        if not video.room_join:
            raise Forbidden("the token does not grant roomJoin")
        if not claims.identity or not video.room:
            raise Forbidden("the token names no identity (sub) or no room (video.room)")
        return Grant(
            identity=claims.identity,
            room=video.room,
            name=claims.name,
            metadata=claims.metadata,
            attributes=claims.attributes,
            sources=_sources(video.can_publish, video.can_publish_sources),
            subscribe=video.can_subscribe is not False,
            send=video.can_publish_data is not False,
            update=video.can_update_own_metadata is not False,
            admin=video.room_admin,
        )

    def allows_origin(self, origin: str | None, host: str | None) -> bool:
        """Whether a browser page of `origin` may talk to us at `host`. No origin: not a browser."""
        if origin is None or "*" in self._origins:
            return True
        return origin.lower() in self._origins or urlsplit(origin.lower()).netloc == (host or "").lower()


def _sources(can_publish: bool | None, names: tuple[str, ...]) -> frozenset[Source]:
    if can_publish is False:
        return frozenset()
    if not names:
        return sources_of(True)
    return frozenset(_SOURCES[name] for name in names if name in _SOURCES)
