"""A switch every two seconds, and Chromium's own counters do not move (`switching.py` does the same for longer)."""

import pytest
from interop.chromium import Chromium
from interop.switching import SOURCES, watch

pytestmark = pytest.mark.interop

# With what comes before, a quarter of a minute for each codec.
SECONDS = 12.0


@pytest.mark.slow
@pytest.mark.parametrize("codec", SOURCES)
async def test_a_viewer_does_not_notice_switches(chromium: Chromium, codec: str) -> None:
    watched = await watch(chromium, codec, SECONDS, switch=True)
    print(f"{codec}: {watched}")
    assert len(watched.heights) > 1, watched
    assert watched.plis == 0, watched
    assert watched.lost == 0, watched
    if watched.freezes or watched.dropped:
        # On a busy machine frames come late with no switch at all: then a switch must not make it worse.
        alone = await watch(chromium, codec, SECONDS, switch=False)
        print(f"{codec} left alone: {alone}")
        assert watched.freezes <= alone.freezes, f"{watched}; left alone: {alone}"
        assert watched.dropped <= alone.dropped, f"{watched}; left alone: {alone}"
