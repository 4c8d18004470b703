"""A server as a process of its own that stays on one core: started, waited for, its time on the processor, stopped."""

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_STARTS = 30.0
"""Seconds until a server must listen."""
_ENDS = 10.0
"""Seconds until it must have ended by itself."""


@dataclass(frozen=True)
class Place:
    """Where a server runs."""

    core: int
    """The processor on which all its threads stay."""
    folder: Path
    """Its own, and empty."""
    host: str = "127.0.0.1"
    """Its one address."""
    prefix: tuple[str, ...] = ()
    """What its command stands behind, to run in a network namespace."""


class ServerProcess:
    """One server; what it prints goes to a file in its folder."""

    def __init__(
        self, place: Place, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
    ) -> None:
        self._place = place
        self._log = place.folder / "log"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                # Its threads inherit the core.
                [*place.prefix, "taskset", "--cpu-list", str(place.core), *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
            )

    async def listens(self, port: int) -> None:
        """Wait until it takes TCP connections. Raises `RuntimeError` with its last words if it ends or never does."""
        end = time.monotonic() + _STARTS
        while time.monotonic() < end and self._process.poll() is None:
            try:
                _, writer = await asyncio.open_connection(self._place.host, port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
        words = self._log.read_text(errors="replace").strip().splitlines()[-5:]
        raise RuntimeError("the server does not listen: " + " / ".join(words or ["it said nothing"]))

    def cpu_ns(self) -> int:
        """Nanoseconds that its threads had a processor, user and system, also those that have ended.

        The clock of another process is named as clock_getcpuclockid(3) does it.
        """
        return time.clock_gettime_ns(~self._process.pid << 3 | 2)

    def resident_bytes(self) -> int:
        """Its resident memory."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it; it has a while to do so itself."""
        self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self._process.wait, _ENDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nobody has now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
