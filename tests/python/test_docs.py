"""Every Python block of the documentation is type-checked and run; every link leads somewhere."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import pytest
from mypy import api
from python.fake_backend import FakeBackend, event
from starlette.testclient import TestClient

import sfu
from sfu import errors
from sfu.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCKS = {
    f"{page.stem}_{number}": block
    for page in PAGES
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE))
}
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\n"
    f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\na=rtpmap:111 opus/48000/2\r\n"
)


def test_the_api_guide_has_its_blocks() -> None:
    assert sum(name.startswith("python_") for name in BLOCKS) >= 10


def test_blocks_have_the_right_types(tmp_path: Path) -> None:
    for name, block in BLOCKS.items():
        (tmp_path / f"{name}.py").write_text(block)
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache" / "docs")]
    # The blocks alone: the package has a check of its own.
    found, errors, status = api.run([*options, "--follow-imports=silent", str(tmp_path)])
    assert status == 0, found + errors


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    # On a free loopback port instead of one that may be taken.
    source = BLOCKS[name].replace("0.0.0.0:7882", "127.0.0.1:0")
    exec(compile(source, name, "exec"), module.__dict__)
    if "app" in vars(module):
        with TestClient(module.app) as client:
            assert client.get("/rtc/healthz").json() == {"status": "ok"}
            assert client.post("/tokens/a/alice").json().count(".") == 2
    own = [one for one in vars(module).values() if inspect.isfunction(one) and one.__module__ == name]
    for function in own:
        if set(inspect.signature(function).parameters) <= Stage.PROPS:
            asyncio.run(Stage(tmp_path).play(function))
    failures = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert not failures


def test_rust_blocks_are_of_the_example() -> None:
    example = (ROOT / "examples" / "core_alone.rs").read_text()
    blocks = re.findall(r"^```rust\n(.*?)^```$", (ROOT / "docs" / "embedding.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 5
    for block in blocks:
        assert block in example


def test_the_tests_that_forwarding_names_exist() -> None:
    named = re.findall(r"\*([a-z0-9]+(?:_[a-z0-9]+){2,})\*", (ROOT / "docs" / "forwarding.md").read_text())
    sources = "".join(path.read_text() for path in (ROOT / "rust").rglob("*.rs"))
    assert len(named) > 20
    assert [name for name in named if f"fn {name}(" not in sources] == []


def test_every_setting_error_and_event_is_described() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    assert [name for name in Settings.model_fields if f"`SFU_{name.upper()}`" not in operations] == []
    mentioned = operations + (ROOT / "docs" / "python.md").read_text()
    assert [name for name in sfu.Config.names() if name not in mentioned] == []
    guide = set(re.findall(r"\w+", (ROOT / "docs" / "python.md").read_text()))
    kinds = [*get_args(sfu.SessionEvent), *get_args(sfu.RoomEvent), *get_args(sfu.ServerEvent)]
    assert {kind.__name__ for kind in kinds} - guide == set()
    assert set(errors.__all__) - guide == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)[^):]*\)", page.read_text()):
        assert (page.parent / target).exists(), target


class Backend(FakeBackend):
    """A data plane whose dumps are short."""

    async def dump(self, track: int, seconds: float, max_bytes: int) -> None:
        await super().dump(track, seconds, max_bytes)
        self.deliver(event("Dump", track=track, data=b"a record", last=True))


class Stage:
    """A call on the data plane in memory, in which things happen while a block's function runs."""

    PROPS = frozenset({"server", "room", "session", "track", "message", "offer", "send", "folder"})

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.backend = Backend()

    async def play(self, function: Any) -> None:
        async with sfu.Server(backend=lambda _: self.backend) as server:
            room = await server.create_room("room")
            alice = await room.join("alice")
            self.backend.publish(room.id, alice.id)
            session = await room.join("bob")
            props = {
                "server": server,
                "room": room,
                "session": session,
                "track": room.tracks[0],
                "message": {"type": "offer", "sdp": OFFER},
                "offer": OFFER,
                "send": self.send,
                "folder": self.folder,
            }
            result = function(**{one: props[one] for one in inspect.signature(function).parameters})
            task = asyncio.ensure_future(result) if inspect.isawaitable(result) else None
            await self.stir(server, room)
            async with asyncio.timeout(10):
                if task is not None and "folder" in inspect.signature(function).parameters:
                    await task  # it works with files: the turns of the loop do not tell when it is done
                await room.close()
                if task is not None:
                    await task

    async def send(self, message: Any) -> None:
        assert "type" in message

    async def stir(self, server: sfu.Server, room: sfu.Room) -> None:
        """Everything that can happen does."""
        dave = await room.join("dave")
        self.backend.publish(room.id, dave.id, kind="audio")
        sound = room.tracks[-1]
        self.backend.deliver(event("SpeakersChanged", room=room.id, speakers=[(dave.id, sound.id, -20)]))
        await server.room("another")
        for session in room.sessions:
            self.backend.offer_ready(session.id)
            self.backend.open_by_peer(session.id, "ping")
        for _ in range(30):
            await asyncio.sleep(0)
            for session in room.sessions:
                for channel in session.channels:
                    if not channel.open:
                        self.backend.deliver(event("ChannelOpened", session=session.id, channel=channel.id))
                        self.backend.deliver(
                            event("ChannelMessage", channel=channel.id, binary=False, payload=b"a message")
                        )
