"""Ends: servers with calls in them leave nothing, and a cancelled await leaves everything usable.

The callers are aiortc's, in the same process and on the same loop, so what they leave would be seen as well.
"""

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiortc import RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack

import sfu

LOOPBACK = sfu.Config(udp="127.0.0.1:0")
PATIENCE = 30.0
Interrupt = Callable[[str], Awaitable[None]]


class Caller:
    """An aiortc peer in a room: publishes silence, opens a channel, counts what it hears."""

    def __init__(self, session: sfu.Session) -> None:
        self.session = session
        self.heard = 0
        self.messages: asyncio.Queue[str | bytes] = asyncio.Queue()
        self.mine: asyncio.Future[sfu.DataChannel] = asyncio.get_running_loop().create_future()
        self._pc = RTCPeerConnection()
        self._pc.addTrack(AudioStreamTrack())
        self.channel: RTCDataChannel = self._pc.createDataChannel("chat")
        self.channel.on("message", self.messages.put_nowait)
        self._pc.on("track", self._listen)
        # One description at a time.
        self._negotiating = asyncio.Lock()
        self._tasks = {asyncio.create_task(self._follow())}

    def _listen(self, track: MediaStreamTrack) -> None:
        self._tasks.add(asyncio.create_task(self._hear(track)))

    async def _hear(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()
                self.heard += 1

    async def negotiate(self, interrupt: Interrupt | None = None) -> None:
        """It offers, the server answers. `interrupt` does something else with the offer before."""
        async with self._negotiating:
            await self._pc.setLocalDescription(await self._pc.createOffer())
            offer = self._pc.localDescription.sdp
            if interrupt is not None:
                await interrupt(offer)
            answer = await self.session.answer(offer)
            await self._pc.setRemoteDescription(RTCSessionDescription(type="answer", sdp=answer))

    async def connected(self) -> None:
        """Both sides know that the channel is open."""
        await until(lambda: self.mine.done() and self.channel.readyState == "open")

    async def _follow(self) -> None:
        async for event in self.session.events():
            match event:
                case sfu.OfferReady(offer=offer):
                    await self._answer(offer)
                case sfu.ChannelOpened(channel=channel):
                    self.mine.set_result(channel)

    async def _answer(self, offer: sfu.Description) -> None:
        async with self._negotiating:
            if offer not in self.session.pending_offers:
                return  # it met one of ours, and comes again
            await self._pc.setRemoteDescription(RTCSessionDescription(type="offer", sdp=offer.sdp))
            await self._pc.setLocalDescription(await self._pc.createAnswer())
            sdp = self._pc.localDescription.sdp
            await self.session.receive(sfu.Description(type="answer", sdp=sdp, id=offer.id))

    @property
    def connected_still(self) -> bool:
        """Whether it believes so."""
        return self._pc.connectionState == "connected"

    async def hang_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pc.close()


@contextlib.asynccontextmanager
async def call(room: sfu.Room, identity: str) -> AsyncIterator[Caller]:
    """Join and connect; hang up at the end, whatever has become of the server."""
    caller = Caller(await room.join(identity))
    try:
        await caller.negotiate()
        await caller.connected()
        yield caller
    finally:
        await caller.hang_up()


@contextlib.asynccontextmanager
async def conversation(server: sfu.Server) -> AsyncIterator[tuple[Caller, Caller]]:
    """Two in a room who hear each other."""
    room = await server.room("talk")
    async with call(room, "alice") as alice, call(room, "bob") as bob:
        await until(lambda: alice.heard >= 5 and bob.heard >= 5)
        yield alice, bob


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def alive() -> tuple[int, int, int]:
    """Threads and file descriptors of this process, tasks of this loop."""
    gc.collect()
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())


async def settled(before: tuple[int, int, int]) -> tuple[int, int, int]:
    """As `alive`; aiortc's decoders take a moment to end."""
    with contextlib.suppress(TimeoutError):
        await until(lambda: alive() == before)
    return alive()


async def once(end: Callable[[sfu.Server], Awaitable[None]]) -> None:
    """A server's whole life, with a conversation that is going on when it ends."""
    server = sfu.Server(LOOPBACK)
    await server.start()
    async with conversation(server):
        await end(server)


async def close(server: sfu.Server) -> None:
    await server.close()


async def close_rooms_first(server: sfu.Server) -> None:
    for room in list(server.rooms.values()):
        await room.close("good night")
    await server.close()


async def close_twice_at_once(server: sfu.Server) -> None:
    await asyncio.gather(server.close(), server.close())


async def close_while_busy(server: sfu.Server) -> None:
    """With commands on their way: they end, one way or the other."""
    room = server.rooms["talk"]
    busy = [asyncio.create_task(room.join(f"late {number}")) for number in range(5)]
    busy += [asyncio.create_task(server.stats()) for _ in range(5)]
    await asyncio.sleep(0)
    await server.close()
    for outcome in await asyncio.gather(*busy, return_exceptions=True):
        assert not isinstance(outcome, BaseException) or isinstance(outcome, sfu.SfuError), repr(outcome)


@pytest.mark.parametrize("end", [close, close_rooms_first, close_twice_at_once, close_while_busy])
async def test_servers_with_calls_in_them_leave_nothing(end: Callable[[sfu.Server], Awaitable[None]]) -> None:
    # aiortc looks addresses up on the loop's threads: one that stays, not as many as there happened to be work for.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(max_workers=1))
    await once(close)  # what is loaded and opened once stays
    before = alive()
    for _ in range(3):
        await once(end)
    assert await settled(before) == before


async def test_two_servers_in_one_process_carry_calls_and_end_apart() -> None:
    async with sfu.Server(LOOPBACK) as one, sfu.Server(LOOPBACK) as two:
        async with conversation(one), conversation(two) as (alice, bob):
            for server in (one, two):
                stats = await server.stats()
                assert (stats.rooms, stats.sessions) == (1, 2)
                assert stats.packets_sent > 0
            await one.close()
            heard = alice.heard, bob.heard
            await until(lambda: alice.heard >= heard[0] + 20 and bob.heard >= heard[1] + 20)
            alice.channel.send("still here")
            assert await anext(await alice.mine) == "still here"
        with pytest.raises(sfu.NotRunning):
            await one.create_room("late")


async def test_a_closing_server_tells_its_peers() -> None:
    async with sfu.Server(LOOPBACK) as server, conversation(server) as callers:
        assert all(caller.connected_still for caller in callers)
        await server.close()
        async with asyncio.timeout(PATIENCE / 3):  # by itself a peer notices after 30 s without consent
            await until(lambda: not any(caller.connected_still for caller in callers))


# Cancelling. A command takes a handful of the loop's turns: after more than that it is not cancelled at all.

TURNS = range(8)


async def cancel_after(turns: int, what: Coroutine[Any, Any, Any]) -> None:
    """Start it, let the loop turn so often, cancel it. It may have ended by then."""
    task = asyncio.create_task(what)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def agrees(server: sfu.Server) -> None:
    """The data plane and Python know of the same things, at the latest when what was cancelled has been undone."""
    async with asyncio.timeout(PATIENCE):
        while True:
            stats = await server.stats()
            sessions = sum(len(room.sessions) for room in server.rooms.values())
            if (stats.rooms, stats.sessions) == (len(server.rooms), sessions):
                return


@pytest.mark.parametrize("turns", TURNS)
async def test_a_cancelled_start(turns: int) -> None:
    before = alive()
    server = sfu.Server(LOOPBACK)
    await cancel_after(turns, server.start())
    if not server.running:
        await server.start()
    await server.create_room("a")
    await server.close()
    assert await settled(before) == before


@pytest.mark.parametrize("turns", TURNS)
async def test_a_cancelled_close(turns: int) -> None:
    before = alive()
    server = sfu.Server(LOOPBACK)
    await server.start()
    room = await server.create_room("a")

    @room.on("session_left")
    async def _(_: object) -> None:
        await asyncio.sleep(60)  # a handler that does not end: closing waits a moment for it

    await room.join("alice")
    await cancel_after(turns, server.close())
    await server.close()
    assert not server.running
    with pytest.raises(sfu.NotRunning):
        await server.create_room("b")
    assert await settled(before) == before


@pytest.mark.parametrize("turns", TURNS)
async def test_a_cancelled_create_room(turns: int) -> None:
    async with sfu.Server(LOOPBACK) as server:
        await cancel_after(turns, server.create_room("a"))
        await agrees(server)
        room = await server.room("a")
        assert await room.join("alice")
        await agrees(server)


@pytest.mark.parametrize("turns", TURNS)
async def test_a_cancelled_join(turns: int) -> None:
    async with sfu.Server(LOOPBACK) as server:
        room = await server.create_room("a", max_sessions=1)
        await cancel_after(turns, room.join("alice"))
        await agrees(server)
        # Whether it got in or not, there is room for alice herself, and for nobody else.
        assert await room.join("alice")
        with pytest.raises(sfu.RoomFull):
            await room.join("bob")
        await agrees(server)


@pytest.mark.parametrize("turns", TURNS)
async def test_a_cancelled_receive(turns: int) -> None:
    async with sfu.Server(LOOPBACK) as server:
        room = await server.create_room("a")
        caller = Caller(await room.join("alice"))
        try:
            session = caller.session
            # The same offer again is an offer like any other.
            await caller.negotiate(
                lambda offer: cancel_after(turns, session.receive(sfu.Description(type="offer", sdp=offer)))
            )
            await caller.connected()
            caller.channel.send("hello")
            assert await anext(await caller.mine) == "hello"
        finally:
            await caller.hang_up()


@pytest.mark.parametrize("turns", TURNS)
async def test_a_cancelled_leave(turns: int) -> None:
    async with sfu.Server(LOOPBACK) as server:
        room = await server.create_room("a")
        session = await room.join("alice")
        await cancel_after(turns, session.close())
        await session.close()
        assert session.ended is not None
        await agrees(server)
        assert await room.join("alice")
        await cancel_after(turns, room.close())
        await room.close()
        await agrees(server)
        assert not server.rooms


async def test_a_cancelled_send() -> None:
    async with sfu.Server(LOOPBACK) as server, call(await server.room("a"), "alice") as alice:
        channel = await alice.mine
        for turns in TURNS:
            await cancel_after(turns, channel.send(f"maybe {turns}"))
            # What is sent afterwards arrives, once and in order.
            await channel.send(f"surely {turns}")
            async with asyncio.timeout(PATIENCE):
                arrived = [await alice.messages.get()]
                while arrived[-1] != f"surely {turns}":
                    arrived.append(await alice.messages.get())
            assert arrived[:-1] in ([], [f"maybe {turns}"])
        assert alice.messages.empty()


async def test_a_send_that_waits_for_a_full_channel_is_cancelled() -> None:
    config = sfu.Config(udp="127.0.0.1:0", channel_buffer=300_000)
    async with sfu.Server(config) as server, call(await server.room("a"), "alice") as alice:
        channel = await alice.mine
        large = bytes(250_000)
        sending = asyncio.create_task(_send_all(channel, large, 200))
        await until(lambda: alice.messages.qsize() >= 2)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
        await channel.send("the last")
        async with asyncio.timeout(PATIENCE):
            while (message := await alice.messages.get()) != "the last":
                assert message == large


async def _send_all(channel: sfu.DataChannel, message: bytes, count: int) -> None:
    for _ in range(count):
        await channel.send(message)
