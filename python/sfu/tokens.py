"""Access tokens: HS256 JSON Web Tokens in the shape of LiveKit's, so that its tools and client libraries make them too.

`iss` is the key, `sub` the identity, `video` what the bearer may do; `exp` is required. Absent `can…` permissions are
granted, as in LiveKit.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, Self

import jwt

from sfu._arguments import check_text
from sfu.errors import TokenError
from sfu.member import check_attributes

__all__ = ["AccessToken", "Claims", "VideoGrant", "verify"]

_LEEWAY = 60
"""Seconds that clocks may differ by (LiveKit's)."""

_CAMEL = {
    "room_join": "roomJoin",
    "room": "room",
    "room_create": "roomCreate",
    "room_list": "roomList",
    "room_admin": "roomAdmin",
    "room_record": "roomRecord",
    "can_publish": "canPublish",
    "can_subscribe": "canSubscribe",
    "can_publish_data": "canPublishData",
    "can_publish_sources": "canPublishSources",
    "can_update_own_metadata": "canUpdateOwnMetadata",
}


@dataclass(frozen=True, kw_only=True)
class VideoGrant:
    """What the bearer may do. `None` means not said, which grants the `can…` ones."""

    room_join: bool = False
    room: str = ""
    room_create: bool = False
    room_list: bool = False
    room_admin: bool = False
    room_record: bool = False
    can_publish: bool | None = None
    can_subscribe: bool | None = None
    can_publish_data: bool | None = None
    can_publish_sources: tuple[str, ...] = ()
    """`camera`, `microphone`, `screen_share`, `screen_share_audio`; empty: all."""
    can_update_own_metadata: bool | None = None

    def to_claims(self) -> dict[str, Any]:
        """The `video` claim: what is not the default, in the names of the wire."""
        claims: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                claims[_CAMEL[field.name]] = list(value) if isinstance(value, tuple) else value
        return claims

    @classmethod
    def from_claims(cls, claims: object) -> VideoGrant:
        """From the `video` claim; what it does not know is ignored. Raises `TokenError` for wrong types."""
        if not isinstance(claims, Mapping):
            raise TokenError("the token's video claim is not an object")
        given: dict[str, Any] = {}
        for field in fields(cls):
            value = claims.get(_CAMEL[field.name])
            if value is None:
                continue
            if field.name == "can_publish_sources":
                if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                    raise TokenError("the token's canPublishSources is not a list of strings")
                given[field.name] = tuple(one.lower() for one in value)
            elif isinstance(value, str if field.name == "room" else bool):
                given[field.name] = value
            else:
                raise TokenError(f"the token's {_CAMEL[field.name]} is of the wrong type")
        return cls(**given)


@dataclass(frozen=True, kw_only=True)
class Claims:
    """A verified token."""

    key: str
    identity: str
    name: str
    metadata: str
    attributes: Mapping[str, str]
    video: VideoGrant
    expires: float
    """Seconds since the Unix epoch."""


class AccessToken:
    """Builds a token: `AccessToken(key, secret).with_identity("alice").with_grants(VideoGrant(...)).to_jwt()`.

    Every `with_…` gives a new one. Without arguments the key and secret come from `SFU_KEY`/`SFU_SECRET` or
    `LIVEKIT_API_KEY`/`LIVEKIT_API_SECRET`; `TokenError` when they are nowhere.
    """

    def __init__(self, key: str | None = None, secret: str | None = None) -> None:
        """Valid for six hours, unless said otherwise."""
        self._key = key or os.environ.get("SFU_KEY") or os.environ.get("LIVEKIT_API_KEY") or ""
        self._secret = secret or os.environ.get("SFU_SECRET") or os.environ.get("LIVEKIT_API_SECRET") or ""
        if not self._key or not self._secret:
            raise TokenError("a token needs a key and a secret: give both, or set SFU_KEY and SFU_SECRET")
        self._claims = Claims(
            key=self._key, identity="", name="", metadata="", attributes={}, video=VideoGrant(), expires=0.0
        )
        self._ttl = timedelta(hours=6)

    def with_identity(self, identity: str) -> Self:
        """Who the bearer is."""
        check_text("identity", identity)
        return self._with(identity=identity)

    def with_name(self, name: str) -> Self:
        """What people call the bearer."""
        check_text("name", name)
        return self._with(name=name)

    def with_metadata(self, metadata: str) -> Self:
        """The application's text about the bearer."""
        check_text("metadata", metadata, "json.dumps() makes one")
        return self._with(metadata=metadata)

    def with_attributes(self, attributes: Mapping[str, str]) -> Self:
        """The application's strings about the bearer."""
        check_attributes(attributes)
        return self._with(attributes=dict(attributes))

    def with_grants(self, video: VideoGrant) -> Self:
        """What the bearer may do."""
        if not isinstance(video, VideoGrant):
            raise TypeError(f"with_grants() takes VideoGrant(room_join=True, room=…), not {type(video).__name__}")
        return self._with(video=video)

    def with_ttl(self, ttl: timedelta) -> Self:
        """How long it is valid."""
        if not isinstance(ttl, timedelta):
            raise TypeError(f"ttl must be a timedelta: timedelta(hours=6), not {ttl!r}")
        if ttl <= timedelta(0):
            raise ValueError(f"ttl must be more than nothing, not {ttl}")
        made = self._with()
        made._ttl = ttl
        return made

    def to_jwt(self) -> str:
        """The token. Raises `TokenError` when it could not serve: to join, it needs an identity and a room."""
        video = self._claims.video
        if video.room_join and (not self._claims.identity or not video.room):
            raise TokenError("a token to join needs with_identity(…) and VideoGrant(room_join=True, room=…)")
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self._key,
            "sub": self._claims.identity,
            "nbf": now,
            "exp": now + int(self._ttl.total_seconds()),
            "video": video.to_claims(),
        }
        for name in ("name", "metadata", "attributes"):
            if value := getattr(self._claims, name):
                claims[name] = value
        with _short_secrets():
            return jwt.encode(claims, self._secret, algorithm="HS256")

    def _with(self, **changes: Any) -> Self:
        made = type(self)(self._key, self._secret)
        made._claims = replace(self._claims, **changes)
        made._ttl = self._ttl
        return made


def verify(token: str, keys: Mapping[str, str], *, allow_expired: bool = False) -> Claims:
    """Check a token against `keys` (key to secret). Raises `TokenError` that says what is wrong with it."""
    try:
        key = jwt.decode(token, options={"verify_signature": False}).get("iss")
    except jwt.PyJWTError as error:
        raise TokenError(f"not a token: {error}") from None
    secret = keys.get(key) if isinstance(key, str) else None
    if secret is None:
        raise TokenError("the token was made with a key that this server does not know")
    try:
        with _short_secrets():
            claims = jwt.decode(
                token,
                secret,
                algorithms=["HS256"],
                leeway=_LEEWAY,
                options={"require": ["exp"], "verify_exp": not allow_expired, "verify_sub": False, "verify_jti": False},
            )
    except jwt.ExpiredSignatureError:
        raise TokenError("the token has expired") from None
    except jwt.PyJWTError as error:
        raise TokenError(f"the token does not verify: {error}") from None
    attributes = claims.get("attributes") or {}
    if not isinstance(attributes, dict) or not all(isinstance(value, str) for value in attributes.values()):
        raise TokenError("the token's attributes are not strings")
    return Claims(
        key=str(key),
        identity=_text(claims, "sub") or _text(claims, "jti"),
        name=_text(claims, "name"),
        metadata=_text(claims, "metadata"),
        attributes=attributes,
        video=VideoGrant.from_claims(claims.get("video") or {}),
        expires=float(claims["exp"]),
    )


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name) or ""
    if not isinstance(value, str):
        raise TokenError(f"the token's {name} is not a string")
    return value


def _short_secrets() -> warnings.catch_warnings[None]:
    """PyJWT warns below 32 bytes on every use; `sfu serve` says it once, at its start."""
    return warnings.catch_warnings(action="ignore")
