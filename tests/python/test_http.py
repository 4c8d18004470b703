"""WHIP, WHEP, metrics and health over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from python.fake_backend import FakeBackend
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

import sfu
from sfu.signaling import sdpfrag
from sfu.tokens import AccessToken, VideoGrant

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "a secret that is long enough for HS256"
SDP = {"content-type": "application/sdp"}
OFFER = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
FRAGMENT = (
    "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
    "a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=end-of-candidates\r\n"
)


class Web:
    """An application with a data plane in memory."""

    def __init__(self, client: TestClient, server: sfu.Server, backend: FakeBackend) -> None:
        self.client, self.server, self.backend = client, server, backend

    def room(self, name: str) -> sfu.Room:
        assert self.client.portal is not None
        return self.client.portal.call(self.server.room, name)

    def publish(self, room: str, identity: str, **how: Any) -> int:
        assert self.client.portal is not None
        here = self.room(room)
        session = here.session(identity) or self.client.portal.call(here.join, identity)
        number: int = self.client.portal.call(lambda: self.backend.publish(here.id, session.id, **how))
        return number

    def trickle(self, location: str, body: str = FRAGMENT, **headers: str) -> Any:
        return self.client.patch(location, content=body, headers={"content-type": sdpfrag.CONTENT_TYPE, **headers})


def make_web(**options: Any) -> Iterator[Web]:
    backend = FakeBackend()
    server = sfu.Server(sfu.Config(max_sessions=4), backend=lambda _: backend)
    with TestClient(sfu.asgi(server, page=False, **options)) as client:
        yield Web(client, server, backend)


@pytest.fixture
def web() -> Iterator[Web]:
    yield from make_web()


@pytest.fixture
def guarded() -> Iterator[Web]:
    yield from make_web(keys={"key": SECRET})


def bearer(identity: str = "alice", room: str = "live", **grant: Any) -> dict[str, str]:
    made = AccessToken("key", SECRET).with_identity(identity)
    return {
        **SDP,
        "authorization": f"Bearer {made.with_grants(VideoGrant(room_join=True, room=room, **grant)).to_jwt()}",
    }


# WHIP.


def test_an_offer_is_created(web: Web) -> None:
    response = web.client.post("/whip/live/alice", content=OFFER, headers=SDP)
    assert response.status_code == 201
    assert response.headers["content-type"].startswith("application/sdp")
    assert response.text == "v=0\r\nanswer"
    assert response.headers["location"].startswith("/whip/live/alice/session/")
    assert response.headers["etag"].startswith('"')
    assert response.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
    assert "Location" in response.headers["access-control-expose-headers"]
    options = next(entry[2] for entry in web.backend.log if entry[0] == "join")
    assert (options.offers, options.auto_subscribe, options.publish_video) == ("client", False, True)
    assert web.room("live").session("alice") is not None


def test_an_identity_is_made_up(web: Web) -> None:
    assert web.client.post("/whip/live", content=OFFER, headers=SDP).status_code == 201
    assert len(web.room("live").sessions) == 1


def test_trickling(web: Web) -> None:
    created = web.client.post("/whip/live/alice", content=OFFER, headers=SDP)
    location, etag = created.headers["location"], created.headers["etag"]
    assert web.trickle(location, **{"if-match": etag}).status_code == 204
    assert web.backend.log[-1][0] == "add_candidate"
    assert web.trickle(location).status_code == 428
    assert web.trickle(location, **{"if-match": '"other"'}).status_code == 412
    assert web.client.patch(location, content="{}", headers={"content-type": "text/json"}).status_code == 415
    assert web.trickle(location, "nonsense", **{"if-match": etag}).status_code == 400


def test_an_ice_restart(web: Web) -> None:
    created = web.client.post("/whip/live/alice", content=OFFER, headers=SDP)
    location, etag = created.headers["location"], created.headers["etag"]
    response = web.trickle(location, **{"if-match": "*"})
    assert response.status_code == 200
    assert response.headers["etag"] != etag
    reply = sdpfrag.parse(response.text)
    assert (reply.ufrag, reply.pwd) == ("newu", "new-password")
    assert reply.sections == (("audio 9 UDP/TLS/RTP/SAVPF 111", "0"),)
    assert reply.candidates == ("candidate:1 1 udp 2113929727 127.0.0.1 7882 typ host",)
    assert web.trickle(location, **{"if-match": etag}).status_code == 412
    assert web.trickle(location, **{"if-match": response.headers["etag"]}).status_code == 204
    assert web.trickle(location, "a=mid:0\r\n", **{"if-match": "*"}).status_code == 400


def test_deleting_ends_the_session(web: Web) -> None:
    location = web.client.post("/whip/live/alice", content=OFFER, headers=SDP).headers["location"]
    assert web.client.delete(location).status_code == 200
    assert web.room("live").sessions == []
    assert web.client.delete(location).status_code == 404


def test_options_and_cors(web: Web) -> None:
    response = web.client.options("/whip/live")
    assert response.status_code == 204
    assert response.headers["accept-post"] == "application/sdp"
    assert response.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in response.headers["access-control-allow-headers"]
    patched = web.client.options("/whip/live/session/x")
    assert patched.headers["accept-patch"] == "application/trickle-ice-sdpfrag"


@pytest.mark.parametrize("path", ["/whip/live", "/whep/live/alice", "/whip/live/session/x"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_other_methods_are_refused_with_the_page_behind_them(path: str, method: str) -> None:
    with TestClient(sfu.asgi(sfu.Server(backend=lambda _: FakeBackend()))) as client:
        response = client.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == ("PATCH, DELETE, OPTIONS" if "session" in path else "POST, OPTIONS")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (SDP, "rubbish", 422),
        ({}, OFFER, 415),
        ({"content-type": "application/json"}, OFFER, 415),
        (SDP, "v=0" + "x" * 1_100_000, 413),
        (SDP, b"\xff\xff", 400),
    ],
)
def test_wrong_offers_get_problem_documents(web: Web, headers: dict[str, str], body: Any, status: int) -> None:
    response = web.client.post("/whip/live", content=body, headers=headers)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert response.json()["detail"]
    assert web.backend.sessions == {}


def test_a_full_server_says_try_again(web: Web) -> None:
    for _ in range(4):
        web.client.post("/whip/live", content=OFFER, headers=SDP)
    response = web.client.post("/whip/live", content=OFFER, headers=SDP)
    assert (response.status_code, response.headers["retry-after"]) == (503, "10")


def test_tokens_are_wanted(guarded: Web) -> None:
    response = guarded.client.post("/whip/live", content=OFFER, headers=SDP)
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert guarded.client.post("/whip/other", content=OFFER, headers=bearer()).status_code == 403
    refused = guarded.client.post("/whip/live", content=OFFER, headers=bearer(can_publish=False))
    assert (refused.status_code, refused.json()["detail"]) == (403, "the token does not grant canPublish")
    assert guarded.backend.sessions == {}
    assert guarded.client.post("/whip/live/bob", content=OFFER, headers=bearer()).status_code == 403
    created = guarded.client.post("/whip/live", content=OFFER, headers=bearer())
    assert created.status_code == 201
    assert guarded.room("live").session("alice") is not None
    location = created.headers["location"]
    assert guarded.client.delete(location).status_code == 401
    assert guarded.client.delete(location, headers=bearer()).status_code == 200


# WHEP.


def test_a_viewer_gets_as_many_tracks_as_it_has_sections(web: Web) -> None:
    first = web.publish("live", "alice", mid="1")
    web.publish("live", "bob", mid="1")
    sound = web.publish("live", "bob", mid="0", kind="audio")
    response = web.client.post("/whep/live", content=OFFER, headers=SDP)
    assert response.status_code == 201
    assert [entry[2] for entry in web.backend.log if entry[0] == "subscribe"] == [sound, first]
    assert web.client.delete(response.headers["location"]).status_code == 200


def test_a_viewer_of_one_publisher(web: Web) -> None:
    web.publish("live", "alice")
    wanted = web.publish("live", "bob")
    assert web.client.post("/whep/live/bob", content=OFFER, headers=SDP).status_code == 201
    assert [entry[2] for entry in web.backend.log if entry[0] == "subscribe"] == [wanted]


@pytest.mark.parametrize("path", ["/whep/nowhere", "/whep/live", "/whep/live/nobody"])
def test_nothing_to_see(web: Web, path: str) -> None:
    web.room("live")
    response = web.client.post(path, content=OFFER, headers=SDP)
    assert response.status_code == 404
    assert "create=True" not in response.text


def test_a_viewer_needs_can_subscribe(guarded: Web) -> None:
    guarded.publish("live", "bob")
    response = guarded.client.post("/whep/live", content=OFFER, headers=bearer(can_subscribe=False))
    assert response.status_code == 403
    assert [session.identity for session in guarded.room("live").sessions] == ["bob"]


# The rest.


def test_metrics_and_health(web: Web) -> None:
    web.publish("live", "alice")
    text = web.client.get("/metrics").text
    assert "sfu_rooms 1.0" in text
    assert 'sfu_datagrams_dropped_total{reason="malformed"} 2.0' in text
    assert 'sfu_shard_stall{shard="0"} 0.001' in text
    assert 'sfu_shard_ring_drops_total{shard="0"} 4.0' in text
    assert 'sfu_room_received_bits_per_second{room="live"} 100000.0' in text
    assert 'sfu_room_sent_packets{room="live"} 18.0' in text
    assert web.client.get("/healthz").json() == {"status": "ok"}


def test_metrics_ask_for_their_token_and_health_for_none() -> None:
    app = sfu.asgi(sfu.Server(backend=lambda _: FakeBackend()), keys={"key": "secret"}, metrics_token="tok")
    with TestClient(app) as client:
        for given in (None, "Bearer token", "Basic tok", "Bearer"):
            refused = client.get("/metrics", headers={} if given is None else {"Authorization": given})
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert "sfu_rooms" not in refused.text
        allowed = client.get("/metrics", headers={"Authorization": "bearer tok"})
        assert "sfu_rooms 0.0" in allowed.text
        assert client.get("/healthz").status_code == 200


def test_mounted_into_another_application() -> None:
    backend = FakeBackend()
    server = sfu.Server(backend=lambda _: backend)

    outer = Starlette(routes=[Mount("/rtc", sfu.asgi(server, page=False))])
    with TestClient(outer) as client:
        assert client.get("/rtc/healthz").status_code == 503
        assert client.get("/rtc/metrics").status_code == 503
        early = client.post("/rtc/whip/live", content=OFFER, headers=SDP)
        assert (early.status_code, early.headers["retry-after"]) == (503, "10")
        assert "has not been started" in early.json()["detail"]
        with client.websocket_connect("/rtc/ws") as socket:
            socket.send_json({"type": "join", "room": "live"})
            assert socket.receive_json()["code"] == "unavailable"
        assert client.portal is not None
        client.portal.call(server.start)
        created = client.post("/rtc/whip/live/alice", content=OFFER, headers=SDP)
        assert created.headers["location"].startswith("/rtc/whip/live/alice/session/")
        assert client.delete(created.headers["location"]).status_code == 200
        client.portal.call(server.close)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"keys": "secret"}, "mapping of key to secret"),
        ({"keys": {"key": None}}, "secret of 'key' must be a str"),
        ({"keys": {"key": ""}}, "must not be empty"),
        ({"origins": "https://example.com"}, r"\['https://example.com'\]"),
        ({"metrics_token": ""}, "visible ASCII"),
        ({"metrics_token": "tok en"}, "visible ASCII"),
        ({"metrics_token": 7}, "metrics_token must be a str"),
    ],
)
def test_doors_that_cannot_be(options: dict[str, Any], error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        sfu.asgi(sfu.Server(), **options)


def test_asgi_wants_a_server() -> None:
    with pytest.raises(TypeError, match=r"sfu\.Server"):
        sfu.asgi("0.0.0.0:7882")  # type: ignore[arg-type]
