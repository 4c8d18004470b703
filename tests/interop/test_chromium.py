"""Chromium to Chromium through the SFU, driven by the Python API alone."""

import pytest
from interop.browser import CAMERA, Peer
from interop.call import join
from interop.chromium import Chromium
from interop.live import Live
from interop.polling import eventually

import sfu

pytestmark = pytest.mark.interop


async def test_one_publishes_and_one_watches(live_sfu: Live, chromium: Chromium) -> None:
    room = await live_sfu.server.create_room("call")
    alice = await Peer.create(await chromium.blank(), "alice")
    bob = await Peer.create(await chromium.blank(), "bob")
    await alice.do("publish", {"video": CAMERA, "audio": True})
    await alice.do("open", "echo")
    await bob.do("open", "echo")
    async with join(room, alice, "alice") as publishing, join(room, bob, "bob") as watching:
        report = await alice.connected()
        assert "GCM" in report["cipher"], report["cipher"]
        await bob.connected()
        await watching.event(sfu.TrackPublished, lambda event: event.track.kind == "video")
        await bob.decodes(height=540)
        await bob.hears()

        video = next(one for one in watching.session.subscriptions if one.track.kind == "video")
        await video.set_layer(sfu.Layer(spatial=0, temporal=2))
        await bob.decodes(height=135)
        await video.set_layer(None)
        await bob.decodes(height=540)

        stats = await publishing.session.stats()
        encodings = next(one for one in stats.tracks if one.kind == "video").encodings
        assert [one.rid for one in encodings] == ["q", "h", "f"]
        assert "GCM" in (stats.transports[0].cipher or "")


async def test_a_data_channel_echoes_256_kib(live_sfu: Live, chromium: Chromium) -> None:
    room = await live_sfu.server.create_room("data")
    alice = await Peer.create(await chromium.blank(), "alice")
    await alice.do("open", "echo")
    async with join(room, alice, "alice") as call:
        channel = (await call.event(sfu.ChannelOpened)).channel
        size = 256 * 1024
        await alice.do("send", "echo", {"length": size})
        message = await anext(channel)
        assert message == bytes(index % 251 for index in range(size))
        await channel.send(message)
        report = await eventually("echo", alice.report, lambda now: now["channels"][0]["messages"])
        assert report["channels"][0]["messages"] == [{"length": size, "intact": True}]


async def test_a_closed_page_is_gone_at_once(live_sfu: Live, chromium: Chromium) -> None:
    room = await live_sfu.server.create_room("leave")
    alice = await Peer.create(await chromium.blank(), "alice")
    bob = await Peer.create(await chromium.blank(), "bob")
    for one in (alice, bob):
        await one.do("publish", {"audio": True})
    async with join(room, alice, "alice"), join(room, bob, "bob") as watching:
        await alice.connected()
        await watching.event(sfu.TrackPublished)
        await alice.close()
        left = await watching.event(sfu.SessionLeft, lambda event: event.session.identity == "alice")
        assert left.reason == "peer_closed"


@pytest.mark.parametrize("codec", ["VP9", "AV1", "H264"])
async def test_other_codecs(live_sfu: Live, chromium: Chromium, codec: str) -> None:
    room = await live_sfu.server.create_room("codec")
    alice = await Peer.create(await chromium.blank(), "alice")
    bob = await Peer.create(await chromium.blank(), "bob")
    await alice.do("publish", {"video": {"width": 640, "height": 360, "frameRate": 15, "codec": codec}})
    await bob.do("receive", [])
    await bob.do("open", "anything")
    async with join(room, alice, "alice"), join(room, bob, "bob"):
        report = await bob.decodes()
        assert report["inbound"][0]["codec"] == f"video/{codec}"
