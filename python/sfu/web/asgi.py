"""Everything that HTTP offers, as one ASGI application: the page, `/ws`, WHIP, WHEP, `/metrics`, `/healthz`.

Mount it anywhere in a Starlette or FastAPI application: all its URLs are relative. Started by itself, it also starts
and closes a server that does not run yet.
"""

from __future__ import annotations

import re
import secrets
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from sfu._arguments import check_text
from sfu.errors import NotRunning
from sfu.metrics import CONTENT_TYPE, render
from sfu.server import Server
from sfu.signaling import whep, whip, ws
from sfu.signaling.access import Access
from sfu.signaling.door import Door
from sfu.signaling.http import bearer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping

    from starlette.requests import Request
    from starlette.websockets import WebSocket

__all__ = ["asgi"]

_PAGE = Path(__file__).parent / "page"


def asgi(
    server: Server,
    *,
    keys: Mapping[str, str] | None = None,
    origins: Collection[str] = (),
    page: bool = True,
    metrics: bool = True,
    metrics_token: str | None = None,
) -> Starlette:
    """The application for `server`: `app.mount("/rtc", sfu.asgi(server))`.

    `keys`: key to secret of access tokens; without any, everybody may come in. `origins`: browser origins that may use
    `/ws` besides the application's own. `page` and `metrics` can be left out. With `metrics_token`, `/metrics` answers
    only to `Authorization: Bearer` with this token (RFC 6750); without one to everybody.
    """
    if not isinstance(server, Server):
        raise TypeError(f"asgi() takes an sfu.Server, not {type(server).__name__}")
    if metrics_token is not None:
        check_text("metrics_token", metrics_token)
        if not re.fullmatch("[!-~]+", metrics_token):
            raise ValueError("metrics_token must be visible ASCII characters; leave it out, and /metrics is open")
    door = Door(server, Access(keys, origins))

    async def websocket(socket: WebSocket) -> None:
        await ws.serve(door, socket)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok" if server.running else "down"}, status_code=200 if server.running else 503)

    async def counters(request: Request) -> Response:
        if metrics_token is not None and not _same(bearer(request), metrics_token):
            text = "this server's metrics want their bearer token (--metrics-token)"
            return PlainTextResponse(text, status_code=401, headers={"WWW-Authenticate": "Bearer"})
        try:
            return Response(await render(server), headers={"Content-Type": CONTENT_TYPE})
        except NotRunning:
            return PlainTextResponse("the server is not running", status_code=503)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if server.running:
            yield
            return
        async with server:
            yield

    routes: list[BaseRoute] = [
        WebSocketRoute("/ws", websocket),
        Route("/healthz", health),
        *whip.routes(door),
        *whep.routes(door),
    ]
    if metrics:
        routes.append(Route("/metrics", counters))
    if page:
        routes += [Route("/", _index), Mount("/", StaticFiles(directory=_PAGE, check_dir=False))]
    return Starlette(routes=routes, lifespan=lifespan)


def _same(given: str | None, wanted: str) -> bool:
    """Takes as long for a nearly right token as for a wrong one."""
    return secrets.compare_digest((given or "").encode(), wanted.encode())


async def _index(request: Request) -> Response:
    """The page; its relative URLs need the slash that a mounted path may lack."""
    if not request.url.path.endswith("/"):
        return RedirectResponse(request.url.replace(path=request.url.path + "/"))
    return FileResponse(_PAGE / "index.html", headers={"Cache-Control": "no-cache"})
