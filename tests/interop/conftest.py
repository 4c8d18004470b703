"""Fixtures: browsers and a live server. What this machine lacks skips with its reason."""

from collections.abc import AsyncIterator, Iterator

import pytest
from interop import chromium as chromium_module
from interop import firefox as firefox_module
from interop import live as live_module
from interop import netns as netns_module
from skips import missing


@pytest.fixture
async def chromium() -> AsyncIterator[chromium_module.Chromium]:
    """A Chromium of the test's own."""
    if chromium_module.EXECUTABLE is None:
        missing("Chromium is not installed (apt-get install chromium)")
    async with chromium_module.chromium() as browser:
        yield browser


@pytest.fixture
def namespace() -> Iterator[netns_module.Namespace]:
    """A network namespace with an address of its own, joined to this one by a veth pair."""
    try:
        with netns_module.namespace() as made:
            yield made
    except netns_module.Unavailable as reason:
        missing(f"network namespaces: {reason}")


@pytest.fixture
async def firefox(namespace: netns_module.Namespace) -> AsyncIterator[firefox_module.Firefox]:
    """A Firefox inside `namespace`: it pairs no loopback candidates."""
    if firefox_module.EXECUTABLE is None:
        missing("Firefox is not installed (apt-get install firefox-esr)")
    async with firefox_module.firefox(namespace) as browser:
        yield browser


@pytest.fixture
async def live_sfu() -> AsyncIterator[live_module.Live]:
    """A live server on loopback."""
    async with live_module.live() as running:
        yield running
