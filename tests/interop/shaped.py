"""A path with a bottleneck: a UDP relay between a browser and the server.

It has a rate, a queue that drops its tail, and a delay. A browser that is told the relay's port for the server's sends
there; the server sees the relay. Only what goes to the browser is slowed down. (netem would do the same, and is not in
every kernel.)
"""

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

# What a datagram takes on the way besides itself: IPv4 and UDP headers.
_HEADERS = 28
_LOOPBACK = "127.0.0.1"


@dataclass
class Way:
    """Of what goes to the browser; may be changed while it is used."""

    rate: float = 1e9
    """Bits per second."""
    queue: float = 0.3
    """Seconds; what would wait for longer is dropped."""
    delay: float = 0.02
    """Seconds, in both directions."""


class Shaped:
    """See the module's text: one browser's way to one server."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.way = Way()
        self.dropped = 0
        self.passed = 0
        """Bytes to the browser."""
        self._server = server
        self._browser: tuple[str, int] | None = None
        self._free = 0.0
        self._loop = asyncio.get_running_loop()
        self._inner: asyncio.DatagramTransport
        self._outer: asyncio.DatagramTransport

    async def open(self) -> int:
        """The port that the browser is to be told."""
        size = 4 << 20
        for name, receive in (("_outer", self._from_browser), ("_inner", self._from_server)):
            transport, _ = await self._loop.create_datagram_endpoint(lambda: _Receiver(receive), (_LOOPBACK, 0))  # noqa: B023
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
            setattr(self, name, transport)
        port: int = self._outer.get_extra_info("sockname")[1]
        return port

    def close(self) -> None:
        """Nothing passes any more."""
        self._inner.close()
        self._outer.close()

    def _from_browser(self, data: bytes, address: tuple[str, int]) -> None:
        self._browser = address
        self._loop.call_later(self.way.delay, self._send, self._inner, data, self._server)

    def _from_server(self, data: bytes, _: tuple[str, int]) -> None:
        if self._browser is None:
            return
        now = self._loop.time()
        waits = max(self._free - now, 0.0)
        if waits > self.way.queue:
            self.dropped += 1
            return
        self._free = now + waits + (len(data) + _HEADERS) * 8 / self.way.rate
        self.passed += len(data)
        self._loop.call_at(self._free + self.way.delay, self._send, self._outer, data, self._browser)

    @staticmethod
    def _send(transport: asyncio.DatagramTransport, data: bytes, address: tuple[str, int]) -> None:
        if not transport.is_closing():
            transport.sendto(data, address)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, receive: Any) -> None:
        self.datagram_received = receive


def towards(sdp: str, port: int) -> str:
    """The server's description with its UDP candidates at another port."""
    candidate = r"(a=candidate:\S+ \d+ udp \d+ )\S+ \d+( typ host)"
    return re.sub(candidate, rf"\g<1>{_LOOPBACK} {port}\g<2>", sdp, flags=re.IGNORECASE)


@contextlib.asynccontextmanager
async def shaped(server: tuple[str, int]) -> AsyncIterator[tuple[Shaped, int]]:
    """A path to `server`, and the port at which it begins."""
    path = Shaped(server)
    port = await path.open()
    try:
        yield path, port
    finally:
        path.close()
