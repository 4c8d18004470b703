"""Over the page's WebSocket: offers, publications, subscriptions, states."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from python.fake_backend import event

if TYPE_CHECKING:
    from python.door import Door


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
            "reason": "paused",
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
