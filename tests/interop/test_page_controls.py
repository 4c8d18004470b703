"""The page's own controls, used as people use them: keys, menus, the chat, and what happens when the network goes."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from interop.browser import Watched
from interop.chromium import Chromium
from interop.live import Live
from interop.polling import eventually

import sfu

pytestmark = pytest.mark.interop

Ask = Callable[[], Awaitable[Any]]


async def enter(browser: Chromium, running: Live, name: str, **more: str) -> Watched:
    query = "&".join(f"{key}={value}" for key, value in {"room": "controls", "name": name, "join": "1", **more}.items())
    page = await browser.open(f"{running.url}/?{query}&width=960&height=540&fps=15&codec=VP8")
    return Watched(page, name)


def asks(one: Watched, expression: str) -> Ask:
    """A probe: a JavaScript expression in somebody's page."""

    async def probe() -> Any:
        return await one.page.call(f"() => {expression}")

    return probe


async def pair(browser: Chromium, running: Live) -> tuple[Watched, Watched]:
    anna, ben = [await enter(browser, running, name) for name in ("Anna", "Ben")]
    for one in (anna, ben):
        await one.decodes()
    return anna, ben


async def test_a_tile_s_menu_switches_its_quality(live_sfu: Live, chromium: Chromium) -> None:
    anna, _ = await pair(chromium, live_sfu)
    page = anna.page.page
    await anna.decodes(height=540)
    for label, height in (("Low", 135), ("Medium", 270), ("High", 540)):
        await page.click(".tile:not(.own) .tile-menu")
        await page.click(f"role=menuitemradio[name='{label}']")
        await anna.decodes(height=height)
    await page.keyboard.press("i")
    await eventually(
        "statistics",
        asks(anna, "document.querySelector('.tile:not(.own) .numbers').innerText"),
        lambda text: "960×540" in text and "kbit/s" in text and "3 of 3" in text,
    )


async def test_what_is_muted_shows_on_the_others_screens(live_sfu: Live, chromium: Chromium) -> None:
    anna, ben = await pair(chromium, live_sfu)
    await ben.page.page.keyboard.press("m")
    await ben.page.page.keyboard.press("v")
    muted = "!document.querySelector('.tile:not(.own) .muted').hidden"
    picture = "document.querySelectorAll('.tile:not(.own).has-picture').length"
    await eventually("the microphone is off", asks(anna, muted))
    await eventually("the picture is gone", asks(anna, picture), lambda count: count == 0)
    await ben.page.page.keyboard.press("m")
    await ben.page.page.keyboard.press("v")
    await eventually("the microphone is on", asks(anna, muted), lambda value: not value)
    await eventually("the picture is back", asks(anna, picture), lambda count: count == 1)
    await anna.decodes()
    await anna.hears()


async def test_a_screen_is_shown_large_and_goes_again(live_sfu: Live, chromium: Chromium) -> None:
    anna, ben = await pair(chromium, live_sfu)
    for _ in range(2):  # the second time, its section is used again
        await ben.page.page.keyboard.press("s")
        await eventually("the screen", asks(anna, "document.querySelectorAll('.tile.screen.has-picture').length"))
        await anna.decodes(2)
        widths = await anna.page.call("() => [...document.querySelectorAll('.tile')].map(one => one.offsetWidth)")
        assert max(widths) > 2 * sorted(widths)[-2], widths
        await ben.page.page.keyboard.press("s")
        await eventually("no screen", asks(anna, "document.querySelectorAll('.tile.screen').length"), lambda n: n == 0)


async def test_chat_reaches_the_others_as_text(live_sfu: Live, chromium: Chromium) -> None:
    anna, ben = await pair(chromium, live_sfu)
    await anna.page.page.keyboard.press("c")
    await anna.page.page.fill(".chat textarea", "see <b>https://example.org/x</b>")
    await anna.page.page.keyboard.press("Enter")
    await eventually("one unread", asks(ben, "document.querySelector('.unread').innerText"), lambda text: text == "1")
    await ben.page.page.keyboard.press("c")
    assert await ben.page.page.inner_text(".messages .text") == "see <b>https://example.org/x</b>"
    assert await ben.page.page.get_attribute(".messages a", "href") == "https://example.org/x"
    assert await ben.page.page.locator(".messages .text b").count() == 0


async def test_a_lost_websocket_is_resumed_while_media_goes_on(live_sfu: Live, chromium: Chromium) -> None:
    anna = await enter(chromium, live_sfu, "Anna")
    socket = "WebSocket.prototype.send"
    await anna.page.call(
        f"() => {{ const send = {socket};"
        f" {socket} = function (text) {{ window.lastSocket = this; return send.call(this, text); }} }}"
    )
    await enter(chromium, live_sfu, "Ben")
    await anna.decodes()  # the offer for Ben's picture was answered, so the socket is known
    session = await anna.page.call("() => sfu.client.session")
    await anna.page.call(
        "() => { window.states = []; sfu.client.on('state', (one) => states.push(one)); lastSocket.close(); }"
    )
    states = await eventually("resumed", asks(anna, "states"), lambda seen: "joined" in seen)
    assert states == ["reconnecting", "joined"]
    assert await anna.page.call("() => sfu.client.session") == session
    await anna.decodes()


async def test_leaving_and_joining_again(live_sfu: Live, chromium: Chromium) -> None:
    anna, ben = await pair(chromium, live_sfu)
    page = ben.page.page
    await page.click("role=button[name='Leave']")
    await eventually("Ben is gone", asks(anna, "sfu.client.participants.size"), lambda count: count == 1)
    await page.click("role=button[name='Join again']")
    await page.click("role=button[name='Join']")
    await eventually("Ben is back", asks(anna, "sfu.client.participants.size"), lambda count: count == 2)
    await anna.decodes()
    await ben.decodes()
    for one in (anna, ben):
        assert one.page.errors == []


async def test_lower_temporal_layers_have_fewer_frames(live_sfu: Live, chromium: Chromium) -> None:
    _, ben = await pair(chromium, live_sfu)
    await ben.decodes(height=540)
    publisher, viewer = live_sfu.server.rooms["controls"].sessions
    video = next(one for one in viewer.subscriptions if one.track.kind == "video")
    decoded = asks(
        ben,
        "window.sfu.client.pc.getStats().then(all => [...all.values()]"
        ".find(one => one.type === 'inbound-rtp' && one.kind === 'video').framesDecoded)",
    )

    async def published() -> int:
        stats = await publisher.stats()
        return next(one for one in stats.tracks if one.kind == "video").encodings[2].frames

    async def share() -> float:
        """Frames that the viewer decodes for each one that is published: no clock of a busy machine is asked."""
        first, seen = await published(), await decoded()
        last = await eventually("60 frames", published, lambda now: now >= first + 60)
        return (await decoded() - seen) / (last - first)

    for temporal, expected in ((0, 0.25), (1, 0.5), (2, 1.0)):
        layer = sfu.Layer(spatial=2, temporal=temporal)
        await video.set_layer(layer)

        async def flowing() -> sfu.Layer | None:
            return video.layer

        await eventually(f"temporal layer {temporal}", flowing, lambda now, wanted=layer: now == wanted)
        assert abs(await share() - expected) < 0.12, temporal
