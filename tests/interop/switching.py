"""A browser watches another while its layer is switched every two seconds: does it notice?

    python tests/interop/switching.py [--seconds 600] [--codec VP8 …]     # ten minutes of each codec, printed

One publisher and one viewer, each a page of Chromium; the layers come from `subscription.set_layer` alone. Ends with 1
when a viewer noticed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from interop.browser import CAMERA, Peer
from interop.call import join
from interop.chromium import Chromium, chromium
from interop.live import live

import sfu

if TYPE_CHECKING:
    from interop.firefox import Firefox

EVERY = 2.0
# Simulcast where browsers have it, SVC where they have that.
SOURCES: dict[str, dict[str, Any]] = {
    "VP8": {"mode": "L1T3"},
    "H264": {"mode": "L1T3"},
    "VP9": {"rids": None, "mode": "L3T3_KEY"},
    "AV1": {"rids": None, "mode": "L3T3", "width": 1024, "height": 576},
}
# A freeze, says libwebrtc, is a frame 150 ms later than frames were before: at 15 frames a second those of the lowest
# temporal layer alone are (267 ms after 67), at 30 they are not (133 after 33).
FRAME_RATE = 30
LAYERS = [sfu.Layer(spatial, temporal) for spatial, temporal in product(range(3), repeat=2)]
# Of the viewer's getStats. No browser counts decode errors there: such a frame came whole and was neither decoded nor
# dropped ("undecoded"), and asks for a keyframe (PLI).
COUNTERS = ("frames", "keyframes", "freezes", "frozen", "dropped", "undecoded", "plis", "nacks", "lost")
# What a machine can do to a viewer that has too much else to do.
BUSY = ("freezes", "dropped")
ATTEMPTS = 2


@dataclass
class Watched:
    """What a viewer saw of one run."""

    counts: dict[str, float]
    """By how much each of `COUNTERS` grew."""
    switches: list[sfu.LayerChanged]
    heights: set[int] = field(default_factory=set)
    frozen_at: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line."""
        counts = ", ".join(f"{round(count, 2):g} {name}" for name, count in self.counts.items())
        longest = max((one.wait for one in self.switches), default=0.0)
        heights = "/".join(map(str, sorted(self.heights)))
        return "; ".join(
            [f"{len(self.switches)} switches in {longest:.2f} s at most, {counts} ({heights})", *self.frozen_at]
        )

    def worse(self, alone: Watched | None, *names: str) -> list[str]:
        """What of these counts is higher than when left alone, or than 0."""
        return [name for name in names if self.counts[name] > (alone.counts[name] if alone else 0)]


@dataclass(frozen=True)
class Browsers:
    """Who publishes, who watches, and where they reach the server."""

    publisher: Chromium
    viewer: Chromium | Firefox
    announce: tuple[str, ...] = ("127.0.0.1",)


async def watch(browsers: Browsers, codec: str, seconds: float, *, switch: bool, seed: int = 1) -> Watched:
    """One publisher, one viewer, `seconds` of it."""
    camera = CAMERA | {"codec": codec, "frameRate": FRAME_RATE} | SOURCES[codec]
    # Layers are chosen by hand alone, however late a busy machine lets packets be.
    async with live(announce=browsers.announce, congestion_control=False) as running:
        room = await running.server.create_room(f"switching-{codec}")
        alice = await Peer.create(await browsers.publisher.blank(), "alice")
        bob = await Peer.create(await browsers.viewer.blank(), "bob")
        await alice.do("publish", {"video": camera})
        await bob.do("open", "anything")
        async with join(room, alice, "alice"), join(room, bob, "bob") as call:
            await call.event(sfu.TrackPublished)
            await bob.decodes(height=camera["height"])
            (subscription,) = call.session.subscriptions
            # The publisher's estimate settles, and with it which layers it sends.
            await asyncio.sleep(3)
            before = latest = await _settled(bob)
            watched = Watched({}, [])
            began = len(call.seen)
            chance = random.Random(seed)
            layer = None
            start = asyncio.get_running_loop().time()
            while (now := asyncio.get_running_loop().time() - start) < seconds:
                if switch:
                    layer = chance.choice([one for one in LAYERS if one != layer])
                    await subscription.set_layer(layer)
                await asyncio.sleep(EVERY)
                video = await _video(bob)
                watched.heights.add(video["height"])
                if video["freezes"] > latest["freezes"]:
                    watched.frozen_at.append(f"frozen after {now:.0f} s, with {layer}")
                latest = video
            # Back at the top: whatever went wrong on the way, a picture that moves ends it.
            await subscription.set_layer(None)
            await bob.decodes(height=camera["height"])
            after = await _settled(bob)
            watched.switches = [one for one in call.seen[began:] if isinstance(one, sfu.LayerChanged)]
        for peer in (alice, bob):
            await peer.close()
    watched.counts = {name: after[name] - before[name] for name in COUNTERS}
    return watched


async def trial(browsers: Browsers, codec: str, seconds: float) -> list[str]:
    """Switch, print what was seen, and say what of it a viewer noticed.

    On a busy machine frames come late with no switch at all. So freezes and dropped frames are held against a run
    without switches, and both runs are made again when that leaves a doubt; what a busy machine does not explain is
    not forgiven.
    """
    for _ in range(ATTEMPTS):
        watched = await watch(browsers, codec, seconds, switch=True)
        print(f"{codec} switched for {seconds:.0f} s: {watched}", flush=True)
        noticed = watched.worse(None, "undecoded", "plis", "lost")
        if len(watched.heights) < 2:
            noticed.append("never another size")
        if noticed or not watched.worse(None, *BUSY):
            return noticed
        alone = await watch(browsers, codec, seconds, switch=False)
        print(f"{codec} left alone for {seconds:.0f} s: {alone}", flush=True)
        noticed = watched.worse(alone, *BUSY)
        if not noticed:
            break
    return noticed


async def _video(peer: Peer) -> dict[str, Any]:
    report = await peer.report()
    return next(one for one in report["inbound"] if one["kind"] == "video")


async def _settled(peer: Peer) -> dict[str, Any]:
    """With the fewest frames still on their way to the decoder: what remains there never gets through."""
    reports = []
    for _ in range(60):
        reports.append(await _video(peer))
        if reports[-1]["undecoded"] == 0:
            break
        await asyncio.sleep(0.05)
    return min(reports, key=lambda one: one["undecoded"])


async def main(codecs: list[str], seconds: float) -> bool:
    """Whether no viewer noticed anything."""
    smooth = True
    for codec in codecs:
        async with chromium() as browser:
            wrong = await trial(Browsers(browser, browser), codec, seconds)
        print(f"{codec}: {', '.join(wrong) or 'nothing was noticed'}", flush=True)
        smooth = smooth and not wrong
    return smooth


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="of each codec (600)")
    parser.add_argument("--codec", action="append", choices=list(SOURCES), help="repeatable; all without it")
    given = parser.parse_args()
    sys.exit(not asyncio.run(main(given.codec or list(SOURCES), given.seconds)))
