"""What newcomers try, and the error that tells them what to change."""

import asyncio
import warnings

import pytest
from python.fake_backend import FakeBackend

import sfu


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"udp": "7882"}, "HOST:PORT"),
        ({"udp": "0.0.0.0:99999"}, "0 to 65535"),
        ({"udp": "localhost:1"}, "IP address"),
        ({"udp": ":::7882"}, "brackets"),
        ({"udp": "[0.0.0.0]:1"}, "brackets"),
        ({"udp": []}, "at least one"),
        ({"udp": 7882}, "str or a sequence"),
        ({"announce": "203.0.113.7:7882"}, "without a port"),
        ({"announce": "0.0.0.0"}, "no destination"),
        ({"announce": "example.com"}, "IP address"),
        ({"shards": 0}, "shards must be at least 1"),
        ({"shards": "2"}, "shards must be an int"),
        ({"pin": "0"}, "pin must be a sequence"),
        ({"pin": [1.5]}, "processors' numbers, not of float"),
        ({"pin": [-1]}, "numbers from 0"),
        ({"spread": 1}, "spread must be a bool"),
        ({"hold": 0.001}, "at most 0.0005 seconds"),
        ({"hold": -0.0001}, "0 or more seconds"),
        ({"max_rooms": 0}, "max_rooms"),
        ({"max_sessions": True}, "max_sessions must be an int"),
        ({"consent_timeout": 0}, "more than 0 seconds"),
        ({"consent_timeout": "5s"}, "seconds as a number"),
        ({"resume_timeout": -1}, "0 or more seconds"),
        ({"empty_room_timeout": float("nan")}, "0 or more seconds"),
        ({"log_level": "verbose"}, "trace, debug, info"),
        ({"certificate": "cert.pem"}, "belong together"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, object], error: str) -> None:
    with pytest.raises((sfu.ConfigError, TypeError), match=error):
        sfu.Config(**settings)  # type: ignore[arg-type]


def test_a_certificate_that_is_not_there() -> None:
    config = sfu.Config(certificate="no-such.pem", private_key="no-such.pem")
    with pytest.raises(sfu.ConfigError, match=r"certificate: .*No such file"):
        _ = config.certificate_pem


def test_addresses_that_can() -> None:
    config = sfu.Config(udp=["[::]:7882", "127.0.0.1:0"], announce="2001:db8::1")
    assert config.udp_addresses == ["[::]:7882", "127.0.0.1:0"]
    assert config.announced_addresses == ["2001:db8::1"]


def test_a_server_takes_a_config() -> None:
    with pytest.raises(TypeError, match=r"sfu\.Config\(udp=…\)"):
        sfu.Server("0.0.0.0:7882")  # type: ignore[arg-type]


def test_a_server_wants_async_with() -> None:
    with pytest.raises(TypeError, match="async with"), sfu.Server():
        pass


async def test_a_session_wants_async_with(room: sfu.Room) -> None:
    with pytest.raises(TypeError, match="async with await"), await room.join("alice"):
        pass


async def test_a_server_that_was_not_started() -> None:
    server = sfu.Server()
    for act in (lambda: server.create_room("a"), lambda: server.room("a"), server.stats):
        with pytest.raises(sfu.NotRunning, match="async with"):
            await act()
    with pytest.raises(sfu.NotRunning):
        _ = server.candidates
    await server.close()
    with pytest.raises(sfu.UsageError, match="make a new one"):
        await server.start()


async def test_starting_twice(server: sfu.Server) -> None:
    with pytest.raises(sfu.UsageError, match="runs already"):
        await server.start()


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        (7, {}, "name must be a str"),
        ("", {}, "1 to 128 characters"),
        ("a", {"max_sessions": 0}, "None means no limit"),
        ("a", {"max_sessions": "5"}, "None means no limit"),
        ("a", {"empty_timeout": "5s"}, "empty_timeout must be seconds"),
        ("a", {"empty_timeout": -1}, "empty_timeout must be 0"),
        ("a", {"video_codecs": 5}, "sequence of names"),
        ("a", {"video_codecs": "VP8"}, r"\['VP8'\]"),
        ("a", {"video_codecs": ["vp8"]}, "there are VP8, VP9, AV1, H264, H265"),
        ("a", {"audio_codecs": ["VP8"]}, "there are opus, red"),
        ("a", {"metadata": {"a": 1}}, "metadata must be a str"),
        ("a", {"attributes": {"a": 1}}, "'a': 1 is not"),
        ("a", {"attributes": "x"}, "mapping"),
    ],
)
async def test_rooms_that_cannot_be(server: sfu.Server, name: object, options: dict[str, object], error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        await server.create_room(name, **options)  # type: ignore[arg-type]
    assert server.rooms == {}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"identity": 7}, "identity must be a str"),
        ({"identity": ""}, "leave it out"),
        ({"name": None}, "name must be a str"),
        ({"offers": "server"}, "'either', 'client' or 'split'"),
        ({"can_publish": "camera"}, "collection of sources"),
        ({"can_publish": ["webcam"]}, "unknown sources"),
        ({"attributes": {1: "a"}}, "mapping of str to str"),
        ({"auto_subscribe": "yes"}, "auto_subscribe must be True or False"),
        ({"can_subscribe": "no"}, "can_subscribe must be True or False"),
    ],
)
async def test_joins_that_cannot_be(
    room: sfu.Room, backend: FakeBackend, options: dict[str, object], error: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        await room.join(**options)  # type: ignore[arg-type]
    assert "join" not in backend.names()


async def test_sessions_given_the_wrong_thing(room: sfu.Room) -> None:
    session = await room.join("alice")
    with pytest.raises(TypeError, match=r"sfu\.Description\(type='offer'"):
        await session.receive({"type": "offer", "sdp": "v=0"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="SDP as str"):
        await session.answer(sfu.Description(type="offer", sdp="v=0"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="its line as str"):
        await session.add_candidate({"candidate": ""})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"json\.dumps"):
        await session.set_metadata({"a": 1})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="reason must be a str"):
        await session.kick(404)  # type: ignore[arg-type]


async def test_answering_twice(room: sfu.Room) -> None:
    session = await room.join("alice")
    with pytest.raises(sfu.NegotiationError, match="no offer to answer"):
        await session.receive(sfu.Description(type="answer", sdp="v=0"))


async def test_an_event_name_for_the_wrong_object(room: sfu.Room) -> None:
    with pytest.raises(ValueError, match="there is no event 'offer_ready' here"):
        room.on("offer_ready")
    session = await room.join("alice")
    session.on("offer_ready")(print)


async def test_forgetting_await_is_pythons_own_warning(room: sfu.Room) -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        room.join("alice")  # type: ignore[unused-coroutine]
        await asyncio.sleep(0)
    assert any("never awaited" in str(warning.message) for warning in seen)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"ordered": "no"}, "ordered must be True or False"),
        ({"max_retransmits": "3"}, "max_retransmits must be an int"),
        ({"max_retransmits": -1}, "0 to 65535"),
        ({"max_lifetime": "3"}, "seconds as a number"),
        ({"max_lifetime": 1.0, "max_retransmits": 1}, "not both"),
        ({"protocol": 5}, "protocol must be a str"),
        ({"label": "x" * 65_536}, "65535 bytes"),
    ],
)
async def test_channels_that_cannot_be(room: sfu.Room, options: dict[str, object], error: str) -> None:
    session = await room.join("alice")
    with pytest.raises((TypeError, ValueError), match=error):
        await session.open_channel(**{"label": "chat", **options})  # type: ignore[arg-type]


async def test_what_goes_to_everybody_is_checked(room: sfu.Room) -> None:
    session = await room.join("alice")
    with pytest.raises(TypeError, match="exclude=\\[session\\]"):
        await room.broadcast("x", label="chat", exclude=session)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="sender must be a Session"):
        await room.publish_message("chat", 1, sender="alice")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"session\.identity"):
        await room.publish_message("chat", 1, to=[session])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="not JSON compliant"):
        await room.publish_message("chat", float("nan"))


async def test_what_a_peer_describes_is_checked_and_bounded(room: sfu.Room) -> None:
    session = await room.join("alice")
    with pytest.raises(TypeError, match="mid must be a str"):
        session.describe(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="muted must be True or False"):
        session.describe("5", muted="yes")  # type: ignore[arg-type]
    for number in range(2000):
        session.describe(str(number), name="x")
    assert session.note("0").name is None
    assert session.note("1999").name == "x"
