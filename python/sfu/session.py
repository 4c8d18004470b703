"""One connected peer: its negotiation, its subscriptions, its channels, its events.

Applications bring SDP in and out by any signalling; the session does not know which. Invariant: when it has ended, all
that it owned has ended, its events have ended, and every call says why.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self, TypeVar, get_args

from sfu._arguments import check_choice, check_flag, check_text
from sfu._backend import Offers, SessionOptions
from sfu._channels import Channels, channel_options
from sfu._emitter import Emitter, EventStream
from sfu._negotiation import Negotiation
from sfu._sections import Note, Sections
from sfu._subscriptions import Subscriptions
from sfu.description import Description, TransportName
from sfu.errors import Forbidden, SessionClosed, SessionReplaced
from sfu.events import (
    AudioSlotChanged,
    ChannelOpened,
    ConnectionStateChanged,
    LayersWanted,
    OfferReady,
    SectionsNeeded,
    SessionEnded,
    SessionEvent,
    SessionUpdated,
    SharedEvent,
)
from sfu.layer import Layer
from sfu.member import EndReason, Member, Source, merge_attributes
from sfu.stats import SessionStats
from sfu.track import Track

if TYPE_CHECKING:
    from types import TracebackType

    from sfu._hub import Hub
    from sfu.channel import DataChannel
    from sfu.subscription import Subscription

__all__ = ["Session"]

_log = logging.getLogger("sfu")

H = TypeVar("H", bound=Callable[..., Any])

_REASONS: dict[str, EndReason] = {
    "requested": "left",
    "room_closed": "room_closed",
    "peer_closed": "peer_closed",
    "timeout": "timeout",
    "fingerprint_mismatch": "fingerprint_mismatch",
    "handshake_failed": "handshake_failed",
}
"""The data plane's reasons in the API's words."""


class Home(Protocol):
    """What a session asks of its room."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def tracks(self) -> list[Track]:
        """What is published in it."""

    def find_track(self, number: int) -> Track | None:
        """The track with this id."""

    def emit(self, event: SharedEvent) -> None:
        """Tell everybody."""

    def left(self, session: Session, reason: EndReason) -> None:
        """A session has ended."""


class Session(Member):
    """One connected peer, made by `Room.join`. Use it as `async with await room.join(...) as session`."""

    def __init__(self, hub: Hub, home: Home, number: int, *, offers: Offers, **about: Any) -> None:
        """Joined to `home` as `number`; `about` goes to `Member`."""
        super().__init__(number, **about)
        self._hub = hub
        self._home = home
        self._offers: Offers = offers
        self._ended: SessionEnded | None = None
        self._emitter: Emitter[SessionEvent] = Emitter(SessionEvent, hub.config.event_queue, hub.spawn, backlog=True)
        self._sections = Sections()
        self._negotiation = Negotiation(hub, number, offers)
        self._subscriptions = Subscriptions(hub, self, home.find_track, self._emitter.emit)
        self._channels = Channels(hub, self)
        self._audio_slots: dict[str, Track | None] = {}

    # What it is.

    @property
    def room_name(self) -> str:
        """The room that it is in."""
        return self._home.name

    @property
    def offers(self) -> Offers:
        """Who offers: as given to `join`."""
        return self._offers

    @property
    def ended(self) -> SessionEnded | None:
        """How it ended; `None` while it lives."""
        return self._ended

    @property
    def tracks(self) -> list[Track]:
        """What it publishes now."""
        return [track for track in self._home.tracks if track.session is self]

    @property
    def subscriptions(self) -> list[Subscription]:
        """What it receives now."""
        return self._subscriptions.all

    @property
    def audio_slots(self) -> Mapping[str, Track | None]:
        """Who is heard in each audio slot (`create_room(audio_slots=…)`), by the section's mid; read-only."""
        return MappingProxyType(self._audio_slots)

    @property
    def channels(self) -> list[DataChannel]:
        """Its data channels."""
        return self._channels.all

    @property
    def pending_offers(self) -> list[Description]:
        """The server's offers that were not answered yet: to send again when signalling was interrupted."""
        return self._negotiation.pending

    def subscription(self, track: Track) -> Subscription | None:
        """The one to `track`, if there is one."""
        return self._subscriptions.of(track)

    # Events.

    def events(self) -> EventStream[SessionEvent]:
        """A stream of events for one reader; it ends with `SessionEnded`.

        The first reader also gets what happened since the join, beginning with `SessionJoined` and `TrackPublished` of
        who and what is in the room. A slow reader gets one `EventsDropped` in place of what did not fit.
        """
        return self._emitter.stream()

    def on(self, name: str) -> Callable[[H], H]:
        """Decorate a handler: `@session.on("layer_changed")`; it is called with the event's fields.

        An `async def` handler runs as a task. A failing handler is logged. Raises `ValueError` for an unknown name.
        """
        return self._emitter.on(name)

    def ignore_events(self) -> None:
        """Nobody will read `events()`: keep nothing for a first reader. Handlers still work."""
        self._emitter.drop_backlog()

    # Negotiation.

    async def receive(self, description: Description) -> Description | None:
        """Apply the peer's description: gives the answer to an offer, `None` for an answer.

        Glare is resolved inside (the client's offer wins; the server's comes again as `OfferReady`).
        Raises `NegotiationError`, whose message names the line; the session lives on and takes the next one.
        """
        if not isinstance(description, Description):
            raise TypeError(
                "receive() takes an sfu.Description: "
                f"sfu.Description(type='offer', sdp=…), not {type(description).__name__}"
            )
        self._check()
        return await self._negotiation.receive(description)

    async def answer(self, offer: str) -> str:
        """The answer to the client's SDP `offer`: the short way for one-shot signalling (WHIP). Raises as `receive`."""
        if not isinstance(offer, str):
            raise TypeError(f"answer() takes the offer's SDP as str, not {type(offer).__name__}; see receive()")
        self._check()
        return await self._negotiation.answer(offer)

    async def add_candidate(self, candidate: str, *, transport: TransportName = "main") -> None:
        """Take a trickled candidate line (`candidate:…`); an empty one ends them. Raises `NegotiationError`."""
        if not isinstance(candidate, str):
            raise TypeError(f"a candidate is its line as str, not {type(candidate).__name__}")
        self._check()
        await self._negotiation.add_candidate(candidate, transport)

    async def restart_ice(self, ufrag: str, pwd: str, *, transport: TransportName = "main") -> tuple[str, str]:
        """Exchange ICE credentials without SDP (RFC 9725 §4.3.2): takes the client's, gives ours (ufrag, pwd)."""
        self._check()
        return await self._negotiation.restart_ice(ufrag, pwd, transport)

    async def offer_ice_restart(self, *, transport: TransportName = "main") -> None:
        """Restart ICE from this side: an `OfferReady` with fresh credentials follows; media goes on meanwhile.

        For the `subscriber` transport of `offers="split"`, on which the client cannot offer, and for clients that ask
        for it by other signalling. Raises `NegotiationError` where only the client offers.
        """
        self._check()
        await self._negotiation.offer_ice_restart(transport)

    # Media.

    async def subscribe(self, track: Track, *, max_layer: Layer | None = None) -> Subscription:
        """Receive `track`, not above `max_layer` (`None`: the highest that flows).

        Media flows after `Subscribed`. Raises `AlreadySubscribed`, `NotInRoom` (own track, other room), `TrackEnded`,
        `Forbidden` (joined with `can_subscribe=False`), `SessionClosed`.
        """
        if not isinstance(track, Track):
            raise TypeError(f"subscribe() takes an sfu.Track (room.tracks, TrackPublished), not {type(track).__name__}")
        self._check()
        if not self._can_subscribe:
            raise Forbidden(f"{self!r} joined with can_subscribe=False")
        subscription = await self._subscriptions.make(track, max_layer)
        self._check()  # it may have ended meanwhile
        return subscription

    def describe(
        self, mid: str, *, source: Source | None = None, name: str | None = None, muted: bool | None = None
    ) -> None:
        """The peer says what it sends in section `mid`, before or after it is published.

        Raises `Forbidden` for a source that it may not publish.
        """
        check_text("mid", mid)
        if source is not None:
            check_choice("source", source, get_args(Source))
        if name is not None:
            check_text("name", name)
        if muted is not None:
            check_flag("muted", muted)
        self._check()
        if source is not None and source not in self._sources:
            raise Forbidden(f"{self._identity!r} may not publish {source}")
        self._sections.add(mid, Note(source, name, muted))
        for track in self.tracks:
            if track.mid == mid:
                track.describe(source, name, muted)

    async def open_channel(
        self,
        label: str,
        *,
        ordered: bool = True,
        max_retransmits: int | None = None,
        max_lifetime: float | None = None,
        protocol: str = "",
    ) -> DataChannel:
        """Open a data channel. Reliable unless one of `max_retransmits` and `max_lifetime` (seconds) is given.

        Returns at once; `send` waits until it is open. Raises `ValueError` when both limits are given.
        """
        options = channel_options(label, protocol, ordered, max_retransmits, max_lifetime)
        self._check()
        channel = await self._channels.make(options)
        self._check()  # it may have ended meanwhile
        return channel

    # About it.

    async def set_name(self, name: str) -> None:
        """Change `name`; the room sees `SessionUpdated`."""
        check_text("name", name)
        self._check()
        if name != self._name:
            self._name = name
            self._home.emit(SessionUpdated(self))

    async def set_metadata(self, metadata: str) -> None:
        """Change `metadata`; the room sees `SessionUpdated`."""
        check_text("metadata", metadata, "json.dumps() makes one")
        self._check()
        if metadata != self._metadata:
            self._metadata = metadata
            self._home.emit(SessionUpdated(self))

    async def set_attributes(self, attributes: Mapping[str, str | None]) -> None:
        """Change these attributes and keep the others; `None` or `""` removes one. The room sees `SessionUpdated`."""
        self._check()
        if merge_attributes(self._attributes, attributes):
            self._home.emit(SessionUpdated(self))

    async def stats(self) -> SessionStats:
        """Its counters: transports, tracks with their encodings, subscriptions."""
        self._check()
        return SessionStats.of(await self._hub.backend.session_stats(self._id), self._identity)

    # Its end.

    async def close(self) -> None:
        """Leave the room: the peer sees its transport close. Does nothing when it is over already."""
        await self._leave("left", "")

    async def kick(self, reason: str = "") -> None:
        """Remove it from the room; `reason` goes to the client. Does nothing when it is over already."""
        check_text("reason", reason)
        await self._leave("kicked", reason)

    async def __aenter__(self) -> Self:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the room."""
        await self.close()

    def __enter__(self) -> NoReturn:
        """Explain what to write instead."""
        raise TypeError("write `async with await room.join(...) as session`: leaving a room is asynchronous")

    def __exit__(self, *_: object) -> None:
        """Never reached."""

    def __repr__(self) -> str:
        """For people."""
        state = self._ended.reason if self._ended else self._state
        return f"<Session {self._id} {self._identity!r} in {self._home.name!r}, {state}>"

    # For the room and the data plane.

    def handle(self, event: Any) -> None:
        """Take an event of the data plane."""
        match type(event).__name__:
            case "OfferReady":
                self._emitter.emit(OfferReady(self._negotiation.offered(event)))
            case "SectionsNeeded":
                self._emitter.emit(SectionsNeeded(event.audio, event.video))
            case "ConnectionStateChanged":
                self._state = event.state
                self._home.emit(ConnectionStateChanged(self, event.state))
            case "SessionEnded":
                self.end(_REASONS[event.reason], event.detail)
            case "LayersWanted":
                if (track := self._home.find_track(event.track)) is not None:
                    self._emitter.emit(LayersWanted(track, tuple(Layer(*layer) for layer in event.layers)))
            case "AudioSlotChanged":
                heard = None if event.track is None else self._home.find_track(event.track)
                self._audio_slots[event.mid] = heard
                self._emitter.emit(AudioSlotChanged(event.slot, event.mid, heard))
            case "ChannelOpened":
                self._emitter.emit(ChannelOpened(self._channels.opened(event)))
            case _:
                self._subscriptions.handle(event)

    def emit(self, event: SessionEvent) -> None:
        """To this session's readers."""
        self._emitter.emit(event)

    def skip_events(self, count: int) -> None:
        """The data plane dropped some."""
        self._emitter.skip(count)

    def note(self, mid: str) -> Note:
        """What the peer said about a section."""
        return self._sections.note(mid)

    def end(self, reason: EndReason, detail: str = "") -> None:
        """It is over: end what it owns, tell the room, then its own readers."""
        if self._ended is not None:
            return
        self._ended = SessionEnded(reason, detail)
        self._state = "closed"
        self._hub.remove("session", self._id)
        _log.info("session %d has ended: %s", self._id, f"{reason}, {detail}" if detail else reason)
        self._subscriptions.end()
        self._channels.end()
        self._negotiation.end()
        self._home.left(self, reason)
        self._emitter.emit(self._ended, last=True)

    async def _leave(self, reason: EndReason, detail: str) -> None:
        if self._ended is None:
            self._hub.backend.check()
            self.end(reason, detail)
            await self._hub.backend.close_session(self._id)

    def _check(self) -> None:
        self._hub.backend.check()
        if self._ended is None:
            return
        if self._ended.reason == "replaced":
            raise SessionReplaced(f"{self._identity!r} joined {self._home.name!r} again: use the session of that join")
        raise SessionClosed(f"{self!r} is over ({self._ended.detail or self._ended.reason}): join again")


def session_options(identity: str, offers: Offers, auto_subscribe: bool, sources: frozenset[Source]) -> SessionOptions:
    """As the data plane wants them; checks `offers`."""
    check_choice("offers", offers, get_args(Offers))
    return SessionOptions(
        offers=offers,
        label=re.sub(r"[^A-Za-z0-9_.-]", "_", identity)[:64] or "_",
        auto_subscribe=auto_subscribe,
        publish_audio=not sources.isdisjoint({"microphone", "screen_audio"}),
        publish_video=not sources.isdisjoint({"camera", "screen"}),
    )
