"""Firefox publishes to Chromium and watches Chromium, three encodings, AES-GCM."""

from collections.abc import AsyncIterator

import pytest
from interop.browser import CAMERA, Peer
from interop.call import join
from interop.chromium import Chromium
from interop.firefox import Firefox
from interop.live import Live, live
from interop.netns import Namespace

import sfu

pytestmark = pytest.mark.interop


@pytest.fixture
async def between(namespace: Namespace) -> AsyncIterator[Live]:
    """A server that is reached from this machine and from inside the namespace."""
    async with live(announce=("127.0.0.1", namespace.host)) as running:
        yield running


async def test_firefox_and_chromium_see_and_hear_each_other(
    between: Live, chromium: Chromium, firefox: Firefox
) -> None:
    room = await between.server.create_room("mixed")
    fox = await Peer.create(await firefox.blank(), "fox")
    chrome = await Peer.create(await chromium.blank(), "chrome")
    await fox.do("publish", {"video": {**CAMERA, "width": 1280, "height": 720}, "audio": True})
    await chrome.do("publish", {"video": CAMERA, "audio": True})
    async with join(room, fox, "fox") as fox_call, join(room, chrome, "chrome") as chrome_call:
        await fox.connected()
        await chrome.connected()
        await fox.decodes(height=540)
        await fox.hears()
        await chrome.hears()
        # Firefox sends its top encoding only to somebody who gives transport-wide feedback.
        await chrome.decodes(height=720)
        video = next(one for one in chrome_call.session.subscriptions if one.track.kind == "video")
        await video.set_layer(sfu.Layer(spatial=0, temporal=0))
        await chrome.decodes(height=180)
        await video.set_layer(None)
        await chrome.decodes(height=720)

        stats = await fox_call.session.stats()
        assert "GCM" in (stats.transports[0].cipher or "")
        encodings = next(one for one in stats.tracks if one.kind == "video").encodings
        assert {one.rid for one in encodings if one.packets_received > 0} == {"q", "h", "f"}
