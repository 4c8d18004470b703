"""aiortc publishes and subscribes through the Python API."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription, rtcdtlstransport
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from interop.live import Live
from interop.polling import PATIENCE, eventually

import sfu

pytestmark = pytest.mark.interop


@contextlib.asynccontextmanager
async def connection() -> AsyncIterator[RTCPeerConnection]:
    made = RTCPeerConnection()
    try:
        yield made
    finally:
        await made.close()


async def offer(pc: RTCPeerConnection, session: sfu.Session) -> None:
    await pc.setLocalDescription(await pc.createOffer())
    answer = await session.answer(pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(type="answer", sdp=answer))


async def connected(pc: RTCPeerConnection) -> None:
    up = asyncio.Event()

    @pc.on("connectionstatechange")
    def changed() -> None:
        if pc.connectionState == "connected":
            up.set()

    changed()
    await asyncio.wait_for(up.wait(), PATIENCE)


async def frames(track: MediaStreamTrack, count: int) -> None:
    """Receive and decode so many frames."""
    for _ in range(count):
        await asyncio.wait_for(track.recv(), PATIENCE)


async def test_aiortc_publishes_and_another_aiortc_watches(live_sfu: Live) -> None:
    room = await live_sfu.server.create_room("aiortc")
    async with (
        connection() as alice,
        connection() as bob,
        await room.join("alice", offers="client") as publishing,
        await room.join("bob", offers="client") as watching,
    ):
        alice.addTrack(VideoStreamTrack())
        alice.addTrack(AudioStreamTrack())
        await offer(alice, publishing)
        await connected(alice)

        received: dict[str, MediaStreamTrack] = {}
        bob.on("track", lambda track: received.setdefault(track.kind, track))
        for kind in ("audio", "video"):
            bob.addTransceiver(kind, direction="recvonly")
        async with asyncio.timeout(PATIENCE):
            async for event in watching.events():
                if isinstance(event, sfu.TrackPublished) and len(room.tracks) == 2:
                    break
        await offer(bob, watching)
        await connected(bob)
        await frames(received["video"], 20)
        await frames(received["audio"], 50)
        stats = await watching.stats()
        assert "GCM" in (stats.transports[0].cipher or "")

        await publishing.close()
        with contextlib.suppress(MediaStreamError, TimeoutError):
            await asyncio.wait_for(alice.close(), PATIENCE)


@pytest.mark.parametrize(
    ("profile", "cipher"),
    [
        (rtcdtlstransport.SRTP_AEAD_AES_256_GCM, "AEAD_AES_256_GCM"),
        (rtcdtlstransport.SRTP_AEAD_AES_128_GCM, "AEAD_AES_128_GCM"),
        (rtcdtlstransport.SRTP_AES128_CM_SHA1_80, "AES128_CM_HMAC_SHA1_80"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_each_profile_is_taken_from_who_has_no_other(
    live_sfu: Live, monkeypatch: pytest.MonkeyPatch, profile: rtcdtlstransport.SRTPProtectionProfile, cipher: str
) -> None:
    monkeypatch.setattr(rtcdtlstransport, "SRTP_PROFILES", [profile])
    room = await live_sfu.server.create_room(cipher)
    async with connection() as alice, await room.join("alice", offers="client") as session:
        alice.addTrack(AudioStreamTrack())
        await offer(alice, session)
        await connected(alice)

        async def flows() -> bool:
            tracks = (await session.stats()).tracks
            return bool(tracks) and tracks[0].encodings[0].packets_received > 20

        await eventually("audio flows", flows)
        (transport,) = (await session.stats()).transports
        assert transport.cipher == cipher
        assert transport.dropped.authentication == 0
