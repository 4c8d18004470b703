"""`sfu load`: a load from the command line."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sfu.load.config import Feedback, LoadConfig, Video
from sfu.load.room import RoomSignaling
from sfu.load.runner import run
from sfu.load.whip import WhipWhep

if TYPE_CHECKING:
    from sfu.load.result import Joins, LoadResult
    from sfu.load.signaling import Signaling

__all__ = ["load"]

_console = Console(stderr=True)

_PORT_OF_NO_USE = 9

Url = Annotated[str | None, typer.Option(metavar="URL", help="Join through this server's page: http://localhost:8080.")]
Room = Annotated[str, typer.Option(help="With --url: the room; {n} in it makes one room for each publisher.")]
Whip = Annotated[
    str | None, typer.Option(metavar="URL", help="Publish at this WHIP endpoint; {n}: number of the publisher.")
]
Whep = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Watch at this WHEP endpoint; {n}: of a publisher, {i}: of the viewer."),
]
Publishers = Annotated[int, typer.Option(metavar="P", min=0, help="Peers that send.")]
Subscribers = Annotated[int, typer.Option(metavar="S", min=0, help="Peers that receive.")]
VideoShape = Annotated[
    str, typer.Option("--video", metavar="SHAPE", help="720p, 360p, BYTESxPACKETS_A_SECOND (1200x300), or none.")
]
Frame = Annotated[int, typer.Option(metavar="N", help="Packets of a video frame.")]
Audio = Annotated[bool, typer.Option("--audio", help="Publish Opus, too: 50 packets a second.")]
Simulcast = Annotated[bool, typer.Option("--simulcast", help="Publish three encodings.")]
Seconds = Annotated[float, typer.Option(metavar="T", help="How long to measure.")]
WarmUp = Annotated[float, typer.Option(metavar="T", help="How long to wait before, after the last join.")]
Paced = Annotated[bool, typer.Option("--paced", help="Spread the packets of a frame as browsers do; else one burst.")]
FeedbackName = Annotated[str, typer.Option("--feedback", metavar="F", help="Of who counts: none, rr or twcc.")]
Verify = Annotated[int, typer.Option(metavar="N", min=0, help="So many subscribers open and verify every packet.")]
Nack = Annotated[
    float, typer.Option(metavar="PERCENT", help="One verifier asks for so many packets again that it has.")
]
Switch = Annotated[float | None, typer.Option(metavar="T", help="One subscriber changes layers so often; --url only.")]
Ramp = Annotated[float | None, typer.Option(metavar="R", help="Joins a second; else as fast as the server answers.")]
Watch = Annotated[int, typer.Option(metavar="N", min=1, help="With --whep: publishers that a viewer offers to see.")]
JoinTimeout = Annotated[float, typer.Option(metavar="T", help="When a join counts as failed.")]
Ip = Annotated[str | None, typer.Option(help="The peers' own address; else the one that leads to the server.")]
Cores = Annotated[str, typer.Option(metavar="LIST", help="Processors for the thread of the peers: 1 or 1,3 or 2-5.")]
Gro = Annotated[bool, typer.Option("--gro", help="Receive with UDP_GRO: cheaper, on loopback for the server as well.")]
Cipher = Annotated[str | None, typer.Option(metavar="NAME", help="The one SRTP profile: AEAD_AES_128_GCM or others.")]
Token = Annotated[str | None, typer.Option(envvar="SFU_TOKEN", help="One access token for all.")]
Key = Annotated[str | None, typer.Option(envvar="SFU_KEY", help="The server's key: a token for each peer.")]
Secret = Annotated[str | None, typer.Option(envvar="SFU_SECRET", help="The secret of that key.")]
Insecure = Annotated[bool, typer.Option("--insecure", help="Take certificates as they are.")]
MaxLoss = Annotated[float, typer.Option(metavar="PERCENT", help="More loss ends the program with 1.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


def load(
    url: Url = None,
    room: Room = "load",
    whip: Whip = None,
    whep: Whep = None,
    publishers: Publishers = 1,
    subscribers: Subscribers = 1,
    video: VideoShape = "720p",
    frame: Frame = 8,
    audio: Audio = False,
    simulcast: Simulcast = False,
    seconds: Seconds = 10.0,
    warm_up: WarmUp = 1.0,
    paced: Paced = False,
    feedback: FeedbackName = "rr",
    verify: Verify = 0,
    nack: Nack = 0.0,
    switch: Switch = None,
    ramp: Ramp = None,
    watch: Watch = 1,
    join_timeout: JoinTimeout = 20.0,
    ip: Ip = None,
    cores: Cores = "",
    gro: Gro = False,
    cipher: Cipher = None,
    token: Token = None,
    key: Key = None,
    secret: Secret = None,
    insecure: Insecure = False,
    max_loss: MaxLoss = 100.0,
    as_json: AsJson = False,
) -> None:
    """Let many native peers publish and watch, here or at any other server, and print what came of it."""
    try:
        signaling: Signaling
        if url is not None and whip is None and whep is None:
            signaling, target = RoomSignaling(url, room, token=token, key=key, secret=secret, insecure=insecure), url
        elif url is None and (target := whip or whep or ""):
            signaling = WhipWhep(whip=whip, whep=whep, token=token, insecure=insecure)
        else:
            raise ValueError("a server: --url, or --whip and --whep")
        config = LoadConfig(
            publishers=publishers if url or whip else 0,
            subscribers=subscribers if url or whep else 0,
            video=None if video == "none" else Video.parse(video, frame),
            audio=audio,
            simulcast=simulcast,
            paced=paced,
            feedback=cast("Feedback", feedback),
            verify=verify,
            nack=nack / 100,
            seconds=seconds,
            warm_up=warm_up,
            ramp=ramp,
            join_timeout=join_timeout,
            watch=watch,
            switch=switch,
            ip=ip or _address_towards(target),
            cores=_cores(cores),
            gro=gro,
            cipher=cipher,
        )
    except ValueError as error:
        _fail(str(error), 2)
    try:
        result = asyncio.run(run(config, signaling))
    except (OSError, ValueError) as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    problems = result.problems(max_loss / 100)
    if as_json:
        typer.echo(json.dumps({**result.to_dict(), "problems": problems}))
    else:
        _print(result)
        for problem in problems:
            _say(problem)
    if problems:
        raise typer.Exit(1)


def _address_towards(url: str) -> str:
    """This machine's address on the way to a server. Nothing is sent: a UDP connect only asks the routing table."""
    host = urlsplit(url).hostname
    if not host:
        raise ValueError(f"{url!r} is not an http or https URL")
    try:
        # Media over IPv4 where there is a choice: every server offers it.
        found = sorted(socket.getaddrinfo(host, _PORT_OF_NO_USE, type=socket.SOCK_DGRAM), key=lambda one: one[0])
        family, _, _, _, address = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)
            return str(probe.getsockname()[0])
    except OSError as error:
        raise ValueError(f"{host}: {error.strerror}") from None


def _cores(text: str) -> tuple[int, ...]:
    """Of "1", "1,3" or "2-5"."""
    cores: list[int] = []
    for part in filter(None, text.split(",")):
        bounds = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip(), re.ASCII)
        if bounds is None:
            raise ValueError(f"cores: {text!r} is not a list such as 1,3 or 2-5")
        cores += range(int(bounds[1]), int(bounds[2] or bounds[1]) + 1)
    return tuple(cores)


def _fail(text: str, code: int) -> NoReturn:
    _say(text)
    raise typer.Exit(code)


def _say(text: str) -> None:
    """One line, however long: it may be searched for."""
    _console.print(f"[red]{escape(text)}[/red]", highlight=False, soft_wrap=True)


def _print(result: LoadResult) -> None:
    console = Console()
    joins = Table("", "joined", "failed", "a second", "connected", "first packet", caption="times: p50, p99")
    for role in ("publishers", "subscribers"):
        if getattr(result.config, role):
            joins.add_row(role, *_joins(getattr(result, role)))
    console.print(joins)
    if result.figures is not None:
        table = Table("", "", show_header=False)
        for name, value in _rows(result, result.figures):
            table.add_row(name, value)
        console.print(table)


def _joins(joins: Joins) -> list[str]:
    figures = joins.to_dict()
    rate = figures["per_second"]
    times = [[figures[f"{what}_{share}_ms"] for share in ("p50", "p99")] for what in ("connected", "media")]
    return [
        str(figures["joined"]),
        f"[red]{joins.failed}[/red]" if joins.failed else "0",
        "–" if rate is None else f"{rate:.1f}",
        *("–" if p50 is None else f"{p50:.1f}, {p99:.1f} ms" for p50, p99 in times),
    ]


def _rows(result: LoadResult, figures: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("measured", f"{figures['seconds']:.2f} s"),
        ("sent", f"{figures['sent']} packets, {result.rate('sent'):.0f} a second"),
        (
            "received",
            f"{figures['received']} of {figures['expected']} packets, {result.rate('received'):.0f} a second, "
            f"{result.rate('bytes_received') * 8 / 1e6:.1f} Mbit/s",
        ),
        ("loss", "–" if result.loss is None else f"{result.loss:.4%}"),
        ("feedback sent", f"{figures['feedbacks_sent']} compounds, {figures['keyframes_asked']} keyframes asked for"),
        ("ciphers", ", ".join(f"{name} ({count})" for name, count in figures["profiles"].items())),
    ]
    if result.config.verify:
        delays = [figures[f"delay_{share}_us"] for share in ("p50", "p99", "p999")]
        rows += [
            ("verified", f"{figures['verified']} packets, {figures['corrupt'] + figures['misrouted']} corrupt"),
            (
                "repaired",
                f"{figures['repaired']} of {figures['nacks']} asked for, {figures['given_up']} given up",
            ),
            ("frames", f"{figures['frames']} decodable, {figures['undecodable']} not, {figures['faults']} faults"),
            (
                "delay p50, p99, p99.9",
                ", ".join("–" if delay is None else f"{delay:.0f}" for delay in delays) + " µs",
            ),
        ]
    cpu = 100 * figures["cpu_seconds"] / figures["seconds"]
    rows.append(("this program", f"{cpu:.1f} % of a core, {figures['kernel_drops']} datagrams came too fast"))
    return rows
