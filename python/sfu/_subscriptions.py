"""What one session receives: made by `subscribe` or by the data plane itself (`auto_subscribe`).

Stands under `Session`. Invariant: a subscription is known here before anything is reported about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sfu.errors import NotInRoom, TrackEnded
from sfu.events import LayerChanged, Subscribed, SubscriptionFailed, Unsubscribed
from sfu.layer import Layer, layer_from, layer_tuple
from sfu.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from sfu._hub import Hub
    from sfu.events import SessionEvent
    from sfu.member import Member
    from sfu.track import Track

__all__ = ["Subscriptions"]


class Subscriptions:
    """Of one session."""

    def __init__(
        self,
        hub: Hub,
        session: Member,
        find_track: Callable[[int], Track | None],
        emit: Callable[[SessionEvent], None],
    ) -> None:
        """Of `session`; `find_track` knows what is published in its room, `emit` tells its readers."""
        self._hub = hub
        self._session = session
        self._find_track = find_track
        self._emit = emit
        self._all: dict[int, Subscription] = {}

    @property
    def all(self) -> list[Subscription]:
        """Those that live."""
        return list(self._all.values())

    def of(self, track: Track) -> Subscription | None:
        """The one to `track`, if there is one."""
        return next((one for one in self._all.values() if one.track is track), None)

    async def make(self, track: Track, max_layer: Layer | None) -> Subscription:
        """Subscribe to `track`. A cancelled call leaves nothing behind."""
        pair = layer_tuple(max_layer)
        if track.ended:
            raise TrackEnded(f"{track!r} is no longer published")
        if track.session is self._session or self._find_track(track.id) is not track:
            raise NotInRoom("a session can subscribe to the tracks of the others in its own room only")
        made: list[Subscription] = []

        def adopt(number: int) -> None:
            made.append(self._adopt(number, track))
            made[0].asked(max_layer)

        try:
            await self._hub.backend.subscribe(self._session.id, track.id, pair, adopt)
        except BaseException:
            if made:
                self._hub.spawn(made[0].unsubscribe())
            raise
        return made[0]

    def handle(self, event: Any) -> None:
        """Take an event of the data plane."""
        name = type(event).__name__
        if name == "Unsubscribed":
            self._drop(event.subscription)
            return
        subscription = self._all.get(event.subscription)
        if subscription is None:
            track = self._find_track(event.track) if name != "LayerChanged" else None
            if track is None:
                return
            subscription = self._adopt(event.subscription, track)  # auto_subscribe made it
        match name:
            case "Subscribed":
                subscription.negotiated(event.mid)
                self._emit(Subscribed(subscription))
            case "SubscriptionFailed":
                subscription.failed(event.problem)
                self._emit(SubscriptionFailed(subscription, event.problem, event.codec))
            case "LayerChanged":
                before, after = layer_from(event.before), layer_from(event.after)
                subscription.flows(after)
                waits = {"wait": event.wait, "keyframe_wait": event.keyframe_wait}
                self._emit(LayerChanged(subscription, before, after, reason=event.reason, **waits))

    def end(self) -> None:
        """The session is over: they are too, and nobody needs to hear of each."""
        for subscription in self._all.values():
            subscription.end()
        self._all.clear()

    def _adopt(self, number: int, track: Track) -> Subscription:
        subscription = self._all[number] = Subscription(self._hub, number, self._session, track, self._drop)
        return subscription

    def _drop(self, number: int) -> None:
        if (subscription := self._all.pop(number, None)) is not None:
            subscription.end()
            self._emit(Unsubscribed(subscription))
