"""WebDriver BiDi over one websocket, as little of it as driving a page takes (W3C WebDriver BiDi §3, §7)."""

import asyncio
import itertools
import json
import socket
from typing import Any

from websockets.asyncio.client import ClientConnection, connect


class BidiError(Exception):
    """The browser refused a command, or a script in the page threw."""


class Bidi:
    """A connection with one session. Commands may overlap; events are not subscribed to."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, through: socket.socket, port: int) -> "Bidi":
        """Open the websocket over a connected socket and start a session."""
        websocket = await connect(
            f"ws://127.0.0.1:{port}/session", sock=through, max_size=None, ping_interval=None, compression=None
        )
        bidi = cls(websocket)
        await bidi.command("session.new", capabilities={})
        return bidi

    async def command(self, method: str, **params: Any) -> Any:
        """Send one command and wait for its result."""
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._websocket.send(json.dumps({"id": number, "method": method, "params": params}))
        return await future

    async def call(self, context: str, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function in a page with JSON arguments; its awaited JSON result."""
        answer = await self.command(
            "script.callFunction",
            # Through JSON text, because BiDi's own values are a tree of type tags.
            functionDeclaration=f"async (all) => JSON.stringify(await ({function})(...JSON.parse(all)) ?? null)",
            arguments=[{"type": "string", "value": json.dumps(arguments)}],
            target={"context": context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise BidiError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    async def close(self) -> None:
        """End the session and the connection."""
        await self._websocket.close()
        await self._reader

    async def _read(self) -> None:
        async for text in self._websocket:
            message = json.loads(text)
            future = self._waiting.pop(message.get("id"), None)
            if future is None or future.done():
                continue
            if message["type"] == "success":
                future.set_result(message["result"])
            else:
                future.set_exception(BidiError(f"{message['error']}: {message['message']}"))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(BidiError("the browser closed the connection"))
