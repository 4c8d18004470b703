"""The native data plane behind the API: loops, processes, ports, ends, cancelling."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import threading
from collections.abc import Callable

import pytest

import sfu
from sfu._backend import RoomOptions

LOOPBACK = sfu.Config(udp="127.0.0.1:0")


def live_things() -> tuple[int, int]:
    """Threads and file descriptors of this process."""
    gc.collect()
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


async def test_a_server_leaves_nothing_behind() -> None:
    async with sfu.Server(LOOPBACK) as server:
        await server.create_room("warm")
    before = live_things()
    for _ in range(20):
        async with sfu.Server(LOOPBACK) as server:
            room = await server.room("a")
            await asyncio.gather(*(room.join() for _ in range(5)))
    assert live_things() == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_several_servers_live_side_by_side() -> None:
    async with sfu.Server(LOOPBACK) as one, sfu.Server(LOOPBACK) as two:
        assert one.candidates != two.candidates
        assert one.fingerprint != two.fingerprint
        await one.create_room("a")
        assert (await one.stats()).rooms == 1
        assert (await two.stats()).rooms == 0


async def test_sessions_are_counted_until_they_leave() -> None:
    async with sfu.Server(LOOPBACK) as server:
        room = await server.create_room("a")
        async with await room.join("alice") as session:
            assert (await server.stats()).sessions == 1
            assert (await room.stats()).sessions[0].identity == "alice"
            assert (await session.stats()).transports[0].state == "connecting"
        assert (await server.stats()).sessions == 0
        await room.close()
        assert (await server.stats()).rooms == 0


@pytest.mark.parametrize("turns", range(6))
async def test_cancelled_joins_and_rooms_are_undone(turns: int) -> None:
    async with sfu.Server(LOOPBACK) as server:
        room = await server.create_room("a")
        for act in (room.join, lambda: server.create_room("b")):
            task: asyncio.Task[object] = asyncio.create_task(act())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        while True:
            stats = await server.stats()
            if (stats.rooms, stats.sessions) == (len(server.rooms), len(room.sessions)):
                break
        assert await server.room("b")
        assert await room.join()


async def test_a_wrong_sdp_is_a_negotiation_error_and_the_session_lives() -> None:
    async with sfu.Server(LOOPBACK) as server:
        session = await (await server.room("a")).join("alice")
        for sdp in ("", "hello", "v=0\r\n", "\0" * 1000):
            with pytest.raises(sfu.NegotiationError):
                await session.answer(sdp)
        assert session.ended is None


async def test_a_port_in_use_is_named() -> None:
    async with sfu.Server(LOOPBACK) as server:
        port = server.candidates[0].rpartition(":")[2]
        with pytest.raises(sfu.TransportError, match=port) as caught:
            await sfu.Server(sfu.Config(udp=f"127.0.0.1:{port}")).start()
        assert isinstance(caught.value, OSError)


async def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(sfu.TransportError, match=r"192\.0\.2\.1"):
        await sfu.Server(sfu.Config(udp="192.0.2.1:0")).start()


async def test_a_bad_certificate_is_refused() -> None:
    config = sfu.Config(
        udp="127.0.0.1:0",
        certificate="-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
        private_key="-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
    )
    with pytest.raises(sfu.ConfigError):
        await sfu.Server(config).start()


async def test_another_loop_is_refused() -> None:
    async with sfu.Server(LOOPBACK) as server:
        room = await server.create_room("a")

        def elsewhere(act: Callable[[], object]) -> None:
            async def run() -> None:
                await act()  # type: ignore[misc]

            asyncio.run(run())

        for act in (room.join, server.stats, lambda: server.create_room("b"), room.close):
            with pytest.raises(sfu.WrongLoop, match="run_coroutine_threadsafe"):
                await asyncio.to_thread(elsewhere, act)
        assert await room.join()


async def test_no_loop_is_refused() -> None:
    def without_a_loop() -> None:
        starting = sfu.Server(LOOPBACK).start()
        with pytest.raises(sfu.WrongLoop, match=r"asyncio\.run\(main\(\)\)"):
            starting.send(None)

    thread = threading.Thread(target=without_a_loop)
    thread.start()
    await asyncio.to_thread(thread.join)


async def test_a_forked_child_is_refused() -> None:
    async with sfu.Server(LOOPBACK) as server:
        room = await server.create_room("a")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                await room.join("alice")
            except sfu.WrongProcess:
                status = 0
            finally:
                os._exit(status)
        assert (await asyncio.to_thread(os.waitpid, child, 0))[1] == 0
        assert await room.join("alice")


async def test_the_data_planes_log_reaches_logging(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "sfu"):
        async with sfu.Server(sfu.Config(udp="127.0.0.1:0", log_level="debug")) as server:
            await server.create_room("a")
    assert any(record.name.startswith("sfu.runtime") for record in caplog.records)


async def test_rubbish_on_the_port_is_counted() -> None:
    async with sfu.Server(LOOPBACK) as server:
        host, _, port = server.candidates[0].rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"hello", (host, int(port)))
        async with asyncio.timeout(30):
            while (await server.stats()).dropped.total == 0:
                pass


async def test_an_application_that_fails_to_adopt_is_told_and_undone() -> None:
    async with sfu.Server(LOOPBACK) as server:
        await server.create_room("a")
        backend = server._running().backend
        options = RoomOptions(max_sessions=None, video_codecs=(), audio_codecs=())

        def fail(_: int) -> None:
            raise LookupError("no shelf for it")

        refused, fine = await asyncio.gather(
            backend.create_room(options, fail), server.create_room("b"), return_exceptions=True
        )
        assert str(refused) == "no shelf for it"
        assert isinstance(fine, sfu.Room)
        assert (await server.stats()).rooms == 2


async def test_what_waits_when_a_server_closes_is_told() -> None:
    server = sfu.Server(LOOPBACK)
    await server.start()
    room = await server.create_room("a")
    joining = asyncio.create_task(room.join("alice"))
    await asyncio.sleep(0)
    await server.close()
    with contextlib.suppress(sfu.NotRunning, sfu.RoomClosed, sfu.SessionClosed):
        await joining
        pytest.fail("a join outlived its server")
