"""The command line: `sfu serve`, `sfu demo`, `sfu token`, and the tools beside them."""

import asyncio
import contextlib
import functools
import inspect
import logging
import secrets
import sys
import textwrap
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import segno
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.panel import Panel

from sfu._replay import replay
from sfu._torture import torture
from sfu._version import VERSION
from sfu.config import level_number
from sfu.demo import ROOM, people
from sfu.errors import SfuError
from sfu.load.command import load
from sfu.server import Server
from sfu.settings import Settings
from sfu.tokens import AccessToken, VideoGrant
from sfu.web.serve import Address, run

__all__ = ["app", "main"]

app = typer.Typer(
    name="sfu", help="A WebRTC SFU: rooms for browsers, WHIP and WHEP.", no_args_is_help=True, add_completion=False
)

_console = Console(stderr=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sfu {VERSION}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


_OPTIONS: dict[str, Any] = {
    "host": Annotated[str | None, typer.Option(help="Where the page listens (127.0.0.1); 0.0.0.0: the whole network.")],
    "port": Annotated[int | None, typer.Option(help="Its TCP port (8080).")],
    "udp": Annotated[
        list[str] | None, typer.Option(help="HOST:PORT for media (\\[::]:7882, both families); repeatable.")
    ],
    "announce": Annotated[list[str] | None, typer.Option(help="IP address that peers are told; repeatable.")],
    "shards": Annotated[int | None, typer.Option(help="Threads that carry media (as many as there are processors).")],
    "pin": Annotated[
        list[int] | None, typer.Option(help="Processor on which a thread stays, the first thread's first; repeatable.")
    ],
    "spread": Annotated[
        bool | None, typer.Option("--spread", help="The sessions of a room go to all threads from the first on.")
    ],
    "hold": Annotated[
        float | None,
        typer.Option(help="Seconds for which datagrams are let come before they are read (0; 0.0005 at most)."),
    ],
    "key": Annotated[str | None, typer.Option(help="Key of access tokens; without one the server is open.")],
    "secret": Annotated[str | None, typer.Option(help="Secret of that key.")],
    "tls_cert": Annotated[Path | None, typer.Option(help="PEM certificate: the page is served over https.")],
    "tls_key": Annotated[Path | None, typer.Option(help="PEM key of that certificate.")],
    "tls_self_signed": Annotated[
        bool | None, typer.Option("--tls-self-signed", help="https with a certificate of its own making.")
    ],
    "origins": Annotated[
        list[str] | None,
        typer.Option("--origin", help="Browser origin that may use /ws besides the page's own; repeatable."),
    ],
    "max_rooms": Annotated[int | None, typer.Option(help="Rooms at a time (1000).")],
    "max_sessions": Annotated[int | None, typer.Option(help="Sessions at a time (10000).")],
    "metrics_token": Annotated[
        str | None, typer.Option(help="Bearer token that /metrics asks for; without one it is open.")
    ],
    "log_level": Annotated[str | None, typer.Option(help="trace, debug, info, warning or error (info).")],
}
"""Of every command that serves, in the order of `--help`; the names are those of `Settings`."""


def _serving(command: Callable[[Settings], None]) -> Callable[..., None]:
    """Give a command that takes `Settings` the options above; typer reads them from its signature."""

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        command(_settings(**given))

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, keyword, default=None, annotation=one) for name, one in _OPTIONS.items()]
    with_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = dict(_OPTIONS)
    return with_options


@app.command()
@_serving
def serve(settings: Settings) -> None:
    """Serve the page, /ws, WHIP and WHEP. Every option is also a variable: SFU_HOST, SFU_PORT, SFU_UDP, …."""
    _serve(settings, run(settings, lambda address: _welcome(settings, address)))


@app.command()
@_serving
def demo(settings: Settings) -> None:
    """Serve as `sfu serve` does, with three synthetic people in the room "demo": nobody needs a camera to see it."""

    async def serve_with_people() -> None:
        async with contextlib.AsyncExitStack() as stack:

            async def let_in(server: Server) -> None:
                await stack.enter_async_context(people(server))

            await run(settings, lambda address: _welcome(settings, address, _demo_query(settings)), let_in)

    _serve(settings, serve_with_people())


@app.command()
def token(
    room: Annotated[str, typer.Option(help="The room that it opens.")],
    identity: Annotated[str, typer.Option(help="Who the bearer is.")],
    key: Annotated[str | None, typer.Option(help="The server's key (SFU_KEY).")] = None,
    secret: Annotated[str | None, typer.Option(help="Its secret (SFU_SECRET).")] = None,
    name: Annotated[str, typer.Option(help="What people call the bearer.")] = "",
    metadata: Annotated[str, typer.Option(help="The application's text.")] = "",
    hours: Annotated[float, typer.Option(help="How long it is valid.", min=0.001, max=87_600)] = 6.0,
    publish: Annotated[bool, typer.Option(help="May send media.")] = True,
    subscribe: Annotated[bool, typer.Option(help="May receive media.")] = True,
    data: Annotated[bool, typer.Option(help="May send messages.")] = True,
    admin: Annotated[bool, typer.Option("--admin", help="May mute, kick and close.")] = False,
) -> None:
    """Print an access token."""
    if not room or not identity:
        _fail("a token needs a --room and an --identity that are not empty")
    grant = VideoGrant(
        room_join=True,
        room=room,
        room_admin=admin,
        can_publish=publish,
        can_subscribe=subscribe,
        can_publish_data=data,
    )
    try:
        made = (
            AccessToken(key, secret)
            .with_identity(identity)
            .with_name(name)
            .with_metadata(metadata)
            .with_grants(grant)
            .with_ttl(timedelta(hours=hours))
        )
        typer.echo(made.to_jwt())
    except SfuError as error:
        _fail(str(error))


app.command()(load)
app.command()(replay)
app.command()(torture)


def main() -> None:
    """Run the command line."""
    app()


def _settings(**options: Any) -> Settings:
    """What was given; the rest comes from variables and defaults. A mistake ends the program."""
    given = {name: value for name, value in options.items() if value not in (None, [], ())}
    try:
        return Settings(**given)
    except ValidationError as error:
        for problem in error.errors():
            # Of a list, the place in it says nothing: its options stand apart.
            where = str(problem["loc"][0]).removeprefix("SFU_").lower() if problem["loc"] else "settings"
            _say(f"{where}: {problem['msg'].removeprefix('Value error, ')}")
        raise typer.Exit(2) from None


def _serve(settings: Settings, serving: Coroutine[Any, Any, None]) -> None:
    try:
        _log_to_terminal(settings.log_level)
        asyncio.run(serving)
    except SfuError as error:
        _fail(str(error))
    finally:
        serving.close()  # it may not have begun


def _demo_query(settings: Settings) -> str:
    """Joins the demo's room without a click, as often as it is opened."""
    query = {"room": ROOM, "name": "Guest", "join": "1"}
    for key, secret in settings.keys.items():
        grant = VideoGrant(room_join=True, room=ROOM)
        identity = f"guest-{secrets.token_hex(4)}"
        query["token"] = AccessToken(key, secret).with_identity(identity).with_name("Guest").with_grants(grant).to_jwt()
    return f"?{urlencode(query)}"


def _welcome(settings: Settings, address: Address, query: str = "") -> None:
    lines = [f"On this machine   {address.local}"]
    if address.network is not None:
        lines.append(f"On the network    {address.network}")
        if address.network.startswith("http:"):
            lines.append("[yellow]Over http, browsers there give no camera: --tls-self-signed.[/yellow]")
    # What fits beside it in 80 columns.
    media = textwrap.wrap(", ".join(address.media), 54, break_long_words=False)
    lines.append("Media             udp " + escape(f"\n{' ' * 22}".join(media)))
    if settings.keys:
        lines.append("Access            with tokens: sfu token --room R --identity I")
        if any(len(secret.encode()) < 32 for secret in settings.keys.values()):
            lines.append("[yellow]The secret is short: use 32 bytes or more where it matters.[/yellow]")
    else:
        lines.append("[yellow]Open to everybody who reaches it: --key and --secret ask for tokens.[/yellow]")
    _console.print(Panel("\n".join(lines), title="sfu", expand=False))
    if query:
        _console.print(f"Join the demo: {address.local}{query}", soft_wrap=True, highlight=False, markup=False)
    if address.network is not None:
        segno.make(address.network + query, error="l").terminal(out=sys.stderr, compact=True)
    _console.print("Ctrl-C ends it.")


def _log_to_terminal(level: str) -> None:
    logging.addLevelName(5, "TRACE")
    try:
        number = level_number(level)
    except KeyError:
        _fail(f"log_level must be trace, debug, info, warning or error, not {level!r}")
    logging.basicConfig(
        level=logging.WARNING,
        format="%(name)s: %(message)s",
        handlers=[RichHandler(console=_console, show_path=False, rich_tracebacks=True)],
    )
    logging.getLogger("sfu").setLevel(number)


def _fail(text: str) -> None:
    _say(text)
    raise typer.Exit(1)


def _say(text: str) -> None:
    """One line, however long: it may be searched for."""
    _console.print(f"[red]{escape(text)}[/red]", highlight=False, soft_wrap=True)
