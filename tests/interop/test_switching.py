"""A switch every two seconds, and a browser's own counters do not move (`switching.py` does the same for longer)."""

import pytest
from interop.chromium import Chromium
from interop.firefox import Firefox
from interop.netns import Namespace
from interop.switching import SOURCES, Browsers, trial

# On a busy machine there are four runs (`trial`).
pytestmark = [pytest.mark.interop, pytest.mark.slow, pytest.mark.timeout(300)]


# A minute of four codecs.
@pytest.mark.parametrize("codec", SOURCES)
async def test_a_viewer_does_not_notice_switches(chromium: Chromium, codec: str) -> None:
    assert await trial(Browsers(chromium, chromium), codec, seconds=15) == []


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_firefox_does_not_notice_switches_either(
    chromium: Chromium, firefox: Firefox, namespace: Namespace, codec: str
) -> None:
    browsers = Browsers(chromium, firefox, ("127.0.0.1", namespace.host))
    assert await trial(browsers, codec, seconds=20) == []
