"""Over the page's WebSocket: who may join, and what they are told."""

from __future__ import annotations

from typing import Any

import pytest
from python.door import Door, Page, make_door, token
from starlette.websockets import WebSocketDisconnect


def test_joined_holds_the_whole_state(door: Door) -> None:
    with door.connect() as one, door.connect() as two:
        door.join(one, "bob", name="Bob", metadata="m", attributes={"a": "b"})
        track = door.publish("bob")
        joined = door.join(two, "alice").joined
    bob = joined["participants"][0]
    assert {key: bob[key] for key in ("identity", "name", "metadata", "attributes", "state")} == {
        "identity": "bob",
        "name": "Bob",
        "metadata": "m",
        "attributes": {"a": "b"},
        "state": "connecting",
    }
    assert joined["tracks"] == [
        {
            "track": str(track),
            "session": bob["session"],
            "identity": "bob",
            "kind": "video",
            "source": "camera",
            "name": "",
            "codec": "VP8",
            "layers": 3,
            "muted": False,
            "muted_by_server": False,
            "stalled": False,
            "mid": "1",
        }
    ]
    assert joined["topology"] == "sfu"
    assert joined["identity"] == "alice"
    assert joined["permissions"] == {
        "publish": True,
        "subscribe": True,
        "data": True,
        "update": True,
        "admin": False,
        "sources": None,
    }
    assert joined["room"] == {"name": "standup", "metadata": "", "attributes": {}, "max_sessions": None}


def test_the_first_message_is_join(door: Door) -> None:
    with door.connect() as socket:
        socket.send_json({"type": "ping", "request": 1})
        assert socket.receive_json() == {
            "type": "error",
            "code": "not_joined",
            "message": "the first message must be `join`",
            "request": 1,
        }
        with pytest.raises(WebSocketDisconnect):
            socket.receive_json()


def test_a_second_join_is_refused(door: Door) -> None:
    with door.connect() as socket:
        assert door.join(socket, "alice").ask("join", "error", room="x")["code"] == "already_joined"


@pytest.mark.parametrize(
    ("join", "code"),
    [
        ({}, "bad_message"),
        ({"room": "x" * 129}, "bad_message"),
        ({"room": 7}, "bad_message"),
        ({"room": "a", "attributes": {"a": 1}}, "bad_message"),
        ({"room": "a", "resume": "long gone"}, "resume_failed"),
    ],
)
def test_joins_that_are_refused(door: Door, join: dict[str, Any], code: str) -> None:
    with door.connect() as socket:
        socket.send_json({"type": "join", **join})
        assert socket.receive_json()["code"] == code


def test_too_many_rooms(door: Door) -> None:
    for name in ("a", "b"):
        door.on_loop(door.server.room, name)
    with door.connect() as socket:
        socket.send_json({"type": "join", "room": "c"})
        assert socket.receive_json()["code"] == "too_many_rooms"


def test_pages_of_other_origins_are_kept_out(door: Door) -> None:
    with pytest.raises(WebSocketDisconnect), door.connect(origin="https://evil.example"):
        pass
    with door.connect(origin="http://testserver") as socket:
        door.join(socket, "alice")


def test_origins_can_be_allowed() -> None:
    for door in make_door(origins=["https://app.example"]):
        with door.connect(origin="https://app.example") as socket:
            door.join(socket, "alice")


# Tokens.


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"room": "standup"}, "unauthorized"),
        ({"room": "standup", "token": "x.y.z"}, "unauthorized"),
        ({"room": "other", "token": token()}, "forbidden"),
        ({"identity": "bob", "token": token()}, "forbidden"),
    ],
)
def test_what_a_token_does_not_open(guarded: Door, fields: dict[str, Any], code: str) -> None:
    with guarded.connect() as socket:
        socket.send_json({"type": "join", **fields})
        assert socket.receive_json()["code"] == code


def test_a_token_says_who_and_what(guarded: Door) -> None:
    with guarded.connect() as socket:
        socket.send_json({"type": "join", "token": token(can_publish_sources=("microphone",), can_publish_data=False)})
        page = Page(socket)
        joined = page.receive("joined")
        assert joined["identity"] == "alice"
        assert joined["permissions"]["sources"] == ["microphone"]
        assert page.ask("publish", "error", mid="1", source="camera")["code"] == "forbidden"
        assert page.ask("send", "error", topic="chat", data=1)["code"] == "forbidden"
        assert page.ask("kick", "error", identity="bob")["code"] == "forbidden"


def test_an_admin_moderates(guarded: Door) -> None:
    with guarded.connect() as one, guarded.connect() as two:
        bob = guarded.join(one, "bob", token=token("bob"))
        track = guarded.publish("bob")
        admin = guarded.join(two, "alice", token=token(room_admin=True))
        assert bob.ask("mute", "error", track="1", muted=True)["code"] == "not_found"
        admin.ask("mute", track=str(track), muted=True)
        assert bob.receive("track_updated")["track"]["muted_by_server"] is True
        admin.ask("mute", track=str(track), muted=False)
        admin.ask("update_room", metadata="quiet", attributes={"locked": "1"})
        assert bob.receive("room_updated")["room"]["attributes"] == {"locked": "1"}
        admin.ask("kick", identity="bob", reason="loud")
        assert bob.receive("closed") == {"type": "closed", "reason": "kicked", "detail": "loud"}
        assert admin.ask("kick", "error", identity="bob")["code"] == "not_found"
        admin.send("close_room", reason="over")
        assert admin.receive("closed")["reason"] == "room_closed"
