"""The servers that benches compare with: their settings, and their signalling as it is written, against a script."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest
from websockets.asyncio.server import ServerConnection, serve

from sfu.load import Refused

BENCHES = str(Path(__file__).parents[2] / "benches")


@pytest.fixture(autouse=True)
def benches_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHES)


class Peer:
    """What a signalling sees of one of the load's, with words for descriptions."""

    def __init__(self, role: str, group: int = 0) -> None:
        self.role, self.number, self.group, self.audio, self.video = role, 0, group, 0, 1
        self.accepted: list[str] = []

    async def offer(self) -> str:
        return "a=setup:actpass of the peer"

    async def accept(self, answer: str) -> None:
        self.accepted.append(answer)

    async def answer(self, offer: str) -> str:
        return f"answer to {offer}"


@asynccontextmanager
async def janus(said: list[dict[str, Any]], feeds: set[int]) -> AsyncIterator[str]:
    """Answers as Janus does: an `ack` first where a plugin is asked; who subscribes to no feed is told so."""

    async def talk(connection: ServerConnection) -> None:
        async for text in connection:
            message = json.loads(text)
            said.append(message)
            for reply in replies(message):
                await connection.send(json.dumps({**reply, "transaction": message["transaction"]}))

    def replies(message: dict[str, Any]) -> list[dict[str, Any]]:
        match message:
            case {"janus": "info"}:
                return [{"janus": "server_info", "version_string": "1.1.2"}]
            case {"janus": "create" | "attach" as what}:
                return [{"janus": "success", "data": {"id": 7 if what == "create" else 9}}]
            case {"body": {"ptype": "subscriber", "streams": [{"feed": feed}]}} if feed not in feeds:
                data = {"videoroom": "event", "error": f"No such feed ({feed})"}
                return [{"janus": "ack"}, {"janus": "event", "plugindata": {"data": data}}]
            case {"body": {"request": "join"}} | {"body": {"request": "start"}}:
                return [{"janus": "ack"}, {"janus": "event", "jsep": {"type": "offer", "sdp": "offer of Janus"}}]
            case {"body": {"request": "publish"}}:
                return [{"janus": "ack"}, {"janus": "event", "jsep": {"type": "answer", "sdp": "answer of Janus"}}]
        return []

    async with serve(talk, "127.0.0.1", 0, subprotocols=["janus-protocol"]) as server:  # type: ignore[list-item]
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}"


async def test_janus_takes_a_publishers_offer_and_makes_one_to_a_subscriber() -> None:
    from peers.janus import JanusSignaling

    said: list[dict[str, Any]] = []
    publisher, subscriber = Peer("publisher", group=2), Peer("subscriber", group=2)
    async with janus(said, feeds={3}) as url:
        signaling = JanusSignaling(url)
        assert await signaling.version() == "1.1.2"
        await signaling.publish(publisher)
        await signaling.subscribe(subscriber)
        await signaling.leave(subscriber)
        await signaling.close()
    assert publisher.accepted == ["answer of Janus"]
    jseps = [message["jsep"]["sdp"] for message in said if "jsep" in message]
    assert jseps == ["a=setup:active of the peer", "answer to offer of Janus"]
    bodies = [message["body"] for message in said if "body" in message]
    assert bodies[0]["id"] == bodies[2]["streams"][0]["feed"] == 3
    assert [message["janus"] for message in said[-2:]] == ["detach", "destroy"]
    assert all(message.get("session_id") == 7 for message in said[2:])


async def test_what_janus_refuses_is_the_reason_of_a_failed_join() -> None:
    from peers.janus import JanusSignaling

    async with janus([], feeds=set()) as url:
        signaling = JanusSignaling(url)
        with pytest.raises(Refused, match=r"No such feed \(1\)"):
            await signaling.subscribe(Peer("subscriber"))
        await signaling.close()


def test_janus_is_told_of_event_loops_only_if_it_shall_have_them() -> None:
    from peers.janus import configuration

    shared, own = (configuration("127.0.0.1", "192.0.2.7", 8188, loops)["janus.jcfg"] for loops in (1, None))
    assert "\tevent_loops = 1\n" in shared
    assert "event_loops" not in own
    assert '\tice_enforce_list = "192.0.2.7"\n' in own


def test_a_token_for_livekit_lets_publish_or_watch_unseen() -> None:
    from peers.livekit import configuration, token

    keys = configuration("127.0.0.1", 7880)["keys"]
    video = [
        jwt.decode(token("room0", "one", publishes=publishes), keys["key"], ["HS256"])["video"]
        for publishes in (True, False)
    ]
    assert [grant["canPublish"] for grant in video] == [True, False]
    assert [grant["hidden"] for grant in video] == [False, True]


def test_who_cannot_carry_a_load_gets_half_of_it_in_whole_frames() -> None:
    from compare import Shape

    shape: Shape | None = Shape(200, 304)
    rates = []
    while shape is not None:
        rates.append(shape.rate)
        shape = shape.less()
    assert rates == [304, 152, 72, 32, 16, 8]
    assert Shape(1, None).less() is None


async def test_a_server_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    from support.process import Place, ServerProcess, free_port

    place = Place(0, tmp_path)
    async with ServerProcess(place, [sys.executable, "-c", "print('no such plugin')"]) as process:
        with pytest.raises(RuntimeError, match="no such plugin"):
            await asyncio.wait_for(process.listens(free_port()), 20)
