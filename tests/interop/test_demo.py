"""The demo: three synthetic people, and a browser that watches them."""

import asyncio
import operator
import os
import re
import signal
import sys
import threading
from pathlib import Path

import pytest
from interop.browser import Peer, Watched
from interop.call import join
from interop.chromium import Chromium
from interop.live import Live
from interop.polling import PATIENCE, eventually

import sfu
from sfu._core.load import Publisher
from sfu.demo import PEOPLE, ROOM, people

pytestmark = pytest.mark.interop

_PACKAGE = str(Path(sfu.__file__).parents[1])


async def test_chromium_watches_all_three_in_the_layer_that_it_asks_for(live_sfu: Live, chromium: Chromium) -> None:
    guest = await Peer.create(await chromium.blank(), "guest")
    await guest.do("open", "anything")
    async with people(live_sfu.server):
        room = live_sfu.server.rooms[ROOM]
        assert [session.name for session in room.sessions] == ["Anna", "Ben", "Cleo"]
        async with join(room, guest, "guest") as watching:
            await guest.decodes(3, height=540)
            await guest.hears(1)
            spoke = await watching.event(sfu.SpeakersChanged, lambda event: event.speakers)
            assert spoke.speakers[0].session.identity in PEOPLE

            videos = [one for one in watching.session.subscriptions if one.track.kind == "video"]
            for layer, height in ((0, 136), (1, 270), (None, 540)):
                for video in videos:
                    await video.set_layer(None if layer is None else sfu.Layer(spatial=layer, temporal=2))
                await guest.decodes(3, height=height)


async def test_they_leave_no_thread_behind(live_sfu: Live) -> None:
    async def counts() -> tuple[int, int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))

    before = await counts()
    async with people(live_sfu.server):
        assert len(os.listdir("/proc/self/task")) == before[1] + len(PEOPLE)
        room = live_sfu.server.rooms[ROOM]

        async def layers() -> int:
            stats = await room.stats()
            tracks = [track for session in stats.sessions for track in session.tracks]
            return sum(encoding.active for track in tracks for encoding in track.encodings)

        await eventually("three layers and a voice of each", layers, lambda now: now == 4 * len(PEOPLE))
    assert room.sessions == []
    # The kernel may show what has ended a moment longer than the wait for it took.
    await eventually("threads and files as before", counts, lambda now: all(map(operator.le, now, before)))


async def test_sfu_demo_prints_an_address_that_joins(chromium: Chromium) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "sfu", "demo", "--port", "0", "--udp", "127.0.0.1:0"),
        *("--key", "demo", "--secret", "a secret that is long enough to be one"),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": _PACKAGE},
    )
    assert process.stderr is not None
    shown = ""
    try:
        async with asyncio.timeout(PATIENCE):
            while "Ctrl-C" not in shown:
                line = (await process.stderr.readline()).decode()
                assert line, f"it ended:\n{shown}"
                shown += line
        address = re.search(r"Join the demo: (\S+)", shown)
        assert address is not None, shown
        watched = Watched(await chromium.open(address[1]), "guest")
        await watched.connected()
        await watched.decodes(3)
        assert watched.page.errors == []
    finally:
        process.send_signal(signal.SIGINT)
        rest = (await asyncio.wait_for(process.stderr.read(), PATIENCE)).decode()
    assert await process.wait() == 0, rest
    assert "Traceback" not in rest


def test_what_is_no_clip_is_refused() -> None:
    clip = (Path(sfu.__file__).parent / "clips" / "anna.l.ivf").read_bytes()
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:7882"):
        Publisher("localhost", video={"l": clip})
    with pytest.raises(ValueError, match="give one of them"):
        Publisher("127.0.0.1:7882", video={})
    with pytest.raises(ValueError, match=r"video\[\"l\"\]: .*IVF"):
        Publisher("127.0.0.1:7882", video={"l": b"RIFF"})
    with pytest.raises(ValueError, match="audio: Opus is wanted"):
        Publisher("127.0.0.1:7882", video={}, audio=clip)
    with pytest.raises(ValueError, match="no rid"):
        Publisher("127.0.0.1:7882", video={"a b": clip})


def test_a_publisher_takes_one_answer_and_ends_once() -> None:
    clip = (Path(sfu.__file__).parent / "clips" / "anna.l.ivf").read_bytes()
    publisher = Publisher("127.0.0.1:7882", video={"l": clip})
    assert "a=rid:l send" in publisher.offer()
    with pytest.raises(ValueError, match="the answer"):
        publisher.answer("v=0\r\n")
    publisher.close()
    publisher.close()
    with pytest.raises(RuntimeError, match="closed"):
        publisher.answer("v=0\r\n")
