"""Everything that HTTP offers, as one ASGI application: the page, `/ws`, WHIP, WHEP, `/metrics`, `/healthz`.

Mount it anywhere in a Starlette or FastAPI application: all its URLs are relative. Started by itself, it also starts
and closes a server that does not run yet.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from sfu.errors import NotRunning
from sfu.metrics import CONTENT_TYPE, render
from sfu.server import Server
from sfu.signaling import whep, whip, ws
from sfu.signaling.access import Access
from sfu.signaling.door import Door

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
) -> Starlette:
    """The application for `server`: `app.mount("/rtc", sfu.asgi(server))`.

    `keys`: key to secret of access tokens; without any, everybody may come in. `origins`: browser origins that may use
    `/ws` besides the application's own. `page` and `metrics` can be left out.
    """
    if not isinstance(server, Server):
        raise TypeError(f"asgi() takes an sfu.Server, not {type(server).__name__}")
    door = Door(server, Access(keys, origins))

    async def websocket(socket: WebSocket) -> None:
        await ws.serve(door, socket)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok" if server.running else "down"}, status_code=200 if server.running else 503)

    async def counters(_: Request) -> Response:
        try:
            return Response(await render(server), headers={"Content-Type": CONTENT_TYPE})
        except NotRunning:
            return Response("the server is not running", status_code=503)

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


async def _index(request: Request) -> Response:
    """The page; its relative URLs need the slash that a mounted path may lack."""
    if not request.url.path.endswith("/"):
        return RedirectResponse(request.url.replace(path=request.url.path + "/"))
    return FileResponse(_PAGE / "index.html", headers={"Cache-Control": "no-cache"})
