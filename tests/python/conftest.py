"""A server on the data plane in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import sfu

from python.fake_backend import FakeBackend


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
