"""Taps on the native data plane: real clips go in over UDP, pictures and frames come out."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

import sfu
from sfu import testing
from sfu.demo import people
from sfu.errors import DecoderMissing, MediaMissing
from sfu.media.av1 import spatial_layers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SIZES = [(240, 136), (480, 270), (960, 540)]


@asynccontextmanager
async def anna() -> AsyncIterator[tuple[sfu.Server, dict[str, sfu.Track]]]:
    """A server in whose room Anna publishes; her tracks by kind."""
    async with sfu.Server(sfu.Config(udp="127.0.0.1:0")) as server:
        room = await server.create_room("demo")
        events = room.events()
        async with people(server, "demo", ("anna",)), asyncio.timeout(30):
            tracks: dict[str, sfu.Track] = {}
            async for event in events:
                if isinstance(event, sfu.TrackPublished):
                    tracks[event.track.kind] = event.track
                if len(tracks) == 2:
                    break
            yield server, tracks


def taps(server: sfu.Server) -> int:
    return server._running().count("tap")


async def nothing_left(server: sfu.Server, track: sfu.Track) -> None:
    """Wait until every tap is gone on both sides."""
    gc.collect()
    async with asyncio.timeout(10):
        while taps(server) or track.tap_stats.taps:
            await server.stats()  # turns of the loop, and of the data plane
    assert track.tap_stats == sfu.TapStats(0, 0, 0, 0, 0, 0)


async def test_pictures_have_their_size_and_move() -> None:
    async with anna() as (server, tracks):
        found: list[np.ndarray] = []
        times = []
        async for frame in tracks["video"].frames(format="rgb24", queue=100, max_layer=sfu.Layer(0)):
            assert isinstance(frame, av.VideoFrame)
            found.append(frame.to_ndarray())
            times.append(frame.time)
            if len(found) == 10:
                break
        height, width = found[0].shape[:2]
        assert all(one.shape == (height, width, 3) for one in found)
        assert (width, height) in SIZES
        assert (width, height) == min(SIZES)
        assert all(np.abs(b.astype(int) - a).mean() > 0.01 for a, b in itertools.pairwise(found))
        assert found[0].std() > 10, "a picture, not a plain colour"
        assert times == sorted(set(times))
        await nothing_left(server, tracks["video"])


async def test_the_layer_is_the_callers_choice() -> None:
    async with anna() as (_, tracks):
        for spatial, size in enumerate(SIZES):
            async for frame in tracks["video"].frames(max_layer=sfu.Layer(spatial)):
                assert isinstance(frame, av.VideoFrame)
                assert (frame.width, frame.height) in SIZES[: spatial + 1], "what flows first, and nothing above"
                if (frame.width, frame.height) == size:
                    break


async def test_two_takers_share_one_decoder() -> None:
    async with anna() as (server, tracks):
        track = tracks["video"]
        one, other = track.frames(format="rgb24"), track.frames(format="gray")
        colour, gray = await anext(one), await anext(other)
        assert colour.to_ndarray().ndim == 3
        assert gray.to_ndarray().ndim == 2
        stats = track.tap_stats
        assert (stats.decoders, stats.takers, stats.taps, taps(server)) == (1, 2, 1, 1)
        another = track.frames(max_layer=sfu.Layer(0))
        await anext(another)
        assert track.tap_stats.decoders == 2
        await one.aclose()
        assert await anext(other)
        assert track.tap_stats.takers == 2
        await other.aclose()
        await another.aclose()
        await nothing_left(server, track)


async def test_who_sleeps_gets_the_latest_and_decoding_goes_on() -> None:
    async with anna() as (_, tracks):
        track = tracks["video"]
        sleeper = track.frames(max_layer=sfu.Layer(0))
        first = await anext(sleeper)
        async for _ in track.frames(max_layer=sfu.Layer(0), queue=100):
            if track.tap_stats.frames_decoded > 20:
                break
        latest = await anext(sleeper)
        assert first.time is not None
        assert latest.time is not None
        assert latest.time - first.time > 0.3, "not the one behind the first"
        assert track.tap_stats.frames_dropped == 0
        await sleeper.aclose()


async def test_encoded_frames_are_whole_and_decode_without_a_gap() -> None:
    async with anna() as (server, tracks):
        frames: list[sfu.EncodedFrame] = []
        async for frame in tracks["video"].encoded_frames(max_layer=sfu.Layer(1)):
            frames.append(frame)
            if len(frames) == 30:
                break
        assert frames[0].keyframe
        assert frames[0].timestamp == 0
        assert {one.codec for one in frames} == {"VP8"}
        assert {one.layer.spatial for one in frames} <= {0, 1}
        steps = {b.timestamp - a.timestamp for a, b in itertools.pairwise(frames)}
        assert all(step > 0 for step in steps)
        decoder = av.CodecContext.create("vp8", "r")
        decoder.options = {"err_detect": "explode"}
        assert sum(len(decoder.decode(av.Packet(one.data))) for one in frames) == 30
        await nothing_left(server, tracks["video"])


async def test_a_slow_taker_loses_whole_frames_and_goes_on_at_a_keyframe() -> None:
    async with anna() as (_, tracks):
        track = tracks["video"]
        frames = track.encoded_frames(max_layer=sfu.Layer(0), queue=3)
        taken = [await anext(frames)]
        assert taken[0].keyframe
        async for frame in track.encoded_frames(max_layer=sfu.Layer(0)):  # the other's ring is full meanwhile
            if frame.timestamp > 90_000:
                break
        async with asyncio.timeout(20):
            while True:
                taken.append(await anext(frames))
                if taken[-1].timestamp - taken[-2].timestamp > 45_000:
                    break
        assert taken[-1].keyframe, "behind what was dropped"
        assert track.tap_stats.frames_dropped > 0
        decoder = av.CodecContext.create("vp8", "r")
        decoder.options = {"err_detect": "explode"}
        assert sum(len(decoder.decode(av.Packet(one.data))) for one in taken) == len(taken)
        await frames.aclose()


async def test_audio_comes_as_packets_and_as_samples() -> None:
    async with anna() as (server, tracks):
        packets = []
        async for frame in tracks["audio"].encoded_frames():
            packets.append(frame)
            if len(packets) == 5:
                break
        assert {(one.codec, one.keyframe) for one in packets} == {("opus", True)}
        assert {b.timestamp - a.timestamp for a, b in itertools.pairwise(packets)} == {960}
        loud = 0.0
        async for sound in tracks["audio"].frames(queue=50):
            assert isinstance(sound, av.AudioFrame)
            assert sound.sample_rate == 48_000
            loud = max(loud, float(np.abs(sound.to_ndarray()).max()))
            if loud > 0.01:
                break
        await nothing_left(server, tracks["audio"])


async def test_the_iteration_ends_with_the_track() -> None:
    async with anna() as (server, tracks):
        track = tracks["video"]
        frames, encoded = track.frames(), track.encoded_frames()
        await anext(frames)
        await anext(encoded)
        await server.rooms["demo"].close()
        async with asyncio.timeout(10):
            async for _ in frames:
                pass
            async for _ in encoded:
                pass
        with pytest.raises(sfu.TrackEnded):
            track.frames()
        with pytest.raises(sfu.TrackEnded):
            track.encoded_frames()
        await nothing_left(server, track)


@pytest.mark.parametrize("kind", ["frames", "encoded_frames"])
async def test_cancelling_leaves_nothing(kind: str) -> None:
    async with anna() as (server, tracks):
        track = tracks["video"]
        before = asyncio.all_tasks()

        async def take() -> None:
            async for _ in getattr(track, kind)():
                pass

        for turns in range(12):
            task = asyncio.create_task(take())
            for _ in range(turns):
                await asyncio.sleep(0)
            if turns == 11:
                async for _ in track.encoded_frames():  # by now the other one has had its first, too
                    break
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await nothing_left(server, track)
        async with asyncio.timeout(10):
            while asyncio.all_tasks() - before:
                await server.stats()


async def test_without_pyav_the_error_says_what_to_install(
    room: sfu.Room, backend: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = await published(room, backend)
    monkeypatch.setitem(sys.modules, "av", None)
    for name in [name for name in sys.modules if name.startswith("sfu.media")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("sfu.media", raising=False)
    with pytest.raises(MediaMissing, match=r"pip install sfu\[media\]") as caught:
        track.frames()
    assert isinstance(caught.value, ImportError)


def test_temporal_units_are_taken_apart_by_spatial_layer() -> None:
    delimiter, sequence = b"\x12\x00", b"\x0a\x01\xaa"
    frames = [b"\x36" + bytes([spatial << 3]) + b"\x81\x01" + b"x" * 129 for spatial in range(3)]
    assert [len(one) for one in frames] == [133] * 3
    assert spatial_layers(delimiter + sequence + b"".join(frames)) == [delimiter + sequence + frames[0], *frames[1:]]
    plain = delimiter + b"\x32\x02xy"
    assert spatial_layers(plain) == [plain]
    for cut in range(len(plain)):
        assert b"".join(spatial_layers(plain[:cut])) == plain[:cut]


async def test_misuse_is_named(room: sfu.Room, backend: object) -> None:
    track = await published(room, backend)
    with pytest.raises(ValueError, match="rgb24"):
        track.frames(format="purple")
    with pytest.raises(ValueError, match="queue must be 1"):
        track.frames(queue=0)
    with pytest.raises(TypeError, match="Layer"):
        track.frames(max_layer=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="queue must be 1"):
        track.encoded_frames(queue=0)


async def test_a_format_that_cannot_be_made_ends_that_iteration_alone() -> None:
    async with anna() as (server, tracks):
        track = tracks["video"]
        shown = track.frames(max_layer=sfu.Layer(0))
        await anext(shown)
        # Frames of a graphics card: FFmpeg knows the format and converts nothing into it.
        with pytest.raises(sfu.ConversionFailed, match="vdpau") as caught:
            await anext(track.frames(format="vdpau", max_layer=sfu.Layer(0)))
        assert caught.value.__cause__ is not None
        assert await anext(shown)
        await shown.aclose()
        await nothing_left(server, track)


async def test_a_broken_decoder_tells_its_takers(monkeypatch: pytest.MonkeyPatch) -> None:
    from sfu.media import decoder

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    async with anna() as (server, tracks):
        monkeypatch.setattr(decoder.Decoder, "decode", broken)
        with pytest.raises(sfu.MediaError, match="out of memory") as caught:
            await anext(tracks["video"].frames())
        assert isinstance(caught.value.__cause__, RuntimeError)
        await nothing_left(server, tracks["video"])


async def test_encoded_frames_in_virtual_time() -> None:
    async with testing.Simulation(seed=7) as sim:
        room = await sim.server.create_room("standup")
        link = testing.Link(delay=0.05, loss=0.02)
        ann = await sim.peer(room, "ann", publish=[testing.Video(), testing.Audio()], uplink=link)
        await sim.run(seconds=3)
        tracks = {track.kind: track for track in room.tracks}
        frames: dict[str, list[sfu.EncodedFrame]] = {kind: [] for kind in tracks}

        async def take(kind: str) -> None:
            async for frame in tracks[kind].encoded_frames():
                frames[kind].append(frame)

        takers = [asyncio.create_task(take(kind)) for kind in tracks]
        await sim.run(seconds=20)
        assert len(frames["video"]) > 290
        assert len(frames["audio"]) > 970
        for of, rate in (("video", 90_000), ("audio", 48_000)):
            # By the virtual clock, on which ann is 50 ms away.
            seconds = (frames[of][-1].timestamp - frames[of][0].timestamp) / rate
            first, last = frames[of][0].capture_time, frames[of][-1].capture_time
            assert first is not None
            assert last is not None
            assert last - first == pytest.approx(seconds, abs=0.01)
        assert ann.sent.keyframe_requests <= 3
        await ann.session.close()
        await sim.run(seconds=1)
        assert all(taker.done() for taker in takers), "the iteration ends with the track"
        assert not room.tracks
        assert taps(sim.server) == 0


async def test_a_slow_taker_in_virtual_time_costs_a_ring_and_no_more() -> None:
    async with testing.Simulation(seed=7) as sim:
        room = await sim.server.create_room("standup")
        await sim.peer(room, "ann", publish=[testing.Video()])
        await sim.run(seconds=2)
        track = room.tracks[0]
        frames = track.encoded_frames(queue=5)
        first = asyncio.ensure_future(anext(frames))
        await sim.run(seconds=1)
        assert (await first).keyframe
        await sim.run(seconds=60)
        waiting = [await anext(frames) for _ in range(5)]
        assert waiting[-1].timestamp - waiting[0].timestamp < 90_000
        later = asyncio.ensure_future(anext(frames))
        await sim.run(seconds=5)
        resumed = await later
        assert resumed.keyframe
        assert resumed.timestamp - waiting[-1].timestamp > 55 * 90_000
        assert track.tap_stats.frames_dropped > 800
        await frames.aclose()


async def test_a_codec_without_decoder_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from sfu.media import decoder

    async with anna() as (server, tracks):
        monkeypatch.setitem(decoder._DECODERS, "VP8", ("no_such_decoder",))
        with pytest.raises(DecoderMissing, match="VP8"):
            await anext(tracks["video"].frames())
        await nothing_left(server, tracks["video"])


async def published(room: sfu.Room, backend: object) -> sfu.Track:
    session = await room.join("alice")
    backend.publish(room.id, session.id)  # type: ignore[attr-defined]
    return room.tracks[0]
