"""A live server in this process: the data plane on a free UDP port, page and signalling on a free TCP port."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn

import sfu


@dataclass(frozen=True)
class Live:
    """What a test needs to know of it. `url`: of the page, on loopback, which browsers take for a secure context."""

    server: sfu.Server
    port: int

    @property
    def url(self) -> str:
        """The page's address for browsers on this machine."""
        return self.at("localhost")

    def at(self, host: str) -> str:
        """The page's address by another of the machine's names."""
        return f"http://{host}:{self.port}"


class _Uvicorn(uvicorn.Server):
    """Says when it is up, and leaves Ctrl-C to pytest."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def live(
    *, announce: tuple[str, ...] = ("127.0.0.1",), keys: dict[str, str] | None = None, **settings: Any
) -> AsyncIterator[Live]:
    """Start one; `settings` go to `sfu.Config`.

    `announce`: where peers send media, a namespace's host for instance. `keys`: of access tokens; without any the
    server is open.
    """
    async with sfu.Server(sfu.Config(udp="0.0.0.0:0", announce=announce, **settings)) as server:
        listener = socket.create_server(("0.0.0.0", 0))
        port = listener.getsockname()[1]
        # The sans-IO websockets implementation is the one that websockets itself does not deprecate.
        config = uvicorn.Config(sfu.asgi(server, keys=keys), log_level="warning", ws="websockets-sansio", lifespan="on")
        web = _Uvicorn(config)
        serving = asyncio.create_task(web.serve(sockets=[listener]))
        try:
            await web.up.wait()
            yield Live(server, port)
        finally:
            web.should_exit = True
            await serving
            listener.close()
