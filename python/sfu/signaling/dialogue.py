"""One client of the page protocol: its requests become calls, its session's events become messages.

Outlives a lost WebSocket: news is then thrown away, and whoever resumes gets the whole state. Invariant: the answer to
a client's offer goes out before any offer of ours that was made after it.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any

from sfu.description import Description
from sfu.errors import Forbidden, MessageTooLarge
from sfu.layer import Layer
from sfu.signaling import views
from sfu.signaling.messages import MAX_DATA, BadMessage
from sfu.signaling.news import News
from sfu.signaling.quality import layer_for
from sfu.signaling.refusals import error_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sfu.room import Room
    from sfu.session import Session
    from sfu.signaling.access import Grant
    from sfu.signaling.outbox import Outbox
    from sfu.subscription import Subscription
    from sfu.track import Track

__all__ = ["Dialogue"]


class Dialogue:
    """A joined client."""

    def __init__(self, room: Room, session: Session, grant: Grant, resume_timeout: float) -> None:
        """Of `session` in `room`, with no WebSocket yet."""
        self.room = room
        self.session = session
        self.resume_token = secrets.token_urlsafe(24)
        self._grant = grant
        self._resume_timeout = resume_timeout
        self._outbox: Outbox | None = None
        self._answering = False
        self._sent_offers: dict[str, int | None] = {}
        self._news = News(room, session)

    # The WebSocket's side.

    @property
    def attached(self) -> bool:
        """Whether a WebSocket is there."""
        return self._outbox is not None

    def attach(self, outbox: Outbox, *, resumed: bool) -> None:
        """Speak through this WebSocket from now on; an earlier one is let go."""
        if self._outbox is not None:
            self._outbox.close()
        self._outbox = outbox
        self._send_state(resumed=resumed)

    def detach(self, outbox: Outbox) -> bool:
        """This WebSocket is lost; whether it was the one in use."""
        if self._outbox is not outbox:
            return False
        self._outbox = None
        return True

    def catch_up(self) -> None:
        """The client has read all that was left: give it the whole state."""
        if self._outbox is not None:
            self._outbox.behind = False
            self._send_state(resumed=True)

    # The client's requests.

    async def handle(self, message: dict[str, Any]) -> None:
        """Carry out one request that `messages.parse` has passed; its failure is answered, not raised."""
        request = message.get("request")
        try:
            answered = await _REQUESTS[message["type"]](self, message)
        except Exception as error:
            self._answer(error_message(error, request))
            return
        if request is not None and not answered:
            self._answer({"type": "ok", "request": request})

    async def _join(self, message: dict[str, Any]) -> bool:
        raise BadMessage("this WebSocket has joined already", code="already_joined", request=message.get("request"))

    async def _offer(self, message: dict[str, Any]) -> bool:
        return await self._receive("offer", message)

    async def _answer_offer(self, message: dict[str, Any]) -> bool:
        number = message.get("id")
        waiting = {offer.transport: offer.id for offer in self.session.pending_offers}
        transport = message.get("transport", "main")
        if transport not in waiting or (number is not None and number != waiting[transport]):
            return False  # stale: a glare or an interruption came between
        return await self._receive("answer", message)

    async def _receive(self, kind: Any, message: dict[str, Any]) -> bool:
        description = Description(
            type=kind, sdp=message["sdp"], transport=message.get("transport", "main"), id=message.get("id")
        )
        self._answering = True
        try:
            reply = await self.session.receive(description)
            if reply is not None:
                self._answer(_with_request(reply.to_dict(), message))
        finally:
            self._answering = False
            self._send_offers()
        return reply is not None

    async def _candidate(self, message: dict[str, Any]) -> bool:
        await self.session.add_candidate(message["candidate"], transport=message.get("transport", "main"))
        return False

    async def _publish(self, message: dict[str, Any]) -> bool:
        self.session.describe(
            message["mid"], source=message.get("source"), name=message.get("name"), muted=message.get("muted")
        )
        return False

    async def _mute(self, message: dict[str, Any]) -> bool:
        if (mid := message.get("mid")) is not None:
            self.session.describe(mid, muted=message["muted"])
            return False
        track = self._track(message.get("track") or "")
        if track.session is self.session:
            track.report_muted(message["muted"])
        else:
            self._need_admin()
            await (track.mute() if message["muted"] else track.unmute())
        return False

    async def _subscribe(self, message: dict[str, Any]) -> bool:
        track = self._track(message["track"])
        subscription = await self.session.subscribe(track, max_layer=_wanted_layer(message, track))
        self._tell({"type": "subscribed", "subscription": views.subscription(subscription)})
        return False

    async def _unsubscribe(self, message: dict[str, Any]) -> bool:
        await self._subscription(message).unsubscribe()
        return False

    async def _set_layer(self, message: dict[str, Any]) -> bool:
        subscription = self._subscription(message)
        await subscription.set_layer(_wanted_layer(message, subscription.track))
        return False

    async def _pause(self, message: dict[str, Any]) -> bool:
        subscription = self._subscription(message)
        await (subscription.pause() if message["paused"] else subscription.resume())
        return False

    async def _send(self, message: dict[str, Any]) -> bool:
        if not self._grant.send:
            raise Forbidden("the token does not grant canPublishData")
        if len(json.dumps(message.get("data"))) > MAX_DATA:
            raise MessageTooLarge(f"data may be {MAX_DATA} bytes at most")
        to = message.get("to")
        if to is not None and not all(isinstance(one, str) for one in to):
            raise BadMessage("send.to must be a list of identities")
        await self.room.publish_message(message["topic"], message.get("data"), sender=self.session, to=to)
        return False

    async def _update(self, message: dict[str, Any]) -> bool:
        if not self._grant.update:
            raise Forbidden("the token does not grant canUpdateOwnMetadata")
        if (attributes := message.get("attributes")) is not None:
            await self.session.set_attributes(attributes)
        if (name := message.get("name")) is not None:
            await self.session.set_name(name)
        if (metadata := message.get("metadata")) is not None:
            await self.session.set_metadata(metadata)
        return False

    async def _kick(self, message: dict[str, Any]) -> bool:
        self._need_admin()
        other = self.room.session(message["identity"])
        if other is None:
            raise LookupError(f"there is no {message['identity']!r} here")
        await other.kick(message.get("reason", ""))
        return False

    async def _close_room(self, message: dict[str, Any]) -> bool:
        self._need_admin()
        await self.room.close(message.get("reason", ""))
        return False

    async def _update_room(self, message: dict[str, Any]) -> bool:
        self._need_admin()
        if (attributes := message.get("attributes")) is not None:
            await self.room.set_attributes(attributes)
        if (metadata := message.get("metadata")) is not None:
            await self.room.set_metadata(metadata)
        return False

    async def _stats(self, message: dict[str, Any]) -> bool:
        stats = await self.session.stats()
        self._answer(_with_request({"type": "stats", "stats": views.stats(stats)}, message))
        return True

    async def _ping(self, message: dict[str, Any]) -> bool:
        self._answer(_with_request({"type": "pong", "time": message.get("time")}, message))
        return True

    async def _leave(self, message: dict[str, Any]) -> bool:
        await self.session.close()
        return False

    # The session's events.

    async def run(self) -> None:
        """Tell the client what happens, until the session ends."""
        async for event in self.session.events():
            match type(event).__name__:
                case "OfferReady":
                    self._send_offers()
                case "EventsDropped":
                    if self._outbox is not None:
                        self._outbox.lose()
                case "SessionEnded":
                    self._ended(event)
                case _:
                    for message in self._news.of(event):
                        self._tell(message)

    def _ended(self, event: Any) -> None:
        if self._outbox is not None:
            self._outbox.answer({"type": "closed", "reason": event.reason, "detail": event.detail})
            self._outbox.close()

    # What goes out.

    def _send_state(self, *, resumed: bool) -> None:
        grant, session, room = self._grant, self.session, self.room
        every = len(grant.sources) == 4
        self._news.all_told()
        self._answer(
            {
                "type": "joined",
                "resumed": resumed,
                "topology": "sfu",
                "session": str(session.id),
                "identity": session.identity,
                "resume": self.resume_token,
                "resume_timeout": self._resume_timeout,
                "ice_servers": [],
                "permissions": {
                    "publish": bool(grant.sources),
                    "subscribe": grant.subscribe,
                    "data": grant.send,
                    "update": grant.update,
                    "admin": grant.admin,
                    "sources": None if every else sorted(grant.sources),
                },
                "room": views.room(room),
                "participants": [views.participant(member) for member in room.sessions],
                "tracks": [views.track(track) for track in room.tracks],
                "subscriptions": [views.subscription(one) for one in session.subscriptions],
                "speakers": views.speakers(room.speakers),
                "audio_slots": views.audio_slots(session),
            }
        )
        self._sent_offers.clear()
        self._send_offers()

    def _send_offers(self) -> None:
        """Those that were not sent yet; not while an answer is being made, which must come first."""
        if self._answering or self._outbox is None:
            return
        for offer in self.session.pending_offers:
            if self._sent_offers.get(offer.transport, -1) != offer.id:
                self._sent_offers[offer.transport] = offer.id
                self._outbox.answer(dict(offer.to_dict()))

    def _answer(self, message: dict[str, Any]) -> None:
        if self._outbox is not None:
            self._outbox.answer(message)

    def _tell(self, message: dict[str, Any]) -> None:
        if self._outbox is not None:
            self._outbox.tell(message)

    # Finding what a request names.

    def _track(self, name: str) -> Track:
        track = self.room.find_track(int(name)) if name.isdecimal() and len(name) < 21 else None
        if track is None:
            raise LookupError(f"there is no track {name!r} here")
        return track

    def _subscription(self, message: dict[str, Any]) -> Subscription:
        subscription = self.session.subscription(self._track(message["track"]))
        if subscription is None:
            raise LookupError(f"you are not subscribed to the track {message['track']!r}")
        return subscription

    def _need_admin(self) -> None:
        if not self._grant.admin:
            raise Forbidden("moderation needs a token with roomAdmin")


_REQUESTS: dict[str, Callable[[Dialogue, dict[str, Any]], Awaitable[bool]]] = {
    "join": Dialogue._join,
    "offer": Dialogue._offer,
    "answer": Dialogue._answer_offer,
    "candidate": Dialogue._candidate,
    "publish": Dialogue._publish,
    "mute": Dialogue._mute,
    "subscribe": Dialogue._subscribe,
    "unsubscribe": Dialogue._unsubscribe,
    "set_layer": Dialogue._set_layer,
    "pause": Dialogue._pause,
    "send": Dialogue._send,
    "update": Dialogue._update,
    "kick": Dialogue._kick,
    "close_room": Dialogue._close_room,
    "update_room": Dialogue._update_room,
    "stats": Dialogue._stats,
    "ping": Dialogue._ping,
    "leave": Dialogue._leave,
}
"""Each says whether it has answered by itself."""


def _wanted_layer(message: dict[str, Any], track: Track) -> Layer | None:
    if (layer := message.get("layer")) is not None:
        unknown = layer.keys() - {"spatial", "temporal"}
        if unknown or "spatial" not in layer:
            raise BadMessage('layer must be {"spatial": …, "temporal": …}')
        return Layer(**layer)
    return layer_for(message.get("quality", "auto"), len(track.rids))


def _with_request(message: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    if request.get("request") is not None:
        message["request"] = request["request"]
    return message
