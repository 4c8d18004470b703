"""The descriptions of one session: the peer's go to the data plane, the server's wait until they are answered.

Stands under `Session`, which offers the same calls. Invariant: an offer of the server's is pending from `OfferReady`
until it is answered, lost in a glare, or followed by a newer one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from sfu._arguments import check_choice, check_text
from sfu.description import Description, TransportName
from sfu.errors import NegotiationError

if TYPE_CHECKING:
    from sfu._backend import Offers
    from sfu._hub import Hub

__all__ = ["Negotiation"]


class Negotiation:
    """Of one session."""

    def __init__(self, hub: Hub, session: int, offers: Offers) -> None:
        """Of the session with this id; `offers` as given to `join`."""
        self._hub = hub
        self._session = session
        self._offering: TransportName = "publisher" if offers == "split" else "main"
        self._pending: dict[TransportName, Description] = {}

    @property
    def pending(self) -> list[Description]:
        """The server's offers that were not answered yet."""
        return list(self._pending.values())

    async def receive(self, description: Description) -> Description | None:
        """Apply the peer's description: gives the answer to an offer, `None` for an answer."""
        waiting = self._pending.get(description.transport)
        if description.type == "answer" and waiting is None:
            raise NegotiationError(
                "there is no offer to answer: answer each OfferReady once, with the transport and id of its offer"
            )
        answer = await self._hub.backend.receive(self._session, description)
        serves = description.type == "offer" or description.id is None or (waiting and waiting.id == description.id)
        if serves and self._pending.get(description.transport) is waiting:
            self._pending.pop(description.transport, None)  # answered, or gone in a glare
        return answer

    async def answer(self, offer: str) -> str:
        """The answer to the client's SDP `offer`."""
        answer = await self.receive(Description(type="offer", sdp=offer, transport=self._offering))
        if answer is None:
            raise NegotiationError("the offer has no answer")
        return answer.sdp

    async def add_candidate(self, candidate: str, transport: TransportName) -> None:
        """Take a trickled candidate; an empty one says nothing that ICE-lite needs."""
        check_choice("transport", transport, get_args(TransportName))
        if candidate.strip():
            await self._hub.backend.add_candidate(self._session, transport, candidate)

    async def restart_ice(self, ufrag: str, pwd: str, transport: TransportName) -> tuple[str, str]:
        """Exchange ICE credentials without SDP."""
        check_text("ufrag", ufrag)
        check_text("pwd", pwd)
        check_choice("transport", transport, get_args(TransportName))
        return await self._hub.backend.restart_ice(self._session, transport, ufrag, pwd)

    async def offer_ice_restart(self, transport: TransportName) -> None:
        """Have the next offer restart ICE."""
        check_choice("transport", transport, get_args(TransportName))
        await self._hub.backend.offer_ice_restart(self._session, transport)

    def offered(self, event: Any) -> Description:
        """The data plane has made an offer."""
        made = event.description
        offer = Description(type=made.type, sdp=made.sdp, transport=made.transport, id=made.id)
        self._pending[offer.transport] = offer
        return offer

    def end(self) -> None:
        """The session is over: nothing can be answered any more."""
        self._pending.clear()
