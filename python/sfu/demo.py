"""A room with three synthetic people in it: moving, labelled test pictures in three simulcast layers, and tones."""

from __future__ import annotations

import contextlib
from importlib.resources import files
from typing import TYPE_CHECKING

from sfu._core.load import Publisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sfu.server import Server
    from sfu.session import Session

__all__ = ["PEOPLE", "ROOM", "people"]

ROOM = "demo"
"""The room in which they are."""

PEOPLE = ("anna", "ben", "cleo")
"""Who they are; `clips/` holds their pictures and voices (scripts/make_demo_clips.py)."""

_LAYERS = ("l", "m", "h")
_ANY = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}


@contextlib.asynccontextmanager
async def people(server: Server, room: str = ROOM, names: Sequence[str] = PEOPLE) -> AsyncIterator[None]:
    """Let them in and have them publish until the end of the block.

    Each is a peer on a thread of its own that sends to the server's UDP port like any other. Raises as
    `Server.room` and `Room.join` do, `OSError` when there is no socket for one.
    """
    home = await server.room(room)
    async with contextlib.AsyncExitStack() as stack:
        for name in names:
            publisher = Publisher(_media_address(server), video=_pictures(name), audio=_clip(f"{name}.opus"))
            stack.callback(publisher.close)
            session = await home.join(
                name, name=name.capitalize(), offers="client", auto_subscribe=False, can_subscribe=False
            )
            stack.push_async_callback(_leave, session)
            session.ignore_events()
            publisher.answer(await session.answer(publisher.offer()))
        yield


async def _leave(session: Session) -> None:
    if session.ended is None:
        await session.close()


def _pictures(name: str) -> dict[str, bytes]:
    return {layer: _clip(f"{name}.{layer}") for layer in _LAYERS}


def _clip(name: str) -> bytes:
    return (files("sfu") / "clips" / f"{name}.ivf").read_bytes()


def _media_address(server: Server) -> str:
    """Where this machine reaches the server; what it announces may be the outside of a NAT."""
    host, _, port = server.config.udp_addresses[0].rpartition(":")
    if port == "0":
        # One port for all addresses; the first candidate tells which.
        port = server.candidates[0].rpartition(":")[2]
    return f"{_ANY.get(host, host)}:{port}"
