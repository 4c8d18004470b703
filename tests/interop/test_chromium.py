"""Chromium to Chromium through the SFU, driven by the Python API alone."""

import pytest
from interop.browser import CAMERA, Peer
from interop.call import join
from interop.chromium import Chromium
from interop.chromium import chromium as another_chromium
from interop.live import Live, live
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


async def test_the_server_restarts_ice_under_a_call(live_sfu: Live, chromium: Chromium) -> None:
    room = await live_sfu.server.create_room("restart")
    alice = await Peer.create(await chromium.blank(), "alice")
    bob = await Peer.create(await chromium.blank(), "bob")
    await alice.do("publish", {"video": CAMERA})
    await bob.do("open", "anything")
    async with join(room, alice, "alice"), join(room, bob, "bob") as watching:
        before = await bob.decodes()
        await watching.session.offer_ice_restart()
        await eventually("bob's new credentials", bob.report, lambda now: now["ufrag"] != before["ufrag"])
        after = await bob.decodes(more=60)  # longer than a check is away: the new ones carry the path
        assert after["connection"] == "connected"
        lost = [sum(one["lost"] for one in report["inbound"]) for report in (before, after)]
        assert lost[0] == lost[1]
        states = [event.state for event in watching.seen if isinstance(event, sfu.ConnectionStateChanged)]
        assert set(states) == {"connected"}


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
    async with join(room, alice, "alice") as leaving, join(room, bob, "bob") as watching:
        await alice.connected()
        await watching.event(sfu.TrackPublished)
        # Bob's track has its section: no offer is on its way to a page that will not be there.
        await leaving.event(sfu.Subscribed)
        await alice.close()
        left = await watching.event(sfu.SessionLeft, lambda event: event.session.identity == "alice")
        assert left.reason == "peer_closed"


async def test_a_screen_is_shared_beside_the_camera(live_sfu: Live, chromium: Chromium) -> None:
    room = await live_sfu.server.create_room("screen")
    alice = await Peer.create(await chromium.blank(), "alice")
    bob = await Peer.create(await chromium.blank(), "bob")
    await alice.do("publish", {"video": CAMERA})
    await bob.do("open", "anything")
    async with join(room, alice, "alice") as call, join(room, bob, "bob"):
        await bob.decodes(1)
        await alice.do("publish", {"display": True})
        await call.negotiate()
        await bob.decodes(2)
        assert len(call.session.tracks) == 2


async def test_a_killed_browser_is_gone_when_its_consent_expires(chromium: Chromium) -> None:
    async with live(consent_timeout=2.0, close_timeout=2.0) as running, another_chromium() as other:
        room = await running.server.create_room("crash")
        alice = await Peer.create(await chromium.blank(), "alice")
        bob = await Peer.create(await other.blank(), "bob")
        await alice.do("publish", {"audio": True})
        await bob.do("open", "anything")
        async with await room.join("alice") as session, join(room, bob, "bob") as watching:
            session.ignore_events()
            await alice.do("accept", await session.answer(await alice.do("offer")))
            await bob.hears()
            chromium.kill()
            lost = await watching.event(sfu.ConnectionStateChanged, lambda event: event.state == "disconnected")
            assert lost.session.identity == "alice"
            left = await watching.event(sfu.SessionLeft)
            assert (left.session.identity, left.reason) == ("alice", "timeout")


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
