"""An application that signals over WebSockets, on a data plane in memory, and its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from python.fake_backend import FakeBackend
from starlette.testclient import TestClient

import sfu
from sfu.tokens import AccessToken, VideoGrant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEYS = {"key": "a secret that is long enough for HS256"}


class Page:
    """One client."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.joined: dict[str, Any] = {}

    def send(self, kind: str, **fields: Any) -> None:
        self.socket.send_json({"type": kind, **fields})

    def receive(self, kind: str) -> dict[str, Any]:
        """The next message of this type; others are skipped."""
        while True:
            message: dict[str, Any] = self.socket.receive_json()
            if message["type"] == kind:
                return message

    def ask(self, kind: str, answer: str = "ok", **fields: Any) -> dict[str, Any]:
        self.send(kind, request=kind, **fields)
        message = self.receive(answer)
        assert message["request"] == kind
        return message


class Door:
    """An application with a data plane in memory, and its clients."""

    def __init__(self, client: TestClient, server: sfu.Server, backend: FakeBackend) -> None:
        self.client = client
        self.server = server
        self.backend = backend

    def on_loop(self, act: Callable[..., Any], *arguments: Any) -> Any:
        assert self.client.portal is not None
        return self.client.portal.call(act, *arguments)

    def connect(self, **headers: str) -> Any:
        return self.client.websocket_connect("/ws", headers=headers)

    def join(self, socket: Any, identity: str, **fields: Any) -> Page:
        page = Page(socket)
        page.send("join", room="standup", identity=identity, **fields)
        page.joined = page.receive("joined")
        return page

    @property
    def room(self) -> sfu.Room:
        return self.server.rooms["standup"]

    def session(self, identity: str) -> sfu.Session:
        session = self.room.session(identity)
        assert session is not None
        return session

    def publish(self, identity: str, **how: Any) -> int:
        number = self.session(identity).id

        def act() -> int:
            return self.backend.publish(self.room.id, number, **how)

        track: int = self.on_loop(act)
        return track

    def deliver(self, *events: Any) -> None:
        self.on_loop(lambda: self.backend.deliver(*events))


def make_door(**options: Any) -> Iterator[Door]:
    backend = FakeBackend()
    config = sfu.Config(resume_timeout=options.pop("resume_timeout", 30.0), max_rooms=2)
    server = sfu.Server(config, backend=lambda _: backend)
    with TestClient(sfu.asgi(server, page=False, **options)) as client:
        yield Door(client, server, backend)


def token(identity: str = "alice", room: str = "standup", **grant: Any) -> str:
    made = AccessToken("key", KEYS["key"]).with_identity(identity)
    return made.with_grants(VideoGrant(room_join=True, room=room, **grant)).to_jwt()
