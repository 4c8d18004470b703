"""`sfu load`: what it takes, what it refuses, and how it goes through a signalling."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from sfu.cli import app
from sfu.load import Joins, LoadConfig, LoadPeer, LoadResult, Refused, RoomSignaling, Video, run


@pytest.mark.parametrize(
    ("text", "frame", "size", "rate", "frames"),
    [
        ("720p", 8, 1200, 200, 25),
        ("360p", 8, 1200, 80, 10),
        ("1200x300", 8, 1200, 300, 37),
        ("500x30", 1, 500, 30, 30),
    ],
)
def test_shapes_of_video(text: str, frame: int, size: int, rate: int, frames: int) -> None:
    video = Video.parse(text, frame)
    assert (video.size, video.rate, video.frames_per_second) == (size, rate, frames)


@pytest.mark.parametrize(
    ("text", "frame", "error"),
    [
        ("1080p", 8, "'1080p' is not 720p, 360p or BYTESxPACKETS_A_SECOND"),
        ("1500x300", 8, "1500 bytes a packet; 150 to 1400"),
        ("1200x4", 8, "0.5 frames of 8 packets a second; 1 to 120"),
        ("1200x300", 1, "300 frames of 1 packets a second; 1 to 120"),
        ("1200x300", 0, "0 packets a frame"),
    ],
)
def test_video_that_cannot_be(text: str, frame: int, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        Video.parse(text, frame)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"publishers": 0, "subscribers": 0}, "at least one peer"),
        ({"publishers": -1}, "publishers: -1; 0 or more"),
        ({"video": None}, "publishers send video, audio or both"),
        ({"video": None, "audio": True, "simulcast": True}, "simulcast needs video"),
        ({"feedback": "remb"}, "'remb' is not none, rr or twcc"),
        ({"verify": 2}, "verify: 2 of 1 subscribers"),
        ({"nack": 0.01}, "only a verifier asks again"),
        ({"verify": 1, "nack": 0.6}, "0.6; a share"),
        ({"seconds": 0}, "seconds: 0; more than 0"),
        ({"ramp": 0}, "ramp: 0 joins a second"),
        ({"watch": 0}, "watch: 0; 1 or more"),
        ({"switch": 0}, "switch: 0; 0.05 to 3600"),
    ],
)
def test_loads_that_cannot_be(given: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        LoadConfig(**{"video": Video(), **given})


def test_a_viewer_of_others_wants_both_kinds() -> None:
    assert LoadConfig(publishers=0, watch=2).sections == (2, 2)
    assert LoadConfig(publishers=0, audio=True).sections == (1, 0)
    assert LoadConfig(video=Video()).sections == (0, 1)


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        ([], 2, "a server: --url, or --whip and --whep"),
        (["--url", "http://localhost:1", "--whip", "http://localhost:1"], 2, "a server: --url, or --whip and --whep"),
        (["--url", "localhost:8080"], 2, "'localhost:8080' is not an http or https URL"),
        (["--whip", "nowhere"], 2, "'nowhere' is not an http or https URL"),
        (["--url", "http://localhost:1", "--cores", "a"], 2, "'a' is not a list such as 1,3 or 2-5"),
        (["--url", "http://localhost:1", "--video", "big"], 2, "'big' is not 720p"),
        (["--url", "http://localhost:1", "--key", "k"], 2, "key and secret belong together"),
        (["--url", "http://localhost:1", "--ip", "here"], 1, '"here" is not an IP address'),
        (["--url", "http://localhost:1", "--cipher", "AES"], 1, '"AES" is no SRTP profile; these are: AEAD_'),
        (["--whip", "http://127.0.0.1:1/whip", "--switch", "1"], 1, "this signalling cannot choose layers"),
    ],
)
def test_the_command_line_says_in_one_line_what_is_wrong(options: list[str], code: int, error: str) -> None:
    result = CliRunner().invoke(app, ["load", *options])
    assert result.exit_code == code, result.output
    assert len(result.stderr.splitlines()) == 1
    assert error in result.stderr


def test_a_server_that_is_not_there_is_one_line_and_an_exit_code() -> None:
    result = CliRunner().invoke(app, ["load", "--url", "http://127.0.0.1:1", "--publishers", "2", "--json"])
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["publishers"]["failed"] == 2
    assert report["subscribers"]["joined"] == report["subscribers"]["failed"] == 0
    (problem,) = report["problems"]
    assert problem.startswith("2 of 2 publishers: ws://127.0.0.1:1/ws: ")


def test_an_address_of_another_machine_is_one_line_too() -> None:
    result = CliRunner().invoke(app, ["load", "--url", "http://127.0.0.1:1", "--ip", "203.0.113.1", "--json"])
    assert result.exit_code == 1
    (problem,) = json.loads(result.stdout)["problems"]
    assert problem.startswith("1 of 1 publishers: ")


def test_the_address_of_the_websocket() -> None:
    assert RoomSignaling("https://a.example/rtc/", "r")._url == "wss://a.example/rtc/ws"
    assert RoomSignaling("ws://a.example:8080/ws", "r")._url == "ws://a.example:8080/ws"


class Deaf:
    """A server that takes offers, answers nobody or refuses, and remembers who left."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.offers: list[tuple[str, int, int, str]] = []
        self.left: list[tuple[str, int]] = []
        self.closed = False
        self.together = self.most = 0

    async def publish(self, peer: LoadPeer) -> None:
        self.offers.append((peer.role, peer.number, peer.group, await peer.offer()))
        self.together += 1
        self.most = max(self.most, self.together)
        try:
            if self.refusal is not None:
                raise self.refusal
            await asyncio.sleep(3600)
        finally:
            self.together -= 1

    subscribe = publish

    async def leave(self, peer: LoadPeer) -> None:
        self.left.append((peer.role, peer.number))

    async def close(self) -> None:
        self.closed = True


async def test_refusals_are_counted_by_reason_and_everybody_leaves() -> None:
    server = Deaf(Refused("the room is full"))
    result = await run(LoadConfig(publishers=3, subscribers=2, video=Video(), audio=True), server)
    assert result.publishers.failures == {"the room is full": 3}
    assert sorted(server.left) == [("publisher", 0), ("publisher", 1), ("publisher", 2)]
    assert server.closed
    assert result.figures is None
    assert result.problems() == ["3 of 3 publishers: the room is full"], "nobody watches what nobody sends"


async def test_a_join_that_is_not_answered_times_out() -> None:
    server = Deaf()
    result = await run(LoadConfig(publishers=2, video=Video(), join_timeout=0.1), server)
    assert result.publishers.failures == {"no answer within 0.1 s": 2}


async def test_offers_have_what_was_asked_for() -> None:
    server = Deaf(Refused("no"))
    await run(LoadConfig(publishers=1, subscribers=0, video=Video(), simulcast=True, audio=True), server)
    await run(LoadConfig(publishers=0, subscribers=1, watch=2), server)
    (_, _, _, sent), (_, _, _, received) = server.offers
    assert sent.count("m=video") == sent.count("m=audio") == 1
    assert "a=simulcast:send q;h;f" in sent
    assert received.count("m=video") == received.count("m=audio") == received.count("a=recvonly") // 2 == 2


async def test_subscribers_belong_to_publishers_in_turn() -> None:
    server = Deaf(Refused("no"))
    server.publish = lambda _: asyncio.sleep(3600)  # type: ignore[method-assign]
    await run(LoadConfig(publishers=0, subscribers=40, ramp=1000.0), server)
    assert sorted(number for _, number, _, _ in server.offers) == list(range(40))


async def test_without_a_ramp_joins_go_in_crowds_of_32() -> None:
    server = Deaf()
    await run(LoadConfig(publishers=0, subscribers=40, join_timeout=0.2), server)
    assert server.most == 32


async def test_descriptions_that_cannot_be_followed_are_value_errors() -> None:
    class Odd(Deaf):
        async def publish(self, peer: LoadPeer) -> None:
            with pytest.raises(ValueError, match="ice-ufrag"):
                await peer.answer("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n")
            await peer.offer()
            await peer.accept("v=0\r\n")

    result = await run(LoadConfig(video=Video()), Odd())
    assert list(result.publishers.failures) == ["a=ice-ufrag is missing"]


def test_what_makes_a_run_worthless() -> None:
    figures = {
        "sent": 10,
        "expected": 1000,
        "received": 990,
        "seconds": 1.0,
        "silent": 1,
        "corrupt": 0,
        "misrouted": 0,
        "kernel_drops": 7,
    }
    config = LoadConfig(video=Video())
    result = LoadResult(config=config, publishers=Joins(), subscribers=Joins(), figures=figures)
    assert result.loss == pytest.approx(0.01)
    assert result.problems(max_loss=0.02) == ["nothing came to 1 subscribers"]
    assert "7 of them here" in result.problems(max_loss=0.001)[1]
