"""A program of the project in a process of its own, which ends by Ctrl-C and without complaints."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from interop.polling import PATIENCE

import sfu

_PACKAGE = Path(sfu.__file__).parents[1]


class Program:
    """Running. What it printed so far is in `shown`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.shown = ""
        self._grown = asyncio.Condition()

    async def line(self, pattern: str) -> re.Match[str]:
        """Wait until it has printed something that matches."""
        async with self._grown:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._grown.wait_for(lambda: re.search(pattern, self.shown) or self._over)
            except TimeoutError:
                raise AssertionError(f"no {pattern!r} within {PATIENCE:.0f} s: {self.shown}") from None
        found = re.search(pattern, self.shown)
        assert found is not None, f"it ended without {pattern!r}: {self.shown}"
        return found

    async def follow(self) -> None:
        """Collect what it prints until it ends."""
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            async with self._grown:
                self.shown += line.decode(errors="replace")
                self._grown.notify_all()
        async with self._grown:
            self._over = True
            self._grown.notify_all()

    _over = False


@contextlib.asynccontextmanager
async def program(*arguments: str | Path, **environment: str) -> AsyncIterator[Program]:
    """Run Python with `arguments`; at the end it is interrupted, and has to end well."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(_PACKAGE), "PYTHONUNBUFFERED": "1", **environment},
    )
    running = Program(process)
    following = asyncio.create_task(running.follow())
    try:
        yield running
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await following
        print(running.shown, file=sys.stderr)
    # 130: ended by the interrupt that it was sent.
    assert process.returncode in (0, 130, -signal.SIGINT)
    assert "Traceback" not in running.shown
