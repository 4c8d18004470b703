"""Drives the negotiation alone: `rust/core/examples/negotiate.rs` as a subprocess."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[2]


@cache
def binary() -> Path:
    """Build the example once and return where it is; `SFU_NEGOTIATE` names one that is built already."""
    if given := os.environ.get("SFU_NEGOTIATE"):
        return Path(given)
    subprocess.run(["cargo", "build", "--quiet", "-p", "sfu-core", "--example", "negotiate"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "debug" / "examples" / "negotiate"


@dataclass(frozen=True)
class Offer:
    """An offer of the server."""

    id: int
    sdp: str


class Refused(Exception):
    """A `NegotiationError`."""


class Desk:
    """One transport's negotiation; a context manager."""

    def __init__(self, role: Literal["either", "client", "server"]) -> None:
        self._role = role

    def __enter__(self) -> Desk:
        self._process = subprocess.Popen(
            [binary(), self._role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def offer(self, sdp: str) -> str:
        """Hand in a client's offer, get the answer."""
        head, text = self._ask("offer", sdp)
        assert head == "answer", head
        return text

    def answer(self, sdp: str, id: int) -> str:
        """Hand in a client's answer: "applied" or "stale"."""
        return self._ask(f"answer {id}", sdp)[0]

    def poll(self) -> Offer | None:
        """Take the server's next offer."""
        head, text = self._ask("poll")
        return None if head == "nothing" else Offer(int(head.split()[1]), text)

    def add(self, number: int, codec: str) -> None:
        """Add a sender."""
        self._ask(f"add {number} {codec}")

    def remove(self, number: int) -> None:
        """Remove a sender."""
        self._ask(f"remove {number}")

    def want_data(self) -> None:
        """Ask for an application section."""
        self._ask("data")

    def restart(self) -> None:
        """Restart ICE with the next offer."""
        self._ask("restart")

    def status(self, number: int) -> str:
        """The Rust debug text of a sender's status."""
        return self._ask(f"status {number}")[0]

    def sections(self) -> list[str]:
        """The Rust debug text of the sections."""
        head, text = self._ask("sections")
        return [head, *text.splitlines()]

    def _ask(self, request: str, description: str | None = None) -> tuple[str, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        text = request + "\n"
        if description is not None:
            text += "\n".join(description.splitlines()) + "\n.\n"
        self._process.stdin.write(text)
        self._process.stdin.flush()
        lines = []
        while (line := self._process.stdout.readline().rstrip("\r\n")) != ".":
            assert self._process.poll() is None, f"the negotiation ended: {request}"
            lines.append(line)
        if lines[0].startswith("error "):
            raise Refused(lines[0].removeprefix("error "))
        return lines[0], "".join(f"{line}\r\n" for line in lines[1:])
