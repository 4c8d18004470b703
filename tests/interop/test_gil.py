"""Media never waits for Python: packets flow while one thread keeps the interpreter from everybody for seconds.

The test is held as well, so what happened meanwhile is read afterwards: from the server's counters, and from samples
that the watching page takes by itself.
"""

import asyncio
import ctypes
import threading
import time
from dataclasses import dataclass

import pytest
from interop.browser import CAMERA, Peer
from interop.call import join
from interop.chromium import Chromium
from interop.live import Live
from interop.polling import PATIENCE, eventually

import sfu

pytestmark = pytest.mark.interop

HOLD = 3.0
# Unlike `CDLL`, which is for libraries that should run beside Python, this one keeps the GIL during a call.
_libc = ctypes.PyDLL(None)

_SAMPLE = """(name) => {
    globalThis.samples = [];
    globalThis.sampling = setInterval(async () => {
        const at = Date.now() / 1000;
        const { inbound } = await peers[name].report();
        const [video] = inbound.filter((one) => one.kind === "video");
        const [audio] = inbound.filter((one) => one.kind === "audio");
        samples.push([at, video.frames, video.packets, audio.packets, video.freezes]);
    }, 100);
}"""
_SAMPLES = "() => { clearInterval(sampling); return samples; }"


@dataclass(frozen=True)
class Sample:
    """What the watcher had received by then."""

    at: float
    frames: int
    video: int
    audio: int
    freezes: int


class Witness:
    """A thread that wants the interpreter a hundred times a second: the longest time that it did not get it."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(0.01):
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now


def hold() -> tuple[float, float, float]:
    """Hold the GIL without using the processor: begin and end by the wall clock, seconds of CPU."""
    begin, used = time.time(), time.thread_time()
    _libc.usleep(round(HOLD * 1e6))
    return begin, time.time(), time.thread_time() - used


async def test_packets_flow_while_the_interpreter_is_held(live_sfu: Live, chromium: Chromium) -> None:
    server = live_sfu.server
    room = await server.create_room("held")
    alice = await Peer.create(await chromium.blank(), "alice")
    bob = await Peer.create(await chromium.blank(), "bob")
    await alice.do("publish", {"video": CAMERA, "audio": True})
    await bob.do("open", "anything")
    async with join(room, alice, "alice"), join(room, bob, "bob"):
        await bob.decodes(height=540)
        await bob.hears()
        await bob.page.call(_SAMPLE, "bob")
        await eventually("first samples", lambda: bob.page.call("() => samples.length"), lambda count: count > 2)
        with Witness() as witness:
            before = await server.stats()
            begin, end, cpu = await asyncio.to_thread(hold)
            after = await server.stats()
        # One sample from after the hold, so that none from during it is still on its way.
        latest = "() => samples.at(-1)[0]"
        await eventually("the last samples", lambda: bob.page.call(latest), lambda at: at > end)
        samples = [Sample(*one) for one in await bob.page.call(_SAMPLES)]

        assert end - begin >= HOLD
        assert witness.longest >= HOLD - 0.1, "the interpreter was not held"
        assert cpu < 0.1

        held = [one for one in samples if begin <= one.at <= end]
        grown = Sample(*(getattr(held[-1], name) - getattr(held[0], name) for name in Sample.__annotations__))
        sent = after.packets_sent - before.packets_sent
        print(f"held for {end - begin:.2f} s: the server sent {sent} packets; the watcher's samples: {grown}")
        # 50 audio packets and 15 frames a second; half of it leaves room for a browser that is busy itself.
        assert grown.at >= 0.8 * HOLD, "the page did not sample"
        assert grown.audio >= 0.5 * 50 * grown.at
        assert grown.frames >= 0.5 * 15 * grown.at
        assert sent >= grown.audio + grown.video
        assert after.packets_received - before.packets_received >= 50 * 0.8 * HOLD
        assert grown.freezes == 0
        assert longest_still(held) < 1.0
        assert after.events_dropped == before.events_dropped


def longest_still(samples: list[Sample]) -> float:
    """The longest time without a new frame."""
    longest, since = 0.0, samples[0]
    for one in samples:
        if one.frames > since.frames:
            since = one
        longest = max(longest, one.at - since.at)
    return longest


async def test_a_server_that_is_held_still_keeps_its_sessions(live_sfu: Live, chromium: Chromium) -> None:
    """Somebody who comes during the hold gets ICE and DTLS, because these are not Python's work either."""
    room = await live_sfu.server.create_room("held")
    alice = await Peer.create(await chromium.blank(), "alice")
    await alice.do("publish", {"audio": True})
    async with await room.join("alice") as session:
        answer = await session.answer(await alice.do("offer"))
        # The page takes the answer only once the interpreter is held.
        await alice.page.call(
            """(name, sdp, delay) => {
                const connection = peers[name].pc;
                connection.addEventListener("connectionstatechange", () => {
                    if (connection.connectionState === "connected") globalThis.connectedAt ??= Date.now() / 1000;
                });
                setTimeout(() => connection.setRemoteDescription({ type: "answer", sdp }), delay);
            }""",
            "alice",
            answer,
            500,
        )
        begin, end, _ = await asyncio.to_thread(hold)
        await alice.connected()
        connected = await alice.page.call("() => connectedAt")
        assert begin < connected < end
        # The event waited for the loop, and is not lost.
        async with asyncio.timeout(PATIENCE):
            async for event in session.events():
                if isinstance(event, sfu.ConnectionStateChanged) and event.state == "connected":
                    break
