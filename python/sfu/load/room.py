"""Joining through JSON over a WebSocket (docs/signaling.md), as the page does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from sfu.load._http import trust
from sfu.load.signaling import Refused
from sfu.tokens import AccessToken, VideoGrant

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from sfu.load.signaling import LoadPeer

__all__ = ["RoomSignaling"]

_ALIVE = 20.0
"""Seconds between pings; the server drops a WebSocket after 60 without a message."""

_PATIENCE = 10.0
"""Seconds until a subscriber has an offer. Higher: servers under stress. Lower: an early word
when the room is empty."""

_GONE = 2.0
"""Seconds for which a server may take its time to hang up."""

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_WANTED = ('"offer"', '"answer"', '"joined"', '"closed"', '"error"', '"subscribed"', '"unsubscribed"')


class RoomSignaling:
    """A `Signaling` and a `ChoosesLayers`. In `room`, `{n}` stands for the peer's group (`LoadPeer`).

    `url`: the page's (`http://localhost:8080`). `token`: one access token for everybody, who then share its identity
    unless it leaves it open; `key`, `secret`: the server's, and each peer gets a token of its own. `insecure`:
    certificates are not verified.
    """

    def __init__(
        self,
        url: str,
        room: str,
        *,
        token: str | None = None,
        key: str | None = None,
        secret: str | None = None,
        insecure: bool = False,
    ) -> None:
        """Nothing is connected yet. Raises `ValueError` for a URL that is none, and a key without its secret."""
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise ValueError(f"url: {url!r} is not an http or https URL, such as http://localhost:8080")
        if (key is None) != (secret is None):
            raise ValueError("key and secret belong together: give both or neither")
        path = parts.path.rstrip("/").removesuffix("/ws") + "/ws"
        self._url = urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, "", ""))
        self._tls = trust(insecure=insecure) if _SCHEMES[parts.scheme] == "wss" else None
        self._room = room
        self._token = token
        self._key = (key, secret)
        self._run = secrets.token_hex(3)
        self._lines: dict[LoadPeer, _Line] = {}
        self._pinging: asyncio.Task[None] | None = None

    async def publish(self, peer: LoadPeer) -> None:
        """Join and offer; what others publish is not subscribed to."""
        line = await self._join(peer, auto_subscribe=False)
        await peer.accept(await line.ask_for_answer(await peer.offer()))

    async def subscribe(self, peer: LoadPeer) -> None:
        """Join and answer what the server offers, now and later."""
        line = await self._join(peer, auto_subscribe=True)
        done, _ = await asyncio.wait({line.offered}, timeout=_PATIENCE)
        if not done:
            raise Refused(f"nothing was offered within {_PATIENCE:g} s: does anybody publish in the room?")
        line.offered.result()

    async def leave(self, peer: LoadPeer) -> None:
        """Say so, and hang up."""
        if (line := self._lines.pop(peer, None)) is not None:
            await line.close()

    async def choose(self, peer: LoadPeer, quality: str) -> None:
        """For all tracks that it is subscribed to."""
        line = self._lines[peer]
        for track in line.tracks:
            await line.send("set_layer", track=track, quality=quality)

    async def close(self) -> None:
        """Everybody leaves."""
        if self._pinging is not None:
            self._pinging.cancel()
        await asyncio.gather(*(self.leave(peer) for peer in list(self._lines)))

    async def _join(self, peer: LoadPeer, *, auto_subscribe: bool) -> _Line:
        if self._pinging is None:
            self._pinging = asyncio.get_running_loop().create_task(self._ping())
        try:
            socket = await connect(
                self._url, ssl=self._tls, max_size=None, ping_interval=None, compression=None, close_timeout=_GONE
            )
        except (WebSocketException, OSError) as error:
            raise Refused(f"{self._url}: {error}") from None
        line = self._lines[peer] = _Line(socket, peer)
        identity, room = f"load-{self._run}-{peer.role}-{peer.number}", self._room.replace("{n}", str(peer.group))
        token = self._token_for(identity, room)
        await line.send(
            "join", room=room, identity=identity, auto_subscribe=auto_subscribe, **({"token": token} if token else {})
        )
        await line.joined
        return line

    def _token_for(self, identity: str, room: str) -> str | None:
        key, secret = self._key
        if key is None:
            return self._token
        grant = VideoGrant(room_join=True, room=room)
        return AccessToken(key, secret).with_identity(identity).with_grants(grant).to_jwt()

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(_ALIVE)
            for line in list(self._lines.values()):
                with contextlib.suppress(WebSocketException):
                    await line.send("ping", time=0)


class _Line:
    """One peer's WebSocket and what came over it."""

    def __init__(self, socket: ClientConnection, peer: LoadPeer) -> None:
        loop = asyncio.get_running_loop()
        self.joined: asyncio.Future[None] = loop.create_future()
        self.offered: asyncio.Future[None] = loop.create_future()
        self.tracks: list[str] = []
        self._answer: asyncio.Future[str] = loop.create_future()
        self._socket = socket
        self._peer = peer
        self._reading = loop.create_task(self._read())

    async def send(self, kind: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def ask_for_answer(self, offer: str) -> str:
        await self.send("offer", sdp=offer)
        return await self._answer

    async def close(self) -> None:
        with contextlib.suppress(WebSocketException):
            await self.send("leave")
        self._reading.cancel()
        await asyncio.wait({self._reading})
        with contextlib.suppress(WebSocketException):
            await self._socket.close()
        self._give_up(Refused("left"))

    async def _read(self) -> None:
        try:
            async for text in self._socket:
                # Most of what a large room says is about others: not worth the parsing.
                if any(word in str(text)[:40] for word in _WANTED):
                    await self._handle(json.loads(text))
            self._give_up(Refused("the server closed the WebSocket"))
        except (WebSocketException, ValueError, Refused) as error:
            self._give_up(error)

    async def _handle(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "joined":
                self.joined.set_result(None)
            case "offer":
                answer = await self._peer.answer(message["sdp"])
                await self.send("answer", sdp=answer, id=message.get("id"))
                if not self.offered.done():
                    self.offered.set_result(None)
            case "answer":
                self._answer.set_result(message["sdp"])
            case "subscribed":
                self.tracks.append(message["subscription"]["track"])
            case "unsubscribed":
                self.tracks = [track for track in self.tracks if track != message["track"]]
            case "error":
                self._give_up(Refused(f"{message['code']}: {message['message']}"))
            case "closed":
                raise Refused(f"the session was closed: {message['reason']}")

    def _give_up(self, error: Exception) -> None:
        """Whoever waits is told why; who asks later, too."""
        for future in (self.joined, self.offered, self._answer):
            if not future.done():
                future.set_exception(error)
                future.exception()  # it may be that nobody waits
