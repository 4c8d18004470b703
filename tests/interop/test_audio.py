"""Audio between browsers: RED and Opus beside each other, slots for the loudest, pauses that are not sent."""

import asyncio
import contextlib
import re
from typing import Any

import pytest
from interop.browser import Peer
from interop.call import Call, join
from interop.chromium import Chromium
from interop.live import Live
from interop.polling import eventually

import sfu

pytestmark = pytest.mark.interop


class WithoutRed(Peer):
    """A client that does not know RED."""

    async def do(self, method: str, *arguments: Any) -> Any:
        if method == "answer":
            arguments = (without_red(*arguments),)
        return await super().do(method, *arguments)


class Sparing(Peer):
    """A client that sends nothing while nobody speaks: Opus takes that from the other side's description."""

    async def do(self, method: str, *arguments: Any) -> Any:
        if method == "accept":
            arguments = tuple(sdp.replace("useinbandfec=1", "useinbandfec=1;usedtx=1") for sdp in arguments)
        return await super().do(method, *arguments)


def without_red(sdp: str) -> str:
    """The description as if RED were not in it."""
    for number in re.findall(r"a=rtpmap:(\d+) red/48000", sdp):
        sdp = re.sub(rf"a=(rtpmap|fmtp|rtcp-fb):{number} [^\r]*\r\n", "", sdp)
        sdp = re.sub(rf"(m=audio [^\r]*) {number}\b", r"\1", sdp)
    return sdp


async def sound(peer: Peer) -> dict[str, dict[str, Any]]:
    """What is known of each audio that a page receives, by its section: pages report in no particular order."""
    return {one["mid"]: one for one in (await peer.report())["inbound"] if one["kind"] == "audio"}


async def concealed(peer: Peer, seconds: float) -> dict[str, dict[str, float]]:
    """For each audio that a page receives, over so many seconds: how much was played, and which share was made up."""
    before = await sound(peer)
    await asyncio.sleep(seconds)
    after = await sound(peer)
    assert before.keys() == after.keys()
    grown = {}
    for mid, first in before.items():
        last = after[mid]
        grew = {
            name: last[name] - first[name]
            for name in ("samples", "concealed", "silent", "concealments", "packets", "bytes")
        }
        made_up = (grew["concealed"] - grew["silent"]) / max(grew["samples"], 1)
        grown[mid] = {**grew, "lost": last["lost"] - first["lost"], "made_up": made_up}
    print(f"{peer.name} in {seconds} s: {grown}")
    return grown


async def test_red_and_opus_are_heard_by_who_takes_red_and_who_does_not(live_sfu: Live, chromium: Chromium) -> None:
    room = await live_sfu.server.create_room("red", red=1)
    alice, dave = [await Peer.create(await chromium.blank(), name) for name in ("alice", "dave")]
    bob = await Peer.create(await chromium.blank(), "bob")
    carol = await WithoutRed.create(await chromium.blank(), "carol")
    await alice.do("publish", {"audio": {"codec": "red"}})
    await dave.do("publish", {"audio": True})
    for listener in (bob, carol):
        await listener.do("open", "anything")
    async with contextlib.AsyncExitStack() as calls:
        in_room = {
            peer.name: await calls.enter_async_context(join(room, peer, peer.name))
            for peer in (alice, dave, bob, carol)
        }
        await asyncio.gather(bob.hears(2), carol.hears(2))
        assert {track.session.identity: track.codec for track in room.tracks} == {"alice": "red", "dave": "opus"}
        by_bob, by_carol = await asyncio.gather(concealed(bob, 3), concealed(carol, 3))
        for one in (*by_bob.values(), *by_carol.values()):
            assert one["lost"] == 0
            assert one["samples"] > 48_000
            assert one["made_up"] < 0.1
        # Browsers name what is inside of RED; that it comes twice is seen from its size.
        heard = (*(await sound(bob)).values(), *(await sound(carol)).values())
        assert {one["codec"] for one in heard} == {"audio/opus"}
        bobs, carols = [
            {one.track.session.identity: one.mid for one in in_room[name].session.subscriptions}
            for name in ("bob", "carol")
        ]
        for speaker in ("alice", "dave"):
            red, opus = by_bob[bobs[speaker]], by_carol[carols[speaker]]
            assert red["bytes"] / red["packets"] > 1.6 * opus["bytes"] / opus["packets"], speaker


async def test_the_loudest_are_heard_in_the_slots_and_never_ones_own_voice(live_sfu: Live, chromium: Chromium) -> None:
    room = await live_sfu.server.create_room("slots", audio_slots=2)
    tones = {"anna": 400, "ben": 800, "cleo": 1600}
    people = {name: await Peer.create(await chromium.blank(), name) for name in (*tones, "viewer")}
    for name, tone in tones.items():
        await people[name].do("publish", {"audio": {"tone": tone}})
    await people["viewer"].do("open", "anything")
    calls: dict[str, Call] = {}
    async with contextlib.AsyncExitStack() as stack:
        for name, peer in people.items():
            calls[name] = await stack.enter_async_context(join(room, peer, name))
            if name in tones:
                await calls[name].tracks("audio")

        async def hears(listener: str, *expected: str) -> None:
            """By what comes out of the page, and by what the application is told."""
            wanted = sorted(tones[name] for name in expected)

            async def tuned() -> list[int]:
                heard = [one["frequency"] for one in await people[listener].do("listen")]
                return sorted(min(tones.values(), key=lambda tone: abs(tone - one)) for one in heard if one is not None)

            await eventually(f"{listener} hears {expected}", tuned, lambda heard: heard == wanted)
            slots = calls[listener].session.audio_slots.values()
            told = {track.session.identity for track in slots if track is not None}
            # Somebody silent may still be in a slot that nobody else wants.
            assert told >= set(expected)
            assert listener not in told

        async def slots() -> int:
            return len(calls["viewer"].session.audio_slots)

        await eventually("the viewer's slots", slots, lambda count: count == 2)
        for name, loudness in (("anna", 0.5), ("ben", 0.4), ("cleo", 0.1)):
            await people[name].do("loud", loudness)
            await asyncio.sleep(0.3)
        await hears("viewer", "anna", "ben")
        await hears("anna", "ben", "cleo")
        await hears("cleo", "anna", "ben")
        offers = sum(isinstance(event, sfu.OfferReady) for event in calls["viewer"].seen)
        before = await sound(people["viewer"])
        await people["anna"].do("loud", 0)
        await hears("viewer", "ben", "cleo")
        await hears("ben", "cleo")
        after = await sound(people["viewer"])
        # Nothing is negotiated and nothing lost where the voice changes.
        assert sum(isinstance(event, sfu.OfferReady) for event in calls["viewer"].seen) == offers
        assert {mid: one["lost"] for mid, one in after.items()} == {mid: one["lost"] for mid, one in before.items()}


async def test_pauses_are_not_sent_and_not_made_up(live_sfu: Live, chromium: Chromium) -> None:
    room = await live_sfu.server.create_room("pauses")
    alice = await Sparing.create(await chromium.blank(), "alice")
    bob = await Peer.create(await chromium.blank(), "bob")
    await alice.do("publish", {"audio": {"tone": 500}})
    await bob.do("open", "anything")
    async with join(room, alice, "alice") as call, join(room, bob, "bob"):
        await call.tracks("audio")
        await alice.do("loud", 0.3)
        await bob.hears()
        for _ in range(2):
            await alice.do("loud", 0)
            # The encoder first makes sure that it is a pause.
            await asyncio.sleep(1)
            (pause,) = (await concealed(bob, 2)).values()
            assert pause["packets"] < 20, "100 would come in two seconds"
            assert pause["lost"] == 0
            assert pause["made_up"] < 0.05
            await alice.do("loud", 0.3)
            await bob.hears()
        (speech,) = (await concealed(bob, 1)).values()
        assert speech["packets"] > 40
        assert speech["lost"] == 0
