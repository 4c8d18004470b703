"""Over the page's WebSocket: people come, speak, leave and come back."""

from __future__ import annotations

import pytest
from python.door import Door, Page, make_door
from starlette.websockets import WebSocketDisconnect


def test_people_come_change_and_go(door: Door) -> None:
    with door.connect() as one, door.connect() as two:
        alice = door.join(one, "alice")
        bob = door.join(two, "bob")
        assert alice.receive("participant_joined")["participant"]["identity"] == "bob"
        bob.ask("update", name="Bob", attributes={"hand": "up"})
        bob.ask("update", attributes={"hand": None}, metadata="x")
        assert alice.receive("participant_updated")["participant"]["attributes"] == {"hand": "up"}
        bob.send("leave")
        assert bob.receive("closed")["reason"] == "left"
        left = alice.receive("participant_left")
        assert (left["identity"], left["reason"]) == ("bob", "left")


def test_messages_reach_others(door: Door) -> None:
    with door.connect() as one, door.connect() as two, door.connect() as three:
        alice, bob, carol = (
            door.join(socket, name) for socket, name in ((one, "alice"), (two, "bob"), (three, "carol"))
        )
        alice.ask("send", topic="chat", data={"text": "hi"})
        alice.ask("send", topic="chat", data="psst", to=["carol"])
        assert bob.receive("message") == {"type": "message", "topic": "chat", "data": {"text": "hi"}, "from": "alice"}
        assert [carol.receive("message")["data"] for _ in range(2)] == [{"text": "hi"}, "psst"]
        assert alice.ask("send", "error", topic="chat", data="x" * 70_000)["code"] == "too_large"
        assert alice.ask("send", "error", topic="chat", data=1, to=[1])["code"] == "bad_message"
        assert alice.ask("ping", "pong", time=1.5)["time"] == 1.5


def test_the_same_identity_replaces(door: Door) -> None:
    with door.connect() as one, door.connect() as two:
        first = door.join(one, "alice")
        door.join(two, "alice")
        assert first.receive("closed")["reason"] == "replaced"


# Resuming.


def test_a_lost_websocket_is_resumed_with_the_whole_state(door: Door) -> None:
    with door.connect() as other:
        bob = door.join(other, "bob")
        with door.connect() as socket:
            alice = door.join(socket, "alice")
            number = door.session("alice").id
            door.on_loop(door.backend.offer_ready, number)
            alice.receive("offer")
        track = door.publish("bob")
        with door.connect() as socket:
            page = Page(socket)
            page.send("join", room="standup", resume=alice.joined["resume"])
            joined = page.receive("joined")
            assert joined["resumed"] is True
            assert joined["session"] == alice.joined["session"] == str(number)
            assert [one["track"] for one in joined["tracks"]] == [str(track)]
            assert page.receive("offer")["id"] == 1
            page.ask("send", topic="chat", data="back")
            assert bob.receive("message")["data"] == "back"


def test_a_resumed_client_takes_over_a_socket_that_hangs(door: Door) -> None:
    with door.connect() as one, door.connect() as two:
        alice = door.join(one, "alice")
        page = Page(two)
        page.send("join", resume=alice.joined["resume"])
        page.receive("joined")
        with pytest.raises(WebSocketDisconnect):
            alice.receive("nothing")
        page.ask("ping", "pong")


def test_who_does_not_come_back_has_left() -> None:
    for door in make_door(resume_timeout=0.0):
        with door.connect() as other:
            bob = door.join(other, "bob")
            with door.connect() as socket:
                alice = door.join(socket, "alice")
            assert bob.receive("participant_left")["identity"] == "alice"
            with door.connect() as socket:
                socket.send_json({"type": "join", "resume": alice.joined["resume"]})
                assert socket.receive_json()["code"] == "resume_failed"
