"""The examples run, on the native data plane."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.testclient import TestClient

if TYPE_CHECKING:
    from types import ModuleType

    import pytest

ROOT = Path(__file__).parents[2]
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n"
    f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\na=rtpmap:111 opus/48000/2\r\n"
)


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An example, on a free loopback port instead of its own."""
    path = ROOT / "examples" / f"{name}.py"
    source = path.read_text().replace("0.0.0.0:7882", "127.0.0.1:0")
    spec = importlib.util.spec_from_loader(name, loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


def test_thirty_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    example = load("thirty_lines", monkeypatch)
    with TestClient(example.app) as client, client.websocket_connect("/rooms/a?identity=alice") as socket:
        socket.send_json({"type": "offer", "sdp": OFFER})
        answer = socket.receive_json()
        assert answer["type"] == "answer"
        assert "a=setup:passive" in answer["sdp"]
        assert example.server.rooms["a"].session("alice") is not None


async def test_brightness(monkeypatch: pytest.MonkeyPatch) -> None:
    async with asyncio.timeout(30):
        found = await load("brightness", monkeypatch).main(pictures=3)
    assert set(found) == {"anna", "ben", "cleo"}
    assert all(10 < value < 245 for value in found.values())


def test_fastapi_app(monkeypatch: pytest.MonkeyPatch) -> None:
    example = load("fastapi_app", monkeypatch)
    with TestClient(example.app) as client:
        token = client.post("/tokens", json={"room": "a", "identity": "alice"}).json()["token"]
        with client.websocket_connect("/rtc/ws") as socket:
            socket.send_json({"type": "join", "token": token})
            assert socket.receive_json()["type"] == "joined"
            assert client.get("/rooms").json() == {"a": ["alice"]}
            socket.send_json({"type": "offer", "sdp": OFFER})
            assert "a=setup:passive" in socket.receive_json()["sdp"]
        token = client.post("/tokens", json={"room": "a", "identity": "bob"}).json()["token"]
        headers = {"content-type": "application/sdp", "authorization": f"Bearer {token}"}
        created = client.post("/rtc/whip/a", content=OFFER, headers=headers)
        assert created.status_code == 201
        assert created.headers["location"].startswith("/rtc/whip/a/session/")
        assert "a=ice-lite" in created.text
