"""LiveKit's server: a room for each publisher, through its signalling over WebSocket (protobuf).

A publisher joins as today's client libraries do (`/rtc/v1`: one transport, its offer in the request), a subscriber as
the load tester of LiveKit's own does (`/rtc`: the server offers it a transport).
"""

import asyncio
import base64
import importlib.util
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
from support.process import Place, ServerProcess, free_port
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from peers.contestant import FOLDER, Running
from sfu.load import LoadPeer, Refused

if TYPE_CHECKING:
    from livekit.protocol.rtc import SignalResponse

__all__ = ["LiveKit", "LiveKitSignaling", "configuration", "token"]

_VERSION = "v1.13.5"
_KEY, _SECRET = "key", "a secret of thirty-two characters"
_PROTOCOL = "16"


class LiveKit:
    """One process, all media over one UDP port."""

    name = "livekit"
    settings = "GOMAXPROCS=1; one UDP port, ICE lite, congestion control off, subscribers hidden"

    def available(self) -> str | None:
        """The server and the messages of its signalling."""
        if _program() is None:
            path = "github.com/livekit/livekit-server/cmd/server"
            return f"not installed (GOBIN=$PWD/.cache/peers go install {path}@{_VERSION})"
        if importlib.util.find_spec("livekit") is None or importlib.util.find_spec("livekit.protocol") is None:
            return "its messages are not installed (pip install livekit-protocol)"
        return None

    @asynccontextmanager
    async def serve(self, place: Place) -> AsyncIterator[Running]:
        """A single node, without Redis."""
        program = _program()
        assert program is not None, "asked before"
        port = free_port()
        file = place.folder / "config.yaml"
        # YAML takes JSON.
        file.write_text(json.dumps(configuration(place.host, port)), encoding="ascii")
        async with ServerProcess(place, [program, "--config", file], {"GOMAXPROCS": "1"}) as process:
            await process.listens(port)
            yield Running(process, LiveKitSignaling(f"ws://{place.host}:{port}"), _version(program), place.host)


def _program() -> str | None:
    """`go install` names it after its folder, packages after the project."""
    built = FOLDER / "server"
    return str(built) if built.exists() else shutil.which("livekit-server")


def _version(program: str) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[-1]


def configuration(host: str, port: int) -> dict[str, Any]:
    """Of a server with one address."""
    return {
        "port": port,
        "bind_addresses": [host],
        "keys": {_KEY: _SECRET},
        "logging": {"level": "error"},
        "rtc": {
            "node_ip": host,
            "udp_port": free_port(),
            "tcp_port": 0,
            "use_external_ip": False,
            "use_ice_lite": True,
            "enable_loopback_candidate": True,
            "ips": {"includes": [f"{host}/32"]},
            "congestion_control": {"enabled": False},
        },
    }


def token(room: str, identity: str, *, publishes: bool) -> str:
    """Subscribers are hidden: each of them would be announced to all others."""
    video = {"room": room, "roomJoin": True, "canPublish": publishes, "canSubscribe": not publishes}
    claims = {"iss": _KEY, "sub": identity, "exp": int(time.time()) + 3600, "video": {**video, "hidden": not publishes}}
    return jwt.encode(claims, _SECRET, "HS256")


class LiveKitSignaling:
    """A WebSocket for each peer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._dialogues: dict[LoadPeer, _Dialogue] = {}

    async def publish(self, peer: LoadPeer) -> None:
        """Its offer and its tracks go with the request to join."""
        from livekit.protocol.models import TrackType
        from livekit.protocol.rtc import AddTrackRequest, JoinRequest, SessionDescription, WrappedJoinRequest

        offer = (await peer.offer()).replace("a=setup:actpass", "a=setup:active")
        kinds = [TrackType.AUDIO] * peer.audio + [TrackType.VIDEO] * peer.video
        request = JoinRequest(
            add_track_requests=[
                # It finds its section by its kind.
                AddTrackRequest(cid=f"track{number}", name=f"track{number}", type=kind)
                for number, kind in enumerate(kinds)
            ],
            publisher_offer=SessionDescription(type="offer", sdp=offer, id=1),
        )
        request.client_info.protocol = int(_PROTOCOL)
        wrapped = WrappedJoinRequest(join_request=request.SerializeToString())
        await self._enter(peer, "/rtc/v1", join_request=base64.urlsafe_b64encode(wrapped.SerializeToString()).decode())

    async def subscribe(self, peer: LoadPeer) -> None:
        """To all that its room has."""
        await self._enter(peer, "/rtc", auto_subscribe="1", protocol=_PROTOCOL, sdk="go", version="2")

    async def leave(self, peer: LoadPeer) -> None:
        """Hangs up."""
        if dialogue := self._dialogues.pop(peer, None):
            await dialogue.close()

    async def close(self) -> None:
        """All hang up."""
        while self._dialogues:
            await self._dialogues.popitem()[1].close()

    async def _enter(self, peer: LoadPeer, path: str, **query: str) -> None:
        room, publishes = f"room{peer.group}", peer.role == "publisher"
        access_token = token(room, f"{peer.role}{peer.number}", publishes=publishes)
        url = f"{self._url}{path}?{urlencode({**query, 'access_token': access_token})}"
        try:
            connection = await connect(url, max_size=None)
        except InvalidStatus as error:
            said = error.response.body.decode(errors="replace").strip()
            raise Refused(f"LiveKit: HTTP {error.response.status_code} {said}") from None
        dialogue = self._dialogues[peer] = _Dialogue(connection, peer)
        await dialogue.described


class _Dialogue:
    """What is said over one WebSocket, until it is closed."""

    def __init__(self, connection: ClientConnection, peer: LoadPeer) -> None:
        self._connection = connection
        self._peer = peer
        self.described: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when there are two descriptions with the media in them; raises `Refused`."""
        self._talking = asyncio.create_task(self._talk())

    async def close(self) -> None:
        """Nothing more is said."""
        await self._connection.close()
        await self._talking

    async def _talk(self) -> None:
        from livekit.protocol.rtc import SignalResponse

        try:
            with suppress(ConnectionClosed):
                while True:
                    await self._handle(SignalResponse.FromString(await self._connection.recv(decode=False)))
            self._end(Refused("LiveKit has closed the connection"))
        except Exception as error:
            self._end(error)

    def _end(self, error: Exception) -> None:
        if not self.described.done():
            self.described.set_exception(error)

    async def _handle(self, message: "SignalResponse") -> None:
        match message.WhichOneof("message"):
            case "answer":
                await self._peer.accept(message.answer.sdp)
                self._note_media()
            case "offer":
                await self._answer(message.offer.sdp, message.offer.id)
            case "trickle":
                candidate = json.loads(message.trickle.candidateInit)["candidate"]
                if candidate:
                    await self._peer.add_candidate(candidate)
            case "leave":
                raise Refused(f"LiveKit: {message.leave}".strip())

    async def _answer(self, offer: str, number: int) -> None:
        from livekit.protocol.rtc import SessionDescription, SignalRequest

        answer = SessionDescription(type="answer", sdp=await self._peer.answer(offer), id=number)
        await self._connection.send(SignalRequest(answer=answer).SerializeToString())
        # The first offer has nothing but data channels in it.
        if "\nm=audio" in offer or "\nm=video" in offer:
            self._note_media()

    def _note_media(self) -> None:
        if not self.described.done():
            self.described.set_result(None)
