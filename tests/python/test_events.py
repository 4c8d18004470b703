"""Streams and handlers: order, bounds, ends."""

import asyncio
import gc
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python.fake_backend import FakeBackend, event

import sfu
from sfu._emitter import EventStream


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_session_first_hears_who_and_what_is_there(room: sfu.Room, backend: FakeBackend) -> None:
    alice = await room.join("alice")
    backend.publish(room.id, alice.id)
    bob = await room.join("bob")
    seen = bob.events()
    assert await anext(seen) == sfu.SessionJoined(alice)
    assert await anext(seen) == sfu.TrackPublished(room.tracks[0])


async def test_the_publisher_hears_of_its_own_track_by_another_name(room: sfu.Room, backend: FakeBackend) -> None:
    alice, bob = await room.join("alice"), await room.join("bob")
    backend.publish(room.id, alice.id)
    track = room.tracks[0]
    backend.deliver(event("TrackUnpublished", room=room.id, session=alice.id, track=track.id))
    await room.close()
    names = [[type(one).__name__ async for one in session.events()] for session in (alice, bob)]
    assert names[0][1:3] == ["OwnTrackPublished", "OwnTrackUnpublished"]
    assert names[1][1:3] == ["TrackPublished", "TrackUnpublished"]


async def test_a_slow_reader_gets_one_events_dropped(room: sfu.Room, backend: FakeBackend) -> None:
    session = await room.join("alice")
    for number in range(20):  # event_queue is 8
        backend.deliver(event("SectionsNeeded", session=session.id, audio=number, video=0))
    seen = session.events()
    got = [await anext(seen) for _ in range(9)]
    assert got == [*(sfu.SectionsNeeded(number, 0) for number in range(8)), sfu.EventsDropped(12)]
    backend.deliver(event("SectionsNeeded", session=session.id, audio=99, video=0))
    assert await anext(seen) == sfu.SectionsNeeded(99, 0)


async def test_the_last_event_is_never_dropped(room: sfu.Room, backend: FakeBackend) -> None:
    session = await room.join("alice")
    for number in range(20):
        backend.deliver(event("SectionsNeeded", session=session.id, audio=number, video=0))
    await session.kick()
    got = [one async for one in session.events()]
    assert got[8:] == [sfu.EventsDropped(12), sfu.SessionEnded("kicked", "")]


async def test_a_reader_that_waits_is_woken(room: sfu.Room, backend: FakeBackend) -> None:
    session = await room.join("alice")
    waiting = asyncio.create_task(anext(session.events()))
    await turns()
    backend.deliver(event("SectionsNeeded", session=session.id, audio=1, video=2))
    assert await waiting == sfu.SectionsNeeded(1, 2)


async def test_a_cancelled_reader_loses_nothing(room: sfu.Room, backend: FakeBackend) -> None:
    session = await room.join("alice")
    seen = session.events()
    waiting = asyncio.create_task(anext(seen))
    await turns()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    backend.deliver(event("SectionsNeeded", session=session.id, audio=1, video=2))
    assert await anext(seen) == sfu.SectionsNeeded(1, 2)


async def test_two_tasks_on_one_stream_are_told(room: sfu.Room) -> None:
    seen = (await room.join("alice")).events()
    first = asyncio.create_task(anext(seen))
    await turns()
    with pytest.raises(sfu.UsageError, match="once for each reader"):
        await anext(seen)
    first.cancel()


async def test_every_reader_gets_everything(room: sfu.Room) -> None:
    streams = [room.events(), room.events()]
    alice = await room.join("alice")
    await streams[1].aclose()
    third = room.events()
    await room.close()
    assert await anext(streams[0]) == sfu.SessionJoined(alice)
    assert [one async for one in streams[1]] == []
    assert [type(one) async for one in third] == [sfu.SessionLeft, sfu.RoomEnded]
    assert [one async for one in room.events()] == []


async def test_what_the_data_plane_dropped_is_told_to_all(
    server: sfu.Server, room: sfu.Room, backend: FakeBackend
) -> None:
    session = await room.join("alice")
    streams = [server.events(), room.events(), session.events()]
    backend.deliver(dropped=3)
    assert [await anext(stream) for stream in streams] == [sfu.EventsDropped(3)] * 3


async def test_handlers_sync_and_async_get_the_fields(room: sfu.Room, backend: FakeBackend) -> None:
    seen: list[object] = []

    @room.on("session_joined")
    def _(session: sfu.Session) -> None:
        seen.append(session.identity)

    @room.on("track_published")
    async def _(track: sfu.Track) -> None:
        await asyncio.sleep(0)
        seen.append(track.kind)

    alice = await room.join("alice")
    backend.publish(room.id, alice.id, kind="audio", mid="0")
    await turns()
    assert seen == ["alice", "audio"]


async def test_a_failing_handler_is_logged_and_harms_nobody(room: sfu.Room, caplog: pytest.LogCaptureFixture) -> None:
    @room.on("session_joined")
    def _(_: object) -> None:
        raise ZeroDivisionError("sync")

    @room.on("session_joined")
    async def _(_: object) -> None:
        raise ZeroDivisionError("async")

    with caplog.at_level(logging.ERROR, "sfu"):
        await room.join("alice")
        await turns()
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["sync", "async"]


async def test_unknown_event_names_are_refused(room: sfu.Room, server: sfu.Server) -> None:
    with pytest.raises(ValueError, match=r"there is no event 'track_publshed' here; there are: .*track_published"):
        room.on("track_publshed")
    with pytest.raises(TypeError, match="with the event's name"):
        room.on(print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="must be a function"):
        server.on("room_created")(3)  # type: ignore[type-var]


async def test_speakers(room: sfu.Room, backend: FakeBackend) -> None:
    alice = await room.join("alice")
    track = backend.publish(room.id, alice.id, kind="audio", mid="0")
    seen = room.events()
    backend.deliver(event("SpeakersChanged", room=room.id, speakers=[(alice.id, track, -30), (1, 2, -40)]))
    expected = (sfu.Speaker(alice, room.tracks[0], -30),)
    assert await anext(seen) == sfu.SpeakersChanged(expected)
    assert room.speakers == expected
    await alice.close()
    assert room.speakers == ()


@given(st.lists(st.sampled_from(["put", "read"]), max_size=80), st.integers(1, 5))
def test_a_stream_loses_only_what_it_counts(steps: list[str], limit: int) -> None:
    async def run() -> None:
        stream: EventStream[object] = EventStream(limit, lambda _: None)
        sent = 0
        seen: list[object] = []
        for step in steps:
            if step == "put":
                stream.put(sent)
                sent += 1
            elif stream._queue or stream._dropped:
                seen.append(await anext(stream))
        stream.end()
        seen += [one async for one in stream]
        position = 0
        for one in seen:
            if isinstance(one, sfu.EventsDropped):
                assert one.count > 0
                position += one.count
            else:
                assert one == position
                position += 1
        assert position == sent

    asyncio.run(run())


async def test_a_reader_that_has_gone_leaves_nothing_behind(room: sfu.Room) -> None:
    async def read_one() -> None:
        async for _ in room.events():
            break

    reading = [asyncio.ensure_future(read_one()) for _ in range(3)]
    cancelled = asyncio.ensure_future(anext(aiter(room.events())))
    await asyncio.sleep(0)
    cancelled.cancel()
    await room.set_metadata("one")
    await asyncio.gather(*reading)
    await asyncio.wait([cancelled])
    del reading, cancelled
    gc.collect()
    assert not room._emitter._live()


async def test_a_reader_that_nobody_holds_goes_on(room: sfu.Room) -> None:
    seen: list[str] = []

    async def read() -> None:
        async for updated in room.events():
            seen.append(getattr(updated, "metadata", ""))  # noqa: PERF401

    asyncio.ensure_future(read())  # noqa: RUF006
    await asyncio.sleep(0)
    gc.collect()
    await room.set_metadata("still here")
    await asyncio.sleep(0)
    assert seen == ["still here"]
    await room.close()
    await asyncio.sleep(0)
