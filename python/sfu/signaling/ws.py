"""The page protocol's WebSocket: text frames in and out of a `Dialogue`."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket, WebSocketDisconnect

from sfu.signaling.messages import MAX_MESSAGE, BadMessage, parse
from sfu.signaling.outbox import Outbox
from sfu.signaling.refusals import error_message

if TYPE_CHECKING:
    from typing import Any

    from sfu.signaling.dialogue import Dialogue
    from sfu.signaling.door import Door

__all__ = ["serve"]

_JOIN_TIMEOUT = 10.0
"""Seconds until the first message. Higher: slow phones. Lower: fewer idle connections."""

_SILENCE = 60.0
"""Seconds without a message; clients ping every 20."""

_POLICY, _TOO_BIG = 1008, 1009


async def serve(door: Door, websocket: WebSocket) -> None:
    """One WebSocket from its handshake to its end."""
    if not door.access.allows_origin(websocket.headers.get("origin"), websocket.headers.get("host")):
        await websocket.close(_POLICY)  # before accept(): a 403
        return
    await websocket.accept()
    dialogue = await _first(door, websocket)
    if dialogue is None:
        return
    message, client = dialogue
    outbox = Outbox()
    client.attach(outbox, resumed=bool(message.get("resume")))
    writer = asyncio.get_running_loop().create_task(_write(websocket, client, outbox))
    try:
        await _read(websocket, client, outbox, writer)
    finally:
        outbox.close()
        if client.detach(outbox):
            door.lost(client)
        await _finish(writer)


async def _first(door: Door, websocket: WebSocket) -> tuple[dict[str, Any], Dialogue] | None:
    """Expect `join`."""
    request = None
    try:
        message = parse(await _receive(websocket, _JOIN_TIMEOUT))
        request = message.get("request")
        if message["type"] != "join":
            raise BadMessage("the first message must be `join`", code="not_joined")
        resume = message.get("resume")
        return message, door.resume(resume) if resume else await door.join(message)
    except WebSocketDisconnect:
        return None
    except TimeoutError:
        error: Exception = BadMessage(f"`join` is expected within {_JOIN_TIMEOUT:g} s", code="not_joined")
    except Exception as refused:
        error = refused
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await websocket.send_text(json.dumps(error_message(error, request)))
        await websocket.close(_POLICY)
    return None


async def _read(websocket: WebSocket, client: Dialogue, outbox: Outbox, writer: asyncio.Task[None]) -> None:
    """Requests, one after another, until the WebSocket or the session ends."""
    while not outbox.closed:
        await outbox.has_room()
        receiving = asyncio.get_running_loop().create_task(_receive(websocket, _SILENCE))
        await asyncio.wait({receiving, writer}, return_when=asyncio.FIRST_COMPLETED)
        if not receiving.done():
            receiving.cancel()
            await asyncio.wait({receiving})
            return
        try:
            message = parse(receiving.result())
        except (WebSocketDisconnect, TimeoutError):
            return
        except BadMessage as error:
            outbox.answer(error_message(error))
            if error.code == "too_large":
                return
            continue
        await client.handle(message)


async def _receive(websocket: WebSocket, timeout: float) -> str:
    async with asyncio.timeout(timeout):
        message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005), message.get("reason"))
    text = message.get("text")
    if text is None:
        raise BadMessage("messages are text frames")
    if len(text.encode()) > MAX_MESSAGE:
        raise BadMessage(f"a message may have {MAX_MESSAGE} bytes at most", code="too_large")
    return str(text)


async def _write(websocket: WebSocket, client: Dialogue, outbox: Outbox) -> None:
    """Messages in order, until the outbox is closed and empty."""
    with contextlib.suppress(Exception):  # the client has gone: each ASGI server says so in its own way
        while True:
            message = await outbox.next()
            if message is not None:
                await websocket.send_text(json.dumps(message, separators=(",", ":")))
            elif outbox.closed:
                break
            else:
                client.catch_up()
        await websocket.close()


async def _finish(writer: asyncio.Task[None]) -> None:
    """Let the last messages out, but wait for nobody who does not read."""
    done, _ = await asyncio.wait({writer}, timeout=2.0)
    if not done:
        writer.cancel()
        await asyncio.wait({writer})
