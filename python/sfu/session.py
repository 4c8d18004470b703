"""One connected peer: its negotiation, its subscriptions, its channels, its events.

Applications bring SDP in and out by any signalling; the session does not know which. Invariant: when it has ended, all
that it owned has ended, its events have ended, and every call says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, Self, TypeVar, get_args

from sfu._backend import ChannelOptions, Offers, SessionOptions
from sfu._emitter import Emitter, EventStream
from sfu.channel import DataChannel
from sfu.description import Description, TransportName
from sfu.errors import Forbidden, NegotiationError, NotInRoom, SessionClosed, SessionReplaced, TrackEnded
from sfu.events import (
    ChannelOpened,
    ConnectionStateChanged,
    LayerChanged,
    OfferReady,
    SectionsNeeded,
    SessionEnded,
    SessionEvent,
    SessionUpdated,
    SharedEvent,
    Subscribed,
    SubscriptionFailed,
    Unsubscribed,
)
from sfu.layer import Layer, layer_from, layer_tuple
from sfu.member import EndReason, Member, Source, merge_attributes
from sfu.stats import SessionStats
from sfu.subscription import Subscription
from sfu.track import Track

if TYPE_CHECKING:
    from types import TracebackType

    from sfu._hub import Hub

__all__ = ["Session"]

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
        self._subscriptions: dict[int, Subscription] = {}
        self._channels: dict[int, DataChannel] = {}
        self._notes: dict[str, tuple[Source | None, str | None, bool | None]] = {}
        self._offers_out: dict[TransportName, Description] = {}
        self._emitter: Emitter[SessionEvent] = Emitter(SessionEvent, hub.config.event_queue, hub.spawn, backlog=True)

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
        return list(self._subscriptions.values())

    @property
    def channels(self) -> list[DataChannel]:
        """Its data channels."""
        return list(self._channels.values())

    @property
    def pending_offers(self) -> list[Description]:
        """The server's offers that were not answered yet: to send again when signalling was interrupted."""
        return list(self._offers_out.values())

    def subscription(self, track: Track) -> Subscription | None:
        """The one to `track`, if there is one."""
        return next((one for one in self._subscriptions.values() if one.track is track), None)

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
        waiting = self._offers_out.get(description.transport)
        if description.type == "answer" and waiting is None:
            raise NegotiationError(
                "there is no offer to answer: answer each OfferReady once, with the transport and id of its offer"
            )
        answer = await self._hub.backend.receive(self._id, description)
        serves = description.type == "offer" or description.id is None or (waiting and waiting.id == description.id)
        if serves and self._offers_out.get(description.transport) is waiting:
            self._offers_out.pop(description.transport, None)  # answered, or gone in a glare
        return answer

    async def answer(self, offer: str) -> str:
        """The answer to the client's SDP `offer`: the short way for one-shot signalling (WHIP). Raises as `receive`."""
        if not isinstance(offer, str):
            raise TypeError(f"answer() takes the offer's SDP as str, not {type(offer).__name__}; see receive()")
        transport: TransportName = "publisher" if self._offers == "split" else "main"
        answer = await self.receive(Description(type="offer", sdp=offer, transport=transport))
        if answer is None:
            raise NegotiationError("the offer has no answer")
        return answer.sdp

    async def add_candidate(self, candidate: str, *, transport: TransportName = "main") -> None:
        """Take a trickled candidate line (`candidate:…`); an empty one ends them. Raises `NegotiationError`."""
        if not isinstance(candidate, str):
            raise TypeError(f"a candidate is its line as str, not {type(candidate).__name__}")
        self._check()
        if candidate.strip():
            await self._hub.backend.add_candidate(self._id, transport, candidate)

    async def restart_ice(self, ufrag: str, pwd: str, *, transport: TransportName = "main") -> tuple[str, str]:
        """Exchange ICE credentials without SDP (RFC 9725 §4.3.2): takes the client's, gives ours (ufrag, pwd)."""
        self._check()
        return await self._hub.backend.restart_ice(self._id, transport, ufrag, pwd)

    # Media.

    async def subscribe(self, track: Track, *, max_layer: Layer | None = None) -> Subscription:
        """Receive `track`, not above `max_layer` (`None`: the highest that flows).

        Media flows after `Subscribed`. Raises `AlreadySubscribed`, `NotInRoom` (own track, other room), `TrackEnded`,
        `Forbidden` (joined with `can_subscribe=False`), `SessionClosed`.
        """
        if not isinstance(track, Track):
            raise TypeError(f"subscribe() takes an sfu.Track (room.tracks, TrackPublished), not {type(track).__name__}")
        pair = layer_tuple(max_layer)
        self._check()
        if not self._can_subscribe:
            raise Forbidden(f"{self!r} joined with can_subscribe=False")
        if track.ended:
            raise TrackEnded(f"{track!r} is no longer published")
        if track.session is self or self._home.find_track(track.id) is not track:
            raise NotInRoom("a session can subscribe to the tracks of the others in its own room only")
        made: list[Subscription] = []

        def adopt(number: int) -> None:
            made.append(self._adopt_subscription(number, track))
            made[0].asked(max_layer)

        try:
            await self._hub.backend.subscribe(self._id, track.id, pair, adopt)
        except BaseException:
            if made:
                self._hub.spawn(made[0].unsubscribe())
            raise
        self._check()  # it may have ended meanwhile
        return made[0]

    def describe(
        self, mid: str, *, source: Source | None = None, name: str | None = None, muted: bool | None = None
    ) -> None:
        """The peer says what it sends in section `mid`, before or after it is published.

        Raises `Forbidden` for a source that it may not publish.
        """
        self._check()
        if source is not None and source not in get_args(Source):
            raise ValueError(f"source must be one of {', '.join(get_args(Source))}, not {source!r}")
        if source is not None and source not in self._sources:
            raise Forbidden(f"{self._identity!r} may not publish {source}")
        earlier = self._notes.get(mid, (None, None, None))
        self._notes[mid] = (
            source if source is not None else earlier[0],
            name if name is not None else earlier[1],
            muted if muted is not None else earlier[2],
        )
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
        if not isinstance(label, str):
            raise TypeError(f"label must be a str, not {type(label).__name__}")
        if max_retransmits is not None and max_lifetime is not None:
            raise ValueError("give max_retransmits or max_lifetime, not both (RFC 8832 §5.1)")
        if max_retransmits is not None and not 0 <= max_retransmits <= 65535:
            raise ValueError(f"max_retransmits must be 0 to 65535, not {max_retransmits}")
        if max_lifetime is not None and not 0 <= max_lifetime <= 65.535:
            raise ValueError(f"max_lifetime must be 0 to 65.535 seconds, not {max_lifetime}")
        self._check()
        options = ChannelOptions(
            label=label,
            protocol=protocol,
            ordered=ordered,
            max_retransmits=max_retransmits,
            max_lifetime=max_lifetime,
        )
        made: list[DataChannel] = []

        def adopt(number: int) -> None:
            made.append(self._adopt_channel(number, label=label, protocol=protocol, ordered=ordered, by_peer=False))

        try:
            await self._hub.backend.open_channel(self._id, options, adopt)
        except BaseException:
            if made:
                self._hub.spawn(made[0].close())
            raise
        self._check()  # it may have ended meanwhile
        return made[0]

    # About it.

    async def set_name(self, name: str) -> None:
        """Change `name`; the room sees `SessionUpdated`."""
        if not isinstance(name, str):
            raise TypeError(f"name must be a str, not {type(name).__name__}")
        self._check()
        if name != self._name:
            self._name = name
            self._home.emit(SessionUpdated(self))

    async def set_metadata(self, metadata: str) -> None:
        """Change `metadata`; the room sees `SessionUpdated`."""
        if not isinstance(metadata, str):
            raise TypeError(f"metadata must be a str (json.dumps() makes one), not {type(metadata).__name__}")
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
        if not isinstance(reason, str):
            raise TypeError(f"reason must be a str, not {type(reason).__name__}")
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
                offer = Description(
                    **{name: getattr(event.description, name) for name in ("type", "sdp", "transport", "id")}
                )
                self._offers_out[offer.transport] = offer
                self._emitter.emit(OfferReady(offer))
            case "SectionsNeeded":
                self._emitter.emit(SectionsNeeded(event.audio, event.video))
            case "ConnectionStateChanged":
                self._state = event.state
                self._home.emit(ConnectionStateChanged(self, event.state))
            case "SessionEnded":
                self.end(_REASONS[event.reason], event.detail)
            case "ChannelOpened":
                self._channel_opened(event)
            case _:
                self._handle_subscription(event)

    def emit(self, event: SessionEvent) -> None:
        """To this session's readers."""
        self._emitter.emit(event)

    def skip_events(self, count: int) -> None:
        """The data plane dropped some."""
        self._emitter.skip(count)

    def note(self, mid: str) -> tuple[Source | None, str | None, bool | None]:
        """What the peer said about a section."""
        return self._notes.get(mid, (None, None, None))

    def drop_subscription(self, number: int) -> None:
        """It is over."""
        if (subscription := self._subscriptions.pop(number, None)) is not None:
            subscription.end()
            self._emitter.emit(Unsubscribed(subscription))

    def end(self, reason: EndReason, detail: str = "") -> None:
        """It is over: end what it owns, tell the room, then its own readers."""
        if self._ended is not None:
            return
        self._ended = SessionEnded(reason, detail)
        self._state = "closed"
        self._hub.remove("session", self._id)
        for subscription in self._subscriptions.values():
            subscription.end()
        self._subscriptions.clear()
        for channel in list(self._channels.values()):
            channel.end()
        self._offers_out.clear()
        self._home.left(self, reason)
        self._emitter.emit(self._ended, last=True)

    async def _leave(self, reason: EndReason, detail: str) -> None:
        if self._ended is None:
            self._hub.backend.check()
            self.end(reason, detail)
            await self._hub.backend.close_session(self._id)

    def _handle_subscription(self, event: Any) -> None:
        subscription = self._subscriptions.get(event.subscription)
        name = type(event).__name__
        if name == "Unsubscribed":
            self.drop_subscription(event.subscription)
            return
        if subscription is None:
            track = self._home.find_track(event.track) if name != "LayerChanged" else None
            if track is None:
                return
            subscription = self._adopt_subscription(event.subscription, track)  # auto_subscribe made it
        match name:
            case "Subscribed":
                subscription.negotiated(event.mid)
                self._emitter.emit(Subscribed(subscription))
            case "SubscriptionFailed":
                subscription.failed(event.problem)
                self._emitter.emit(SubscriptionFailed(subscription, event.problem, event.codec))
            case "LayerChanged":
                before, after = layer_from(event.before), layer_from(event.after)
                subscription.flows(after)
                self._emitter.emit(LayerChanged(subscription, before, after))

    def _channel_opened(self, event: Any) -> None:
        channel = self._channels.get(event.channel)
        if channel is None:
            channel = self._adopt_channel(
                event.channel,
                label=event.label,
                protocol=event.protocol,
                ordered=event.ordered,
                by_peer=event.by_peer,
            )
        channel.now_open()
        self._emitter.emit(ChannelOpened(channel))

    def _adopt_subscription(self, number: int, track: Track) -> Subscription:
        subscription = self._subscriptions[number] = Subscription(
            self._hub, number, self, track, self.drop_subscription
        )
        return subscription

    def _adopt_channel(self, number: int, *, label: str, protocol: str, ordered: bool, by_peer: bool) -> DataChannel:
        channel = self._channels[number] = DataChannel(
            self._hub,
            self,
            number,
            self._drop_channel,
            label=label,
            protocol=protocol,
            ordered=ordered,
            by_peer=by_peer,
        )
        self._hub.add("channel", number, channel)
        return channel

    def _drop_channel(self, number: int) -> None:
        self._channels.pop(number, None)

    def _check(self) -> None:
        self._hub.backend.check()
        if self._ended is None:
            return
        if self._ended.reason == "replaced":
            raise SessionReplaced(f"{self._identity!r} joined {self._home.name!r} again: use the session of that join")
        raise SessionClosed(f"{self!r} is over ({self._ended.detail or self._ended.reason}): join again")


def session_options(identity: str, offers: Offers, auto_subscribe: bool, sources: frozenset[Source]) -> SessionOptions:
    """As the data plane wants them; checks `offers`."""
    if offers not in get_args(Offers):
        raise ValueError(f"offers must be 'either', 'client' or 'split', not {offers!r}")
    return SessionOptions(
        offers=offers,
        label=re.sub(r"[^A-Za-z0-9_.-]", "_", identity)[:64] or "_",
        auto_subscribe=auto_subscribe,
        publish_audio=not sources.isdisjoint({"microphone", "screen_audio"}),
        publish_video=not sources.isdisjoint({"camera", "screen"}),
    )
