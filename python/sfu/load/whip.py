"""Joining through WHIP (RFC 9725) and WHEP: one POST a peer, to this server or any other."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

from sfu.load._http import request
from sfu.load.signaling import Refused

if TYPE_CHECKING:
    from sfu.load._http import Response
    from sfu.load.signaling import LoadPeer

__all__ = ["WhipWhep"]

_PATIENCE = 5.0
"""Seconds for which `Retry-After` is obeyed. Higher: servers that take long to show what is published. Lower: an early
word when nothing is."""

_MAX_PAUSE = 2.0
"""Seconds between attempts at most, whatever `Retry-After` says."""

_DETAIL = 200
_GONE = 5.0


class WhipWhep:
    """A `Signaling`. In both URLs `{n}` stands for the peer's group, `{i}` for its own number (`LoadPeer`).

    `token`: sent as `Authorization: Bearer`. `insecure`: certificates are not verified.
    """

    def __init__(
        self, *, whip: str | None = None, whep: str | None = None, token: str | None = None, insecure: bool = False
    ) -> None:
        """Nothing is asked yet."""
        self._whip = whip
        self._whep = whep
        self._insecure = insecure
        self._authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._sessions: dict[LoadPeer, str] = {}

    async def publish(self, peer: LoadPeer) -> None:
        """POST its offer to the WHIP endpoint."""
        await self._post(self._whip, peer, patient=False)

    async def subscribe(self, peer: LoadPeer) -> None:
        """POST its offer to the WHEP endpoint, again for a while if the server says `Retry-After`."""
        await self._post(self._whep, peer, patient=True)

    async def leave(self, peer: LoadPeer) -> None:
        """DELETE its session."""
        session = self._sessions.pop(peer, None)
        if session is not None:
            with contextlib.suppress(Refused, OSError, TimeoutError):
                async with asyncio.timeout(_GONE):
                    await request("DELETE", session, self._authorization, insecure=self._insecure)

    async def close(self) -> None:
        """DELETE what is left."""
        await asyncio.gather(*(self.leave(peer) for peer in list(self._sessions)))

    async def _post(self, template: str | None, peer: LoadPeer, *, patient: bool) -> None:
        if template is None:
            raise Refused(f"there is no URL for {peer.role}s")
        url = template.replace("{n}", str(peer.group)).replace("{i}", str(peer.number))
        offer = (await peer.offer()).encode()
        headers = {"Content-Type": "application/sdp", "Accept": "application/sdp", **self._authorization}
        end = asyncio.get_running_loop().time() + (_PATIENCE if patient else 0)
        while True:
            response = await request("POST", url, headers, offer, insecure=self._insecure)
            if response.status in (200, 201):
                break
            if "retry-after" not in response.headers or asyncio.get_running_loop().time() >= end:
                raise Refused(_refusal(url, response))
            await asyncio.sleep(_pause(response))
        if (session := response.header_url("location")) is not None:
            self._sessions[peer] = session
        await peer.accept(response.body.decode(errors="replace"))


def _pause(response: Response) -> float:
    try:
        return min(float(response.headers["retry-after"]), _MAX_PAUSE)
    except ValueError:  # a date
        return _MAX_PAUSE


def _refusal(url: str, response: Response) -> str:
    """One line, out of a problem document (RFC 9457) if it is one."""
    text = response.body.decode(errors="replace")
    with contextlib.suppress(ValueError, AttributeError):
        text = str(json.loads(text).get("detail", text))
    return f"{url}: {response.status} {' '.join(text.split())[:_DETAIL]}".rstrip()
