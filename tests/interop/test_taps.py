"""A browser's pictures as numpy arrays in the server's process, in every codec and structure that it has."""

import asyncio
import itertools

import av
import numpy as np
import pytest
from interop.browser import CAMERA, Peer
from interop.call import join
from interop.chromium import Chromium
from interop.live import Live

import sfu

pytestmark = pytest.mark.interop

SMALL = {"width": 640, "height": 360, "frameRate": 15}
# Three spatial layers need as much in libwebrtc.
LARGE = {"width": 960, "height": 540, "frameRate": 15}
WAYS = {
    "vp8": CAMERA,
    "vp9": {**SMALL, "codec": "VP9"},
    "vp9-l3t3": {**LARGE, "codec": "VP9", "mode": "L3T3"},
    "vp9-l3t3-key": {**LARGE, "codec": "VP9", "mode": "L3T3_KEY"},
    "av1-l1t2": {**SMALL, "codec": "AV1", "mode": "L1T2"},
    "av1-l3t3": {**LARGE, "codec": "AV1", "mode": "L3T3"},
    "h264": {**SMALL, "codec": "H264"},
}


async def pictures(track: sfu.Track, max_layer: sfu.Layer | None, width: int) -> list[np.ndarray]:
    """Ten in a row of this width."""
    found: list[np.ndarray] = []
    async with asyncio.timeout(30):
        async for frame in track.frames(format="gray", queue=100, max_layer=max_layer):
            assert isinstance(frame, av.VideoFrame)
            assert not frame.is_corrupt
            if frame.width != width:
                found.clear()
                continue
            found.append(frame.to_ndarray())
            if len(found) == 10:
                return found
    raise AssertionError("the track ended")


@pytest.mark.parametrize("way", WAYS)
async def test_pictures_of_a_browser(live_sfu: Live, chromium: Chromium, way: str) -> None:
    video = WAYS[way]
    room = await live_sfu.server.create_room("taps")
    alice = await Peer.create(await chromium.blank(), "alice")
    await alice.do("publish", {"video": video, "audio": True})
    async with join(room, alice, "alice") as call:
        track = (await call.event(sfu.OwnTrackPublished, lambda event: event.track.kind == "video")).track
        whole = await pictures(track, None, video["width"])
        # The fake camera shows a figure that turns on a plain ground.
        assert all(one.shape == (video["height"], video["width"]) for one in whole)
        assert all(np.abs(b.astype(int) - a).max() > 20 for a, b in itertools.pairwise(whole))
        if "rids" in video or "3t3" in way:
            small = (await pictures(track, sfu.Layer(spatial=0), video["width"] // 4))[-1]
            scaled = whole[-1][2::4, 2::4].astype(int)
            # The figure is somewhere else by now; the ground is not.
            assert np.median(np.abs(small[: len(scaled)] - scaled)) < 10
        assert track.tap_stats.decoders <= 1
        sound = (await call.event(sfu.OwnTrackPublished, lambda event: event.track.kind == "audio")).track
        async with asyncio.timeout(30):
            async for samples in sound.frames(queue=100):
                if np.abs(samples.to_ndarray()).max() > 0.01:
                    break
