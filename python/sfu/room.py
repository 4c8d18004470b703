"""People exchanging media: who is in, what they publish, and what everybody is told.

Invariant: an identity is held by at most one session; whatever happens in the room reaches the room's readers and every
session's readers in one order.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from sfu._arguments import check_flag, check_text
from sfu._emitter import Emitter, EventStream
from sfu._occupancy import Occupancy
from sfu._published import Published
from sfu.errors import RoomClosed, RoomFull
from sfu.events import (
    MessageReceived,
    OwnTrackPublished,
    OwnTrackUnpublished,
    RoomUpdated,
    SessionJoined,
    SessionLeft,
    SharedEvent,
    Speaker,
    TrackPublished,
)
from sfu.member import EndReason, Member, Source, check_attributes, merge_attributes, sources_of
from sfu.session import Session, session_options
from sfu.stats import RoomStats

if TYPE_CHECKING:
    from sfu._backend import Offers, RoomOptions
    from sfu._hub import Hub
    from sfu.track import Track

__all__ = ["Room", "RoomEnded", "RoomEvent"]

_log = logging.getLogger("sfu")

H = TypeVar("H", bound=Callable[..., Any])


@dataclass(frozen=True)
class RoomEnded:
    """The room is closed; its last event."""

    room: Room
    reason: str


RoomEvent = SharedEvent | MessageReceived | RoomEnded
"""What `room.events()` yields."""


class Room:
    """A room, made by `Server.create_room` or `Server.room`."""

    def __init__(
        self,
        hub: Hub,
        number: int,
        name: str,
        options: RoomOptions,
        *,
        empty_timeout: float | None,
        metadata: str,
        attributes: Mapping[str, str],
        ended: Callable[[Room, str], None],
    ) -> None:
        """As `number` in the data plane; `ended` is told when it closes."""
        self._hub = hub
        self._id = number
        self._name = name
        self._options = options
        self._metadata = metadata
        self._attributes: dict[str, str] = {}
        merge_attributes(self._attributes, attributes)
        self._tell_ended = ended
        self._sessions: dict[str, Session] = {}
        self._closed = False
        self._emitter: Emitter[RoomEvent] = Emitter(RoomEvent, hub.config.event_queue, hub.spawn)
        self._published = Published(hub, self)
        self._occupancy = Occupancy(hub, empty_timeout, self._close_empty)
        self._occupancy.wait()

    # What it is.

    @property
    def id(self) -> int:
        """Unique within the server."""
        return self._id

    @property
    def name(self) -> str:
        """Unique within the server while it lives."""
        return self._name

    @property
    def max_sessions(self) -> int | None:
        """How many may be in it; `None`: no limit."""
        return self._options.max_sessions

    @property
    def metadata(self) -> str:
        """The application's text about it."""
        return self._metadata

    @property
    def attributes(self) -> Mapping[str, str]:
        """The application's strings about it; read-only, see `set_attributes`."""
        return MappingProxyType(self._attributes)

    @property
    def sessions(self) -> list[Session]:
        """Who is in it, in the order of joining."""
        return list(self._sessions.values())

    @property
    def tracks(self) -> list[Track]:
        """What is published, in the order of publishing."""
        return self._published.tracks

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """Who speaks, loudest first."""
        return self._published.speakers

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self._closed

    def session(self, identity: str) -> Session | None:
        """Who has this identity."""
        return self._sessions.get(identity)

    def find_track(self, number: int) -> Track | None:
        """The track with this id."""
        return self._published.find(number)

    # Events.

    def events(self) -> EventStream[RoomEvent]:
        """A stream of what happens from now on, for one reader; it ends with `RoomEnded`.

        A slow reader gets one `EventsDropped` in place of what did not fit.
        """
        return self._emitter.stream()

    def on(self, name: str) -> Callable[[H], H]:
        """Decorate a handler: `@room.on("track_published")`; it is called with the event's fields.

        An `async def` handler runs as a task. A failing handler is logged. Raises `ValueError` for an unknown name.
        """
        return self._emitter.on(name)

    # Joining.

    async def join(
        self,
        identity: str | None = None,
        *,
        name: str = "",
        offers: Offers = "either",
        auto_subscribe: bool = True,
        can_publish: bool | Collection[Source] = True,
        can_subscribe: bool = True,
        metadata: str = "",
        attributes: Mapping[str, str] | None = None,
    ) -> Session:
        """Let somebody in: `async with await room.join("alice") as session`.

        `offers`: `"either"` (one transport, both sides offer), `"client"` (one, only the client: WHIP, WHEP) or
        `"split"` (two: the client offers its own media, the server the others'). `can_publish` may name sources.
        Whoever holds `identity` in this room is replaced (`SessionReplaced`); without one, one is made up.
        A cancelled join leaves nothing behind. Raises `RoomClosed`, `RoomFull`, `TooManySessions`, and
        `RoomUnavailable` when the shard of the room has stalled.
        """
        identity = f"guest-{secrets.token_hex(4)}" if identity is None else identity
        for what, value in (("identity", identity), ("name", name), ("metadata", metadata)):
            check_text(what, value)
        for what, flag in (("auto_subscribe", auto_subscribe), ("can_subscribe", can_subscribe)):
            check_flag(what, flag)
        if not 0 < len(identity) <= 256:
            raise ValueError("identity must have 1 to 256 characters; leave it out to have one made up")
        check_attributes(attributes or {})
        sources = sources_of(can_publish)
        options = session_options(identity, offers, auto_subscribe and can_subscribe, sources)
        self._check()
        made: list[Session] = []

        def adopt(number: int) -> None:
            session = Session(
                self._hub,
                self,
                number,
                identity=identity,
                name=name,
                metadata=metadata,
                attributes=attributes or {},
                offers=offers,
                sources=sources,
                can_subscribe=can_subscribe,
            )
            made.append(session)
            self._admit(session)

        await self._hold_place(identity)
        try:
            try:
                await self._hub.backend.join(self._id, options, adopt)
            except RoomFull:
                if identity not in self._sessions:
                    raise
                await self._replace(self._sessions[identity])  # its place is the one that is needed
                await self._hub.backend.join(self._id, options, adopt)
        except BaseException:
            if made:
                self._hub.spawn(made[0].close())
            raise
        finally:
            self._occupancy.release()
            self._wait_for_sessions()
        self._check()  # it may have been closed meanwhile
        return made[0]

    # What everybody gets.

    async def publish_message(
        self, topic: str, data: Any, *, sender: Session | None = None, to: Iterable[str] | None = None
    ) -> int:
        """Give `MessageReceived` to the identities in `to`, or to everybody but `sender`. Returns how many got it.

        `data` is any JSON value; clients of the page protocol receive it as `message`. Raises `TypeError` or (for
        NaN and infinities) `ValueError` for what JSON cannot hold.
        """
        check_text("topic", topic)
        if sender is not None and not isinstance(sender, Session):
            raise TypeError(f"sender must be a Session or None, not {type(sender).__name__}")
        if isinstance(to, str):
            raise TypeError("to must be a collection of identities, not one str: write to=[identity]")
        wanted = None if to is None else set(to)
        for identity in wanted or ():
            check_text("to: an identity", identity, "session.identity")
        json.dumps(data, allow_nan=False)
        self._check()
        event = MessageReceived(topic, data, sender)
        self._emitter.emit(event)
        takers = [
            session
            for session in self._sessions.values()
            if (session is not sender if wanted is None else session.identity in wanted)
        ]
        for session in takers:
            session.emit(event)
        return len(takers)

    async def broadcast(self, message: str | bytes, *, label: str, exclude: Iterable[Session] = ()) -> int:
        """Send one data channel message on everybody's open channel called `label`. Returns how many took it.

        Nobody is waited for: whoever has no such channel, or does not read it, is passed over.
        Raises `MessageTooLarge` above 256 KiB.
        """
        check_text("label", label)
        if isinstance(exclude, Session):
            raise TypeError("exclude must be a collection of sessions, not one: write exclude=[session]")
        self._check()
        skipped = set(exclude)
        channels = [
            channel
            for session in self._sessions.values()
            if session not in skipped
            for channel in session.channels
            if channel.label == label
        ]
        taken = await asyncio.gather(*(channel.try_send(message) for channel in channels))
        return sum(taken)

    async def set_metadata(self, metadata: str) -> None:
        """Change `metadata`; everybody sees `RoomUpdated`."""
        check_text("metadata", metadata, "json.dumps() makes one")
        self._check()
        if metadata != self._metadata:
            self._metadata = metadata
            self.emit(RoomUpdated(self._metadata, dict(self._attributes)))

    async def set_attributes(self, attributes: Mapping[str, str | None]) -> None:
        """Change these attributes and keep the others; `None` or `""` removes one. Everybody sees `RoomUpdated`."""
        self._check()
        if merge_attributes(self._attributes, attributes):
            self.emit(RoomUpdated(self._metadata, dict(self._attributes)))

    async def stats(self) -> RoomStats:
        """The counters of everybody in it."""
        self._check()
        identities = {session.id: session.identity for session in self._sessions.values()}
        return RoomStats.of(await self._hub.backend.room_stats(self._id), self._name, identities)

    async def close(self, reason: str = "") -> None:
        """Close it and end its sessions (`room_closed`). Does nothing when it is closed already."""
        if not self._closed:
            self._hub.backend.check()
            self.end("room_closed", reason)
            await self._hub.backend.close_room(self._id)

    def __repr__(self) -> str:
        """For people."""
        return f"<Room {self._name!r}, {'closed' if self._closed else f'{len(self._sessions)} sessions'}>"

    # For the sessions, the server and the data plane.

    def handle(self, event: Any) -> None:
        """Take an event of the data plane."""
        self._published.handle(event)

    def emit(self, event: SharedEvent) -> None:
        """To the room's readers and every session's."""
        self._emitter.emit(event)
        for session in list(self._sessions.values()):
            session.emit(event)

    def emit_apart(self, event: SharedEvent, member: Member, own: OwnTrackPublished | OwnTrackUnpublished) -> None:
        """Likewise, but `own` to the readers of `member`."""
        self._emitter.emit(event)
        for session in self.sessions:
            session.emit(own if session is member else event)

    def skip_events(self, count: int) -> None:
        """The data plane dropped some."""
        self._emitter.skip(count)
        for session in list(self._sessions.values()):
            session.skip_events(count)

    def left(self, session: Session, reason: EndReason) -> None:
        """A session ended."""
        if self._sessions.get(session.identity) is session:
            del self._sessions[session.identity]
        self._published.left(session)
        self.emit(SessionLeft(session, reason))
        self._wait_for_sessions()

    def end(self, reason: EndReason, detail: str = "") -> None:
        """It is over here; the data plane is told by the caller."""
        if self._closed:
            return
        self._closed = True
        self._occupancy.stop()
        ending, self._sessions = self._sessions, {}
        for session in ending.values():  # the room's readers hear of each; among themselves nobody needs to
            session.end(reason, detail)
        self._hub.remove("room", self._id)
        self._emitter.emit(RoomEnded(self, detail or reason), last=True)
        self._tell_ended(self, detail or reason)

    def _admit(self, session: Session) -> None:
        if self._closed:
            session.end("room_closed")
            return
        self._occupancy.stop()
        if (previous := self._sessions.get(session.identity)) is not None:
            self._hub.spawn(self._replace(previous))
            previous.end("replaced")
        for other in self._sessions.values():
            session.emit(SessionJoined(other))
        for track in self.tracks:
            session.emit(TrackPublished(track))
        self._hub.add("session", session.id, session)
        _log.info("session %d has joined room %d", session.id, self._id)
        self.emit(SessionJoined(session))
        self._sessions[session.identity] = session

    async def _replace(self, previous: Session) -> None:
        previous.end("replaced")
        await self._hub.backend.close_session(previous.id)

    async def _hold_place(self, identity: str) -> None:
        if self._occupancy.server_is_full:
            if identity not in self._sessions:
                raise self._occupancy.refuse()
            await self._replace(self._sessions[identity])
        self._occupancy.hold()

    def _wait_for_sessions(self) -> None:
        if not self._sessions and not self._closed:
            self._occupancy.wait()

    def _close_empty(self) -> None:
        self.end("room_closed", "empty")  # at once: whoever comes now gets a new room
        self._hub.spawn(self._hub.backend.close_room(self._id))

    def _check(self) -> None:
        self._hub.backend.check()
        if self._closed:
            raise RoomClosed(f"the room {self._name!r} is closed: make one with server.create_room() or server.room()")
