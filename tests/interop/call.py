"""A browser's peer in a room through the Python API alone: descriptions go straight from page to session and back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from interop.browser import Peer
from interop.polling import PATIENCE

import sfu

E = TypeVar("E")


class Call:
    """One peer in one room. Events that passed are kept, so that a test can ask for them in any order."""

    def __init__(self, session: sfu.Session, peer: Peer) -> None:
        self.session = session
        self.peer = peer
        self.seen: list[Any] = []
        self._arrived = asyncio.Condition()
        # One negotiation at a time: what the page protocol does with its own order of messages.
        self._negotiating = asyncio.Lock()

    async def negotiate(self) -> None:
        """The client offers, the server answers."""
        async with self._negotiating:
            answer = await self.session.answer(await self.peer.do("offer"))
            await self.peer.do("accept", answer)

    async def event(self, kind: type[E], accept: Callable[[E], object] = lambda _: True) -> E:
        """The first event of a kind that `accept` is content with, past or to come."""

        def found() -> list[E]:
            return [one for one in self.seen if isinstance(one, kind) and accept(one)]

        async with self._arrived:
            try:
                await asyncio.wait_for(self._arrived.wait_for(found), PATIENCE)
            except TimeoutError:
                raise AssertionError(f"no {kind.__name__} within {PATIENCE:.0f} s; seen: {self.seen}") from None
            return found()[0]

    async def tracks(self, *kinds: str) -> None:
        """Wait until this session publishes a track of each kind."""
        for kind in kinds:
            await self.event(sfu.OwnTrackPublished, lambda event, kind=kind: event.track.kind == kind)

    async def follow(self) -> None:
        """Answer the server's offers until the session ends."""
        async for event in self.session.events():
            async with self._arrived:
                self.seen.append(event)
                self._arrived.notify_all()
            if isinstance(event, sfu.OfferReady):
                await self._answer(event.offer)

    async def _answer(self, offer: sfu.Description) -> None:
        async with self._negotiating:
            # An offer that lost a glare comes again under another id.
            if offer not in self.session.pending_offers:
                return
            sdp = await self.peer.do("answer", offer.sdp)
            answer = sfu.Description(type="answer", sdp=sdp, transport=offer.transport, id=offer.id)
            await self.session.receive(answer)


@contextlib.asynccontextmanager
async def join(room: sfu.Room, peer: Peer, identity: str, **options: Any) -> AsyncIterator[Call]:
    """Join, offer what the peer has published so far, and leave at the end."""
    async with await room.join(identity, **options) as session:
        call = Call(session, peer)
        following = asyncio.create_task(call.follow())
        try:
            await call.negotiate()
            yield call
        finally:
            # Before the session ends: an offer that is being answered then has nobody to take the answer.
            following.cancel()
            # A failure in the follower is the test's failure.
            with contextlib.suppress(asyncio.CancelledError):
                await following
            if session.ended is None:
                await session.close()
