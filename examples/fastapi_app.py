"""An existing FastAPI application that grows rooms: everything of `sfu serve` under /rtc, and a word in its decisions.

    uvicorn fastapi_app:app --app-dir examples

The page is at /rtc/; `POST /tokens` gives an access token for it; `GET /rooms` says who is where.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel

import sfu
from sfu.tokens import AccessToken, VideoGrant

KEY, SECRET = os.environ.get("SFU_KEY", "app"), os.environ.get("SFU_SECRET", "a secret of 32 bytes, or a longer one")
server = sfu.Server(sfu.Config(udp=os.environ.get("SFU_UDP", "0.0.0.0:7882")))


@server.on("room_created")
def watch(room: sfu.Room) -> None:
    """Let nobody share a screen in rooms whose name says so, and say who talks."""

    @room.on("track_published")
    async def _(track: sfu.Track) -> None:
        if room.name.startswith("no-screen-") and track.source == "screen":
            await track.mute()

    @room.on("speakers_changed")
    def _(speakers: tuple[sfu.Speaker, ...]) -> None:
        print(room.name, [speaker.session.identity for speaker in speakers])


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """The server lives as long as the application."""
    async with server:
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/rtc", sfu.asgi(server, keys={KEY: SECRET}))


class Visitor(BaseModel):
    """Who wants in, and where."""

    room: str
    identity: str


@app.post("/tokens")
async def make_token(visitor: Visitor) -> dict[str, str]:
    """An access token: here for everybody, in real life for whom the application knows."""
    grant = VideoGrant(room_join=True, room=visitor.room)
    return {"token": AccessToken(KEY, SECRET).with_identity(visitor.identity).with_grants(grant).to_jwt()}


@app.get("/rooms")
async def rooms() -> dict[str, list[str]]:
    """Who is where."""
    return {room.name: [session.identity for session in room.sessions] for room in server.rooms.values()}
