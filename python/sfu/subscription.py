"""A track going to one subscriber: the section that carries it, the layer that flows, the layer that was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sfu.errors import SubscriptionEnded
from sfu.layer import Layer, layer_tuple
from sfu.stats import Explanation, SessionStats

if TYPE_CHECKING:
    from collections.abc import Callable

    from sfu._hub import Hub
    from sfu.member import Member
    from sfu.track import Track

__all__ = ["Subscription"]


class Subscription:
    """A track going to one subscriber."""

    def __init__(self, hub: Hub, number: int, session: Member, track: Track, drop: Callable[[int], None]) -> None:
        """Of `track`, for `session`, which is told through `drop` when it ends."""
        self._hub = hub
        self._drop = drop
        self._id = number
        self._session = session
        self._track = track
        self._mid: str | None = None
        self._layer: Layer | None = None
        self._max_layer: Layer | None = None
        self._paused = False
        self._problem: str | None = None
        self._ended = False

    @property
    def id(self) -> int:
        """Unique within the server."""
        return self._id

    @property
    def session(self) -> Member:
        """The subscriber."""
        return self._session

    @property
    def track(self) -> Track:
        """What it brings."""
        return self._track

    @property
    def mid(self) -> str | None:
        """The section in the subscriber's SDP, once negotiated."""
        return self._mid

    @property
    def layer(self) -> Layer | None:
        """What flows; `None`: nothing does."""
        return self._layer

    @property
    def max_layer(self) -> Layer | None:
        """What was asked; `None`: the highest that flows."""
        return self._max_layer

    @property
    def paused(self) -> bool:
        """Whether `pause` was called."""
        return self._paused

    @property
    def problem(self) -> str | None:
        """`codec_unsupported` or `rejected` when it cannot flow."""
        return self._problem

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._ended

    async def set_layer(self, max_layer: Layer | None) -> None:
        """Not above this layer; `None`: the highest that flows.

        The switch happens at the next keyframe; `LayerChanged` tells when. Raises `SubscriptionEnded`.
        """
        pair = layer_tuple(max_layer)
        self._check()
        await self._hub.backend.set_layer(self._id, pair)
        self._max_layer = max_layer

    async def pause(self) -> None:
        """Stop it without renegotiation. Raises `SubscriptionEnded`."""
        self._check()
        await self._hub.backend.set_paused(self._id, True)
        self._paused = True

    async def resume(self) -> None:
        """Go on at the next keyframe. Raises `SubscriptionEnded`."""
        self._check()
        await self._hub.backend.set_paused(self._id, False)
        self._paused = False

    async def explain(self) -> Explanation:
        """Why it gets what it gets: estimate, demand, choice, and what is waited for. Raises `SubscriptionEnded`."""
        self._check()
        stats = SessionStats.of(await self._hub.backend.session_stats(self._session.id), self._session.identity)
        # Who has just been unsubscribed is not there any more.
        own = next((one for one in stats.subscriptions if one.subscription == self._id), None)
        if own is None:
            raise SubscriptionEnded(f"{self!r} is over: subscribe again")
        estimates = [one.estimate for one in stats.transports if one.estimate is not None]
        return Explanation(
            estimate=estimates[0] if estimates else None,
            layer=own.layer,
            max_layer=own.max_layer,
            paused=own.paused,
            choice=own.choice,
        )

    async def unsubscribe(self) -> None:
        """End it. Does nothing when it has ended already."""
        self._hub.backend.check()
        if not self._ended:
            await self._hub.backend.unsubscribe(self._id)
            self._drop(self._id)

    def negotiated(self, mid: str) -> None:
        """It has a section."""
        self._mid = mid
        self._problem = None

    def failed(self, problem: str) -> None:
        """It cannot flow."""
        self._problem = problem

    def flows(self, layer: Layer | None) -> None:
        """Another layer."""
        self._layer = layer

    def asked(self, max_layer: Layer | None) -> None:
        """Made with this."""
        self._max_layer = max_layer

    def end(self) -> None:
        """It is over."""
        self._ended = True
        self._layer = None

    def __repr__(self) -> str:
        """For people."""
        return f"<Subscription {self._id} of {self._session.identity!r} to {self._track!r}>"

    def _check(self) -> None:
        self._hub.backend.check()
        if self._ended:
            raise SubscriptionEnded(f"{self!r} is over: subscribe again")
