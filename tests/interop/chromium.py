"""Debian's Chromium through playwright, headless, with fake devices."""

import contextlib
import itertools
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from interop.browser import PEER_SCRIPT
from playwright.async_api import Browser, BrowserContext, Route, async_playwright
from playwright.async_api import Page as PlaywrightPage

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    # Its own 20 frames a second would come unevenly to whoever asks for 15 or 30.
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
    "--auto-accept-this-tab-capture",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Hidden tabs keep their timers and their decoders: all pages of a test count.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    # Host candidates as addresses: nobody here resolves `.local` names.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
]
# A page for tests that need none of ours: `localhost` is a secure context, so it has camera and microphone.
BLANK = "http://localhost:1/"

_marks = itertools.count()


class ChromiumPage:
    """One page; `call` is the common face of all browsers, `page` is playwright's."""

    def __init__(self, page: PlaywrightPage) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def call(self, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function, given as source, with JSON arguments; its awaited JSON result."""
        return await self.page.evaluate(f"(all) => ({function})(...all)", list(arguments))


class Chromium:
    """A running browser."""

    def __init__(self, browser: Browser, mark: str) -> None:
        self.browser = browser
        self._mark = mark
        self._context: BrowserContext | None = None

    async def blank(self) -> ChromiumPage:
        """A page with the test's own peers (`peer.js`) and nothing else in it."""
        page = await self.open(None)
        return page

    async def open(self, url: str | None, **context: Any) -> ChromiumPage:
        """A page of a profile of its own (`context`: playwright's options, a viewport for instance)."""
        profile = await self.browser.new_context(permissions=["camera", "microphone"], **context)
        await profile.add_init_script(PEER_SCRIPT)
        page = ChromiumPage(await profile.new_page())
        if url is None:
            await page.page.route(BLANK, _fulfil)
        await page.page.goto(url or BLANK)
        return page

    def kill(self) -> None:
        """End the browser's process with no chance for goodbyes."""
        for pid in self._processes():
            os.kill(pid, signal.SIGKILL)

    def _processes(self) -> list[int]:
        """All processes of this very browser, found by a mark on their command lines; the browser's own comes first."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = entry.read_bytes().split(b"\0")
                if self._mark.encode() in words:
                    found.append(int(entry.parent.name))
        return sorted(found)


async def _fulfil(route: Route) -> None:
    await route.fulfill(content_type="text/html", body="<!doctype html><title>peer</title><body></body>")


@contextlib.asynccontextmanager
async def chromium(*arguments: str) -> AsyncIterator[Chromium]:
    """Start a browser of its own, with further command line `arguments`."""
    mark = f"--sfu-test={os.getpid()}-{next(_marks)}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=EXECUTABLE,
            # Playwright's own switch would choose the old headless mode, which is another browser.
            headless=False,
            args=[*_ARGUMENTS, *arguments, mark],
        )
        try:
            yield Chromium(browser, mark)
        finally:
            await browser.close()
