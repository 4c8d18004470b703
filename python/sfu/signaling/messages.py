"""The client's messages of the page protocol: which there are, and which fields they have (docs/signaling.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_DATA", "MAX_MESSAGE", "BadMessage", "parse"]

MAX_MESSAGE = 1024 * 1024
"""Bytes of one message. An offer with 200 sections has about 300 kB."""

MAX_DATA = 64 * 1024
"""Bytes of `data` in `send`, as JSON."""


class BadMessage(Exception):
    """A message was refused; `code` and `request` go into the answer."""

    def __init__(self, message: str, *, code: str = "bad_message", request: str | int | None = None) -> None:
        """Say what is wrong."""
        super().__init__(message)
        self.code = code
        self.request = request


@dataclass(frozen=True)
class _Field:
    kinds: tuple[type, ...]
    what: str
    required: bool = False
    choices: tuple[str, ...] = ()
    null: bool = False


def _text(*choices: str, required: bool = False, null: bool = False) -> _Field:
    return _Field((str,), " or ".join(map(repr, choices)) or "a string", required, choices, null)


_FLAG = _Field((bool,), "true or false")
_NEEDED_FLAG = _Field((bool,), "true or false", required=True)
_NUMBER = _Field((int,), "an integer", null=True)
_OBJECT = _Field((dict,), "an object")
_TRANSPORT = _text("main", "publisher", "subscriber")
_QUALITY = _text("auto", "high", "medium", "low")
_SDP = {"sdp": _text(required=True), "id": _NUMBER, "transport": _TRANSPORT}
_ABOUT = {"metadata": _text(), "attributes": _OBJECT}

_MESSAGES: dict[str, dict[str, _Field]] = {
    "join": {
        "room": _text(null=True),
        "token": _text(null=True),
        "identity": _text(null=True),
        "name": _text(),
        "auto_subscribe": _FLAG,
        "resume": _text(null=True),
        **_ABOUT,
    },
    "offer": _SDP,
    "answer": _SDP,
    "candidate": {"candidate": _text(required=True), "transport": _TRANSPORT},
    "publish": {
        "mid": _text(required=True),
        "source": _text("microphone", "camera", "screen", "screen_audio"),
        "name": _text(),
        "muted": _FLAG,
    },
    "mute": {"mid": _text(null=True), "track": _text(null=True), "muted": _NEEDED_FLAG},
    "subscribe": {"track": _text(required=True), "quality": _QUALITY, "layer": _Field((dict,), "an object", null=True)},
    "unsubscribe": {"track": _text(required=True)},
    "set_layer": {"track": _text(required=True), "quality": _QUALITY, "layer": _Field((dict,), "an object", null=True)},
    "pause": {"track": _text(required=True), "paused": _NEEDED_FLAG},
    "send": {
        "topic": _text(required=True),
        "data": _Field((object,), "any value"),
        "to": _Field((list,), "a list of identities", null=True),
    },
    "update": {"name": _text(), **_ABOUT},
    "kick": {"identity": _text(required=True), "reason": _text()},
    "close_room": {"reason": _text()},
    "update_room": _ABOUT,
    "stats": {},
    "ping": {"time": _Field((int, float), "a number", null=True)},
    "leave": {},
}


def parse(text: str | bytes) -> dict[str, Any]:
    """One message, its type and fields checked. Raises `BadMessage`."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("a message is one JSON object") from None
    if not isinstance(message, dict):
        raise BadMessage(f"a message is one JSON object, not {type(message).__name__}")
    request = message.get("request")
    if not isinstance(request, str | int | None) or isinstance(request, bool):
        raise BadMessage("request must be a string or an integer")
    kind = message.get("type")
    known = _MESSAGES.get(kind) if isinstance(kind, str) else None
    if known is None:
        raise BadMessage(f"there is no message of type {kind!r}; see docs/signaling.md", request=request)
    for name, field in known.items():
        _check(f"{kind}.{name}", field, message, name, request)
    return message


def _check(label: str, field: _Field, message: Mapping[str, Any], name: str, request: str | int | None) -> None:
    if name not in message:
        if field.required:
            raise BadMessage(f"{label} is missing: {field.what}", request=request)
        return
    value = message[name]
    if value is None and field.null:
        return
    wrong = not isinstance(value, field.kinds) or (isinstance(value, bool) and bool not in field.kinds)
    if field.kinds != (object,) and (wrong or (field.choices and value not in field.choices)):
        raise BadMessage(f"{label} must be {field.what}", request=request)
