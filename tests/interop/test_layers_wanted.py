"""A page stops the layers that nobody watches within five seconds, and sends them again at once."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from interop.browser import Peer, Watched
from interop.call import join
from interop.chromium import Chromium
from interop.live import Live
from interop.polling import eventually

import sfu

pytestmark = pytest.mark.interop

# The publishing page's own client, as an application uses it.
PUBLISH = """async (room, codec, encodings, video) => {
  const { Client } = await import("./sfu.js");
  const client = new Client({ url: "ws", room, identity: "alice" });
  await client.join();
  const stream = await navigator.mediaDevices.getUserMedia({ video });
  await client.publish(stream.getVideoTracks()[0], { codec, encodings }).answered;
}"""
CAMERA = {"width": 960, "height": 540, "frameRate": 15}
SVC = {"VP9": "L3T3_KEY", "AV1": "L3T3"}
# What takes longer than this was not told at once: what is not needed any more is held for three seconds.
AT_ONCE = 2.5


@dataclass
class Scene:
    """One who publishes with the page's client and one who watches."""

    publisher: Watched
    viewer: Peer
    track: sfu.Track
    subscription: sfu.Subscription

    async def sent(self) -> list[int]:
        """The heights that the publisher's browser sends, rising."""
        outbound = (await self.publisher.report())["outbound"]
        return sorted(one["height"] for one in outbound if one["active"])

    async def sends(self, heights: list[int]) -> float:
        """Wait until the publisher's browser sends these heights; the seconds that it took."""
        start = time.monotonic()
        await eventually(f"{self.publisher.name} sends {heights}", self.sent, lambda now: now == heights)
        return time.monotonic() - start


@contextlib.asynccontextmanager
async def watching(
    running: Live, browser: Chromium, codec: str, encodings: list[dict[str, Any]]
) -> AsyncIterator[Scene]:
    room = await running.server.create_room("saving")
    publisher = Watched(await browser.open(running.url), "alice")
    await publisher.page.call(PUBLISH, room.name, codec, encodings, CAMERA)
    viewer = await Peer.create(await browser.blank(), "bob")
    await viewer.do("open", "anything")
    async with join(room, viewer, "bob") as call:
        track = (await call.event(sfu.TrackPublished)).track
        await viewer.decodes(height=540)
        (subscription,) = call.session.subscriptions
        yield Scene(publisher, viewer, track, subscription)


async def test_layers_that_nobody_watches_are_not_sent(live_sfu: Live, chromium: Chromium) -> None:
    encodings = [{"rid": rid, "scaleResolutionDownBy": scale} for rid, scale in (("l", 4), ("m", 2), ("h", 1))]
    async with watching(live_sfu, chromium, "VP8", encodings) as scene:

        async def layers() -> dict[Any, Any]:
            return {layer.rid: (layer.width, layer.height) for layer in scene.track.layers if layer.flowing}

        whole = {"l": (240, 135), "m": (480, 270), "h": (960, 540)}
        await eventually("three layers", layers, lambda found: found == whole)
        await scene.subscription.set_layer(sfu.Layer(0))
        assert await scene.sends([135]) < 5
        await scene.viewer.decodes(height=135)
        await eventually("the lowest alone", layers, lambda found: found == {"l": (240, 135)})
        await scene.subscription.set_layer(None)
        assert await scene.sends([135, 270, 540]) < AT_ONCE
        await scene.viewer.decodes(height=540)
        await eventually("three layers again", layers, lambda found: found == whole)


@pytest.mark.parametrize("codec", SVC)
async def test_spatial_layers_that_nobody_watches_are_not_sent(live_sfu: Live, chromium: Chromium, codec: str) -> None:
    async with watching(live_sfu, chromium, codec, [{"scalabilityMode": SVC[codec]}]) as scene:

        async def flowing() -> set[int]:
            return {layer.layer.spatial for layer in scene.track.layers if layer.flowing}

        await eventually("three layers", flowing, lambda found: found == {0, 1, 2})
        # Step by step down, then up again at once.
        for spatial, height in ((1, 270), (0, 135)):
            await scene.subscription.set_layer(sfu.Layer(spatial))
            assert await scene.sends([height]) < 5
            await scene.viewer.decodes(height=height)
        await eventually("the lowest alone", flowing, lambda found: found == {0})
        await scene.subscription.set_layer(None)
        assert await scene.sends([540]) < AT_ONCE
        await scene.viewer.decodes(height=540)
        await eventually("three layers again", flowing, lambda found: found == {0, 1, 2})
