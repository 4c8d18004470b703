"""The page itself, as people use it: three of them in one room, a reload, a leave, a crash."""

from collections.abc import AsyncIterator

import pytest
from interop.browser import Watched
from interop.chromium import Chromium
from interop.chromium import chromium as another_chromium
from interop.live import Live, live
from interop.polling import eventually

import sfu

pytestmark = pytest.mark.interop


@pytest.fixture
async def hasty() -> AsyncIterator[Live]:
    """A server that does not wait long for those who have vanished."""
    async with live(consent_timeout=3.0, close_timeout=2.0, resume_timeout=2.0) as running:
        yield running


async def enter(browser: Chromium, running: Live, room: str, name: str) -> Watched:
    return Watched(await browser.open(f"{running.url}/?room={room}&name={name}&join=1"), name)


async def present(running: Live, room: str, count: int) -> sfu.Room:
    """Wait until so many people are in the room."""

    async def probe() -> int:
        found = running.server.rooms.get(room)
        return len(found.sessions) if found else 0

    await eventually(f"{count} in the room", probe, lambda now: now == count)
    return running.server.rooms[room]


async def test_three_people_see_and_hear_each_other(live_sfu: Live, chromium: Chromium) -> None:
    people = [await enter(chromium, live_sfu, "trio", name) for name in ("Anna", "Ben", "Cleo")]
    await present(live_sfu, "trio", 3)
    for one in people:
        await one.connected()
    for one in people:
        await one.decodes(2)
        await one.hears(2)
    for one in people:
        assert one.page.errors == []

    # A reload comes back, and the others see the one who is new.
    await people[0].page.page.reload()
    await people[0].connected()
    await people[0].decodes(2)
    await people[1].decodes(2)

    # Somebody who closes the page is gone at once.
    await people[2].page.page.close(run_before_unload=True)
    await present(live_sfu, "trio", 2)


async def test_a_killed_browser_leaves_when_its_consent_expires(hasty: Live, chromium: Chromium) -> None:
    async with another_chromium() as other:
        await enter(chromium, hasty, "crash", "Anna")
        ben = await enter(other, hasty, "crash", "Ben")
        await ben.connected()
        await ben.decodes()
        chromium.kill()
        room = await present(hasty, "crash", 1)
        assert [session.name for session in room.sessions] == ["Ben"]
