"""The client's messages of the page protocol: which there are, and which fields they have (docs/signaling.md)."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_DATA", "MAX_MESSAGE", "BadMessage", "parse"]

MAX_MESSAGE = 1024 * 1024
"""Bytes of one message. An offer with 200 sections has about 300 kB."""

MAX_DATA = 64 * 1024
"""Bytes of `data` in `send`, as JSON; characters of `metadata` and `token`."""

_MAX_TEXT = 1024
"""Characters of every other string but `sdp`: others may have to be told of it, again and again."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
"""Half of a UTF-16 pair may stand alone in JSON, but in no UTF-8 and so in no message to others."""


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
    limit: int = _MAX_TEXT


def _text(*choices: str, required: bool = False, null: bool = False, limit: int = _MAX_TEXT) -> _Field:
    return _Field((str,), " or ".join(map(repr, choices)) or "a string", required, choices, null, limit)


_FLAG = _Field((bool,), "true or false")
_NEEDED_FLAG = _Field((bool,), "true or false", required=True)
_NUMBER = _Field((int,), "an integer", null=True)
_OBJECT = _Field((dict,), "an object")
_TRANSPORT = _text("main", "publisher", "subscriber")
_QUALITY = _text("auto", "high", "medium", "low")
_SDP = {"sdp": _text(required=True, limit=MAX_MESSAGE), "id": _NUMBER, "transport": _TRANSPORT}
_ABOUT = {"metadata": _text(limit=MAX_DATA), "attributes": _OBJECT}

_MESSAGES: dict[str, dict[str, _Field]] = {
    "join": {
        "room": _text(null=True),
        "token": _text(null=True, limit=MAX_DATA),
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
    message = _load(text)
    if not isinstance(message, dict):
        raise BadMessage(f"a message is one JSON object, not {type(message).__name__}")
    request = message.get("request")
    if not isinstance(request, str | int | None) or isinstance(request, bool):
        raise BadMessage("request must be a string or an integer")
    if isinstance(request, str) and len(request) > _MAX_TEXT:
        raise BadMessage(f"request may have {_MAX_TEXT} characters at most")
    kind = message.get("type")
    known = _MESSAGES.get(kind) if isinstance(kind, str) else None
    if known is None:
        shown = repr(kind)[:80]
        raise BadMessage(f"there is no message of type {shown}; see docs/signaling.md", request=request)
    for name, field in known.items():
        _check(f"{kind}.{name}", field, message, name, request)
    return message


def _load(text: str | bytes) -> Any:
    """Strict JSON (RFC 8259): what one client sends goes out to others, whose parsers refuse what Python's takes."""
    try:
        message = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        if isinstance(text, bytes) or _SURROGATE.search(text):
            json.dumps(message, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadMessage("a message is one JSON object: no NaN, no Infinity, no half surrogate pairs") from None
    return message


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(digits)
    return number


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
    if isinstance(value, str) and str in field.kinds and len(value) > field.limit:
        raise BadMessage(f"{label} may have {field.limit} characters at most", request=request)
