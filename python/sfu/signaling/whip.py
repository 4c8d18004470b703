"""WHIP (RFC 9725): a publisher posts an offer to `/whip/{room}` or `/whip/{room}/{identity}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sfu.errors import Forbidden
from sfu.signaling.offers import offer_routes

if TYPE_CHECKING:
    from starlette.routing import Route

    from sfu.session import Session
    from sfu.signaling.door import Door
    from sfu.signaling.offers import Arrival

__all__ = ["routes"]


def routes(door: Door) -> list[Route]:
    """The endpoint and its sessions."""
    return offer_routes(door, "whip", _publisher)


async def _publisher(arrival: Arrival) -> tuple[Session, tuple[()]]:
    grant = arrival.grant
    if not grant.sources:
        raise Forbidden("the token does not grant canPublish")
    identity = grant.identity_for(arrival.identity)
    room = await arrival.door.server.room(arrival.room)
    session = await room.join(
        identity,
        name=grant.name,
        offers="client",
        auto_subscribe=False,
        can_publish=grant.sources,
        can_subscribe=False,
        metadata=grant.metadata,
        attributes=grant.attributes,
    )
    return session, ()
