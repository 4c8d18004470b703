"""What every HTTP endpoint of ours answers with: CORS, OPTIONS, and errors as problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from sfu.errors import (
    Forbidden,
    NegotiationError,
    NotRunning,
    RoomClosed,
    RoomFull,
    RoomUnavailable,
    SessionClosed,
    SfuError,
    TokenError,
    TooManyRooms,
    TooManySessions,
)
from sfu.signaling import sdpfrag

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["ANY_METHOD", "Handler", "answering", "bearer", "read_body"]

ANY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
"""What a route takes, so that `answering` can refuse it and no page stands behind the endpoint's URL."""

MAX_BODY = 1024 * 1024
"""Bytes of an offer or a fragment."""

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Accept-Patch, Accept-Post, WWW-Authenticate, Retry-After",
}
_STATUS: list[tuple[type[Exception], int]] = [
    (TokenError, 401),
    (Forbidden, 403),
    (RoomClosed, 404),
    (SessionClosed, 404),
    (NotRunning, 503),
    (RoomFull, 503),
    (RoomUnavailable, 503),
    (TooManyRooms, 503),
    (TooManySessions, 503),
    (NegotiationError, 422),
    (ValueError, 400),
]

Handler = Callable[["Request"], Awaitable[Response]]


def answering(handler: Handler, *, methods: str, accept_post: bool = False) -> Handler:
    """An endpoint: OPTIONS, CORS and problem documents around `handler`."""
    allowed = {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
        "Access-Control-Max-Age": "86400",
    }
    if accept_post:
        allowed["Accept-Post"] = "application/sdp"
    else:
        allowed["Accept-Patch"] = sdpfrag.CONTENT_TYPE

    async def endpoint(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={**_CORS, **allowed, "Allow": methods})
        try:
            if request.method not in methods.split(", "):
                raise HTTPException(405, f"there is {methods} here", {"Allow": methods})
            response = await handler(request)
        except HTTPException as error:
            response = _problem(error.status_code, error.detail, error.headers)
        except (SfuError, ValueError) as error:
            response = _problem_of(error)
        response.headers.update(_CORS)
        return response

    return endpoint


def _problem_of(error: Exception) -> Response:
    """The problem document of an exception."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        headers["Retry-After"] = "10"
    return _problem(status, str(error), headers)


def bearer(request: Request) -> str | None:
    """The token in its `Authorization` (RFC 6750 §2.1)."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


async def read_body(request: Request, content_type: str) -> str:
    """The text of a request. Raises 413 and 415."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != content_type:
        accept = {"Accept-Patch" if request.method == "PATCH" else "Accept-Post": content_type}
        raise HTTPException(415, f"the body must be {content_type}, not {given or 'of no type'}", accept)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"a body may have {MAX_BODY} bytes at most")
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise HTTPException(400, "the body is not UTF-8") from None


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")
