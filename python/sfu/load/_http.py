"""HTTP/1.1 for WHIP and WHEP: one request, one connection, as each browser opens its own."""

from __future__ import annotations

import asyncio
import functools
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import h11

from sfu._version import VERSION
from sfu.load.signaling import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Response", "request", "trust"]

_CHUNK = 65_536
_MAX_BODY = 4 * 1024 * 1024
_REDIRECTS = {307, 308}
_MAX_REDIRECTS = 5
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Response:
    """What a server answered. `headers` by lower-case name; `url`: after redirects."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str

    def header_url(self, name: str) -> str | None:
        """A header's URL, made absolute."""
        value = self.headers.get(name)
        return None if value is None else urljoin(self.url, value)


@functools.cache
def trust(*, insecure: bool) -> ssl.SSLContext:
    """TLS for all connections alike: reading the system's certificates takes longer than a handshake.

    `insecure`: also for servers with a certificate of their own making.
    """
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def request(
    method: str, url: str, headers: Mapping[str, str], body: bytes = b"", *, insecure: bool = False
) -> Response:
    """Ask, and follow the redirects that keep the method (RFC 9725 §4.5).

    `insecure`: certificates are not verified. Raises `Refused` for what is no answer, `OSError` as connecting does.
    """
    for _ in range(_MAX_REDIRECTS):
        response = await _exchange(method, url, headers, body, insecure=insecure)
        location = response.header_url("location")
        if response.status not in _REDIRECTS or location is None:
            return response
        url = location
    raise Refused(f"{method} {url}: more than {_MAX_REDIRECTS} redirects")


async def _exchange(method: str, url: str, headers: Mapping[str, str], body: bytes, *, insecure: bool) -> Response:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise Refused(f"{url!r} is not an http or https URL")
    tls = trust(insecure=insecure) if parts.scheme == "https" else None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port or _PORTS[parts.scheme], ssl=tls)
    try:
        connection = h11.Connection(h11.CLIENT)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        about = {
            "Host": parts.netloc.rpartition("@")[2],
            "User-Agent": f"sfu/{VERSION}",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **headers,
        }
        for event in (
            h11.Request(method=method, target=target, headers=list(about.items())),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            writer.write(connection.send(event) or b"")
        return await _answer(connection, reader, url)
    except h11.RemoteProtocolError as error:
        raise Refused(f"{method} {url}: no HTTP answer: {error}") from None
    finally:
        writer.close()


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader, url: str) -> Response:
    status, headers, body = 0, dict[str, str](), bytearray()
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(_CHUNK))
            case h11.Response() as head:
                status = head.status_code
                headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
            case h11.Data() as data:
                body += data.data
                if len(body) > _MAX_BODY:
                    raise Refused(f"{url}: more than {_MAX_BODY} bytes")
            case h11.EndOfMessage():
                return Response(status, headers, bytes(body), url)
