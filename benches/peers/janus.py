"""Janus (Debian's package): one room of its videoroom plugin, over its WebSocket.

The publisher offers; to a subscriber Janus offers. Every peer is a handle, all handles belong to one Janus session.
"""

import asyncio
import itertools
import json
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

from support.process import Place, ServerProcess, free_port
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from peers.contestant import Running
from sfu.load import LoadPeer, Refused

__all__ = ["Janus", "JanusSignaling", "configuration"]

_ROOM = 1
_OTHER_PLUGINS = "audiobridge duktape echotest lua nosip recordplay sip streaming textroom videocall voicemail"
_OTHER_TRANSPORTS = "http mqtt nanomsg pfunix rabbitmq"
_SUBPROTOCOL = Subprotocol("janus-protocol")


class Janus:
    """With so many event loops; `None`: a thread for every handle, its default."""

    def __init__(self, event_loops: int | None) -> None:
        self.name = "janus" if event_loops is None else f"janus el={event_loops}"
        self.settings = (
            "videoroom; ICE lite, no RTP extensions but mid, no REMB, no FIR"
            f"{'' if event_loops is None else f', event_loops={event_loops}'}"
        )
        self._event_loops = event_loops

    def available(self) -> str | None:
        """Debian has it."""
        return None if shutil.which("janus") else "not installed (apt-get install janus)"

    @asynccontextmanager
    async def serve(self, place: Place) -> AsyncIterator[Running]:
        """One process, one room."""
        port = free_port()
        address = _own_address() if place.host == "127.0.0.1" else place.host
        for name, text in configuration(place.host, address, port, self._event_loops).items():
            (place.folder / name).write_text(text, encoding="ascii")
        async with ServerProcess(place, ["janus", "--configs-folder", place.folder]) as process:
            await process.listens(port)
            signaling = JanusSignaling(f"ws://{place.host}:{port}")
            yield Running(process, signaling, await signaling.version(), address)


def _own_address() -> str:
    """This machine's: Janus does not take loopback's, and to its own address a machine speaks over loopback, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Nothing is sent.
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
        return address


def configuration(host: str, address: str, port: int, event_loops: int | None) -> dict[str, str]:
    """Its files by name: signalling at `host`, media at `address`."""
    return {
        "janus.jcfg": _block("general", debug_level=3, session_timeout=0, event_loops=event_loops)
        + _block("media", ipv6=False)
        + _block("nat", ice_lite=True, ice_enforce_list=address)
        + _block("plugins", disable=_libraries(_OTHER_PLUGINS))
        + _block("transports", disable=_libraries(_OTHER_TRANSPORTS)),
        "janus.transport.websockets.jcfg": _block("general", ws=True, ws_port=port, ws_ip=host, json="compact"),
        "janus.plugin.videoroom.jcfg": _block(
            f"room-{_ROOM}",
            publishers=100,
            bitrate=0,
            fir_freq=0,
            videocodec="vp8",
            audiolevel_ext=False,
            videoorient_ext=False,
            playoutdelay_ext=False,
            transport_wide_cc_ext=False,
        ),
    }


def _libraries(names: str) -> str:
    return ",".join(f"libjanus_{name}.so" for name in names.split())


def _block(name: str, **settings: str | int | bool | None) -> str:
    """In the notation of libconfig, which writes these values as JSON does."""
    lines = [f"\t{key} = {json.dumps(value)}\n" for key, value in settings.items() if value is not None]
    return f"{name}: {{\n{''.join(lines)}}}\n"


class JanusSignaling:
    """Peers as handles of the videoroom plugin."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._api: _Api | None = None
        self._entering = asyncio.Lock()
        self._handles: dict[LoadPeer, int] = {}

    async def publish(self, peer: LoadPeer) -> None:
        """Joins, and offers what it sends; Janus numbers feeds as we say."""
        api, handle = await self._attach(peer)
        await api.message(handle, {"request": "join", "ptype": "publisher", "room": _ROOM, "id": _feed(peer)})
        # Janus would answer that it is active itself.
        offer = (await peer.offer()).replace("a=setup:actpass", "a=setup:active")
        answer = await api.message(handle, {"request": "publish"}, {"type": "offer", "sdp": offer})
        await peer.accept(answer["jsep"]["sdp"])

    async def subscribe(self, peer: LoadPeer) -> None:
        """Joins as a subscriber of its publisher's feed, and answers the offer."""
        api, handle = await self._attach(peer)
        join = {"request": "join", "ptype": "subscriber", "room": _ROOM, "streams": [{"feed": _feed(peer)}]}
        offer = await api.message(handle, join)
        answer = await peer.answer(offer["jsep"]["sdp"])
        await api.message(handle, {"request": "start"}, {"type": "answer", "sdp": answer})

    async def leave(self, peer: LoadPeer) -> None:
        """Detaches its handle."""
        handle = self._handles.pop(peer, None)
        if self._api is not None and handle is not None:
            await self._api.tell({"janus": "detach", "handle_id": handle})

    async def version(self) -> str:
        """Janus' own."""
        return (await self._enter()).version

    async def close(self) -> None:
        """The session ends with all its handles."""
        if self._api is not None:
            await self._api.close()

    async def _enter(self) -> "_Api":
        async with self._entering:
            if self._api is None:
                self._api = await _Api.enter(self._url)
        return self._api

    async def _attach(self, peer: LoadPeer) -> "tuple[_Api, int]":
        api = await self._enter()
        reply = await api.ask({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        handle: int = reply["data"]["id"]
        self._handles[peer] = handle
        return api, handle


def _feed(peer: LoadPeer) -> int:
    return peer.group + 1


class _Api:
    """Janus' WebSocket API: requests and what answers them, by transaction."""

    @classmethod
    async def enter(cls, url: str) -> Self:
        """Connect, and create a session."""
        api = cls(await connect(url, subprotocols=[_SUBPROTOCOL], max_size=None))
        api.version = (await api.ask({"janus": "info"}))["version_string"]
        api._session = (await api.ask({"janus": "create"}))["data"]["id"]
        return api

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._session: int | None = None
        self.version = ""
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._transactions = map(str, itertools.count())
        self._reading = asyncio.create_task(self._read())

    async def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The reply. Raises `Refused`."""
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        transaction = next(self._transactions)
        self._waiting[transaction] = reply
        await self._send(request, transaction)
        return await reply

    async def message(
        self, handle: int, body: Mapping[str, Any], jsep: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The event that the plugin answers with. Raises `Refused`."""
        request = {"janus": "message", "handle_id": handle, "body": body}
        event = await self.ask(request if jsep is None else {**request, "jsep": jsep})
        said = event.get("plugindata", {}).get("data", {})
        if "error" in said:
            raise Refused(f"Janus: {said['error']}")
        return event

    async def tell(self, request: Mapping[str, Any]) -> None:
        """Nobody waits for the reply."""
        await self._send(request, next(self._transactions))

    async def close(self) -> None:
        """End the session."""
        await self.tell({"janus": "destroy"})
        await self._connection.close()
        await self._reading

    async def _send(self, request: Mapping[str, Any], transaction: str) -> None:
        session = {} if self._session is None else {"session_id": self._session}
        try:
            await self._connection.send(json.dumps({**request, **session, "transaction": transaction}))
        except ConnectionClosed as error:
            raise Refused(f"Janus has closed the connection: {error}") from None

    async def _read(self) -> None:
        try:
            async for text in self._connection:
                message = json.loads(text)
                # An `ack` says that an `event` follows.
                if message["janus"] == "ack" or message.get("transaction") not in self._waiting:
                    continue
                reply = self._waiting.pop(message["transaction"])
                if message["janus"] == "error":
                    reply.set_exception(Refused(f"Janus: {message['error']['reason']}"))
                else:
                    reply.set_result(message)
        except ConnectionClosed:
            pass
        finally:
            for reply in self._waiting.values():
                reply.set_exception(Refused("Janus has closed the connection"))
