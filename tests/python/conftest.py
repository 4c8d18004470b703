"""A server on the data plane in memory."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import HealthCheck, settings

import sfu

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # starlette's test client warns about the httpx that it runs on
    import starlette.testclient  # noqa: F401

from typing import TYPE_CHECKING

from python.door import KEYS, Door, make_door
from python.fake_backend import FakeBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

# Time says nothing on a loaded machine, and a run should repeat.
settings.register_profile("sfu", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("sfu")


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
async def server(backend: FakeBackend) -> AsyncIterator[sfu.Server]:
    async with sfu.Server(sfu.Config(event_queue=8), backend=lambda _: backend) as server:
        yield server


@pytest.fixture
async def room(server: sfu.Server) -> sfu.Room:
    return await server.create_room("standup")


@pytest.fixture
def door() -> Iterator[Door]:
    yield from make_door()


@pytest.fixture
def guarded() -> Iterator[Door]:
    yield from make_door(keys=KEYS)
