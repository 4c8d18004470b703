"""What the server writes is accepted by real clients: headless Chromium and aiortc, without a packet on the wire."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from golden.desk import Desk, Offer, Refused
from playwright.async_api import Page, async_playwright
from skips import missing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHROMIUM = os.environ.get("SFU_CHROMIUM", "/usr/bin/chromium")

SIMULCAST = "[{rid: 'q', scaleResolutionDownBy: 4}, {rid: 'h', scaleResolutionDownBy: 2}, {rid: 'f'}]"


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    if shutil.which(CHROMIUM) is None:
        missing("Chromium is not installed (apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        await page.evaluate("window.pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'})")
        yield page
        await browser.close()


async def run(page: Page, script: str, argument: Any = None) -> Any:
    return await page.evaluate(f"async argument => {{ {script} }}", argument)


async def client_offers(page: Page, desk: Desk) -> str:
    """One round that the client begins; returns the answer."""
    offer = await run(page, "await pc.setLocalDescription(); return pc.localDescription.sdp")
    answer = desk.offer(offer)
    await run(page, "await pc.setRemoteDescription({type: 'answer', sdp: argument})", answer)
    return answer


async def server_offers(page: Page, desk: Desk) -> Offer:
    """One round that the server begins; returns the offer."""
    offer = desk.poll()
    assert offer is not None
    answer = await run(
        page,
        """await pc.setRemoteDescription({type: 'offer', sdp: argument});
           await pc.setLocalDescription();
           return pc.localDescription.sdp""",
        offer.sdp,
    )
    assert desk.answer(answer, offer.id) == "applied"
    assert desk.poll() is None
    return offer


async def directions(page: Page) -> list[list[str]]:
    return await run(page, "return pc.getTransceivers().map(t => [t.mid, t.currentDirection])")


async def test_chromium_publishes_three_layers_and_watches(page: Page) -> None:
    with Desk("either") as desk:
        await run(
            page,
            f"""pc.addTransceiver('audio', {{direction: 'sendonly'}});
                pc.addTransceiver('video', {{direction: 'sendonly', sendEncodings: {SIMULCAST}}});
                pc.createDataChannel('x')""",
        )
        answer = await client_offers(page, desk)
        assert "a=simulcast:recv q;h;f\r\n" in answer
        assert "a=setup:passive\r\n" in answer
        encodings = await run(page, "return pc.getSenders()[1].getParameters().encodings.map(e => [e.rid, e.active])")
        assert encodings == [["q", True], ["h", True], ["f", True]]
        codecs = ["opus", "VP8", "VP9", "AV1", "H264"]
        for number, codec in enumerate(codecs):
            desk.add(number, codec)
        await server_offers(page, desk)
        assert [desk.status(number)[:13] for number in range(len(codecs))] == ["Some(Attached"] * len(codecs)
        received = {mid for mid, direction in await directions(page) if direction == "recvonly"}
        assert received == {"s0", "s1", "s2", "s3", "s4"}
        streams = await run(page, "return pc.getReceivers().filter(r => r.track).length")
        assert streams == 7
        encodings = await run(page, "return pc.getSenders()[1].getParameters().encodings.map(e => e.rid)")
        assert encodings == ["q", "h", "f"], "the server's offer keeps the client's simulcast"


async def test_sections_are_reused_and_the_client_sees_tracks_end(page: Page) -> None:
    with Desk("either") as desk:
        await run(page, "pc.createDataChannel('x'); window.seen = []; pc.ontrack = e => seen.push(e.streams[0].id)")
        await client_offers(page, desk)
        desk.add(1, "VP8")
        desk.add(2, "opus")
        await server_offers(page, desk)
        desk.remove(1)
        await server_offers(page, desk)
        assert ["s1", "inactive"] in await directions(page)
        desk.add(3, "H264")
        offer = await server_offers(page, desk)
        assert offer.sdp.count("m=video") == 1
        assert ["s1", "recvonly"] in await directions(page)
        assert await run(page, "return seen") == ["stream2", "stream1", "stream3"]


async def test_a_client_only_session_attaches_to_the_sections_it_offers(page: Page) -> None:
    with Desk("client") as desk:
        for number, codec in enumerate(["opus", "VP8", "H264"]):
            desk.add(number, codec)
        await run(
            page,
            """for (const kind of ['video', 'video', 'audio', 'video'])
                   pc.addTransceiver(kind, {direction: 'recvonly'});
               window.seen = []; pc.ontrack = e => seen.push([e.transceiver.mid, e.streams[0].id])""",
        )
        await client_offers(page, desk)
        assert await run(page, "return seen") == [["0", "stream1"], ["1", "stream2"], ["2", "stream0"]]
        assert ["3", "inactive"] in await directions(page)


async def test_simulcast_follows_placeholder_sections(page: Page) -> None:
    """Chromium refuses its own simulcast when earlier video sections were answered without the rid extensions."""
    with Desk("client") as desk:
        await run(page, "pc.addTransceiver('video', {direction: 'recvonly'}); pc.addTransceiver('audio')")
        await client_offers(page, desk)
        await run(page, f"pc.addTransceiver('video', {{direction: 'sendonly', sendEncodings: {SIMULCAST}}})")
        assert "a=simulcast:recv q;h;f" in await client_offers(page, desk)


async def test_glare_when_the_server_offered_first(page: Page) -> None:
    with Desk("either") as desk:
        await run(page, "pc.createDataChannel('x')")
        await client_offers(page, desk)
        desk.add(1, "VP8")
        lost = desk.poll()
        assert lost is not None
        await run(page, "pc.addTransceiver('audio', {direction: 'sendonly'})")
        await client_offers(page, desk)
        offer = await server_offers(page, desk)
        assert offer.id == lost.id + 1
        assert [mid for mid, _ in await directions(page)] == ["1", "s1"]


async def test_glare_when_the_polite_client_rolls_back(page: Page) -> None:
    """A client that yields answers the server's offer, although its own is on the way: the server drops that answer."""
    with Desk("either") as desk:
        await run(page, "pc.createDataChannel('x')")
        await client_offers(page, desk)
        await run(page, "pc.addTransceiver('audio', {direction: 'sendonly'}); await pc.setLocalDescription()")
        desk.add(1, "VP8")
        offer = desk.poll()
        assert offer is not None
        own = await run(page, "return pc.localDescription.sdp")
        answer_to_own = desk.offer(own)
        answer = await run(
            page,
            """const other = new RTCPeerConnection(); await other.setRemoteDescription({type: 'offer', sdp: argument});
               await other.setLocalDescription(); return other.localDescription.sdp""",
            offer.sdp,
        )
        assert desk.answer(answer, offer.id) == "stale"
        await run(page, "await pc.setRemoteDescription({type: 'answer', sdp: argument})", answer_to_own)
        await server_offers(page, desk)


async def test_stopped_sections_are_recycled_from_both_sides(page: Page) -> None:
    with Desk("either") as desk:
        await run(page, "window.first = pc.addTransceiver('video', {direction: 'sendonly'}); pc.createDataChannel('x')")
        await client_offers(page, desk)
        await run(page, "first.stop()")
        await client_offers(page, desk)
        desk.add(1, "VP9")
        offer = await server_offers(page, desk)
        assert offer.sdp.count("m=") == 2, "the stopped place is taken"
        await run(page, "pc.getTransceivers()[0].stop()")
        await client_offers(page, desk)
        assert desk.status(1) == "Some(Rejected)"
        await run(page, "pc.addTransceiver('audio', {direction: 'sendonly'})")
        assert (await client_offers(page, desk)).count("m=") == 2


async def test_ice_restarts_from_both_sides(page: Page) -> None:
    with Desk("either") as desk:
        await run(page, "pc.createDataChannel('x')")
        assert "a=ice-ufrag:server0" in await client_offers(page, desk)
        await run(page, "pc.restartIce()")
        assert "a=ice-ufrag:server1" in await client_offers(page, desk)
        assert "a=ice-ufrag:server1" in await client_offers(page, desk), "no restart, no new credentials"
        desk.restart()
        assert "a=ice-ufrag:server1" in (await server_offers(page, desk)).sdp


async def test_the_server_brings_everything_up(page: Page) -> None:
    with Desk("server") as desk:
        desk.want_data()
        desk.add(1, "H264")
        desk.add(2, "red")
        await server_offers(page, desk)
        assert len(await directions(page)) == 2
        with pytest.raises(Refused, match="the server offers on this transport"):
            desk.offer((await run(page, "return await pc.createOffer()"))["sdp"])


async def test_two_hundred_sections(page: Page) -> None:
    with Desk("either") as desk:
        await run(page, "pc.createDataChannel('x')")
        await client_offers(page, desk)
        for number in range(200):
            desk.add(number, "VP8" if number % 2 else "opus")
        await server_offers(page, desk)
        assert len(await directions(page)) == 200
        answer = await client_offers(page, desk)
        assert answer.count("m=") == 201


async def test_aiortc_publishes_and_watches() -> None:
    from aiortc import RTCPeerConnection, RTCSessionDescription
    from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

    pc = RTCPeerConnection()
    with Desk("either") as desk:
        pc.addTrack(AudioStreamTrack())
        pc.addTrack(VideoStreamTrack())
        pc.createDataChannel("x")
        await pc.setLocalDescription(await pc.createOffer())
        answer = desk.offer(pc.localDescription.sdp)
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        desk.add(1, "VP8")
        desk.add(2, "opus")
        offer = desk.poll()
        assert offer is not None
        await pc.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        assert desk.answer(pc.localDescription.sdp, offer.id) == "applied"
        assert desk.status(1).startswith("Some(Attached")
        assert desk.status(2).startswith("Some(Attached")
        assert [t.currentDirection for t in pc.getTransceivers()] == ["sendonly", "sendonly", "recvonly", "recvonly"]
    await pc.close()
