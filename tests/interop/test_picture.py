"""The picture of the README: three people in a room, as the test run's own browser shows them.

`make picture` keeps it as docs/page.png; a plain test run takes it too, looks at it and leaves it in .cache/.
"""

import os
from pathlib import Path

import av
import numpy as np
import pytest
from interop.browser import Watched
from interop.chromium import Chromium
from interop.live import live
from interop.polling import eventually

from sfu.demo import ROOM, people
from sfu.tokens import AccessToken, VideoGrant

pytestmark = pytest.mark.interop

_ROOT = Path(__file__).parents[2]
_PICTURE = _ROOT / os.environ.get("SFU_PICTURE", ".cache/page.png")
_KEYS = {"key": "a secret that is long enough to be one"}


async def test_three_people_in_a_room(chromium: Chromium) -> None:
    async with live(keys=_KEYS) as running, people(running.server):
        grant = VideoGrant(room_join=True, room=ROOM, can_publish=False)
        token = AccessToken("key", _KEYS["key"]).with_identity("viewer").with_grants(grant).to_jwt()
        page = await chromium.open(
            f"{running.url}/?room={ROOM}&token={token}&join=1",
            viewport={"width": 1280, "height": 720},
            device_scale_factor=1,
        )
        watched = Watched(page, "viewer")
        await watched.connected()
        await watched.decodes(3, height=540)

        async def colours() -> int:
            picture = _pixels(await page.page.screenshot(path=_PICTURE))
            return len(np.unique(picture.reshape(-1, 3) // 32, axis=0))

        # An empty room is a handful of dark greys.
        await eventually("a picture with people in it", colours, lambda count: count > 60)
        assert page.errors == []


def _pixels(png: bytes) -> np.ndarray:
    decoder = av.CodecContext.create("png", "r")
    frames = [*decoder.decode(av.Packet(png)), *decoder.decode(None)]
    return frames[0].to_ndarray(format="rgb24")
