"""A server in virtual time, its peers and its clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Self

from sfu._arguments import check_seconds, check_text, check_whole
from sfu.errors import UsageError
from sfu.room import Room
from sfu.server import Server
from sfu.testing._backend import SimulatedBackend, running
from sfu.testing.options import Audio, Link, Video, link_of
from sfu.testing.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from sfu._backend import Backend, Offers
    from sfu.config import Config

__all__ = ["Simulation"]


class Simulation:
    """A server in virtual time: `async with sfu.testing.Simulation(seed=7) as sim`.

    `seed` decides everything random: losses, jitter, ids. Time stands still except in `run`. Tasks of the event loop
    run in between as always; what they wait for from the server takes no virtual time.
    """

    def __init__(self, *, seed: int = 0, config: Config | None = None) -> None:
        """Nothing starts yet. Of `config`, what concerns sockets and threads is ignored."""
        check_whole("seed", seed, 0, 2**64 - 1)
        self._seed = seed
        self._backend: SimulatedBackend | None = None
        self._server = Server(config, backend=self._make)
        self._names: dict[int, str] = {}
        self._running = False

    @property
    def server(self) -> Server:
        """A server like any other, whose data plane is the simulation."""
        return self._server

    @property
    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return 0.0 if self._backend is None else self._backend.now

    async def run(self, *, seconds: float) -> None:
        """Let so much virtual time pass: media flows, timeouts come, events are delivered and handled.

        Raises `NotRunning` before the start and after the end, `UsageError` for two runs at a time.
        """
        check_seconds("seconds", seconds, 1e7)
        backend = running(self._backend)
        if self._running:
            raise UsageError("the simulation runs already: there is one clock, so let one task call run()")
        self._running = True
        try:
            await backend.advance(seconds)
        finally:
            self._running = False

    def client(
        self,
        name: str,
        *,
        publish: Sequence[Video | Audio] = (),
        link: Link | None = None,
        uplink: Link | None = None,
        downlink: Link | None = None,
        channels: bool = False,
    ) -> Peer:
        """A peer that has not joined: its descriptions go through signalling of the application's own.

        `link` is the network both ways; `uplink` (to the server) and `downlink` take precedence. With `channels` it
        offers data channels. Names are unique in a simulation.
        """
        check_text("name", name)
        if name in self._names.values():
            raise ValueError(f"there is a peer {name!r} already: each needs a name of its own")
        both = link_of("link", link)
        links = (both if uplink is None else link_of("uplink", uplink), both if downlink is None else downlink)
        backend = running(self._backend)
        peer = Peer(backend, name, self._names, publish, (links[0], link_of("downlink", links[1])), channels)
        self._names[peer.number] = name
        return peer

    async def peer(
        self,
        room: Room,
        identity: str,
        *,
        publish: Sequence[Video | Audio] = (),
        link: Link | None = None,
        uplink: Link | None = None,
        downlink: Link | None = None,
        channels: bool = False,
        auto_subscribe: bool = True,
        offers: Offers = "either",
    ) -> Peer:
        """A peer that joins `room` and answers the server's offers by itself. It connects when time goes on.

        Its `session` is an `sfu.Session` like any other. With `offers="split"` it has two transports, one to
        publish and one to receive. The rest as in `client`; raises as `Room.join`.
        """
        if not isinstance(room, Room):
            raise TypeError(f"peer() takes an sfu.Room (await sim.server.create_room(…)), not {type(room).__name__}")
        peer = self.client(identity, publish=publish, link=link, uplink=uplink, downlink=downlink, channels=channels)
        await peer.attach(await room.join(identity, auto_subscribe=auto_subscribe, offers=offers))
        return peer

    async def __aenter__(self) -> Self:
        """Start."""
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the server."""
        await self._server.close()

    def __enter__(self) -> NoReturn:
        """Explain what to write instead."""
        raise TypeError("write `async with sfu.testing.Simulation() as sim`: starting and closing are asynchronous")

    def __exit__(self, *_: object) -> None:
        """Never reached."""

    def __repr__(self) -> str:
        """For people."""
        return f"<Simulation {self._server!r} at {self.time:.3f} s>"

    def _make(self, config: Config) -> Backend:
        self._backend = SimulatedBackend(config, self._seed)
        return self._backend
