"""The native generator in an event loop: orders are awaited, what happens to a peer wakes whoever waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from sfu._core.load import Generator
from sfu.load.signaling import Refused

if TYPE_CHECKING:
    from types import TracebackType

    from sfu.load.config import LoadConfig

__all__ = ["Peer", "Swarm"]


class Peer:
    """One of a swarm; a `sfu.load.LoadPeer`."""

    def __init__(self, swarm: Swarm, native: int, role: Literal["publisher", "subscriber"], number: int) -> None:
        """As the swarm makes it."""
        self.role: Literal["publisher", "subscriber"] = role
        self.number = number
        self.group = number
        self.audio = 0
        self.video = 0
        self.native = native
        self._swarm = swarm
        loop = asyncio.get_running_loop()
        self._connected: asyncio.Future[None] = loop.create_future()
        self._media: asyncio.Future[None] = loop.create_future()
        self.ended: str | None = None

    async def offer(self) -> str:
        """See `LoadPeer.offer`."""
        receives = (self.audio, self.video) if self.role == "subscriber" else (0, 0)
        ticket = self._swarm.generator.offer(self.native, audio=receives[0], video=receives[1])
        return str(await self._swarm.answer_to(ticket))

    async def accept(self, answer: str) -> None:
        """See `LoadPeer.accept`."""
        await self._swarm.answer_to(self._swarm.generator.accept(self.native, answer))

    async def answer(self, offer: str) -> str:
        """See `LoadPeer.answer`."""
        return str(await self._swarm.answer_to(self._swarm.generator.answer(self.native, offer)))

    async def add_candidate(self, candidate: str) -> None:
        """See `LoadPeer.add_candidate`."""
        await self._swarm.answer_to(self._swarm.generator.add_candidate(self.native, candidate))

    async def wait_connected(self) -> None:
        """See `LoadPeer.wait_connected`."""
        await self._wait(self._connected)

    async def wait_media(self) -> None:
        """See `LoadPeer.wait_media`."""
        await self._wait(self._media)

    async def leave(self) -> None:
        """Close its path; what it has counted stays counted."""
        await self._swarm.answer_to(self._swarm.generator.leave(self.native))

    def note(self, happened: str, detail: str | None) -> None:
        """What the generator tells of it."""
        if happened == "ended":
            self.ended = detail
        futures = {"connected": [self._connected], "media": [self._media], "ended": [self._connected, self._media]}
        for future in futures[happened]:
            if not future.done():
                future.set_result(None)

    async def _wait(self, future: asyncio.Future[None]) -> None:
        await asyncio.shield(future)
        if self.ended is not None:
            raise Refused(self.ended)


class Swarm:
    """All peers of one load."""

    def __init__(self, config: LoadConfig) -> None:
        """Start its thread. Raises `ValueError` and `OSError` as `Generator` does."""
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._peers: dict[int, Peer] = {}
        self.generator = Generator(config.ip, coalesce=config.gro, cipher=config.cipher)
        self._loop.add_reader(self.generator.fileno(), self._drain)

    async def __aenter__(self) -> Swarm:
        """Running already."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Have all peers leave; the thread ends."""
        self._loop.remove_reader(self.generator.fileno())
        await asyncio.to_thread(self.generator.close)

    def publisher(self, number: int) -> Peer:
        """A peer more, that sends what the configuration says."""
        config, video = self._config, self._config.video
        native = self.generator.publisher(
            size=video.size if video else 0,
            packets_per_frame=video.frame if video else 1,
            frames_per_second=video.frames_per_second if video else 1,
            simulcast=config.simulcast,
            paced=config.paced,
            audio=config.audio,
        )
        peer = self._add(native, "publisher", number)
        peer.audio, peer.video = int(config.audio), int(video is not None)
        return peer

    def subscriber(self, number: int) -> Peer:
        """A peer more, that receives; the first `verify` of them open what comes."""
        config = self._config
        verifies = number < config.verify
        native = self.generator.subscriber(
            feedback="verify" if verifies else config.feedback, ask_again=config.nack if number == 0 else 0.0
        )
        peer = self._add(native, "subscriber", number)
        peer.group = number % max(config.publishers, 1)
        peer.audio, peer.video = config.sections
        return peer

    async def begin(self) -> None:
        """Figures count from now on."""
        await self.answer_to(self.generator.begin())

    async def figures(self) -> dict[str, Any]:
        """What all peers have counted since."""
        figures: dict[str, Any] = await self.answer_to(self.generator.figures())
        return figures

    async def answer_to(self, ticket: int) -> Any:
        """Wait for it. Raises `ValueError` when the order cannot be carried out."""
        future = self._asked[ticket] = self._loop.create_future()
        return await future

    def _add(self, native: int, role: Literal["publisher", "subscriber"], number: int) -> Peer:
        peer = self._peers[native] = Peer(self, native, role, number)
        return peer

    def _drain(self) -> None:
        for happened, number, detail in self.generator.drain():
            if happened in ("answered", "refused"):
                future = self._asked.pop(number)
                if future.done():
                    continue
                if happened == "answered":
                    future.set_result(detail)
                else:
                    future.set_exception(ValueError(detail))
            elif (peer := self._peers.get(number)) is not None:
                peer.note(happened, detail)
