"""WHIP (RFC 9725): a publisher posts an offer to `/whip/{room}` or `/whip/{room}/{identity}`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from sfu.errors import Forbidden
from sfu.signaling.http import ANY_METHOD, Resources, admit, answering, created, read_body, resource_endpoint

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from sfu.signaling.door import Door

__all__ = ["routes"]


def routes(door: Door) -> list[Route]:
    """The endpoint and its sessions."""
    resources = Resources()

    async def publish(request: Request) -> Response:
        grant = admit(door, request)
        if not grant.sources:
            raise Forbidden("the token does not grant canPublish")
        name = grant.room_for(request.path_params["room"])
        identity = grant.identity_for(request.path_params.get("identity"))
        offer = await read_body(request, "application/sdp")
        room = await door.server.room(name)
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
        session.ignore_events()
        try:
            answer = await session.answer(offer)
        except BaseException:
            await session.close()
            raise
        return created(request, session, resources, answer)

    endpoint = answering(publish, methods="POST, OPTIONS", accept_post=True)
    session = answering(resource_endpoint(door, resources), methods="PATCH, DELETE, OPTIONS")
    return [
        Route("/whip/{room}", endpoint, methods=ANY_METHOD),
        Route("/whip/{room}/{identity}", endpoint, methods=ANY_METHOD),
        Route("/whip/{room}/session/{secret}", session, methods=ANY_METHOD),
        Route("/whip/{room}/{identity}/session/{secret}", session, methods=ANY_METHOD),
    ]
