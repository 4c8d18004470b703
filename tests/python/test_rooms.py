"""Rooms and who is in them: joining, replacing, limits, ending, cancelling."""

import asyncio
import contextlib

import pytest
from python.fake_backend import FakeBackend

import sfu


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_room_is_made_on_demand_once(server: sfu.Server, backend: FakeBackend) -> None:
    first, second = await asyncio.gather(server.room("a"), server.room("a"))
    assert first is second is server.rooms["a"]
    assert backend.names().count("create_room") == 1


async def test_room_without_create_raises(server: sfu.Server) -> None:
    with pytest.raises(sfu.RoomNotFound, match="create=True"):
        await server.room("a", create=False)


async def test_creating_twice_raises(server: sfu.Server) -> None:
    await server.create_room("a")
    with pytest.raises(sfu.RoomExists, match=r"server\.room\('a'\)"):
        await server.create_room("a")


async def test_max_rooms(backend: FakeBackend) -> None:
    async with sfu.Server(sfu.Config(max_rooms=1), backend=lambda _: backend) as server:
        await server.create_room("a")
        with pytest.raises(sfu.TooManyRooms, match="max_rooms"):
            await server.room("b")


async def test_max_sessions_of_the_server(backend: FakeBackend) -> None:
    async with sfu.Server(sfu.Config(max_sessions=1), backend=lambda _: backend) as server:
        room = await server.create_room("a")
        session = await room.join("alice")
        with pytest.raises(sfu.TooManySessions):
            await room.join("bob")
        again = await room.join("alice")
        assert session.ended == sfu.SessionEnded("replaced", "")
        await again.close()
        await room.join("bob")


async def test_a_full_room_refuses_and_lets_an_identity_come_back(server: sfu.Server) -> None:
    room = await server.create_room("a", max_sessions=1)
    first = await room.join("alice")
    with pytest.raises(sfu.RoomFull, match="1 sessions"):
        await room.join("bob")
    second = await room.join("alice")
    assert room.sessions == [second]
    assert first.ended is not None
    assert first.ended.reason == "replaced"


async def test_the_second_join_replaces_the_first(room: sfu.Room, backend: FakeBackend) -> None:
    seen = room.events()
    first = await room.join("alice")
    second = await room.join("alice")
    await turns()
    assert room.session("alice") is second
    assert ("close_session", first.id) in backend.log
    with pytest.raises(sfu.SessionReplaced, match="joined 'standup' again"):
        await first.answer("v=0")
    await room.close()
    assert [event async for event in seen] == [
        sfu.SessionJoined(first),
        sfu.SessionLeft(first, "replaced"),
        sfu.SessionJoined(second),
        sfu.SessionLeft(second, "room_closed"),
        sfu.RoomEnded(room, "room_closed"),
    ]


async def test_leaving_the_block_leaves_the_room(room: sfu.Room, backend: FakeBackend) -> None:
    async with await room.join("alice") as session:
        assert room.sessions == [session]
    assert room.sessions == []
    assert ("close_session", session.id) in backend.log
    await session.close()
    with pytest.raises(sfu.SessionClosed, match="left"):
        await session.set_metadata("x")


async def test_kick_tells_why(room: sfu.Room) -> None:
    session = await room.join("alice")
    await session.kick("too loud")
    assert session.ended == sfu.SessionEnded("kicked", "too loud")
    with pytest.raises(sfu.SessionClosed, match="too loud"):
        await session.set_name("x")


async def test_a_closed_room_takes_nobody(room: sfu.Room, server: sfu.Server) -> None:
    session = await room.join("alice")
    await room.close("over")
    await room.close()
    assert session.ended == sfu.SessionEnded("room_closed", "over")
    assert "standup" not in server.rooms
    with pytest.raises(sfu.RoomClosed, match=r"create_room"):
        await room.join("bob")


async def test_a_closing_room_tells_its_readers_of_everybody_and_everybody_of_the_end(room: sfu.Room) -> None:
    watching = room.events()
    sessions = [await room.join(name) for name in ("alice", "bob", "carol")]
    streams = [session.events() for session in sessions]
    await room.close("over")
    left = [event.session.identity async for event in watching if isinstance(event, sfu.SessionLeft)]
    assert left == ["alice", "bob", "carol"]
    for stream in streams:
        told = [event async for event in stream]
        assert not any(isinstance(event, sfu.SessionLeft) for event in told)
        assert told[-1] == sfu.SessionEnded("room_closed", "over")
    assert room.sessions == []


async def test_a_cancelled_join_is_undone(room: sfu.Room, backend: FakeBackend) -> None:
    backend.hold = asyncio.Event()
    task = asyncio.create_task(room.join("alice"))
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    backend.hold.set()
    await turns(10)
    assert room.sessions == []
    assert backend.sessions == {}


@pytest.mark.parametrize("after", range(8))
async def test_a_join_cancelled_at_any_turn_leaves_nothing_or_a_session(
    room: sfu.Room, backend: FakeBackend, after: int
) -> None:
    task = asyncio.create_task(room.join("alice"))
    await turns(after)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await turns(10)
    alive = 0 if task.cancelled() else 1
    assert len(room.sessions) == len(backend.sessions) == alive
    await room.join("alice")


@pytest.mark.parametrize("after", range(8))
async def test_a_room_cancelled_at_any_turn_can_be_made_again(
    server: sfu.Server, backend: FakeBackend, after: int
) -> None:
    task = asyncio.create_task(server.create_room("a"))
    await turns(after)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await turns(10)
    assert len(server.rooms) == len(backend.rooms) == (0 if task.cancelled() else 1)
    await server.room("a")


async def test_an_empty_room_closes_by_itself(server: sfu.Server, backend: FakeBackend) -> None:
    seen = server.events()
    room = await server.create_room("a", empty_timeout=0)
    assert await anext(seen) == sfu.RoomCreated(room)
    assert await anext(seen) == sfu.RoomEnded(room, "empty")
    assert room.closed


async def test_whoever_comes_as_an_empty_room_closes_gets_a_new_one(server: sfu.Server, backend: FakeBackend) -> None:
    old = await server.create_room("a", empty_timeout=0.001)
    ended = aiter(old.events())
    joining = asyncio.Event()
    old.on("room_ended")(lambda *_: joining.set())
    await joining.wait()
    new = await server.room("a")
    async with await new.join("alice"):
        await backend.reached("close_room")
        assert not new.closed
    assert await anext(ended) == sfu.RoomEnded(old, "empty")


async def test_a_room_in_use_does_not_close(server: sfu.Server) -> None:
    room = await server.create_room("a", empty_timeout=0)
    session = await room.join("alice")
    await turns(10)
    assert not room.closed
    ended = room.events()
    await session.close()
    assert [type(event) async for event in ended] == [sfu.SessionLeft, sfu.RoomEnded]


async def test_the_end_of_the_server_ends_everything(backend: FakeBackend) -> None:
    async with sfu.Server(backend=lambda _: backend) as server:
        room = await server.create_room("a")
        session = await room.join("alice")
        events = session.events()
    assert [type(event) async for event in events] == [sfu.SessionEnded]
    assert session.ended == sfu.SessionEnded("server_closed", "")
    assert backend.closed
    with pytest.raises(sfu.NotRunning, match="make a new one"):
        await server.create_room("b")
    with pytest.raises(sfu.UsageError):
        await server.start()
    await server.close()


async def test_the_data_plane_ends_a_session(room: sfu.Room, backend: FakeBackend) -> None:
    session = await room.join("alice")
    seen = session.events()
    end = sfu.SessionEnded("timeout", "no contact")
    from python.fake_backend import event

    backend.deliver(event("SessionEnded", session=session.id, reason="timeout", detail="no contact"))
    assert [one async for one in seen] == [end]
    assert room.sessions == []


async def test_metadata_and_attributes_are_told(room: sfu.Room) -> None:
    alice = await room.join("alice", metadata="m", attributes={"a": "1"})
    bob = await room.join("bob")
    seen = bob.events()
    await alice.set_attributes({"a": None, "b": "2"})
    await alice.set_attributes({"b": "2"})
    await alice.set_metadata("n")
    await alice.set_name("Alice")
    await room.set_metadata("topic")
    await room.set_attributes({"x": "y"})
    await room.close()
    assert dict(alice.attributes) == {"b": "2"}
    assert [one async for one in seen] == [
        sfu.SessionJoined(alice),
        sfu.SessionUpdated(alice),
        sfu.SessionUpdated(alice),
        sfu.SessionUpdated(alice),
        sfu.RoomUpdated("topic", {}),
        sfu.RoomUpdated("topic", {"x": "y"}),
        sfu.SessionEnded("room_closed", ""),
    ]


async def test_an_attribute_of_nothing_is_none_from_the_start(server: sfu.Server) -> None:
    room = await server.create_room("a", attributes={"a": "", "b": "2"})
    alice = await room.join("alice", attributes={"a": "", "c": "3"})
    assert (room.attributes, alice.attributes) == ({"b": "2"}, {"c": "3"})


async def test_topic_messages_reach_whom_they_should(room: sfu.Room) -> None:
    alice, bob, carol = [await room.join(name) for name in ("alice", "bob", "carol")]
    assert await room.publish_message("chat", {"text": "hi"}, sender=alice) == 2
    assert await room.publish_message("chat", 1, sender=alice, to=["carol", "nobody"]) == 1
    assert await room.publish_message("news", None) == 3
    with pytest.raises(TypeError, match="JSON serializable"):
        await room.publish_message("chat", object())
    with pytest.raises(TypeError, match=r"to=\[identity\]"):
        await room.publish_message("chat", 1, to="bob")
    await room.close()

    async def messages(session: sfu.Session) -> list[object]:
        return [event.data async for event in session.events() if isinstance(event, sfu.MessageReceived)]

    assert [await messages(one) for one in (alice, bob, carol)] == [
        [None],
        [{"text": "hi"}, None],
        [{"text": "hi"}, 1, None],
    ]
