"""A switch every two seconds, and Chromium's own counters do not move (`switching.py` does the same for longer)."""

import pytest
from interop.chromium import Chromium
from interop.switching import SOURCES, trial

pytestmark = pytest.mark.interop

# A minute of four codecs.
SECONDS = 15.0


@pytest.mark.slow
@pytest.mark.parametrize("codec", SOURCES)
async def test_a_viewer_does_not_notice_switches(chromium: Chromium, codec: str) -> None:
    assert await trial(chromium, codec, SECONDS) == []
