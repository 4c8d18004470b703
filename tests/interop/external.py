"""A client of another WebRTC stack in a process of its own.

It prints one JSON object a line, each a few facts about where it stands (`{"state": "connected"}`, `{"frames": 12}`);
the newest value of each fact counts. It says goodbye and ends when its standard input is closed.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from interop.polling import eventually

_END_WITHIN = 10.0


class External:
    """A running client."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.facts: dict[str, Any] = {}
        self.stderr = b""
        self._process = process

    async def until(self, what: str, accept: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait for facts; fails at once, with what the client said, when it ends early."""

        async def probe() -> dict[str, Any]:
            if self._process.returncode not in (None, 0):
                said = self.stderr.decode(errors="replace")[-2000:]
                raise AssertionError(f"{self.name} ended with {self._process.returncode}: {said}")
            return dict(self.facts)

        return await eventually(f"{self.name}: {what}", probe, accept)

    async def follow(self) -> None:
        """Read what it prints until it ends."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            with contextlib.suppress(json.JSONDecodeError):
                self.facts |= json.loads(line)

    async def collect(self) -> None:
        """Keep what it complains about, for a failure's message."""
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.stderr += line


@contextlib.asynccontextmanager
async def external(name: str, *command: str | Path, folder: Path | None = None) -> AsyncIterator[External]:
    """Run a client (in `folder`); at the end it is asked to leave, and killed if it does not."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    client = External(name, process)
    readers = [asyncio.create_task(client.follow()), asyncio.create_task(client.collect())]
    try:
        yield client
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _END_WITHIN)
        except TimeoutError:
            process.kill()
            await process.wait()
        await asyncio.gather(*readers)
