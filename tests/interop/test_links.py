"""A browser behind a bottleneck: what the way carries decides which encoding it gets, and its picture goes on."""

import time
from typing import Any

import pytest
from interop.browser import CAMERA, Peer
from interop.call import Call, join
from interop.chromium import Chromium
from interop.live import Live
from interop.polling import eventually
from interop.shaped import shaped, towards

import sfu

pytestmark = [pytest.mark.interop, pytest.mark.slow]

# More than the three encodings of the camera; enough for the two lower ones of them; for the lowest.
WIDE, NARROW = 5_000_000, 400_000
HEIGHT: int = CAMERA["height"]


class Behind(Peer):
    """A peer that reaches the server through a path's port."""

    port: int

    async def do(self, method: str, *arguments: Any) -> Any:
        if method in ("accept", "answer"):
            arguments = tuple(towards(sdp, self.port) for sdp in arguments)
        return await super().do(method, *arguments)


async def video(peer: Peer) -> dict[str, Any]:
    return next(one for one in (await peer.report())["inbound"] if one["kind"] == "video")


async def estimate(call: Call) -> int:
    (transport,) = (await call.session.stats()).transports
    return transport.estimate or 0


def told(call: Call) -> list[str]:
    """What became of the layers, for a person who reads a failure."""
    changes = [one for one in call.seen if isinstance(one, sfu.LayerChanged)]
    return [f"{one.before} → {one.after} ({one.reason}, {one.wait:.2f} s)" for one in changes]


async def test_a_link_that_narrows_takes_the_layers_down_and_up_again(live_sfu: Live, chromium: Chromium) -> None:
    room = await live_sfu.server.create_room("links")
    host, port = live_sfu.server.candidates[0].rsplit(":", 1)
    alice = await Peer.create(await chromium.blank(), "alice")
    bob = await Behind.create(await chromium.blank(), "bob")
    await alice.do("publish", {"video": CAMERA})
    await bob.do("open", "anything")
    async with shaped((host, int(port))) as (path, bob.port), join(room, alice, "alice") as call:
        await call.tracks("video")
        path.way.rate = WIDE
        async with join(room, bob, "bob") as behind:
            begun = time.monotonic()
            await bob.decodes(height=HEIGHT)
            print(f"{HEIGHT} lines after {time.monotonic() - begun:.2f} s; {told(behind)}")
            await eventually(
                "an estimate of more than the camera", lambda: estimate(behind), lambda now: now > 2_000_000
            )
            before = await video(bob)

            path.way.rate = NARROW
            narrowed = time.monotonic()
            await eventually("a lower encoding", lambda: video(bob), lambda now: now["height"] < HEIGHT)
            low = await behind.event(sfu.LayerChanged, lambda event: event.reason == "bandwidth")
            print(f"down after {time.monotonic() - narrowed:.2f} s; {told(behind)}; {path.dropped} dropped")
            assert low.before is not None
            assert low.after is None or low.after < low.before
            await bob.decodes()
            after = await video(bob)
            print(f"frozen for {after['frozen'] - before['frozen']:.2f} s; the estimate is {await estimate(behind)}")
            assert after["frozen"] - before["frozen"] <= 0.7
            assert await estimate(behind) <= NARROW * 1.2

            path.way.rate = WIDE
            widened = time.monotonic()
            await bob.decodes(height=HEIGHT)
            print(f"up after {time.monotonic() - widened:.2f} s; {told(behind)}; {await estimate(behind)}")
