"""WHEP: a viewer posts an offer with `recvonly` sections.

`/whep/{room}` fills them with as many of the room's tracks as there are sections, `/whep/{room}/{identity}` with one
publisher's. There is no renegotiation: what is published later needs a new offer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.routing import Route

from sfu.signaling.http import ANY_METHOD, Resources, admit, answering, created, read_body, resource_endpoint

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from sfu.room import Room
    from sfu.signaling.door import Door
    from sfu.track import Track

__all__ = ["routes"]


def routes(door: Door) -> list[Route]:
    """The endpoint and its sessions."""
    resources = Resources()

    async def view(request: Request) -> Response:
        grant = admit(door, request)
        name = grant.room_for(request.path_params["room"])
        offer = await read_body(request, "application/sdp")
        room = door.server.rooms.get(name)
        if room is None:
            raise _nothing_there()
        tracks = _tracks(room, request.path_params.get("identity"), offer)
        session = await room.join(
            grant.identity,
            name=grant.name,
            offers="client",
            auto_subscribe=False,
            can_publish=False,
            can_subscribe=grant.subscribe,
            metadata=grant.metadata,
            attributes=grant.attributes,
        )
        session.ignore_events()
        try:
            for track in tracks:
                if not track.ended and track.session is not session:
                    await session.subscribe(track)
            answer = await session.answer(offer)
        except BaseException:
            await session.close()
            raise
        return created(request, session, resources, answer)

    endpoint = answering(view, methods="POST, OPTIONS", accept_post=True)
    session = answering(resource_endpoint(door, resources), methods="PATCH, DELETE, OPTIONS")
    return [
        Route("/whep/{room}", endpoint, methods=ANY_METHOD),
        Route("/whep/{room}/{identity}", endpoint, methods=ANY_METHOD),
        Route("/whep/{room}/session/{secret}", session, methods=ANY_METHOD),
        Route("/whep/{room}/{identity}/session/{secret}", session, methods=ANY_METHOD),
    ]


def _tracks(room: Room, identity: str | None, offer: str) -> list[Track]:
    """What fits into the offer, in the order of publishing. Raises 404 when there is nothing to see."""
    if identity is not None and room.session(identity) is None:
        raise HTTPException(404, f"{identity!r} is not in the room {room.name!r}")
    tracks = [track for track in room.tracks if identity is None or track.session.identity == identity]
    if not tracks:
        raise _nothing_there()
    chosen = []
    for kind in ("audio", "video"):
        sections = sum(line.startswith(f"m={kind} ") for line in offer.splitlines())
        chosen += [track for track in tracks if track.kind == kind][:sections]
    return chosen


def _nothing_there() -> HTTPException:
    return HTTPException(404, "nothing is published there yet: try again", {"Retry-After": "2"})
