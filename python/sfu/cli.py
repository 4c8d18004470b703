"""The command line: `sfu serve` and `sfu token`."""

import asyncio
import logging
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import segno
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.logging import RichHandler
from rich.panel import Panel

from sfu.config import level_number
from sfu.errors import SfuError
from sfu.settings import Settings
from sfu.tokens import AccessToken, VideoGrant
from sfu.web.serve import Address, run

__all__ = ["app", "main"]

app = typer.Typer(
    name="sfu", help="A WebRTC SFU: rooms for browsers, WHIP and WHEP.", no_args_is_help=True, add_completion=False
)

_console = Console(stderr=True)

Text = Annotated[str | None, typer.Option()]


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Where the page listens; 0.0.0.0 for the whole network.")] = None,
    port: Annotated[int | None, typer.Option(help="Its TCP port (8080).")] = None,
    udp: Annotated[list[str] | None, typer.Option(help="HOST:PORT for media (0.0.0.0:7882); repeatable.")] = None,
    announce: Annotated[list[str] | None, typer.Option(help="IP address that peers are told; repeatable.")] = None,
    key: Annotated[str | None, typer.Option(help="Key of access tokens; without one the server is open.")] = None,
    secret: Annotated[str | None, typer.Option(help="Secret of that key.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="PEM certificate: the page is served over https.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM key of that certificate.")] = None,
    tls_self_signed: Annotated[
        bool | None, typer.Option("--tls-self-signed", help="https with a certificate of its own making.")
    ] = None,
    origin: Annotated[
        list[str] | None, typer.Option(help="Browser origin that may use /ws besides the page's own; repeatable.")
    ] = None,
    max_rooms: Annotated[int | None, typer.Option(help="Rooms at a time (1000).")] = None,
    max_sessions: Annotated[int | None, typer.Option(help="Sessions at a time (10000).")] = None,
    log_level: Annotated[str | None, typer.Option(help="trace, debug, info, warning or error.")] = None,
) -> None:
    """Serve the page, /ws, WHIP and WHEP. Every option is also a variable: SFU_HOST, SFU_PORT, SFU_UDP, …."""
    settings = _settings(
        host=host,
        port=port,
        udp=udp,
        announce=announce,
        key=key,
        secret=secret,
        tls_cert=tls_cert,
        tls_key=tls_key,
        tls_self_signed=tls_self_signed,
        origins=origin,
        max_rooms=max_rooms,
        max_sessions=max_sessions,
        log_level=log_level,
    )
    _log_to_terminal(settings.log_level)
    try:
        asyncio.run(run(settings, lambda address: _welcome(settings, address)))
    except SfuError as error:
        _fail(str(error))


@app.command()
def token(
    room: Annotated[str, typer.Option(help="The room that it opens.")],
    identity: Annotated[str, typer.Option(help="Who the bearer is.")],
    key: Annotated[str | None, typer.Option(help="The server's key (SFU_KEY).")] = None,
    secret: Annotated[str | None, typer.Option(help="Its secret (SFU_SECRET).")] = None,
    name: Annotated[str, typer.Option(help="What people call the bearer.")] = "",
    metadata: Annotated[str, typer.Option(help="The application's text.")] = "",
    hours: Annotated[float, typer.Option(help="How long it is valid.", min=0.001)] = 6.0,
    publish: Annotated[bool, typer.Option(help="May send media.")] = True,
    subscribe: Annotated[bool, typer.Option(help="May receive media.")] = True,
    data: Annotated[bool, typer.Option(help="May send messages.")] = True,
    admin: Annotated[bool, typer.Option("--admin", help="May mute, kick and close.")] = False,
) -> None:
    """Print an access token."""
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


def main() -> None:
    """Run the command line."""
    app()


def _settings(**options: Any) -> Settings:
    """What was given; the rest comes from variables and defaults. A mistake ends the program."""
    given = {name: value for name, value in options.items() if value not in (None, [])}
    try:
        return Settings(**given)
    except ValidationError as error:
        for problem in error.errors():
            where = ".".join(str(part) for part in problem["loc"]).removeprefix("SFU_").lower()
            _console.print(f"[red]{where or 'settings'}:[/red] {problem['msg'].removeprefix('Value error, ')}")
        raise typer.Exit(2) from None


def _welcome(settings: Settings, address: Address) -> None:
    lines = [f"On this machine   {address.local}"]
    if address.network is not None:
        lines.append(f"On the network    {address.network}")
    lines.append(f"Media             udp {', '.join(address.media)}")
    if settings.keys:
        lines.append("Access            with tokens: sfu token --room R --identity I")
        if any(len(secret.encode()) < 32 for secret in settings.keys.values()):
            lines.append("[yellow]The secret is short: use 32 bytes or more where it matters.[/yellow]")
    else:
        lines.append("[yellow]Open to everybody who reaches it: --key and --secret ask for tokens.[/yellow]")
    _console.print(Panel("\n".join(lines), title="sfu", expand=False))
    if address.network is not None:
        segno.make(address.network, error="l").terminal(out=sys.stderr, compact=True)
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
    _console.print(f"[red]{text}[/red]", markup=True, highlight=False)
    raise typer.Exit(1)
