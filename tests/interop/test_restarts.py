"""A publisher's stream stops and starts again, in every way that browsers have.

The viewer's picture comes back with one keyframe at the most, and without negotiating anything with the viewer.
"""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from interop.browser import CAMERA, Peer
from interop.call import Call, join
from interop.chromium import Chromium
from interop.live import Live
from interop.polling import eventually

import sfu

pytestmark = pytest.mark.interop

# Without a mode for each encoding, Chromium puts VP9 into the first of them.
SOURCE = CAMERA | {"mode": "L1T3", "codec": ["VP8", "VP9", "H264", "AV1"]}


class Scene:
    """One who publishes and one who watches."""

    def __init__(self, publishing: Call, watching: Call, track: sfu.Track) -> None:
        self.publishing = publishing
        self.watching = watching
        self.track = track
        self._keyframes = 0

    async def begins(self) -> None:
        """The viewer has its first picture; from now on it negotiates nothing."""
        await self.watching.peer.decodes(height=SOURCE["height"])
        self._keyframes = (await self._video())["keyframes"]
        self._offers = self._count_offers()

    async def comes_back(self, codec: str = "VP8") -> None:
        """The viewer has its full picture again, after one keyframe at the most and without an offer."""
        start = time.monotonic()
        await eventually(f"{codec} arrives", self._video, lambda now: now["codec"] == f"video/{codec}")
        await self.watching.peer.decodes(height=SOURCE["height"])
        video = await self._video()
        keyframes = video["keyframes"] - self._keyframes
        print(f"{codec} after {time.monotonic() - start:.1f} s: {keyframes} keyframes, {video['freezes']} freezes")
        assert keyframes <= 1
        assert self._count_offers() == self._offers
        self._keyframes = video["keyframes"]

    def _count_offers(self) -> int:
        return sum(isinstance(event, sfu.OfferReady) for event in self.watching.seen)

    async def _video(self) -> dict[str, Any]:
        report = await self.watching.peer.report()
        return next(one for one in report["inbound"] if one["kind"] == "video")


@contextlib.asynccontextmanager
async def watched(running: Live, browser: Chromium) -> AsyncIterator[Scene]:
    """A picture that moves."""
    room = await running.server.create_room("restarts")
    alice, bob = [await Peer.create(await browser.blank(), name) for name in ("alice", "bob")]
    await alice.do("publish", {"video": SOURCE})
    await bob.do("open", "anything")
    async with join(room, alice, "alice") as publishing, join(room, bob, "bob") as watching:
        track = (await watching.event(sfu.TrackPublished)).track
        scene = Scene(publishing, watching, track)
        await scene.begins()
        yield scene


async def test_a_camera_that_was_taken_away_comes_back(live_sfu: Live, chromium: Chromium) -> None:
    async with watched(live_sfu, chromium) as scene:
        alice = scene.publishing.peer
        await alice.do("replace", False)
        await scene.watching.event(sfu.TrackStalled, lambda event: event.stalled)
        await alice.do("replace", True)
        await scene.comes_back()


async def test_a_camera_that_was_disabled_or_muted_comes_back(live_sfu: Live, chromium: Chromium) -> None:
    async with watched(live_sfu, chromium) as scene:
        alice = scene.publishing.peer
        await alice.do("enable", False)
        await scene.comes_back()  # black pictures
        await alice.do("enable", True)
        await scene.comes_back()
        await scene.track.mute()
        await scene.watching.event(sfu.LayerChanged, lambda event: event.after is None)
        await scene.track.unmute()
        await scene.comes_back()


async def test_a_publisher_changes_its_codec_without_negotiation(live_sfu: Live, chromium: Chromium) -> None:
    async with watched(live_sfu, chromium) as scene:
        for codec in ("VP9", "H264", "AV1", "VP8"):
            await scene.publishing.peer.do("encode", codec)
            await scene.comes_back(codec)


async def test_a_publisher_negotiates_another_codec(live_sfu: Live, chromium: Chromium) -> None:
    async with watched(live_sfu, chromium) as scene:
        for codec in ("VP9", "H264", "AV1", "VP8"):
            await scene.publishing.peer.do("prefer", [codec])
            await scene.publishing.negotiate()
            await scene.comes_back(codec)
