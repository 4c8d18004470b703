"""The harness itself, page to page without a server: what fails here is the machine or the browser, not the SFU."""

import pytest
from interop.browser import CAMERA, Peer, connect
from interop.chromium import Chromium
from interop.firefox import Firefox
from interop.polling import eventually

pytestmark = pytest.mark.interop


async def test_chromium_sees_and_hears_itself(chromium: Chromium) -> None:
    page = await chromium.blank()
    sender, receiver = await Peer.create(page, "sender"), await Peer.create(page, "receiver")
    tracks = await sender.do("publish", {"video": {**CAMERA, "rids": None}, "audio": True})
    assert {(one["kind"], one.get("height")) for one in tracks} == {("audio", None), ("video", 540)}
    await sender.do("open", "echo")
    await connect(sender, receiver)
    await receiver.connected()
    report = await receiver.decodes()
    assert next(one["codec"] for one in report["inbound"] if one["kind"] == "video") == "video/VP8"
    await receiver.hears()
    assert page.errors == []


async def test_a_data_channel_carries_text_and_bytes(chromium: Chromium) -> None:
    page = await chromium.blank()
    one, other = await Peer.create(page, "one"), await Peer.create(page, "other")
    await one.do("open", "echo")
    await connect(one, other)
    await eventually("channel open", other.report, lambda now: [c["state"] for c in now["channels"]] == ["open"])
    await other.do("echo", "echo")
    await one.do("send", "echo", {"length": 100_000})
    await one.do("send", "echo", {"text": "hello"})
    report = await eventually("echo", one.report, lambda now: len(now["channels"][0]["messages"]) == 2)
    assert report["channels"][0]["messages"] == [{"length": 100_000, "intact": True}, {"text": "hello"}]


async def test_a_killed_chromium_is_gone(chromium: Chromium) -> None:
    await chromium.blank()
    assert chromium._processes()
    chromium.kill()

    async def processes() -> list[int]:
        return chromium._processes()

    await eventually("processes gone", processes, lambda left: not left)


async def test_firefox_sees_itself_inside_its_namespace(firefox: Firefox) -> None:
    page = await firefox.blank()
    sender, receiver = await Peer.create(page, "sender"), await Peer.create(page, "receiver")
    await sender.do("publish", {"video": {"width": 640, "height": 480, "codec": "VP8"}, "audio": True})
    await connect(sender, receiver)
    await receiver.connected()
    await receiver.decodes()
