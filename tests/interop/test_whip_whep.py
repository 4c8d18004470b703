"""Clients of other stacks over plain HTTP: GStreamer publishes and watches, werift (TypeScript) watches."""

import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from interop.browser import CAMERA, Peer
from interop.call import join
from interop.chromium import Chromium
from interop.external import external
from interop.live import Live, live
from interop.netns import Namespace
from skips import missing

pytestmark = pytest.mark.interop

_HERE = Path(__file__).parent
_NPM = _HERE.parents[1] / ".cache" / "node"
# Debian's `gi` belongs to Debian's Python.
_SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture
async def between(namespace: Namespace) -> AsyncIterator[Live]:
    """A server that is reached from this machine and from inside the namespace."""
    async with live(announce=("127.0.0.1", namespace.host)) as running:
        yield running


@pytest.fixture(scope="module")
def gstreamer() -> Path:
    """The GStreamer client, if this machine has what it needs."""
    needs = "import gi; gi.require_version('GstWebRTC', '1.0'); from gi.repository import GstWebRTC"
    done = subprocess.run([_SYSTEM_PYTHON, "-c", needs], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        missing(f"GStreamer for the system's Python: {done.stderr.strip().splitlines()[-1]}")
    return _HERE / "gstreamer" / "client.py"


@pytest.fixture(scope="module")
def node() -> str:
    """Node, if it and the npm packages are there."""
    found = shutil.which("node")
    if found is None:
        missing("Node is not installed (apt-get install nodejs npm)")
    if not (_NPM / "node_modules" / "werift").is_dir():
        missing("werift is not installed: the npm registry could not be reached (rm .cache/.stamp-npm; make test)")
    return found


async def test_gstreamer_publishes_over_whip(
    between: Live, namespace: Namespace, chromium: Chromium, gstreamer: Path
) -> None:
    room = await between.server.create_room("whip")
    bob = await Peer.create(await chromium.blank(), "bob")
    await bob.do("open", "anything")
    url = f"{between.at(namespace.host)}/whip/whip/cam"
    command = namespace.command(_SYSTEM_PYTHON, str(gstreamer), "publish", url)
    async with join(room, bob, "bob"), external("gstreamer", *command) as publisher:
        await publisher.until("connected", lambda facts: facts.get("state") == "connected")
        assert publisher.facts["status"] == 201
        await bob.decodes(height=360)
        await bob.hears()
    assert publisher.facts["deleted"] == 200
    assert room.session("cam") is None


async def test_gstreamer_watches_over_whep(
    between: Live, namespace: Namespace, chromium: Chromium, gstreamer: Path
) -> None:
    room = await between.server.create_room("whep")
    alice = await Peer.create(await chromium.blank(), "alice")
    await alice.do("publish", {"video": CAMERA, "audio": True})
    async with join(room, alice, "alice") as call:
        await call.tracks("audio", "video")
        url = f"{between.at(namespace.host)}/whep/whep/alice"
        command = namespace.command(_SYSTEM_PYTHON, str(gstreamer), "watch", url)
        async with external("gstreamer", *command) as viewer:
            await viewer.until("decodes both", lambda facts: facts.get("video", 0) > 30 and facts.get("audio", 0) > 50)
        assert viewer.facts["deleted"] == 200


async def test_werift_watches_over_whep(live_sfu: Live, chromium: Chromium, node: str) -> None:
    room = await live_sfu.server.create_room("whep")
    alice = await Peer.create(await chromium.blank(), "alice")
    await alice.do("publish", {"video": CAMERA, "audio": True})
    async with join(room, alice, "alice") as call:
        await call.tracks("audio", "video")
        url = f"{live_sfu.at('127.0.0.1')}/whep/whep"
        command = (node, _HERE / "node" / "whep.mjs", url, "127.0.0.1")
        async with external("werift", *command, folder=_NPM) as viewer:
            await viewer.until(
                "receives both",
                lambda facts: facts.get("frames", 0) > 30 and facts.get("audio", 0) > 50 and facts["keyframes"] > 0,
            )
        assert viewer.facts["deleted"] == 200
