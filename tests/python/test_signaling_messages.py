"""Over the page's WebSocket: wrong messages, and those that would harm others."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.websockets import WebSocketDisconnect

from sfu.signaling.messages import _MESSAGES, BadMessage, parse
from sfu.signaling.quality import layer_for, quality_of

if TYPE_CHECKING:
    from python.door import Door


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
