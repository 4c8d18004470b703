"""What WHIP (RFC 9725) and WHEP share: one offer in, one answer out, and a resource to trickle to and to delete.

They differ in whom an offer lets in and what it is to watch (`Arrive`). The resource's URL is the secret that its
client got in `Location`.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from sfu.errors import SessionClosed
from sfu.signaling import sdpfrag
from sfu.signaling.http import ANY_METHOD, Handler, answering, bearer, read_body

if TYPE_CHECKING:
    from starlette.requests import Request

    from sfu.session import Session
    from sfu.signaling.access import Grant
    from sfu.signaling.door import Door
    from sfu.track import Track

__all__ = ["Arrival", "Arrive", "offer_routes"]


@dataclass(frozen=True)
class Arrival:
    """Somebody posts an offer."""

    door: Door
    grant: Grant
    room: str
    """The one that the URL names and the token opens."""
    identity: str | None
    """The URL's second part."""
    offer: str


Arrive = Callable[[Arrival], Awaitable[tuple["Session", Sequence["Track"]]]]
"""Lets somebody in: the session (`offers="client"`), and the tracks that it is to watch."""


def offer_routes(door: Door, name: str, arrive: Arrive) -> list[Route]:
    """`/name/{room}`, `/name/{room}/{identity}` and the sessions that are made there."""
    resources = _Resources()

    async def post(request: Request) -> Response:
        grant = door.access.admit(bearer(request))
        room = grant.room_for(request.path_params["room"])
        identity = request.path_params.get("identity")
        offer = await read_body(request, "application/sdp")
        session, tracks = await arrive(Arrival(door, grant, room, identity, offer))
        session.ignore_events()
        try:
            for track in tracks:
                if not track.ended and track.session is not session:
                    await session.subscribe(track)
            answer = await session.answer(offer)
        except BaseException:
            await session.close()
            raise
        return _created(request, session, resources, answer)

    endpoint = answering(post, methods="POST, OPTIONS", accept_post=True)
    resource = answering(_resource_endpoint(door, resources), methods="PATCH, DELETE, OPTIONS")
    paths = (f"/{name}/{{room}}", f"/{name}/{{room}}/{{identity}}")
    return [
        *(Route(path, endpoint, methods=ANY_METHOD) for path in paths),
        *(Route(f"{path}/session/{{secret}}", resource, methods=ANY_METHOD) for path in paths),
    ]


@dataclass
class _Resource:
    """One WHIP or WHEP session as HTTP sees it."""

    session: Session
    etag: str = field(default_factory=lambda: _etag())


class _Resources:
    """The sessions of one endpoint by their secret; each goes when its session ends."""

    def __init__(self) -> None:
        """None yet."""
        self._resources: dict[str, _Resource] = {}

    def add(self, session: Session) -> tuple[str, _Resource]:
        """A new one and its secret. Raises `SessionClosed` when it has ended meanwhile."""
        if session.ended is not None:
            raise SessionClosed(f"the session has ended: {session.ended.reason}")
        secret = secrets.token_urlsafe(24)
        self._resources[secret] = _Resource(session)

        @session.on("session_ended")
        def _(*_: object) -> None:
            self._resources.pop(secret, None)

        return secret, self._resources[secret]

    def find(self, request: Request) -> _Resource:
        """The one that a request names. Raises a 404."""
        resource = self._resources.get(request.path_params["secret"])
        if resource is None:
            raise HTTPException(404, "there is no such session, or it has ended")
        return resource


def _created(request: Request, session: Session, resources: _Resources, answer: str) -> Response:
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


def _resource_endpoint(door: Door, resources: _Resources) -> Handler:
    """PATCH (trickle, ICE restart) and DELETE of a session."""

    async def endpoint(request: Request) -> Response:
        door.access.admit(bearer(request), allow_expired=True)
        resource = resources.find(request)
        if request.method == "DELETE":
            await resource.session.close()
            return Response(status_code=200)
        return await _patch(door, resource, request)

    return endpoint


async def _patch(door: Door, resource: _Resource, request: Request) -> Response:
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


def _etag() -> str:
    return f'"{secrets.token_hex(8)}"'
