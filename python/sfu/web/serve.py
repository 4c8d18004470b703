"""Serving from the command line: one process, one server, uvicorn in front, a clean end at Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from sfu.errors import TransportError
from sfu.server import Server
from sfu.signaling.messages import MAX_MESSAGE
from sfu.web.asgi import asgi
from sfu.web.tls import check_certificate, make_certificate

if TYPE_CHECKING:
    from sfu.settings import Settings

__all__ = ["Address", "run"]

_EVERY = {"0.0.0.0", "::"}
"""Bound to all addresses: none that a certificate could name."""

_log = logging.getLogger("sfu")

Prepare = Callable[[Server], Awaitable[None]]


class Address:
    """Where the page is to be found, and (`media`) what peers are told to send to."""

    def __init__(self, scheme: str, host: str, port: int, media: list[str]) -> None:
        """As bound."""
        self._scheme = scheme
        self._host = host
        self._port = port
        self.media = media

    @property
    def local(self) -> str:
        """For a browser on this machine."""
        host = {"0.0.0.0": "localhost", "::": "localhost", "127.0.0.1": "localhost"}.get(self._host, self._host)
        return self._url(host)

    @property
    def network(self) -> str | None:
        """For a phone on the same network; `None` when only this machine is served."""
        if self._host in ("127.0.0.1", "::1", "localhost"):
            return None
        return self._url(_lan_address() if self._host in ("0.0.0.0", "::") else self._host)

    def _url(self, host: str) -> str:
        return f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{self._port}/"


async def run(settings: Settings, started: Callable[[Address], None], prepare: Prepare | None = None) -> None:
    """Serve until SIGINT or SIGTERM. `prepare` may fill rooms before the door opens; `started` is told the address.

    Raises `TransportError` when a port is in use, `ConfigError` for settings that cannot work.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listen(settings.host, settings.port))
        tls = _tls(settings, stack)
        async with Server(settings.config) as server:
            if prepare is not None:
                await prepare(server)
            application = asgi(
                server, keys=settings.keys, origins=settings.origins, metrics_token=settings.metrics_token
            )
            web = _Uvicorn(
                uvicorn.Config(
                    application,
                    log_config=None,
                    log_level=logging.WARNING,
                    lifespan="off",
                    ws_max_size=MAX_MESSAGE + 1024,
                    timeout_graceful_shutdown=3,
                    ssl_certfile=tls[0] if tls else None,
                    ssl_keyfile=tls[1] if tls else None,
                )
            )
            serving = asyncio.get_running_loop().create_task(web.serve([listener]))
            with _signals() as stop:
                await _first(serving, web.ready.wait())
                started(
                    Address("https" if tls else "http", settings.host, listener.getsockname()[1], server.candidates)
                )
                await _first(serving, stop.wait())
                await server.close()  # before the page goes: its clients are told why
                web.should_exit = True
                await serving


class _Uvicorn(uvicorn.Server):
    """Leaves signals to us, and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        """Not listening yet."""
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def _first(serving: asyncio.Task[None], other: Coroutine[Any, Any, object]) -> None:
    """Wait for `other`, or for the end of serving."""
    waiting = asyncio.get_running_loop().create_task(other)
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


@contextlib.contextmanager
def _signals() -> Iterator[asyncio.Event]:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise TransportError(f"cannot serve the page on {host}: {error.strerror}; --host wants an address") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise TransportError(
            f"cannot serve the page on {host}:{port}: {error.strerror}; choose another --host or --port"
        ) from error
    return listener


def _tls(settings: Settings, stack: contextlib.ExitStack) -> tuple[Path, Path] | None:
    if settings.tls_cert is not None and settings.tls_key is not None:
        check_certificate(settings.tls_cert, settings.tls_key)
        return settings.tls_cert, settings.tls_key
    if not settings.tls_self_signed:
        return None
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sfu-")))
    names = {"localhost", "127.0.0.1", _lan_address(), socket.gethostname(), settings.host} - _EVERY
    return make_certificate(folder, sorted(names))


def _lan_address() -> str:
    """The address that this machine has on its network. Nothing is sent: a UDP connect only asks the routing table."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])
