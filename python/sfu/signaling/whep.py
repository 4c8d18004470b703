"""WHEP: a viewer posts an offer with `recvonly` sections.

`/whep/{room}` fills them with as many of the room's tracks as there are sections, `/whep/{room}/{identity}` with one
publisher's. There is no renegotiation: what is published later needs a new offer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from sfu.signaling.offers import offer_routes

if TYPE_CHECKING:
    from starlette.routing import Route

    from sfu.room import Room
    from sfu.session import Session
    from sfu.signaling.door import Door
    from sfu.signaling.offers import Arrival
    from sfu.track import Track

__all__ = ["routes"]


def routes(door: Door) -> list[Route]:
    """The endpoint and its sessions."""
    return offer_routes(door, "whep", _viewer)


async def _viewer(arrival: Arrival) -> tuple[Session, list[Track]]:
    grant = arrival.grant
    room = arrival.door.server.rooms.get(arrival.room)
    if room is None:
        raise _nothing_there()
    tracks = _tracks(room, arrival.identity, arrival.offer)
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
    return session, tracks


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
