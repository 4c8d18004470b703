"""The Python server as a process on a core of its own, and peers that come to it by WHIP and WHEP."""

import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from support.process import Place, ServerProcess, free_port

from sfu.load import LoadPeer, WhipWhep


@asynccontextmanager
async def server(core: int) -> AsyncIterator[tuple[ServerProcess, str]]:
    """Until the block ends; with the URL of its signalling."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        command = [sys.executable, Path(__file__).parent / "held.py", str(port)]
        async with ServerProcess(Place(core, Path(folder)), command) as process:
            await process.listens(port)
            yield process, f"http://127.0.0.1:{port}"


def endpoints(url: str, room: str) -> WhipWhep:
    """Both of a room."""
    return WhipWhep(whip=f"{url}/whip/{room}", whep=f"{url}/whep/{room}")


class Viewers(WhipWhep):
    """The same, telling when the first viewer comes."""

    def __init__(self, url: str, room: str, first: Callable[[], None]) -> None:
        super().__init__(whip=f"{url}/whip/{room}", whep=f"{url}/whep/{room}")
        self._first: Callable[[], None] | None = first

    async def subscribe(self, peer: LoadPeer) -> None:
        """As it does."""
        if self._first is not None:
            self._first()
            self._first = None
        await super().subscribe(peer)


class Between:
    """A reading when the first viewer comes, and one when the last is in: what a load's window is entered for."""

    def __init__(self, read: Callable[[], int]) -> None:
        self._read = read
        self._before = 0
        self.grown = 0

    def begin(self) -> None:
        """The first viewer comes."""
        self._before = self._read()

    async def __aenter__(self) -> None:
        self.grown = self._read() - self._before

    async def __aexit__(self, *_: object) -> None:
        """Nothing more is read."""
