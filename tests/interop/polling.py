"""Waiting for what a browser will do some time soon: ask again and again, never sleep for a fixed time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

# A browser on a loaded machine with two cores may take this long; what is faster costs nothing.
PATIENCE = 30.0
_BETWEEN = 0.1


async def eventually(
    what: str, probe: Callable[[], Awaitable[T]], accept: Callable[[T], object] = bool, *, seconds: float = PATIENCE
) -> T:
    """The first value of `probe` that `accept` is content with; prints how long it took.

    Raises AssertionError with the last value when there is none within `seconds`.
    """
    started = time.monotonic()
    while True:
        value = await probe()
        elapsed = time.monotonic() - started
        if accept(value):
            print(f"{what}: {elapsed:.2f} s")
            return value
        if elapsed > seconds:
            raise AssertionError(f"{what}: not within {seconds:.0f} s; the last value was {value!r}")
        await asyncio.sleep(_BETWEEN)
