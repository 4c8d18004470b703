"""A page stops the simulcast layers that nobody watches, and starts them again at once."""

from typing import Any

import pytest
from interop.chromium import Chromium
from interop.live import Live
from interop.polling import eventually
from interop.test_page_controls import enter

import sfu

pytestmark = pytest.mark.interop


async def test_layers_that_nobody_watches_are_not_sent(live_sfu: Live, chromium: Chromium) -> None:
    anna, ben = [await enter(chromium, live_sfu, name, room="saving") for name in ("Anna", "Ben")]
    await anna.decodes(height=540)
    room = live_sfu.server.rooms["saving"]
    (track,) = [one for one in room.tracks if one.kind == "video" and one.session.name == "Ben"]
    viewer = next(one for one in room.sessions if one.name == "Anna")
    subscription = viewer.subscription(track)
    assert subscription is not None

    async def flowing() -> set[str | None]:
        return {layer.rid for layer in track.layers if layer.flowing}

    async def sizes() -> Any:
        return {layer.rid: (layer.width, layer.height) for layer in track.layers}

    await eventually("three layers", flowing, lambda rids: rids == {"l", "m", "h"})
    expected = {"l": (240, 135), "m": (480, 270), "h": (960, 540)}
    await eventually("their sizes", sizes, lambda found: found == expected)
    await subscription.set_layer(sfu.Layer(0))
    await anna.decodes(height=135)
    await eventually("the lowest alone", flowing, lambda rids: rids == {"l"})
    await subscription.set_layer(None)
    await anna.decodes(height=540)
    await eventually("three layers again", flowing, lambda rids: rids == {"l", "m", "h"})
    await ben.decodes(height=540)
