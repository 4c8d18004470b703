"""Sessions: negotiation, subscriptions, tracks, channels, stats."""

import asyncio
import json
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest
from python.fake_backend import FakeBackend, event

import sfu


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def published(room: sfu.Room, backend: FakeBackend, **how: object) -> sfu.Track:
    alice = await room.join("alice")
    backend.publish(room.id, alice.id, **how)  # type: ignore[arg-type]
    return room.tracks[0]


# Negotiation.


async def test_an_offer_is_answered(room: sfu.Room) -> None:
    session = await room.join("alice")
    offer = sfu.Description(type="offer", sdp="v=0\r\n", id=7)
    assert await session.receive(offer) == sfu.Description(type="answer", sdp="v=0\r\nanswer", id=7)
    assert await session.answer("v=0\r\n") == "v=0\r\nanswer"


async def test_the_short_way_uses_the_publishers_transport(room: sfu.Room, backend: FakeBackend) -> None:
    session = await room.join("alice", offers="split")
    await session.answer("v=0\r\n")
    assert backend.log[-1][2].transport == "publisher"


async def test_our_offer_waits_until_it_is_answered_once(room: sfu.Room, backend: FakeBackend) -> None:
    session = await room.join("alice")
    backend.offer_ready(session.id, number=4)
    event = await anext(session.events())
    assert session.pending_offers == [event.offer]
    answer = sfu.Description(type="answer", sdp="v=0\r\n", id=4)
    assert await session.receive(answer) is None
    assert session.pending_offers == []
    with pytest.raises(sfu.NegotiationError, match="answer each OfferReady once"):
        await session.receive(answer)


async def test_a_clients_offer_takes_the_place_of_ours(room: sfu.Room, backend: FakeBackend) -> None:
    session = await room.join("alice")
    backend.offer_ready(session.id, number=1)
    await session.receive(sfu.Description(type="offer", sdp="v=0\r\n"))
    assert session.pending_offers == []


async def test_an_offer_that_comes_with_the_answer_is_kept(room: sfu.Room, backend: FakeBackend) -> None:
    session = await room.join("alice")
    backend.offer_ready(session.id, number=1)
    receiving = asyncio.create_task(session.receive(sfu.Description(type="offer", sdp="v=0\r\n")))
    await asyncio.sleep(0)
    backend.offer_ready(session.id, number=2)
    await receiving
    assert [offer.id for offer in session.pending_offers] == [2]


async def test_a_wrong_sdp_names_the_line_and_the_session_lives(room: sfu.Room) -> None:
    session = await room.join("alice")
    with pytest.raises(sfu.NegotiationError, match="line 1"):
        await session.answer("nonsense")
    assert await session.answer("v=0\r\n")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"type": "pranswer", "sdp": ""}, "'offer' or 'answer'"),
        ({"type": "offer", "sdp": None}, "SDP text as str"),
        ({"type": "offer", "sdp": "", "transport": "x"}, "'main', 'publisher' or 'subscriber'"),
        ({"type": "offer", "sdp": "", "id": "1"}, "int or None"),
        ({"type": "offer", "sdp": "", "id": -1}, "between 0"),
    ],
)
def test_descriptions_are_checked(fields: dict[str, object], error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        sfu.Description(**fields)  # type: ignore[arg-type]


def test_descriptions_travel_as_json() -> None:
    offer = sfu.Description(type="offer", sdp="v=0", transport="subscriber", id=3)
    assert sfu.Description(**json.loads(json.dumps(offer.to_dict()))) == offer


async def test_candidates_and_restarts_are_passed_on(room: sfu.Room, backend: FakeBackend) -> None:
    session = await room.join("alice")
    await session.add_candidate("candidate:1 1 udp 1 192.0.2.1 1 typ host")
    await session.add_candidate("")
    assert await session.restart_ice("u", "p") == ("newu", "new-password")
    assert backend.names().count("add_candidate") == 1
    await session.offer_ice_restart()
    assert backend.log[-1] == ("offer_ice_restart", session.id, "main")
    with pytest.raises(ValueError, match="transport"):
        await session.offer_ice_restart(transport="both")  # type: ignore[arg-type]


# Subscriptions.


async def test_subscribing_by_hand(room: sfu.Room, backend: FakeBackend) -> None:
    track = await published(room, backend)
    bob = await room.join("bob", auto_subscribe=False)
    subscription = await bob.subscribe(track, max_layer=sfu.Layer(1, 2))
    assert backend.log[-1] == ("subscribe", bob.id, track.id, (1, 2))
    assert subscription.max_layer == sfu.Layer(1, 2)
    backend.subscribed(bob.id, track.id, subscription=subscription.id, mid="7")
    assert (subscription.mid, bob.subscription(track)) == ("7", subscription)
    await subscription.set_layer(None)
    await subscription.pause()
    assert subscription.paused
    await subscription.resume()
    backend.explained = subscription.id
    why = await subscription.explain()
    assert (why.estimate, why.layer, why.paused) == (2_500_000, sfu.Layer(1, 2), False)
    assert why.choice == sfu.Choice(layer=sfu.Layer(1, 2), bitrate=500_000, reason="budget", waits_for=2_300_000)
    await subscription.unsubscribe()
    await subscription.unsubscribe()
    assert bob.subscriptions == []
    told = [entry[0] for entry in backend.log[-5:]]
    assert told == ["set_layer", "set_paused", "set_paused", "session_stats", "unsubscribe"]
    for late in (subscription.pause, subscription.explain):
        with pytest.raises(sfu.SubscriptionEnded, match="subscribe again"):
            await late()


async def test_automatic_subscriptions_appear_with_their_events(room: sfu.Room, backend: FakeBackend) -> None:
    track = await published(room, backend)
    bob = await room.join("bob")
    number = backend.subscribed(bob.id, track.id)
    before = {"session": bob.id, "subscription": number}
    backend.deliver(
        event("LayerChanged", **before, before=None, after=(2, 1), reason="started", wait=0.5, keyframe_wait=0.25),
        event("SubscriptionFailed", **before, track=track.id, problem="codec_unsupported", codec="VP8"),
        event("Unsubscribed", **before, track=track.id),
    )
    seen = bob.events()
    for _ in range(2):
        await anext(seen)  # who and what is there
    subscribed = await anext(seen)
    assert subscribed == sfu.Subscribed(subscribed.subscription)
    one = subscribed.subscription
    changed = await anext(seen)
    assert changed == sfu.LayerChanged(one, None, sfu.Layer(2, 1))
    assert (changed.reason, changed.wait, changed.keyframe_wait) == ("started", 0.5, 0.25)
    assert await anext(seen) == sfu.SubscriptionFailed(one, "codec_unsupported", "VP8")
    assert await anext(seen) == sfu.Unsubscribed(one)
    assert one.ended


async def test_what_cannot_be_subscribed(room: sfu.Room, server: sfu.Server, backend: FakeBackend) -> None:
    track = await published(room, backend)
    with pytest.raises(sfu.NotInRoom):
        await room.session("alice").subscribe(track)  # type: ignore[union-attr]
    elsewhere = await (await server.room("other")).join("bob")
    with pytest.raises(sfu.NotInRoom):
        await elsewhere.subscribe(track)
    deaf = await room.join("deaf", can_subscribe=False)
    with pytest.raises(sfu.Forbidden, match="can_subscribe=False"):
        await deaf.subscribe(track)
    bob = await room.join("bob")
    with pytest.raises(TypeError, match=r"sfu\.Track"):
        await bob.subscribe(track.id)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"sfu\.Layer"):
        await bob.subscribe(track, max_layer="low")  # type: ignore[arg-type]
    await room.session("alice").close()  # type: ignore[union-attr]
    with pytest.raises(sfu.TrackEnded):
        await bob.subscribe(track)
    with pytest.raises(sfu.TrackEnded):
        await track.mute()


async def test_a_cancelled_subscribe_is_undone(room: sfu.Room, backend: FakeBackend) -> None:
    track = await published(room, backend)
    bob = await room.join("bob", auto_subscribe=False)
    for after in range(6):
        task = asyncio.create_task(bob.subscribe(track))
        await turns(after)
        task.cancel()
        if (await asyncio.gather(task, return_exceptions=True))[0].__class__ is asyncio.CancelledError:
            await turns(10)
            assert bob.subscriptions == []


def test_layers_are_checked() -> None:
    with pytest.raises(ValueError, match="spatial must be 0 to 7"):
        sfu.Layer(8)
    with pytest.raises(TypeError, match="temporal must be an int"):
        sfu.Layer(0, 1.0)  # type: ignore[arg-type]
    assert sfu.Layer(1, 0) > sfu.Layer(0, 7)


# Tracks.


async def test_a_track_is_what_its_publisher_said(room: sfu.Room, backend: FakeBackend) -> None:
    alice = await room.join("alice")
    alice.describe("1", source="screen", name="slides", muted=True)
    backend.publish(room.id, alice.id, mid="1")
    (track,) = alice.tracks
    assert (track.source, track.name, track.muted, track.codec) == ("screen", "slides", True, "VP8")
    assert track.session is alice
    seen = room.events()
    alice.describe("1", muted=False)
    alice.describe("1", source="camera")
    alice.describe("1", source="camera")
    assert await anext(seen) == sfu.TrackUnmuted(track, "publisher")
    assert await anext(seen) == sfu.TrackUpdated(track)
    with pytest.raises(ValueError, match="microphone"):
        alice.describe("1", source="webcam")  # type: ignore[arg-type]


async def test_server_and_publisher_mute_independently(room: sfu.Room, backend: FakeBackend) -> None:
    track = await published(room, backend)
    seen = room.events()
    await track.mute()
    await track.mute()
    track.report_muted(True)
    await track.unmute()
    assert track.muted
    assert (track.muted_by_publisher, track.muted_by_server) == (True, False)
    assert [await anext(seen) for _ in range(3)] == [
        sfu.TrackMuted(track, "server"),
        sfu.TrackMuted(track, "publisher"),
        sfu.TrackUnmuted(track, "server"),
    ]


async def test_a_forbidden_source_is_refused_and_muted(room: sfu.Room, backend: FakeBackend) -> None:
    alice = await room.join("alice", can_publish=["microphone", "screen"])
    options = backend.log[-1][2]
    assert (options.publish_audio, options.publish_video) == (True, True)
    with pytest.raises(sfu.Forbidden, match="may not publish camera"):
        alice.describe("1", source="camera")
    backend.publish(room.id, alice.id, mid="1")
    await turns()
    assert room.tracks[0].muted_by_server


async def test_stalls_are_told(room: sfu.Room, backend: FakeBackend) -> None:
    track = await published(room, backend)
    seen = room.events()
    backend.deliver(event("TrackStalled", track=track.id, stalled=True))
    assert await anext(seen) == sfu.TrackStalled(track, True)
    assert track.stalled


def learnt(**changed: object) -> SimpleNamespace:
    about = {"layer": (1, 2), "rid": "h", "width": 480, "height": 270, "frame_rate": 15.0, "bitrate": 350_000}
    return SimpleNamespace(**{**about, "flowing": True, **changed})


async def test_layers_are_shown_and_lasting_changes_told(room: sfu.Room, backend: FakeBackend) -> None:
    track = await published(room, backend)
    assert track.layers == ()
    seen = room.events()
    backend.deliver(event("LayersChanged", track=track.id, layers=[learnt()]))
    assert await anext(seen) == sfu.LayersChanged(track)
    assert track.layers == (sfu.LayerInfo(sfu.Layer(1, 2), "h", 480, 270, 15.0, 350_000, True),)
    backend.deliver(event("LayersChanged", track=track.id, layers=[learnt(bitrate=500_000)]))
    backend.deliver(event("LayersChanged", track=track.id, layers=[learnt(bitrate=500_000, flowing=False)]))
    backend.deliver(event("TrackStalled", track=track.id, stalled=True))
    assert await anext(seen) == sfu.LayersChanged(track)
    assert await anext(seen) == sfu.TrackStalled(track, True), "other numbers alone are no event"
    assert (track.layers[0].bitrate, track.layers[0].flowing) == (500_000, False)


async def test_the_publisher_hears_which_layers_are_wanted(room: sfu.Room, backend: FakeBackend) -> None:
    track = await published(room, backend)
    owner = room.session(track.session.identity)
    assert owner is not None
    heard: list[tuple[sfu.Track, tuple[sfu.Layer, ...]]] = []
    owner.on("layers_wanted")(lambda track, layers: heard.append((track, layers)))
    backend.deliver(event("LayersWanted", session=owner.id, track=track.id, layers=[(0, 2), (1, 0)]))
    backend.deliver(event("LayersWanted", session=owner.id, track=track.id + 1000, layers=[]))
    backend.deliver(event("LayersWanted", session=owner.id, track=track.id, layers=[]))
    assert heard == [(track, (sfu.Layer(0, 2), sfu.Layer(1, 0))), (track, ())]


async def test_a_dump_is_an_rtpdump_file(room: sfu.Room, backend: FakeBackend, tmp_path: Path) -> None:
    track = await published(room, backend)
    path = tmp_path / "track.rtpdump"
    dumping = asyncio.create_task(track.dump(path, seconds=2))
    await backend.reached("dump")
    with pytest.raises(sfu.TrackBusy):
        await track.dump(path, seconds=1)
    backend.deliver(event("Dump", track=track.id, data=b"one", last=False))
    backend.deliver(event("Dump", track=track.id, data=b"two", last=True))
    written = await dumping
    data = path.read_bytes()
    assert written == len(data)
    assert data.startswith(b"#!rtpplay1.0 0.0.0.0/0\n")
    seconds, micros, source, port, padding = struct.unpack("!IIIHH", data[23:39])
    assert seconds > 1_600_000_000
    assert micros < 1_000_000
    assert (source, port, padding, data[39:]) == (0, 0, 0, b"onetwo")


async def test_a_dump_ends_with_its_track_and_needs_a_writable_file(
    room: sfu.Room, backend: FakeBackend, tmp_path: Path
) -> None:
    track = await published(room, backend)
    with pytest.raises(FileNotFoundError):
        await track.dump(tmp_path / "no" / "where", seconds=1)
    dumping = asyncio.create_task(track.dump(tmp_path / "x", seconds=100))
    await backend.reached("dump")
    await room.close()
    # The data plane has a last piece.
    backend.deliver(event("Dump", track=track.id, data=b"rest", last=True))
    assert await dumping == 39 + 4
    with pytest.raises(ValueError, match="more than 0"):
        await (await published(await _room_of(backend), backend)).dump(tmp_path / "y", seconds=0)


async def test_a_dump_ends_with_the_server(server: sfu.Server, backend: FakeBackend, tmp_path: Path) -> None:
    track = await published(await server.create_room("short"), backend)
    dumping = asyncio.create_task(track.dump(tmp_path / "x", seconds=100))
    await backend.reached("dump")
    await server.close()
    assert await dumping == 39


async def _room_of(backend: FakeBackend) -> sfu.Room:
    server = sfu.Server(backend=lambda _: backend)
    await server.start()
    return await server.create_room("again")


# Data channels.


async def test_messages_go_both_ways(room: sfu.Room, backend: FakeBackend) -> None:
    alice = await room.join("alice")
    channel = await alice.open_channel("chat", ordered=False, max_retransmits=0)
    sending = asyncio.create_task(channel.send("early"))
    await turns()
    assert backend.sent == []
    backend.deliver(
        event(
            "ChannelOpened",
            session=alice.id,
            channel=channel.id,
            label="chat",
            protocol="",
            ordered=False,
            by_peer=False,
        ),
        event("ChannelMessage", channel=channel.id, binary=False, payload="grüße".encode()),
        event("ChannelMessage", channel=channel.id, binary=True, payload=b""),
        event("ChannelEnded", channel=channel.id),
    )
    assert [message async for message in channel] == ["grüße", b""]
    with pytest.raises(sfu.ChannelClosed):
        await sending
    assert alice.channels == []


async def test_sending_waits_for_a_peer_that_does_not_read(room: sfu.Room, backend: FakeBackend) -> None:
    alice = await room.join("alice")
    number = backend.open_by_peer(alice.id, "chat")
    (channel,) = alice.channels
    backend.full_channels.add(number)
    first, second = (asyncio.create_task(channel.send(text)) for text in ("a", "b"))
    await turns(10)
    assert not first.done()
    assert await channel.try_send("now") is False
    backend.full_channels.clear()
    backend.deliver(event("ChannelWritable", channel=number))
    await asyncio.gather(first, second)
    assert backend.sent == [(number, "a"), (number, "b")]


async def test_a_channel_that_nobody_reads_is_bounded(room: sfu.Room, backend: FakeBackend) -> None:
    alice = await room.join("alice")
    number = backend.open_by_peer(alice.id, "chat")
    (channel,) = alice.channels
    for _ in range(100):
        backend.deliver(event("ChannelMessage", channel=number, binary=True, payload=bytes(100_000)))
    assert channel.dropped == 100 - 4 * 1024 * 1024 // 100_064
    assert len(await anext(channel)) == 100_000


async def test_broadcast_passes_over_who_cannot_take_it(room: sfu.Room, backend: FakeBackend) -> None:
    alice, bob, carol = [await room.join(name) for name in ("alice", "bob", "carol")]
    numbers = [backend.open_by_peer(one.id, "news") for one in (alice, bob, carol)]
    backend.open_by_peer(alice.id, "other")
    backend.full_channels.add(numbers[1])
    assert await room.broadcast(b"x", label="news", exclude=[carol]) == 1
    assert backend.sent == [(numbers[0], b"x")]


async def test_channel_misuse(room: sfu.Room, backend: FakeBackend) -> None:
    alice = await room.join("alice")
    with pytest.raises(ValueError, match="not both"):
        await alice.open_channel("x", max_retransmits=1, max_lifetime=1.0)
    with pytest.raises(ValueError, match="65535"):
        await alice.open_channel("x", max_retransmits=-1)
    with pytest.raises(TypeError, match="label must be a str"):
        await alice.open_channel(3)  # type: ignore[arg-type]
    backend.open_by_peer(alice.id, "chat")
    (channel,) = alice.channels
    with pytest.raises(TypeError, match=r"json\.dumps"):
        await channel.send({"a": 1})  # type: ignore[arg-type]
    with pytest.raises(sfu.MessageTooLarge, match="262145 bytes"):
        await channel.send(bytes(262_145))
    await channel.close()
    await channel.close()
    with pytest.raises(sfu.ChannelClosed, match="open another"):
        await channel.send("x")


# Stats.


async def test_stats_are_plain_values(server: sfu.Server, room: sfu.Room) -> None:
    alice = await room.join("alice")
    stats = await room.stats()
    assert stats.room == "standup"
    assert stats.sessions == (await alice.stats(),)
    session = stats.sessions[0]
    assert session.identity == "alice"
    assert session.transports[0].cipher == "AEAD_AES_128_GCM"
    assert session.transports[0].dropped.total == 3
    assert session.tracks[0].encodings[0].rid == "q"
    assert session.subscriptions[0].layer == sfu.Layer(1, 2)
    assert json.loads(json.dumps((await server.stats()).to_dict()))["sessions"] == 1
