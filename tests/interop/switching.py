"""A browser watches another while its layer is switched every two seconds: does it notice?

    python tests/interop/switching.py [--seconds 600] [--codec VP8 …]     # ten minutes of each codec, printed

One publisher and one viewer, each a page of Chromium; the layers come from `subscription.set_layer` alone. The same can
run without switches, for what the machine itself costs: a software encoder of three layers keeps two cores busy.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from interop.browser import CAMERA, Peer
from interop.call import join
from interop.chromium import Chromium, chromium
from interop.live import live
from interop.polling import eventually

import sfu

EVERY = 2.0
# Simulcast where browsers have it, SVC where they have that.
SOURCES: dict[str, dict[str, Any]] = {
    "VP8": {"mode": "L1T3"},
    "H264": {"mode": "L1T3"},
    "VP9": {"rids": None, "mode": "L3T3_KEY"},
    "AV1": {"rids": None, "mode": "L3T3", "width": 1024, "height": 576, "frameRate": 10},
}


@dataclass
class Watched:
    """What the viewer's getStats counted over the run."""

    frames: int = 0
    freezes: int = 0
    frozen: float = 0.0
    dropped: int = 0
    plis: int = 0
    nacks: int = 0
    lost: int = 0
    heights: set[int] = field(default_factory=set)
    switches: int = 0

    def __str__(self) -> str:
        heights = "/".join(map(str, sorted(self.heights)))
        seen = f"{self.switches} switches, {self.frames} frames ({heights})"
        trouble = f"{self.freezes} freezes of {self.frozen:.2f} s, {self.dropped} dropped"
        return f"{seen}, {trouble}, {self.plis} PLI, {self.nacks} NACK, {self.lost} lost"


async def watch(browser: Chromium, codec: str, seconds: float, *, switch: bool, seed: int = 1) -> Watched:
    """One publisher, one viewer, `seconds` of it."""
    camera = CAMERA | {"codec": codec} | SOURCES[codec]
    async with live() as running:
        room = await running.server.create_room(f"switching-{codec}")
        alice, bob = [await Peer.create(await browser.blank(), name) for name in ("alice", "bob")]
        await alice.do("publish", {"video": camera})
        await bob.do("open", "anything")
        async with join(room, alice, "alice"), join(room, bob, "bob") as call:
            await call.event(sfu.TrackPublished)
            await bob.decodes(height=camera["height"])
            (subscription,) = call.session.subscriptions
            # The publisher's estimate settles, and with it which layers it sends.
            await asyncio.sleep(3)
            before = await _video(bob)
            watched = Watched()
            chance = random.Random(seed)
            end = asyncio.get_running_loop().time() + seconds
            while asyncio.get_running_loop().time() < end:
                if switch:
                    layer = sfu.Layer(spatial=chance.randrange(3), temporal=chance.randrange(3))
                    await subscription.set_layer(layer)
                    watched.switches += 1
                await asyncio.sleep(EVERY)
                watched.heights.add((await _video(bob))["height"])
            # Back at the top: whatever went wrong on the way, a picture that moves ends it.
            await subscription.set_layer(None)
            await bob.decodes(height=camera["height"])
            after = await _video(bob)
        for peer in (alice, bob):
            await peer.close()
    for name in ("frames", "freezes", "frozen", "dropped", "plis", "nacks", "lost"):
        setattr(watched, name, after[name] - before[name])
    return watched


async def _video(peer: Peer) -> dict[str, Any]:
    report = await eventually(f"{peer.name}'s video", peer.report, lambda now: now["inbound"])
    return next(one for one in report["inbound"] if one["kind"] == "video")


async def main(codecs: list[str], seconds: float) -> None:
    """Print what was seen of each codec, with switches and without."""
    for codec in codecs:
        for switch in (True, False):
            async with chromium() as browser:
                watched = await watch(browser, codec, seconds, switch=switch)
            print(f"{codec} {'switched' if switch else 'left alone'} for {seconds:.0f} s: {watched}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="of each codec, with switches and without (600)")
    parser.add_argument("--codec", action="append", choices=list(SOURCES), help="repeatable; all without it")
    given = parser.parse_args()
    asyncio.run(main(given.codec or list(SOURCES), given.seconds))
