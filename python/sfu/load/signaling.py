"""How a load reaches its server: one small protocol, which any signalling can fulfil."""

from __future__ import annotations

from typing import Literal, Protocol

__all__ = ["LoadPeer", "Refused", "Signaling"]


class Refused(Exception):
    """The server, or the way to it, refuses a peer; the text says why in one line and goes into the result as it is."""


class LoadPeer(Protocol):
    """One peer as its signalling sees it: descriptions in and out. Media starts by itself.

    `role`: what it is there for. `number`: counts the peers of its role from 0. `group`: the number of the publisher
    that it belongs with: a publisher's own, a subscriber's modulo the publishers. `audio`, `video`: sections that it
    wants to send or receive in.
    """

    role: Literal["publisher", "subscriber"]
    number: int
    group: int
    audio: int
    video: int

    async def offer(self) -> str:
        """SDP with a section of everything that it sends or receives, its one candidate in it; `a=setup:actpass`.

        A server that answers `active` cannot be followed: put `a=setup:active` into the text before it is
        sent.
        """

    async def accept(self, answer: str) -> None:
        """Take the server's answer. Raises `ValueError` when it cannot be followed.

        Candidates may come in the description or by `add_candidate`; the first of UDP that the peer's address can
        reach is used.
        """

    async def answer(self, offer: str) -> str:
        """Answer an offer of the server's, as often as one comes. Raises `ValueError` when it cannot be followed."""

    async def add_candidate(self, candidate: str) -> None:
        """A candidate that came on its own: `candidate:… udp … IP PORT typ host`, with or without `a=`."""

    async def wait_connected(self) -> None:
        """Until ICE and DTLS are through. Raises `Refused` when the peer is closed before."""

    async def wait_media(self) -> None:
        """Until a subscriber's first packet has come, a publisher's has left. Raises as the above."""


class Signaling(Protocol):
    """Brings peers into a server. Its methods run concurrently, for as many peers as join at a time.

    `publish` and `subscribe` return when the descriptions are exchanged (the load waits for media itself), and keep
    what the session needs to live (a WebSocket, the URL to delete). What they raise is the reason of a failed join:
    `Refused`, or any other exception.
    """

    async def publish(self, peer: LoadPeer) -> None:
        """Let it in as a publisher."""

    async def subscribe(self, peer: LoadPeer) -> None:
        """Let it in as a subscriber of what there is."""

    async def leave(self, peer: LoadPeer) -> None:
        """End its session; it may never have begun. Nothing is raised."""

    async def close(self) -> None:
        """Everything is over: sessions that are left end, connections are closed."""
