"""The page protocol over a WebSocket: every message, both ways."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python.fake_backend import FakeBackend, event
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import sfu
from sfu.signaling.messages import _MESSAGES, BadMessage, parse
from sfu.signaling.quality import layer_for, quality_of
from sfu.tokens import AccessToken, VideoGrant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEYS = {"key": "a secret that is long enough for HS256"}


class Page:
    """One client."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.joined: dict[str, Any] = {}

    def send(self, kind: str, **fields: Any) -> None:
        self.socket.send_json({"type": kind, **fields})

    def receive(self, kind: str) -> dict[str, Any]:
        """The next message of this type; others are skipped."""
        while True:
            message: dict[str, Any] = self.socket.receive_json()
            if message["type"] == kind:
                return message

    def ask(self, kind: str, answer: str = "ok", **fields: Any) -> dict[str, Any]:
        self.send(kind, request=kind, **fields)
        message = self.receive(answer)
        assert message["request"] == kind
        return message


class Door:
    """An application with a data plane in memory, and its clients."""

    def __init__(self, client: TestClient, server: sfu.Server, backend: FakeBackend) -> None:
        self.client = client
        self.server = server
        self.backend = backend

    def on_loop(self, act: Callable[..., Any], *arguments: Any) -> Any:
        assert self.client.portal is not None
        return self.client.portal.call(act, *arguments)

    def connect(self, **headers: str) -> Any:
        return self.client.websocket_connect("/ws", headers=headers)

    def join(self, socket: Any, identity: str, **fields: Any) -> Page:
        page = Page(socket)
        page.send("join", room="standup", identity=identity, **fields)
        page.joined = page.receive("joined")
        return page

    @property
    def room(self) -> sfu.Room:
        return self.server.rooms["standup"]

    def session(self, identity: str) -> sfu.Session:
        session = self.room.session(identity)
        assert session is not None
        return session

    def publish(self, identity: str, **how: Any) -> int:
        number = self.session(identity).id

        def act() -> int:
            return self.backend.publish(self.room.id, number, **how)

        track: int = self.on_loop(act)
        return track

    def deliver(self, *events: Any) -> None:
        self.on_loop(lambda: self.backend.deliver(*events))


def make_door(**options: Any) -> Iterator[Door]:
    backend = FakeBackend()
    config = sfu.Config(resume_timeout=options.pop("resume_timeout", 30.0), max_rooms=2)
    server = sfu.Server(config, backend=lambda _: backend)
    with TestClient(sfu.asgi(server, page=False, **options)) as client:
        yield Door(client, server, backend)


@pytest.fixture
def door() -> Iterator[Door]:
    yield from make_door()


@pytest.fixture
def guarded() -> Iterator[Door]:
    yield from make_door(keys=KEYS)


def token(identity: str = "alice", room: str = "standup", **grant: Any) -> str:
    made = AccessToken("key", KEYS["key"]).with_identity(identity)
    return made.with_grants(VideoGrant(room_join=True, room=room, **grant)).to_jwt()


# Joining.


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


# Media.


def test_offers_go_both_ways(door: Door) -> None:
    with door.connect() as socket:
        page = door.join(socket, "alice")
        page.send("offer", sdp="v=0\r\n", id=3)
        assert page.receive("answer") == {"type": "answer", "sdp": "v=0\r\nanswer", "transport": "main", "id": 3}
        number = door.session("alice").id
        door.on_loop(door.backend.offer_ready, number)
        assert page.receive("offer") == {"type": "offer", "sdp": "server offer", "transport": "main", "id": 1}
        page.ask("answer", sdp="v=0\r\n", id=99)  # stale: ignored
        assert door.backend.names().count("receive") == 1
        page.ask("answer", sdp="v=0\r\n", id=1)
        assert door.session("alice").pending_offers == []
        error = page.ask("offer", "error", sdp="rubbish")
        assert error["code"] == "negotiation"
        assert "line 1" in error["message"]
        page.ask("candidate", candidate="candidate:1 1 udp 1 192.0.2.1 1 typ host")


def test_an_offer_of_ours_never_overtakes_the_answer(door: Door) -> None:
    with door.connect() as socket:
        page = door.join(socket, "alice")
        number = door.session("alice").id
        receive = door.backend.receive

        async def receive_and_offer(*arguments: Any) -> Any:
            answer = await receive(*arguments)
            door.backend.offer_ready(number, number=2)
            return answer

        door.backend.receive = receive_and_offer  # type: ignore[method-assign]
        page.send("offer", sdp="v=0\r\n")
        assert socket.receive_json()["type"] == "answer"
        assert page.receive("offer")["id"] == 2


def test_what_is_published_is_described(door: Door) -> None:
    with door.connect() as one, door.connect() as two:
        alice = door.join(one, "alice")
        bob = door.join(two, "bob")
        alice.ask("publish", mid="1", source="screen", name="slides", muted=True)
        track = str(door.publish("alice"))
        for page in (alice, bob):
            told = page.receive("track_published")["track"]
            assert (told["track"], told["source"], told["name"], told["muted"]) == (track, "screen", "slides", True)
        alice.ask("mute", mid="1", muted=False)
        assert bob.receive("track_updated")["track"]["muted"] is False
        alice.ask("mute", track=track, muted=True)
        assert bob.receive("track_updated")["track"]["muted"] is True
        door.deliver(event("TrackStalled", track=int(track), stalled=True))
        assert bob.receive("track_updated")["track"]["stalled"] is True
        door.deliver(event("TrackUnpublished", room=door.room.id, session=0, track=int(track)))
        assert bob.receive("track_unpublished")["track"] == track


def test_subscriptions(door: Door) -> None:
    with door.connect() as one, door.connect() as two:
        door.join(one, "alice")
        track = door.publish("alice")
        bob = door.join(two, "bob", auto_subscribe=False)
        number = door.session("bob").id
        name = str(track)
        subscribed = bob.ask("subscribe", track=name, quality="low")
        assert bob.ask("set_layer", "error", track="77", quality="low")["code"] == "not_found"
        (subscription,) = door.session("bob").subscriptions
        door.on_loop(lambda: door.backend.subscribed(number, track, subscription=subscription.id, mid="4"))
        while (subscribed := bob.receive("subscribed"))["subscription"]["mid"] is None:
            pass
        assert subscribed["subscription"] == {
            "subscription": str(subscription.id),
            "track": name,
            "mid": "4",
            "quality": "low",
            "paused": False,
            "layer": None,
            "problem": None,
        }
        bob.ask("set_layer", track=name, quality="high")
        assert door.backend.log[-1] == ("set_layer", subscription.id, (2, 7))
        bob.ask("set_layer", track=name, layer={"spatial": 1, "temporal": 0})
        assert bob.ask("set_layer", "error", track=name, layer={"spatial": 9})["code"] == "bad_message"
        assert bob.ask("set_layer", "error", track=name, layer={"x": 9})["code"] == "bad_message"
        bob.ask("pause", track=name, paused=True)
        which = {"session": number, "subscription": subscription.id}
        door.deliver(
            event("LayerChanged", **which, before=(2, 2), after=None, reason="paused", wait=0.0, keyframe_wait=0.0),
            event("SubscriptionFailed", **which, track=track, problem="rejected", codec=None),
        )
        assert bob.receive("layer_changed") == {
            "type": "layer_changed",
            "subscription": str(subscription.id),
            "track": name,
            "quality": None,
            "before": {"spatial": 2, "temporal": 2},
            "after": None,
        }
        assert bob.receive("subscription_failed")["problem"] == "rejected"
        bob.ask("unsubscribe", track=name)
        assert door.session("bob").subscriptions == []


def test_a_publisher_is_told_which_layers_are_wanted(door: Door) -> None:
    with door.connect() as socket:
        alice = door.join(socket, "alice")
        track = door.publish("alice", kind="video", mid="1")
        number = door.session("alice").id
        door.deliver(event("LayersWanted", session=number, track=track, layers=[(0, 2), (1, 0)]))
        assert alice.receive("layers_wanted") == {
            "type": "layers_wanted",
            "track": str(track),
            "rids": ["q", "h"],
            "layers": [{"spatial": 0, "temporal": 2}, {"spatial": 1, "temporal": 0}],
        }


def test_states_speakers_sections_and_stats(door: Door) -> None:
    with door.connect() as socket:
        alice = door.join(socket, "alice")
        number = door.session("alice").id
        track = door.publish("alice", kind="audio", mid="0")
        door.deliver(
            event("ConnectionStateChanged", session=number, state="connected"),
            event("SpeakersChanged", room=door.room.id, speakers=[(number, track, -20)]),
            event("SectionsNeeded", session=number, audio=1, video=2),
        )
        assert alice.receive("participant_updated")["participant"]["state"] == "connected"
        assert alice.receive("connection") == {"type": "connection", "state": "connected"}
        assert alice.receive("speakers")["speakers"] == [
            {"session": str(number), "identity": "alice", "track": str(track), "level": -20}
        ]
        assert alice.receive("sections_needed") == {"type": "sections_needed", "audio": 1, "video": 2}
        stats = alice.ask("stats", "stats")["stats"]
        assert stats["subscriptions"][0]["track"] == str(2**60)
        assert stats["subscriptions"][0]["layer"] == {"spatial": 1, "temporal": 2}
        assert stats["tracks"][0]["encodings"][0]["bitrate"] == 100_000


# People.


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


# Wrong messages.


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "one JSON object"),
        ("[]", "not list"),
        ('{"type": "fly"}', "no message of type 'fly'"),
        ('{"type": ["join"]}', "no message of type"),
        ('{"type": "ping", "request": []}', "request must be"),
        ('{"type": "offer"}', "offer.sdp is missing"),
        ('{"type": "offer", "sdp": 3}', "offer.sdp must be a string"),
        ('{"type": "offer", "sdp": "", "id": true}', "offer.id must be an integer"),
        ('{"type": "mute", "muted": 1}', "mute.muted must be true or false"),
        ('{"type": "set_layer", "track": "1", "quality": "best"}', "'auto' or 'high'"),
        ("[" * 100_000, "one JSON object"),
    ],
)
def test_what_is_wrong_is_named(text: str, error: str) -> None:
    with pytest.raises(BadMessage, match=error):
        parse(text)


def test_rubbish_is_answered_and_survived(door: Door) -> None:
    with door.connect() as socket:
        alice = door.join(socket, "alice")
        socket.send_text("{")
        assert alice.receive("error")["code"] == "bad_message"
        socket.send_bytes(b"{}")
        assert "text frames" in alice.receive("error")["message"]
        alice.ask("ping", "pong")
        socket.send_text(json.dumps({"type": "ping", "pad": "x" * 1_100_000}))
        assert alice.receive("error")["code"] == "too_large"
        with pytest.raises(WebSocketDisconnect):
            alice.receive("nothing")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from(sorted({name for message in _MESSAGES.values() for name in message} | {"request"}))
kinds = st.sampled_from(sorted(_MESSAGES))


@given(st.dictionaries(fields, json_values), kinds)
def test_any_json_is_parsed_or_refused(message: dict[str, Any], kind: str) -> None:
    with contextlib.suppress(BadMessage):
        assert parse(json.dumps({**message, "type": kind}))["type"] == kind


@pytest.mark.parametrize("encodings", [0, 1, 2, 3, 4])
def test_qualities_are_layers(encodings: int) -> None:
    low, medium, high = (layer_for(quality, encodings) for quality in ("low", "medium", "high"))
    assert low is not None
    assert medium is not None
    assert high is not None
    assert low <= medium <= high
    assert layer_for("auto", encodings) is None
    assert quality_of(None, encodings) == "auto"
    assert quality_of(high, encodings) == "high"
    assert quality_of(low, encodings) in ("low", "medium")


# What would harm the others.


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e400", r'"\ud800"', r'{"\udfff": 1}'])
def test_what_other_clients_could_not_parse_never_reaches_them(door: Door, value: str) -> None:
    with door.connect() as one, door.connect() as two:
        alice, bob = door.join(one, "alice"), door.join(two, "bob")
        one.send_text(f'{{"type": "send", "topic": "chat", "data": {value}}}')
        assert alice.receive("error")["code"] == "bad_message"
        alice.ask("send", topic="chat", data="\U0001f600")
        assert bob.receive("message")["data"] == "\U0001f600"


def test_what_a_client_says_of_itself_is_bounded(door: Door) -> None:
    with door.connect() as socket:
        alice = door.join(socket, "alice")
        assert "1024 characters" in alice.ask("update", "error", name="x" * 1025)["message"]
        assert "1024 characters" in alice.ask("publish", "error", mid="x" * 1025)["message"]
        for number in range(64):
            alice.ask("update", attributes={f"key{number}": "x" * 1000})
        refused = alice.ask("update", "error", attributes={"one": "x" * 1000, "two": "x" * 1000})
        assert refused["code"] == "bad_message"
        assert "64 KiB" in refused["message"]
        assert "one" not in door.session("alice").attributes


def test_an_attribute_of_nothing_is_none(door: Door) -> None:
    with door.connect() as socket:
        joined = door.join(socket, "alice", attributes={"hand": None, "mood": "fine"}).joined
        assert joined["participants"][0]["attributes"] == {"mood": "fine"}
