"""People exchanging media: who is in, what they publish, and what everybody is told.

Invariant: an identity is held by at most one session; whatever happens in the room reaches the room's readers and every
session's readers in one order.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sfu._emitter import Emitter, EventStream
from sfu.errors import RoomClosed, RoomFull, TooManySessions
from sfu.events import (
    MessageReceived,
    OwnTrackPublished,
    OwnTrackUnpublished,
    RoomUpdated,
    SessionJoined,
    SessionLeft,
    SharedEvent,
    Speaker,
    SpeakersChanged,
    TrackMuted,
    TrackPublished,
    TrackStalled,
    TrackUnmuted,
    TrackUnpublished,
    TrackUpdated,
)
from sfu.member import EndReason, Source, check_attributes, merge_attributes, sources_of
from sfu.session import Session, session_options
from sfu.stats import RoomStats
from sfu.track import Track

if TYPE_CHECKING:
    from sfu._backend import Offers, RoomOptions
    from sfu._hub import Hub

__all__ = ["Room", "RoomEnded", "RoomEvent"]

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
        self._empty_timeout = empty_timeout
        self._metadata = metadata
        self._attributes = dict(attributes)
        self._tell_ended = ended
        self._sessions: dict[str, Session] = {}
        self._tracks: dict[int, Track] = {}
        self._speakers: tuple[Speaker, ...] = ()
        self._joining = 0
        self._closed = False
        self._empty_timer: asyncio.TimerHandle | None = None
        self._emitter: Emitter[RoomEvent] = Emitter(RoomEvent, hub.config.event_queue, hub.spawn)
        self._wait_for_sessions()

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
        return list(self._tracks.values())

    @property
    def speakers(self) -> tuple[Speaker, ...]:
        """Who speaks, loudest first."""
        return self._speakers

    @property
    def closed(self) -> bool:
        """Whether it is over."""
        return self._closed

    def session(self, identity: str) -> Session | None:
        """Who has this identity."""
        return self._sessions.get(identity)

    def find_track(self, number: int) -> Track | None:
        """The track with this id."""
        return self._tracks.get(number)

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
        A cancelled join leaves nothing behind. Raises `RoomClosed`, `RoomFull`, `TooManySessions`.
        """
        identity = f"guest-{secrets.token_hex(4)}" if identity is None else identity
        for what, value in (("identity", identity), ("name", name), ("metadata", metadata)):
            if not isinstance(value, str):
                raise TypeError(f"{what} must be a str, not {type(value).__name__}")
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
            self._release_place()
        self._check()  # it may have been closed meanwhile
        return made[0]

    # What everybody gets.

    async def publish_message(
        self, topic: str, data: Any, *, sender: Session | None = None, to: Iterable[str] | None = None
    ) -> int:
        """Give `MessageReceived` to the identities in `to`, or to everybody but `sender`. Returns how many got it.

        `data` is any JSON value; clients of the page protocol receive it as `message`. Raises `TypeError` for what
        JSON cannot hold.
        """
        if not isinstance(topic, str):
            raise TypeError(f"topic must be a str, not {type(topic).__name__}")
        if isinstance(to, str):
            raise TypeError("to must be a collection of identities, not one str: write to=[identity]")
        json.dumps(data)
        self._check()
        wanted = None if to is None else set(to)
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
        if not isinstance(metadata, str):
            raise TypeError(f"metadata must be a str (json.dumps() makes one), not {type(metadata).__name__}")
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
        match type(event).__name__:
            case "TrackPublished":
                self._published(event)
            case "TrackUnpublished":
                self._unpublished(event.track)
            case "SpeakersChanged":
                named = ((self._tracks.get(track), level) for _, track, level in event.speakers)
                self._speakers = tuple(Speaker(track.session, track, level) for track, level in named if track)
                self.emit(SpeakersChanged(self._speakers))

    def emit(self, event: SharedEvent) -> None:
        """To the room's readers and every session's."""
        self._emitter.emit(event)
        for session in list(self._sessions.values()):
            session.emit(event)

    def skip_events(self, count: int) -> None:
        """The data plane dropped some."""
        self._emitter.skip(count)
        for session in list(self._sessions.values()):
            session.skip_events(count)

    def left(self, session: Session, reason: EndReason) -> None:
        """A session ended."""
        if self._sessions.get(session.identity) is session:
            del self._sessions[session.identity]
        for track in [track for track in self._tracks.values() if track.session is session]:
            self._unpublished(track.id)
        self.emit(SessionLeft(session, reason))
        self._wait_for_sessions()

    def track_muted(self, track: Track, by: Literal["publisher", "server"], muted: bool) -> None:
        """A mute was set or lifted."""
        self.emit(TrackMuted(track, by) if muted else TrackUnmuted(track, by))

    def track_stalled(self, track: Track) -> None:
        """Packets stopped coming, or come again."""
        self.emit(TrackStalled(track, track.stalled))

    def track_updated(self, track: Track) -> None:
        """Its source or name changed."""
        self.emit(TrackUpdated(track))

    def end(self, reason: EndReason, detail: str = "") -> None:
        """It is over here; the data plane is told by the caller."""
        if self._closed:
            return
        self._closed = True
        self._cancel_timer()
        for session in list(self._sessions.values()):
            session.end(reason, detail)
        self._hub.remove("room", self._id)
        self._emitter.emit(RoomEnded(self, detail or reason), last=True)
        self._tell_ended(self, detail or reason)

    def _admit(self, session: Session) -> None:
        if self._closed:
            session.end("room_closed")
            return
        self._cancel_timer()
        if (previous := self._sessions.get(session.identity)) is not None:
            self._hub.spawn(self._replace(previous))
            previous.end("replaced")
        for other in self._sessions.values():
            session.emit(SessionJoined(other))
        for track in self._tracks.values():
            session.emit(TrackPublished(track))
        self._hub.add("session", session.id, session)
        self.emit(SessionJoined(session))
        self._sessions[session.identity] = session

    async def _replace(self, previous: Session) -> None:
        previous.end("replaced")
        await self._hub.backend.close_session(previous.id)

    async def _hold_place(self, identity: str) -> None:
        limit = self._hub.config.max_sessions
        if limit is not None and self._hub.count("session") + self._hub.joining >= limit:
            if identity not in self._sessions:
                raise TooManySessions(f"the server holds its {limit} sessions: raise Config.max_sessions or wait")
            await self._replace(self._sessions[identity])
        self._hub.joining += 1
        self._joining += 1

    def _release_place(self) -> None:
        self._hub.joining -= 1
        self._joining -= 1
        self._wait_for_sessions()

    def _published(self, event: Any) -> None:
        session = next((one for one in self._sessions.values() if one.id == event.session), None)
        if session is None:
            return
        track = Track(self._hub, self, session, event)
        source, name, muted = session.note(track.mid)
        track.describe(source, name, muted, quiet=True)
        self._tracks[track.id] = track
        self._hub.add("track", track.id, track)
        if track.source not in session.sources:
            self._hub.spawn(track.mute())  # it says what it may not send, or says nothing
        self._emit_by_owner(track, TrackPublished(track), OwnTrackPublished(track))

    def _unpublished(self, number: int) -> None:
        track = self._tracks.pop(number, None)
        if track is None:
            return
        track.end()
        self._speakers = tuple(speaker for speaker in self._speakers if speaker.track is not track)
        self._emit_by_owner(track, TrackUnpublished(track), OwnTrackUnpublished(track))

    def _emit_by_owner(
        self, track: Track, event: TrackPublished | TrackUnpublished, own: OwnTrackPublished | OwnTrackUnpublished
    ) -> None:
        self._emitter.emit(event)
        for session in list(self._sessions.values()):
            session.emit(own if session is track.session else event)

    def _wait_for_sessions(self) -> None:
        """Empty: start the clock."""
        if self._sessions or self._joining or self._closed or self._empty_timeout is None:
            return
        self._cancel_timer()
        loop = asyncio.get_running_loop()
        self._empty_timer = loop.call_later(self._empty_timeout, self._close_empty)

    def _close_empty(self) -> None:
        self._empty_timer = None
        if not self._sessions and not self._joining and not self._closed:
            self._hub.spawn(self.close("empty"))

    def _cancel_timer(self) -> None:
        if self._empty_timer is not None:
            self._empty_timer.cancel()
            self._empty_timer = None

    def _check(self) -> None:
        self._hub.backend.check()
        if self._closed:
            raise RoomClosed(f"the room {self._name!r} is closed: make one with server.create_room() or server.room()")
