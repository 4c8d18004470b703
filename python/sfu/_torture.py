"""`sfu torture`: random layer changes over a bad network, judged by an oracle that knows every frame's references."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sfu._core import testing

__all__ = ["torture"]

_console = Console(stderr=True)

# What must be 0.
_ERRORS = (
    "frames_withheld",
    "undecodable_frames",
    "reused_sequence_numbers",
    "timestamps_backwards",
    "marker_errors",
    "nacks_never_sent",
    "gap_errors",
)

Codec = Annotated[
    str,
    typer.Option(
        metavar="C",
        help="vp8, vp9, vp9-flex, vp9-ksvc, av1-l1t2, av1-l3t3, av1-l3t3-key, av1-s3t3, h264 or h265.",
    ),
]
Switches = Annotated[int, typer.Option(metavar="N", min=1, help="So many target changes.")]
Seed = Annotated[int, typer.Option(metavar="S", min=0, help="Decides everything random.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and leave the judgement to its reader.")]


def torture(codec: Codec, switches: Switches = 10_000, seed: Seed = 1, as_json: AsJson = False) -> None:
    """Let simulated viewers change layers all the time over a bad network; end with 1 if they got anything wrong."""
    try:
        counts, problems = testing.torture(codec, switches=switches, seed=seed)
    except ValueError as error:
        _console.print(f"[red]{escape(str(error))}[/red]", highlight=False)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(counts))
        return
    table = Table(codec, "", show_header=True)
    for name, count in counts.items():
        wrong = name in _ERRORS and count > 0
        table.add_row(name.replace("_", " "), f"[red]{count}[/red]" if wrong else str(count))
    Console().print(table)
    for problem in problems:
        _console.print(escape(problem), highlight=False)
    if any(counts[name] for name in _ERRORS):
        raise typer.Exit(1)
