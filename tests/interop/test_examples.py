"""The Python examples carry pages: as a reader starts them, with Chromium in front."""

from pathlib import Path

import httpx
import pytest
from interop.browser import CAMERA, Peer, Watched
from interop.chromium import Chromium
from interop.program import program

pytestmark = pytest.mark.interop

EXAMPLES = Path(__file__).parents[2] / "examples"

# The page that `thirty_lines.py` asks for. Of two offers that meet the page's counts, and the server's comes again.
_MEET = """(name, url) => new Promise((joined, failed) => {
    const pc = peers[name].pc, socket = new WebSocket(url);
    let offering = true;
    const describe = async (more) => {
        await pc.setLocalDescription();
        socket.send(JSON.stringify({ ...pc.localDescription.toJSON(), ...more }));
    };
    socket.onmessage = async ({ data }) => {
        const { type, sdp, ...more } = JSON.parse(data);
        if (type === "offer" && offering) return;
        // Before the await: the next message may be here before this answer is applied.
        offering = false;
        await pc.setRemoteDescription({ type, sdp });
        if (type === "offer") return describe(more);
        joined();
    };
    socket.onopen = () => describe();
    socket.onerror = failed;
    peers[name].socket = socket;
})"""


def uvicorn(folder: Path, name: str) -> tuple[str, ...]:
    return ("-m", "uvicorn", f"{name}:app", "--app-dir", str(folder), "--port", "0")


async def test_thirty_lines_carry_two_pages(chromium: Chromium, tmp_path: Path) -> None:
    source = (EXAMPLES / "thirty_lines.py").read_text()
    assert len(source.splitlines()) <= 50
    # Ports of its own, so that it does not meet somebody else's.
    assert "0.0.0.0:7882" in source
    (tmp_path / "thirty_lines.py").write_text(source.replace("0.0.0.0:7882", "127.0.0.1:0"))
    async with program(*uvicorn(tmp_path, "thirty_lines")) as running:
        base = (await running.line(r"http(://\S+:\d+)"))[1]
        people = []
        for name in ("alice", "bob"):
            # Any page of the same origin: from elsewhere Chromium asks before it connects to loopback.
            peer = await Peer.create(await chromium.open(f"http{base}/openapi.json"), name)
            await peer.do("publish", {"video": CAMERA, "audio": True})
            await peer.page.call(_MEET, name, f"ws{base}/rooms/tea?identity={name}")
            people.append(peer)
        for one in people:
            await one.connected()
            await one.decodes(height=540)
            await one.hears()
            assert (await one.report())["signaling"] == "stable"
        for one in people:
            await one.page.call("(name) => peers[name].socket.close()", one.name)


async def test_the_fastapi_application_carries_two_pages(chromium: Chromium) -> None:
    async with program(*uvicorn(EXAMPLES, "fastapi_app"), SFU_UDP="127.0.0.1:0") as running:
        base = (await running.line(r"http://\S+:\d+"))[0].replace("127.0.0.1", "localhost")
        people = []
        async with httpx.AsyncClient(base_url=base) as client:
            for name in ("alice", "bob"):
                made = await client.post("/tokens", json={"room": "tea", "identity": name})
                token = made.json()["token"]
                page = await chromium.open(f"{base}/rtc/?room=tea&name={name}&token={token}&join=1")
                people.append(Watched(page, name))
            for one in people:
                await one.connected()
                await one.decodes()
                await one.hears()
            assert {room: sorted(who) for room, who in (await client.get("/rooms")).json().items()} == {
                "tea": ["alice", "bob"]
            }
        for one in people:
            assert one.page.errors == []
