"""`sfu.testing`: a server, peers and a clock that a test moves."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import sfu
from sfu import testing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PUBLISH = [testing.Video(simulcast=3), testing.Audio()]
BAD = testing.Link(delay=0.05, jitter=0.005, loss=0.02)


@pytest.fixture
async def sim() -> AsyncIterator[testing.Simulation]:
    async with testing.Simulation(seed=7) as simulation:
        yield simulation


async def test_a_viewer_behind_a_narrow_link_gets_what_it_carries_and_is_told_why(sim: testing.Simulation) -> None:
    room = await sim.server.create_room("narrow")
    await sim.peer(room, "ann", publish=PUBLISH)
    await sim.peer(room, "bob", link=testing.Link(delay=0.03, rate=400_000))
    cleo = await sim.peer(room, "cleo", link=testing.Link(delay=0.03, rate=5_000_000))
    await sim.run(seconds=20)
    said = {}
    for name in ("bob", "cleo"):
        session = room.session(name)
        assert session is not None
        (video,) = [one for one in session.subscriptions if one.track.kind == "video"]
        said[name] = await video.explain()
    bob, choice = said["bob"], said["bob"].choice
    assert bob.layer is not None
    assert bob.layer.spatial < 2
    assert choice is not None
    assert choice.reason == "budget"
    assert bob.estimate is not None
    assert choice.waits_for is not None
    assert bob.estimate < 440_000 < choice.waits_for
    whole = said["cleo"].choice
    assert whole is not None
    assert (whole.layer, whole.reason, whole.waits_for) == (sfu.Layer(2, 2), "best", None)
    assert cleo.video["ann"].encoding == 2


async def test_a_viewer_over_a_bad_link_sees_a_minute_of_video(sim: testing.Simulation) -> None:
    began = time.monotonic()
    room = await sim.server.create_room("standup")
    await sim.peer(room, "ann", publish=PUBLISH)
    bob = await sim.peer(room, "bob", link=BAD)
    await sim.run(seconds=60)
    video = bob.video["ann"]
    assert video.decoded > 800
    assert (video.faults, video.wrong) == (0, 0)
    assert video.freezes <= 3
    assert video.repaired > 30
    assert video.encoding == 2
    assert bob.audio["ann"].packets > 2900
    assert sim.time == pytest.approx(60)
    assert time.monotonic() - began < 30


async def course(seed: int) -> tuple[list[tuple[float, str]], list[Any]]:
    """What happens in ten seconds of a call, and what everybody saw."""
    async with testing.Simulation(seed=seed) as sim:
        room = await sim.server.create_room("standup")
        events: list[tuple[float, str]] = []
        for name in ("session_joined", "track_published", "connection_state_changed", "speakers_changed"):
            room.on(name)(lambda *fields, name=name: events.append((sim.time, f"{name} {fields}")))
        link = testing.Link(delay=0.05, jitter=0.005, loss=0.02, rate=3_000_000)
        peers = [await sim.peer(room, name, publish=PUBLISH, link=link) for name in ("ann", "bob")]
        await sim.run(seconds=10)
        return events, [[peer.received for peer in peers], [peer.sent for peer in peers]]


async def test_a_seed_gives_one_course_of_events_and_counts() -> None:
    one, again = await course(1), await course(1)
    assert len(one[0]) > 5
    assert one == again


async def test_layers_are_chosen_as_in_production(sim: testing.Simulation) -> None:
    room = await sim.server.create_room("standup")
    await sim.peer(room, "ann", publish=[testing.Video(simulcast=3)])
    bob = await sim.peer(room, "bob")
    await sim.run(seconds=3)
    changes: list[sfu.LayerChanged] = []

    async def read() -> None:
        changes.extend([event async for event in bob.session.events() if isinstance(event, sfu.LayerChanged)])

    reader = asyncio.create_task(read())
    await bob.session.subscriptions[0].set_layer(sfu.Layer(spatial=0, temporal=2))
    await sim.run(seconds=3)
    assert bob.video["ann"].encoding == 0
    assert bob.video["ann"].faults == 0
    await bob.session.close()
    await reader
    assert (sfu.Layer(2, 2), sfu.Layer(0, 2)) in [(change.before, change.after) for change in changes]


@pytest.mark.parametrize(
    "video",
    [
        testing.Video(codec="vp8", structure="L1T3", simulcast=3, frame_rate=30),
        testing.Video(codec="vp8", simulcast=3, dependency_descriptor=True, frame_rate=30),
        testing.Video(codec="h264", simulcast=3, frame_rate=30),
        testing.Video(codec="h264", structure="L1T3", simulcast=3, dependency_descriptor=True, frame_rate=30),
        testing.Video(codec="h265", simulcast=3, frame_rate=30),
        testing.Video(codec="av1", simulcast=3, frame_rate=30),
        testing.Video(codec="vp9", structure="L3T3", frame_rate=30),
        testing.Video(codec="vp9", structure="L3T3", flexible=False, frame_rate=30),
        testing.Video(codec="vp9", structure="L3T3_KEY", frame_rate=30),
        testing.Video(codec="av1", structure="L3T3", frame_rate=30),
        testing.Video(codec="av1", structure="L3T3_KEY", frame_rate=30),
        testing.Video(codec="av1", structure="L3T3_KEY_SHIFT", frame_rate=30),
        testing.Video(codec="av1", structure="S3T3", frame_rate=30),
    ],
    ids=lambda video: f"{video.codec}-{video.structure}-{video.simulcast}",
)
async def test_every_codec_and_structure_is_decoded(sim: testing.Simulation, video: testing.Video) -> None:
    room = await sim.server.create_room("standup")
    await sim.peer(room, "ann", publish=[video])
    bob = await sim.peer(room, "bob", link=testing.Link(delay=0.02, loss=0.01))
    await sim.run(seconds=5)
    temporal = int(video.structure[3]) - 1 if video.structure else 2
    assert bob.video["ann"].layer == sfu.Layer(2, temporal)
    await bob.session.subscriptions[0].set_layer(sfu.Layer(spatial=1, temporal=0))
    await sim.run(seconds=5)
    seen = bob.video["ann"]
    assert seen.layer == sfu.Layer(1, 0)
    assert seen.decoded > 150
    assert (seen.undecodable, seen.freezes, seen.faults, seen.wrong) == (0, 0, 0, 0)
    assert [track.codec.lower() for track in room.tracks] == [video.codec]


async def test_a_peer_with_two_transports_publishes_over_one_and_receives_over_the_other(
    sim: testing.Simulation,
) -> None:
    room = await sim.server.create_room("standup")
    ann = await sim.peer(room, "ann", publish=PUBLISH, offers="split", link=BAD)
    bob = await sim.peer(room, "bob", publish=PUBLISH, offers="split")
    eve = await sim.peer(room, "eve", offers="split")
    await sim.run(seconds=5)
    assert [peer.connected for peer in (ann, bob, eve)] == [True, True, True]
    assert ann.video["bob"].decoded > 50
    assert bob.video["ann"].decoded > 50
    assert {name: eve.audio[name].packets > 150 for name in ("ann", "bob")} == {"ann": True, "bob": True}
    assert ann.sent.packets > 300
    stats = await ann.session.stats()
    assert [one.transport for one in stats.transports] == ["publisher", "subscriber"]
    ann.vanish()
    await sim.run(seconds=60)
    assert room.session("ann") is None


async def test_handshakes_pass_the_same_links(sim: testing.Simulation) -> None:
    room = await sim.server.create_room("standup")
    far = await sim.peer(room, "far", publish=[testing.Audio()], link=testing.Link(delay=0.25))
    cut = await sim.peer(room, "cut off", publish=[testing.Audio()], link=testing.Link(loss=1.0))
    # A check and its answer, then two flights each way (RFC 6347 §4.2.4): three round trips.
    await sim.run(seconds=1.4)
    assert not far.connected
    await sim.run(seconds=3.6)
    assert (far.connected, cut.connected) == (True, False)
    stats = await sim.server.stats()
    # A client's two flights.
    assert stats.dtls >= 2
    assert stats.checks >= 1


async def test_peers_join_through_signalling_of_the_application(sim: testing.Simulation) -> None:
    to_server: asyncio.Queue[sfu.Description] = asyncio.Queue()
    to_client: asyncio.Queue[sfu.Description] = asyncio.Queue()

    async def handler(room: sfu.Room) -> None:  # the code under test
        async with await room.join("ann") as session:
            session.on("offer_ready")(to_client.put_nowait)
            while True:
                if reply := await session.receive(await to_server.get()):
                    to_client.put_nowait(reply)

    room = await sim.server.create_room("standup")
    client = sim.client("ann", publish=[testing.Audio()])
    await sim.peer(room, "bob", publish=[testing.Audio()])
    task = asyncio.create_task(handler(room))
    to_server.put_nowait(client.offer())

    async def browser() -> None:
        while True:
            if reply := client.receive(await to_client.get()):
                to_server.put_nowait(reply)

    page = asyncio.create_task(browser())
    await sim.run(seconds=5)
    assert client.connected
    assert client.audio["bob"].packets > 200
    session = room.session("ann")
    assert session is not None
    assert session.state == "connected"
    for one in (task, page):
        one.cancel()
    await asyncio.gather(task, page, return_exceptions=True)
    with pytest.raises(sfu.UsageError, match="application's own"):
        _ = client.session


async def test_timeouts_follow_the_virtual_clock() -> None:
    config = sfu.Config(empty_room_timeout=300, consent_timeout=10, close_timeout=20)
    async with testing.Simulation(config=config) as sim:
        room = await sim.server.create_room("standup")
        ended: list[tuple[float, str]] = []
        room.on("session_left")(lambda session, reason: ended.append((sim.time, reason)))
        room.on("room_ended")(lambda room, reason: ended.append((sim.time, reason)))
        ann = await sim.peer(room, "ann", publish=[testing.Audio()])
        await sim.run(seconds=10)
        assert ann.session.state == "connected"
        ann.vanish()
        await sim.run(seconds=15)
        assert ann.session.state == "disconnected"
        await sim.run(seconds=1000)
        assert [reason for _, reason in ended] == ["timeout", "empty"]
        assert ended[0][0] == pytest.approx(40, abs=4)
        assert ended[1][0] - ended[0][0] == pytest.approx(300)
        called: list[float] = []
        sim.server.call_later(5, lambda: called.append(sim.time)).cancel()
        sim.server.call_later(7, lambda: called.append(sim.time))
        await sim.run(seconds=10)
        assert called == [pytest.approx(1032)]


async def test_speakers_mutes_moves_and_leaving(sim: testing.Simulation) -> None:
    room = await sim.server.create_room("standup")
    ann = await sim.peer(room, "ann", publish=[testing.Audio(level=-127)])
    bob = await sim.peer(room, "bob", publish=[testing.Audio(level=-127)])
    await sim.run(seconds=3)
    ann.speak(-20)
    await sim.run(seconds=3)
    assert [speaker.session.identity for speaker in room.speakers] == ["ann"]
    ann.move()
    await ann.restart_ice()
    before = bob.audio["ann"].packets
    await sim.run(seconds=10)
    assert bob.audio["ann"].packets - before > 350
    await ann.stop("audio")
    await sim.run(seconds=1)
    assert [track.session.identity for track in room.tracks] == ["bob"]
    await ann.publish(testing.Video())
    await sim.run(seconds=3)
    assert bob.video["ann"].decoded > 30
    bob.close()
    await sim.run(seconds=1)
    assert [session.identity for session in room.sessions] == ["ann"]


async def test_channels(sim: testing.Simulation) -> None:
    room = await sim.server.create_room("standup")
    ann = await sim.peer(room, "ann", publish=[testing.Audio()], channels=True, link=BAD)
    await sim.run(seconds=2)
    ann.open_channel("chat")
    await sim.run(seconds=1)
    channel = ann.session.channels[0]
    assert channel.label == "chat"
    await channel.send("hello")
    assert ann.send("chat", b"\x01")
    await sim.run(seconds=1)
    assert ann.messages == [testing.Message("chat", "hello")]
    async for message in channel:
        assert message == b"\x01"
        break
    with pytest.raises(sfu.UsageError, match="no channel 'other'"):
        ann.send("other", "text")


async def test_a_link_that_gets_worse_is_seen(sim: testing.Simulation) -> None:
    room = await sim.server.create_room("standup")
    await sim.peer(room, "ann", publish=[testing.Video()])
    bob = await sim.peer(room, "bob")
    await sim.run(seconds=10)
    assert bob.video["ann"].freezes == 0
    bob.set_link(downlink=testing.Link(loss=0.9, burst=30))
    await sim.run(seconds=10)
    bob.set_link(testing.Link())
    await sim.run(seconds=5)
    video = bob.video["ann"]
    assert video.freezes > 0
    assert video.idle is not None
    assert video.idle < 0.2
    assert bob.sent.lost_down > 0
    assert bob.sent.lost_up == 0


async def test_misuse_says_what_to_write(sim: testing.Simulation) -> None:
    room = await sim.server.create_room("standup")
    with pytest.raises(ValueError, match="or 'h265', not 'vp10'"):
        testing.Video(codec="vp10")
    with pytest.raises(ValueError, match="or 'L1T3', not 'L3T3'"):
        testing.Video(codec="vp8", structure="L3T3")
    with pytest.raises(ValueError, match="dependency_descriptor=True"):
        testing.Video(codec="h264", structure="L1T3")
    with pytest.raises(ValueError, match="three temporal layers"):
        testing.Video(codec="vp9", structure="L3T1", flexible=False)
    with pytest.raises(ValueError, match="one spatial layer"):
        testing.Video(codec="av1", structure="L3T3", simulcast=2)
    with pytest.raises(ValueError, match="share from 0 to 1, not 2: "):
        testing.Link(loss=2)
    with pytest.raises(TypeError, match="publish=\\["):
        await sim.peer(room, "ann", publish=testing.Audio())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"sfu\.Room"):
        await sim.peer("standup", "ann")  # type: ignore[arg-type]
    ann = await sim.peer(room, "ann")
    with pytest.raises(ValueError, match="already"):
        sim.client("ann")
    with pytest.raises(KeyError, match="received no video of 'bob'; of nobody"):
        _ = ann.video["bob"]
    with pytest.raises(ValueError, match="0 audio tracks"):
        ann.speak(-20)
    with pytest.raises(sfu.NegotiationError):
        ann.receive(sfu.Description(type="offer", sdp="v=0"))
    with pytest.raises(TypeError, match="async with"), sim:
        pass
    task = asyncio.create_task(sim.run(seconds=1))
    await asyncio.sleep(0)
    with pytest.raises(sfu.UsageError, match="one task"):
        await sim.run(seconds=1)
    await task


async def test_before_and_after_there_is_nothing() -> None:
    sim = testing.Simulation()
    with pytest.raises(sfu.NotRunning, match="not been started"):
        await sim.run(seconds=1)
    async with sim:
        room = await sim.server.create_room("standup")
        ann = await sim.peer(room, "ann")
    with pytest.raises(sfu.NotRunning):
        await sim.run(seconds=1)
    with pytest.raises(sfu.NotRunning):
        _ = ann.received


def test_it_needs_a_loop() -> None:
    with pytest.raises(sfu.WrongLoop):
        testing.Simulation().__aenter__().send(None)


async def test_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).parents[2] / "examples" / "simulated_call.py"
    module = ModuleType("simulated_call")
    exec(compile(path.read_text(), str(path), "exec"), module.__dict__)
    await module.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["0% loss", "2% loss", "10% loss"]
    assert " 0 freezes, 0 packets repaired" in lines[0]
