"""A conference of one's own: rooms over a WebSocket that carries nothing but SDP. Run it, and bring a page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, WebSocket

import sfu

server = sfu.Server(sfu.Config(udp="0.0.0.0:7882"))


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with server:
        yield


app = FastAPI(lifespan=lifespan)


@app.websocket("/rooms/{name}")
async def meet(ws: WebSocket, name: str) -> None:
    await ws.accept()
    room = await server.room(name)
    async with await room.join(ws.query_params.get("identity")) as session, asyncio.TaskGroup() as tasks:
        tasks.create_task(to_client(session, ws))
        async for message in ws.iter_json():  # {"type": "offer", "sdp": …}
            if reply := await session.receive(sfu.Description(**message)):
                await ws.send_json(reply.to_dict())
        await session.close()


async def to_client(session: sfu.Session, ws: WebSocket) -> None:
    async for event in session.events():
        match event:
            case sfu.OfferReady(offer=offer):  # somebody else's tracks
                await ws.send_json(offer.to_dict())
            case sfu.TrackPublished(track=track):
                print(f"{track.session.identity} publishes {track.kind}")


if __name__ == "__main__":
    uvicorn.run(app, port=8000)
