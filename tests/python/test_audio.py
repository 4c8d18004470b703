"""Audio of a room: redundancy and slots, as the application sees them."""

from __future__ import annotations

import pytest
from python.fake_backend import FakeBackend, event

import sfu
from sfu.signaling.news import News


async def test_a_slot_tells_whose_voice_is_in_it(room: sfu.Room, backend: FakeBackend) -> None:
    alice, bob = await room.join("alice"), await room.join("bob")
    number = backend.publish(room.id, alice.id, kind="audio", mid="0")
    seen: list[tuple[int, str, sfu.Track | None]] = []

    @bob.on("audio_slot_changed")
    def _(slot: int, mid: str, track: sfu.Track | None) -> None:
        seen.append((slot, mid, track))

    for track in (None, number, 12345):
        backend.deliver(event("AudioSlotChanged", session=bob.id, subscription=7, slot=1, mid="s1", track=track))
    assert seen == [(1, "s1", None), (1, "s1", room.tracks[0]), (1, "s1", None)], "a track that has gone is nobody's"
    assert bob.audio_slots == {"s1": None}
    assert not alice.audio_slots


async def test_the_page_is_told(room: sfu.Room, backend: FakeBackend) -> None:
    alice, bob = await room.join("alice"), await room.join("bob")
    backend.publish(room.id, alice.id, kind="audio", mid="0")
    [track] = room.tracks
    [message] = News(room, bob).of(sfu.AudioSlotChanged(0, "s0", track))
    assert message == {"type": "audio_slot", "slot": 0, "mid": "s0", "track": str(track.id)}
    [message] = News(room, bob).of(sfu.AudioSlotChanged(0, "s0", None))
    assert message["track"] is None


async def test_what_a_room_may_ask_for(server: sfu.Server) -> None:
    for wrong in ({"red": 3}, {"red": -1}, {"audio_slots": 0}, {"audio_slots": 17}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            await server.create_room("a", **wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="audio_slots"):
        await server.create_room("a", audio_slots="3")  # type: ignore[arg-type]
    assert (await server.create_room("a", red=2, audio_slots=16)).name == "a"


async def test_the_data_plane_takes_both() -> None:
    async with sfu.Server(sfu.Config(udp="127.0.0.1:0")) as server:
        room = await server.create_room("a", red=1, audio_slots=3)
        session = await room.join("alice", offers="either")
        async for happened in session.events():
            if isinstance(happened, sfu.OfferReady):
                assert happened.offer.sdp.count("m=audio") == 3
                break
