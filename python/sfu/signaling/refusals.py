"""What the page protocol answers to a request that failed: `error` and its codes (docs/signaling.md)."""

from __future__ import annotations

import logging
from typing import Any

from sfu.errors import (
    AlreadySubscribed,
    Forbidden,
    MessageTooLarge,
    NegotiationError,
    NotInRoom,
    NotRunning,
    RoomClosed,
    RoomFull,
    RoomUnavailable,
    SessionClosed,
    SubscriptionEnded,
    TokenError,
    TooManyRooms,
    TooManySessions,
    TrackEnded,
)
from sfu.signaling.messages import BadMessage

__all__ = ["error_message"]

_log = logging.getLogger("sfu.signaling")

_CODES: list[tuple[type[Exception], str]] = [
    (NotRunning, "unavailable"),
    (TokenError, "unauthorized"),
    (Forbidden, "forbidden"),
    (RoomFull, "room_full"),
    (RoomUnavailable, "unavailable"),
    (TooManyRooms, "too_many_rooms"),
    (TooManySessions, "too_many_sessions"),
    (RoomClosed, "room_closed"),
    (SessionClosed, "not_joined"),
    (NegotiationError, "negotiation"),
    (AlreadySubscribed, "conflict"),
    (NotInRoom, "not_found"),
    (TrackEnded, "not_found"),
    (SubscriptionEnded, "not_found"),
    (LookupError, "not_found"),
    (MessageTooLarge, "too_large"),
    (ValueError, "bad_message"),
    (TypeError, "bad_message"),
]


def error_message(error: Exception, request: str | int | None = None) -> dict[str, Any]:
    """`error` for an exception. What the client could not have caused is logged and called `internal`."""
    if isinstance(error, BadMessage):
        code, text, request = error.code, str(error), error.request if request is None else request
    else:
        known = next((code for kind, code in _CODES if isinstance(error, kind)), None)
        code, text = (known, str(error)) if known else ("internal", "a fault of the server; its log says more")
        if isinstance(error, KeyError):
            text = str(error.args[0]) if error.args else text
        if known is None:
            _log.error("a message could not be handled", exc_info=error)
    message: dict[str, Any] = {"type": "error", "code": code, "message": text}
    if request is not None:
        message["request"] = request
    return message
