"""What WHIP (RFC 9725) and WHEP share: one offer in, one answer out, and a resource to trickle to and to delete.

The resource's URL is the secret that its client got in `Location`. Errors are problem documents (RFC 9457).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
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
    SessionClosed,
    SfuError,
    TokenError,
    TooManyRooms,
    TooManySessions,
)
from sfu.signaling import sdpfrag

if TYPE_CHECKING:
    from starlette.requests import Request

    from sfu.session import Session
    from sfu.signaling.access import Grant
    from sfu.signaling.door import Door

__all__ = ["ANY_METHOD", "Resource", "Resources", "admit", "answering", "created", "read_body", "resource_endpoint"]

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
    (TooManyRooms, 503),
    (TooManySessions, 503),
    (NegotiationError, 422),
    (ValueError, 400),
]

Handler = Callable[["Request"], Awaitable[Response]]


@dataclass
class Resource:
    """One WHIP or WHEP session as HTTP sees it."""

    session: Session
    etag: str = field(default_factory=lambda: _etag())


class Resources:
    """The sessions of one endpoint by their secret; each goes when its session ends."""

    def __init__(self) -> None:
        """None yet."""
        self._resources: dict[str, Resource] = {}

    def add(self, session: Session) -> tuple[str, Resource]:
        """A new one and its secret. Raises `SessionClosed` when it has ended meanwhile."""
        if session.ended is not None:
            raise SessionClosed(f"the session has ended: {session.ended.reason}")
        secret = secrets.token_urlsafe(24)
        self._resources[secret] = Resource(session)

        @session.on("session_ended")
        def _(*_: object) -> None:
            self._resources.pop(secret, None)

        return secret, self._resources[secret]

    def find(self, request: Request) -> Resource:
        """The one that a request names. Raises a 404."""
        resource = self._resources.get(request.path_params["secret"])
        if resource is None:
            raise HTTPException(404, "there is no such session, or it has ended")
        return resource


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


def admit(door: Door, request: Request, *, allow_expired: bool = False) -> Grant:
    """Who asks, by the bearer token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else None
    return door.access.admit(bearer, allow_expired=allow_expired)


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


def created(request: Request, session: Session, resources: Resources, answer: str) -> Response:
    """201 with the answer and the way back."""
    secret, resource = resources.add(session)
    base = request.scope.get("root_path", "")
    path = request.url.path
    if base and not path.startswith(base):
        path = base + path
    return Response(
        answer,
        status_code=201,
        media_type="application/sdp",
        headers={
            "Location": f"{path.rstrip('/')}/session/{secret}",
            "ETag": resource.etag,
            "Accept-Patch": sdpfrag.CONTENT_TYPE,
        },
    )


def resource_endpoint(door: Door, resources: Resources) -> Handler:
    """PATCH (trickle, ICE restart) and DELETE of a session."""

    async def endpoint(request: Request) -> Response:
        admit(door, request, allow_expired=True)
        resource = resources.find(request)
        if request.method == "DELETE":
            await resource.session.close()
            return Response(status_code=200)
        return await _patch(door, resource, request)

    return endpoint


async def _patch(door: Door, resource: Resource, request: Request) -> Response:
    fragment = sdpfrag.parse(await read_body(request, sdpfrag.CONTENT_TYPE))
    match = request.headers.get("if-match")
    if match is None:
        raise HTTPException(428, "If-Match must carry the session's ETag, or * for an ICE restart")
    if match.strip() == "*":
        if not fragment.ufrag or not fragment.pwd:
            raise HTTPException(400, "an ICE restart needs a=ice-ufrag and a=ice-pwd")
        ufrag, pwd = await resource.session.restart_ice(fragment.ufrag, fragment.pwd)
        resource.etag = _etag()
        response = Response(
            sdpfrag.restart_reply(fragment, ufrag, pwd, door.server.candidates),
            media_type=sdpfrag.CONTENT_TYPE,
            headers={"ETag": resource.etag},
        )
    elif resource.etag in {one.strip() for one in match.split(",")}:
        response = Response(status_code=204)
    else:
        raise HTTPException(412, "this ETag is of an earlier ICE session")
    for candidate in fragment.candidates:
        await resource.session.add_candidate(candidate)
    return response


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return JSONResponse(body, status_code=status, headers=headers, media_type="application/problem+json")


def _etag() -> str:
    return f'"{secrets.token_hex(8)}"'
