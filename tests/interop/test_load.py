"""`sfu load` against a live server: every way in, media that flows, and servers that refuse."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from interop.live import Live, live
from interop.program import program

from sfu.load import LoadConfig, LoadResult, RoomSignaling, Video, WhipWhep, run

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"key": "a secret that is long enough for HS256"}


def check(result: LoadResult, *, streams: int) -> dict[str, Any]:
    """Everybody is in, everything came, and what was opened is right."""
    assert result.problems(max_loss=0.01) == [], result.to_dict()
    assert result.figures is not None
    figures = result.figures
    assert figures["received"] > 0.5 * figures["sent"] * streams, figures
    assert (figures["silent"], figures["corrupt"], figures["misrouted"]) == (0, 0, 0)
    assert (figures["undecodable"], figures["faults"], figures["given_up"]) == (0, 0, 0)
    return figures


async def test_a_room_of_publishers_and_subscribers(live_sfu: Live) -> None:
    config = LoadConfig(publishers=3, subscribers=5, video=Video(), audio=True, verify=2, nack=0.02, seconds=2)
    result = await run(config, RoomSignaling(live_sfu.url, "load"))
    figures = check(result, streams=5)
    assert len(result.publishers.media) == 3
    assert len(result.subscribers.media) == 5
    assert figures["verified"] > 1000
    assert figures["repaired"] > 5, "one asks for a fiftieth again"
    assert figures["delay_p50_us"] > 0
    assert figures["delay_p50_us"] <= figures["delay_p99_us"] <= figures["delay_p999_us"]
    assert figures["feedbacks_sent"] >= 3, "a report a second of those that count"
    assert list(figures["profiles"].values()) == [8]
    assert live_sfu.server.rooms == {} or not live_sfu.server.rooms["load"].sessions


async def test_whip_and_whep_with_simulcast(live_sfu: Live) -> None:
    config = LoadConfig(
        publishers=2,
        subscribers=4,
        video=Video.parse("360p"),
        audio=True,
        simulcast=True,
        paced=True,
        feedback="twcc",
        verify=2,
        seconds=2,
        ramp=50,
    )
    base = live_sfu.at("127.0.0.1")
    result = await run(config, WhipWhep(whip=f"{base}/whip/r/cam{{n}}", whep=f"{base}/whep/r/cam{{n}}"))
    figures = check(result, streams=0)
    assert figures["feedbacks_sent"] > 20
    assert figures["feedbacks_received"] > 0
    assert figures["frames"] > 20
    for _ in range(100):
        if not any(room.sessions for room in live_sfu.server.rooms.values()):
            break
        await asyncio.sleep(0.02)
    else:
        pytest.fail("sessions were left behind")


async def test_one_subscriber_switches_layers(live_sfu: Live) -> None:
    config = LoadConfig(subscribers=2, video=Video(), simulcast=True, verify=2, seconds=4, switch=1.0)
    result = await run(config, RoomSignaling(live_sfu.url, "switching"))
    figures = check(result, streams=0)
    share = figures["received"] / figures["sent"]
    assert 0.95 < share < 1.3, (
        "of eleven packets two viewers of the highest layer get sixteen; one has the lowest at times"
    )


async def test_each_peer_gets_a_token_of_its_own_or_is_refused() -> None:
    async with live(keys=KEYS) as server:
        (key, secret) = next(iter(KEYS.items()))
        config = LoadConfig(publishers=2, subscribers=2, video=Video(), seconds=0.5, warm_up=0)
        allowed = await run(config, RoomSignaling(server.url, "load", key=key, secret=secret))
        check(allowed, streams=0)
        refused = await run(config, RoomSignaling(server.url, "load"))
        (reason,) = refused.publishers.failures
        assert reason.startswith("unauthorized: ")
        whip = await run(config, WhipWhep(whip=f"{server.at('127.0.0.1')}/whip/load/cam"))
        (reason,) = whip.publishers.failures
        assert "/whip/load/cam: 401 " in reason


async def test_the_command_prints_one_json_object(live_sfu: Live) -> None:
    options = ["--url", live_sfu.at("127.0.0.1"), "--subscribers", "2", "--seconds", "1", "--verify", "1", "--json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sfu", "load", *options, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    report = json.loads(output)
    assert (process.returncode, report["problems"]) == (0, [])
    assert report["received"] == pytest.approx(2 * report["sent"], rel=0.2)
    assert report["config"]["video"] == {"size": 1200, "rate": 200, "frame": 8}


async def problems(*options: str, **environment: str) -> list[str]:
    """What the command complains of."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sfu", "load", "--json", "--seconds", "0.5", "--warm-up", "0", *options),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    output, _ = await process.communicate()
    found: list[str] = json.loads(output)["problems"]
    return found


async def test_certificates_are_verified_unless_told_otherwise(tmp_path: Path) -> None:
    options = ("--host", "127.0.0.1", "--port", "0", "--udp", "127.0.0.1:0", "--tls-self-signed")
    async with program("-m", "sfu", "serve", *options) as served:
        url = (await served.line(r"https://\S+"))[0]
        certificate = tmp_path / "server.pem"
        address = ("127.0.0.1", urlsplit(url).port or 0)
        certificate.write_text(await asyncio.to_thread(ssl.get_server_certificate, address), encoding="ascii")
        for way in (("--url", url), ("--whip", f"{url}whip/load/cam", "--whep", f"{url}whep/load/cam")):
            (problem,) = await problems(*way)
            assert "certificate verify failed" in problem
            assert await problems(*way, "--insecure") == []
            assert await problems(*way, SSL_CERT_FILE=str(certificate)) == []
