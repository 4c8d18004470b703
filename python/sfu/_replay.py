"""`sfu replay`: what one subscriber would have received of a captured publisher."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sfu._core import testing

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["replay"]

_console = Console(stderr=True)
_EXTENSION = re.compile(r"\d+(/\w+)?=")

Words = Annotated[list[str], typer.Argument(metavar="CAPTURE", help="rtpdump, pcap or pcapng with plain RTP.")]
Codec = Annotated[str, typer.Option(help="vp8, vp9, av1, h264 or h265.")]
Extmap = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID=URI…", help="A header extension of the capture; repeatable, several may follow one --extmap."
    ),
]
SchedulePath = Annotated[
    Path | None,
    typer.Option("--schedule", metavar="FILE", help="Lines of SECONDS SPATIAL TEMPORAL; # begins a comment."),
]
Out = Annotated[Path, typer.Option(metavar="OUT", help="The rtpdump file to write.")]
Loss = Annotated[float, typer.Option(metavar="P", help="Share of the publisher's packets that vanish, 0 to 1.")]
Reorder = Annotated[int, typer.Option(metavar="N", min=0, help="Packets are overtaken by at most so many.")]
Seed = Annotated[int, typer.Option(metavar="S", min=0, help="Decides what vanishes and what is overtaken.")]
Rtcp = Annotated[bool, typer.Option("--rtcp", help="Write the subscriber's RTCP too.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


def replay(
    words: Words,
    codec: Codec,
    out: Out,
    extmap: Extmap = None,
    schedule: SchedulePath = None,
    loss: Loss = 0.0,
    reorder: Reorder = 0,
    seed: Seed = 0,
    rtcp: Rtcp = False,
    as_json: AsJson = False,
) -> None:
    """Let the SFU forward a captured publisher to one subscriber, in virtual time, and write what that one receives."""
    captures = [word for word in words if not _EXTENSION.match(word)]
    if len(captures) != 1:
        raise typer.BadParameter(f"one CAPTURE is replayed, not {len(captures)}: {' '.join(captures)}")
    # What follows the first ID=URI of an --extmap stands among the words.
    extensions = [*(extmap or ()), *(word for word in words if _EXTENSION.match(word))]
    try:
        received, report = testing.replay(
            Path(captures[0]).read_bytes(),
            codec=codec,
            extmap=[word for one in extensions for word in re.split(r"\s+|,(?=\d+[/=])", one.strip()) if word],
            schedule="" if schedule is None else schedule.read_text(encoding="utf-8"),
            loss=loss,
            reorder=reorder,
            seed=seed,
            rtcp=rtcp,
        )
        out.write_bytes(received)
    except (OSError, ValueError) as error:
        _console.print(f"[red]{escape(str(error))}[/red]", highlight=False)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _print(report, out)


def _print(report: dict[str, Any], out: Path) -> None:
    console = Console()
    console.print(_encodings(report))
    if report["switches"]:
        console.print(_switches(report["switches"]))
    console.print(
        f"{report['frames_forwarded']} of {report['frames']} frames forwarded, {report['frames_dropped']} dropped; "
        f"{report['packets_received']} packets in {escape(str(out))}",
        highlight=False,
    )
    damage = f"{report['packets_lost']} of {report['packets_sent']} packets lost on the way in"
    asked = f"{report['keyframe_requests']} keyframes and {report['packets_asked_again']} packets asked for in vain"
    console.print(f"{damage}; {asked}", highlight=False)
    for one in report["ignored"]:
        console.print(f"left out: SSRC {one['ssrc']}, {one['packets']} packets: {one['reason']}", highlight=False)
    for anomaly in report["anomalies"]:
        console.print(f"[yellow]{escape(anomaly)}[/yellow]", highlight=False)


def _encodings(report: dict[str, Any]) -> Table:
    table = Table("encoding", "rid", "SSRC", "packets", "frames", "keyframes", "kbit/s", "missing")
    for index, one in enumerate(report["encodings"]):
        ssrcs = ", ".join(str(ssrc) for ssrc in one["ssrcs"])
        numbers = [one["packets"], one["frames"], one["keyframes"], one["bitrate"] // 1000, one["missing"]]
        table.add_row(str(index), one["rid"] or "", ssrcs, *map(str, numbers))
    return table


def _switches(switches: Sequence[dict[str, Any]]) -> Table:
    table = Table("seconds", "target", "from", "to", "reason", "wait ms", "for a keyframe ms")
    for one in switches:
        waits = [f"{one['wait_ms']:.0f}", f"{one['keyframe_wait_ms']:.0f}"]
        table.add_row(
            f"{one['at']:.3f}", *(_layer(one[name]) for name in ("target", "from", "to")), one["reason"], *waits
        )
    return table


def _layer(layer: tuple[int, int] | None) -> str:
    return "–" if layer is None else f"{layer[0]} {layer[1]}"
