"""`track.dump()`: a track's packets as they came, decrypted, in a file that rtptools and Wireshark read."""

import asyncio
import itertools
import struct
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pytest
from interop.browser import CAMERA, Peer
from interop.call import Call, join
from interop.chromium import Chromium
from interop.live import Live
from interop.polling import eventually

import sfu

pytestmark = pytest.mark.interop

SECONDS = 2.0


@dataclass(frozen=True)
class Record:
    """One RTP packet (RFC 3550 §5.1) and the milliseconds at which it came."""

    offset: int
    ssrc: int
    seq: int
    timestamp: int
    payload: bytes


def parse(path: Path) -> list[Record]:
    """An rtpdump file: a line of text, `RD_hdr_t` of 16 bytes, then a `RD_packet_t` of 8 before each packet."""
    text, _, rest = path.read_bytes().partition(b"\n")
    assert text.startswith(b"#!rtpplay1.0 "), text
    seconds, microseconds, _, _, _ = struct.unpack_from("!IIIHH", rest)
    assert abs(time.time() - (seconds + microseconds / 1e6)) < 60
    at, records = 16, []
    while at < len(rest):
        length, packet_length, offset = struct.unpack_from("!HHI", rest, at)
        assert length == packet_length + 8
        assert at + length <= len(rest), "the last record is cut"
        records.append(_packet(offset, rest[at + 8 : at + length]))
        at += length
    return records


def _packet(offset: int, packet: bytes) -> Record:
    first, _, seq, timestamp, ssrc = struct.unpack_from("!BBHII", packet)
    assert first >> 6 == 2, "RTP's version"
    begin = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        begin += 4 + 4 * struct.unpack_from("!H", packet, begin + 2)[0]
    end = len(packet) - (packet[-1] if first & 0x20 else 0)
    return Record(offset, ssrc, seq, timestamp, packet[begin:end])


async def published(call: Call, kind: str) -> sfu.Track:
    """The call's own track of this kind."""
    return (await call.event(sfu.OwnTrackPublished, lambda event: event.track.kind == kind)).track


async def ssrcs(call: Call, kind: str) -> dict[str | None, int]:
    """What the server counts, by rid."""
    stats = await call.session.stats()
    return {one.rid: one.ssrc for track in stats.tracks if track.kind == kind for one in track.encodings}


def assert_continuous(records: list[Record]) -> None:
    numbers = sorted((one.seq - records[0].seq + 0x8000) % 0x10000 for one in records)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "a gap or a duplicate"


async def test_audio_and_simulcast_video(live_sfu: Live, chromium: Chromium, tmp_path: Path) -> None:
    room = await live_sfu.server.create_room("dump")
    alice = await Peer.create(await chromium.blank(), "alice")
    bob = await Peer.create(await chromium.blank(), "bob")
    await alice.do("publish", {"video": CAMERA, "audio": True})
    await bob.do("open", "anything")
    async with join(room, alice, "alice") as call, join(room, bob, "bob"):
        audio, video = await published(call, "audio"), await published(call, "video")
        await bob.decodes(height=540)

        async def keyframe() -> None:
            await asyncio.sleep(SECONDS / 2)
            await video.request_keyframe()

        written, video_bytes, _ = await asyncio.gather(
            audio.dump(tmp_path / "audio.rtpdump", seconds=SECONDS),
            video.dump(tmp_path / "video.rtpdump", seconds=SECONDS),
            keyframe(),
        )
        assert written == (tmp_path / "audio.rtpdump").stat().st_size
        assert video_bytes == (tmp_path / "video.rtpdump").stat().st_size

        sound = parse(tmp_path / "audio.rtpdump")
        assert {one.ssrc for one in sound} == set((await ssrcs(call, "audio")).values())
        assert_continuous(sound)
        # A packet every 20 ms, 960 samples of 48 kHz each; the fake device does not fall silent.
        assert 0.7 * 50 * SECONDS < len(sound) < 1.3 * 50 * SECONDS
        assert {(b.timestamp - a.timestamp) % 2**32 for a, b in itertools.pairwise(sound)} == {960}
        assert all(one.payload for one in sound)

        picture = defaultdict(list)
        for one in parse(tmp_path / "video.rtpdump"):
            picture[one.ssrc].append(one)
        names = await ssrcs(call, "video")
        assert set(picture) == set(names.values())
        assert len(picture) == 3
        for records in picture.values():
            assert_continuous(records)
            assert len({one.timestamp for one in records}) > 5 * SECONDS, "frames"
        for one in sound + [one for records in picture.values() for one in records]:
            assert 0 <= one.offset <= SECONDS * 1000
        # In the clear: a keyframe's start code and size (RFC 6386 §9.1) behind its descriptor.
        height = 540
        start = b"\x9d\x01\x2a" + struct.pack("<HH", 960, height)
        assert any(start in one.payload[:32] for one in picture[names["f"]])


async def test_a_dump_ends_with_its_track_and_at_its_bound(live_sfu: Live, chromium: Chromium, tmp_path: Path) -> None:
    room = await live_sfu.server.create_room("dump")
    alice = await Peer.create(await chromium.blank(), "alice")
    await alice.do("publish", {"audio": True})
    path = tmp_path / "audio.rtpdump"
    async with join(room, alice, "alice") as call:
        track = await published(call, "audio")
        async with asyncio.timeout(30):
            assert await track.dump(path, seconds=3600, max_bytes=5000) <= 5000 + 64
        assert len(parse(path)) > 5
        # The same again, and it goes on until somebody hangs up.
        dumping = asyncio.create_task(track.dump(path, seconds=3600))
        before = (await call.session.stats()).tracks[0].encodings[0].packets_received

        async def arrived() -> int:
            return (await call.session.stats()).tracks[0].encodings[0].packets_received - before

        await eventually("20 packets", arrived, lambda count: count >= 20)
        await call.session.close()
        async with asyncio.timeout(30):
            await dumping
        records = parse(path)
        assert len(records) >= 10
        assert_continuous(records)
