"""Pictures as numpy arrays in the server's process: a browser's live, and every recorded stream, frame by frame."""

import asyncio
import contextlib
import itertools
import re
import struct
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import av
import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription, rtcdtlstransport
from interop.browser import CAMERA, Peer
from interop.call import join
from interop.chromium import Chromium
from interop.live import Live
from interop.polling import eventually
from interop.test_aiortc import connected, connection
from streams import counter, rtp
from streams.decode import plane
from streams.source import NAMES, Source, load

import sfu
from sfu.media.decoder import Decoder

pytestmark = pytest.mark.interop

SMALL = {"width": 640, "height": 360, "frameRate": 15}
# Three spatial layers need as much in libwebrtc.
LARGE = {"width": 960, "height": 540, "frameRate": 15}
WAYS = {
    "vp8": CAMERA,
    "vp9": {**SMALL, "codec": "VP9"},
    "vp9-l3t3": {**LARGE, "codec": "VP9", "mode": "L3T3"},
    "vp9-l3t3-key": {**LARGE, "codec": "VP9", "mode": "L3T3_KEY"},
    "av1-l1t2": {**SMALL, "codec": "AV1", "mode": "L1T2"},
    "av1-l3t3": {**LARGE, "codec": "AV1", "mode": "L3T3"},
    "h264": {**SMALL, "codec": "H264"},
}


async def pictures(track: sfu.Track, max_layer: sfu.Layer | None, width: int) -> list[np.ndarray]:
    """Ten in a row of this width."""
    found: list[np.ndarray] = []
    async with asyncio.timeout(30):
        async for frame in track.frames(format="gray", queue=100, max_layer=max_layer):
            assert isinstance(frame, av.VideoFrame)
            assert not frame.is_corrupt
            if frame.width != width:
                found.clear()
                continue
            found.append(frame.to_ndarray())
            if len(found) == 10:
                return found
    raise AssertionError("the track ended")


@pytest.mark.parametrize("way", WAYS)
async def test_pictures_of_a_browser(live_sfu: Live, chromium: Chromium, way: str) -> None:
    video = WAYS[way]
    room = await live_sfu.server.create_room("taps")
    alice = await Peer.create(await chromium.blank(), "alice")
    await alice.do("publish", {"video": video, "audio": True})
    async with join(room, alice, "alice") as call:
        track = (await call.event(sfu.OwnTrackPublished, lambda event: event.track.kind == "video")).track
        whole = await pictures(track, None, video["width"])
        # The fake camera shows a figure that turns on a plain ground.
        assert all(one.shape == (video["height"], video["width"]) for one in whole)
        assert all(np.abs(b.astype(int) - a).max() > 20 for a, b in itertools.pairwise(whole))
        if "rids" in video or "3t3" in way:
            small = (await pictures(track, sfu.Layer(spatial=0), video["width"] // 4))[-1]
            scaled = whole[-1][2::4, 2::4].astype(int)
            # The figure is somewhere else by now; the ground is not.
            assert np.median(np.abs(small[: len(scaled)] - scaled)) < 10
        assert track.tap_stats.decoders <= 1
        sound = (await call.event(sfu.OwnTrackPublished, lambda event: event.track.kind == "audio")).track
        async with asyncio.timeout(30):
            async for samples in sound.frames(queue=100):
                if np.abs(samples.to_ndarray()).max() > 0.01:
                    break


FILLERS = {"vp8": "0000", "vp9": "4000", "av1": "9000", "h264": "7c0100", "h265": "62010100"}
"""A packet in the middle of a frame: it announces a track whose first keyframe is still to come."""
PACE = 4
OWN = ("sdes:mid", "sdes:rtp-stream-id", "sdes:repaired-rtp-stream-id", "transport-wide-cc", "abs-send-time")
"""Extensions of the browser's connection that the recording is sent without."""


@pytest.mark.parametrize("name", NAMES)
async def test_recorded_streams_show_every_picture_that_was_drawn(live_sfu: Live, name: str) -> None:
    source = load(name)
    packets = top_encoding(source)
    room = await live_sfu.server.create_room(f"recorded-{name}")
    wanted = [one for one in source.layers[-1] if source.can_show(one, len(source.layers) - 1)]
    if not packets[-1].marker:
        wanted.pop()  # the recording ends in the middle of it
    async with connection() as pc, await room.join("alice", offers="client") as session:
        transport = await publish(pc, session, source, packets[0].ssrc)
        first = packets[0]
        filler = replace(first, seq=first.seq - 1, timestamp=first.timestamp - 3000, marker=True, extensions={})
        await transport._send_rtp(packed(replace(filler, payload=bytes.fromhex(FILLERS[source.codec])), {}))
        await eventually("the track is published", lambda: asyncio.sleep(0, bool(room.tracks)))
        track = room.tracks[0]
        taken = asyncio.create_task(encoded(track, len(wanted)))
        await eventually("it is tapped", lambda: asyncio.sleep(0, track.tap_stats.taps == 1))
        kept = {number for uri, number in source.extmap.items() if not uri.endswith(OWN)}
        began = asyncio.get_running_loop().time()
        for packet in packets:
            due = began + (packet.at - first.at) / PACE
            await asyncio.sleep(max(due - asyncio.get_running_loop().time(), 0))
            await transport._send_rtp(packed(packet, kept))
        frames = await taken
    pictures = Decoder().decode(frames)
    shown = [(counter.read(plane(one.planes[0])), one.width) for one in pictures if isinstance(one, av.VideoFrame)]
    assert shown == [(one.counter, one.decoded.width) for one in wanted]


async def encoded(track: sfu.Track, count: int) -> list[sfu.EncodedFrame]:
    """So many frames; fewer when no more come. Decoding waits: a busy machine is not to lose one."""
    found: list[sfu.EncodedFrame] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(20):
            async for frame in track.encoded_frames(queue=1000):
                found.append(frame)
                if len(found) == count:
                    break
    return found


async def publish(
    pc: RTCPeerConnection, session: sfu.Session, source: Source, ssrc: int
) -> rtcdtlstransport.RTCDtlsTransport:
    """Negotiate the recording's codec over a connection of aiortc's, which knows but VP8 and H.264."""
    sender = pc.addTransceiver("video", direction="sendonly").sender
    await pc.setLocalDescription(await pc.createOffer())
    own = re.compile(r"a=(rtpmap|fmtp|rtcp-fb|extmap|ssrc|ssrc-group|msid)[:-]")
    lines = [line for line in pc.localDescription.sdp.splitlines() if not own.match(line)]
    lines = [re.sub(r"^(m=video \d+ \S+).*", r"\1 96", line) for line in lines]
    fmtp = {"vp9": "profile-id=0", "h264": "packetization-mode=1;profile-level-id=42e01f"}.get(source.codec)
    lines += [f"a=rtpmap:96 {source.codec.upper()}/90000", *([f"a=fmtp:96 {fmtp}"] if fmtp else [])]
    lines += [f"a=extmap:{number} {uri}" for uri, number in source.extmap.items() if not uri.endswith(OWN)]
    answer = await session.answer("\r\n".join([*lines, f"a=ssrc:{ssrc} cname:alice", ""]))
    lines = [line for line in answer.splitlines() if not line.startswith(("a=fmtp", "a=extmap"))]
    sdp = "\r\n".join([re.sub(r"^(a=rtpmap:96).*", r"\1 VP8/90000", line) for line in lines] + [""])
    await pc.setRemoteDescription(RTCSessionDescription(type="answer", sdp=sdp))
    await connected(pc)
    return sender.transport


def top_encoding(source: Source) -> list[rtp.Packet]:
    """The packets of the largest encoding, from its first keyframe on."""
    packets = rtp.read(source.capture)
    sizes = Counter[int]()
    for packet in packets:
        sizes[packet.ssrc] += len(packet.payload)
    ssrc = sizes.most_common(1)[0][0]
    first = source.layers[-1][0].decoded.units[0].first_seq
    ordered = rtp.in_order(packet for packet in packets if packet.ssrc == ssrc)
    return [packet for packet in ordered if packet.seq >= first]


def packed(packet: rtp.Packet, kept: Collection[int]) -> bytes:
    """On the wire, with these extensions in two-byte headers (RFC 8285 §4.3)."""
    values = ((number, value) for number, value in packet.extensions.items() if number in kept)
    block = b"".join(bytes([number, len(value)]) + value for number, value in values)
    block += bytes(-len(block) % 4)
    head = struct.pack(
        "!BBHII", 0x90, packet.marker << 7 | 96, packet.seq % 2**16, packet.timestamp % 2**32, packet.ssrc
    )
    return head + struct.pack("!HH", 0x1000, len(block) // 4) + block + packet.payload
