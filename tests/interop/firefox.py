"""Debian's Firefox ESR, headless, driven by WebDriver BiDi: no geckodriver and no selenium in between.

It runs inside a network namespace (`netns`), because it pairs no loopback candidates with an ICE-lite server.
"""

import asyncio
import contextlib
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from interop.bidi import Bidi
from interop.browser import PEER_SCRIPT
from interop.netns import Namespace

EXECUTABLE = shutil.which("firefox-esr") or shutil.which("firefox")

_PREFERENCES: dict[str, bool | int | str] = {
    # Fake devices, and no questions about them, on plain http too: pages come from the namespace's host address.
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.devices.insecure.enabled": True,
    "media.getusermedia.insecure.enabled": True,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    # H.264 without the OpenH264 plugin, which Debian does not ship: taken for hardware's, and decoded by libavcodec.
    "media.webrtc.hw.h264.enabled": True,
    "gfx.blacklist.webrtc.hw.acceleration": 1,
    "gfx.blacklist.webrtc.hw.acceleration.h264": 1,
    # Nobody to phone.
    "app.update.auto": False,
    "app.normandy.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.newtabpage.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage": "about:blank",
    "browser.startup.page": 0,
    "datareporting.healthreport.uploadEnabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "media.gmp-manager.updateEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
_LISTENING = re.compile(rb"WebDriver BiDi listening on ws://[^:]+:(\d+)")
_START_WITHIN = 60.0


class FirefoxPage:
    """One page."""

    def __init__(self, bidi: Bidi, context: str) -> None:
        self._bidi = bidi
        self._context = context

    async def call(self, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function, given as source, with JSON arguments; its awaited JSON result."""
        return await self._bidi.call(self._context, function, *arguments)

    async def goto(self, url: str) -> None:
        """Load `url` and wait until it is there."""
        await self._bidi.command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    async def close(self) -> None:
        """Close the tab."""
        await self._bidi.command("browsingContext.close", context=self._context)


class Firefox:
    """A running browser."""

    def __init__(self, bidi: Bidi, blank: str) -> None:
        self._bidi = bidi
        self._blank = blank

    async def open(self, url: str) -> FirefoxPage:
        """A new page at `url`, with the test's own peers (`peer.js`) in it."""
        made = await self._bidi.command("browsingContext.create", type="tab")
        page = FirefoxPage(self._bidi, made["context"])
        await page.goto(url)
        return page

    async def blank(self) -> FirefoxPage:
        """A page with the test's own peers and nothing else in it."""
        return await self.open(self._blank)


@contextlib.asynccontextmanager
async def firefox(inside: Namespace) -> AsyncIterator[Firefox]:
    """Start a browser of its own inside a namespace."""
    assert EXECUTABLE is not None
    with tempfile.TemporaryDirectory(prefix="sfu-firefox-", ignore_cleanup_errors=True) as home:
        profile = Path(home) / "profile"
        profile.mkdir()
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            *inside.command(
                *("env", f"HOME={home}", "MOZ_CRASHREPORTER_DISABLE=1", "MOZ_DISABLE_CONTENT_SANDBOX=1"),
                *(EXECUTABLE, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"),
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        drain: asyncio.Task[bytes] | None = None
        bidi: Bidi | None = None
        try:
            port = await asyncio.wait_for(_port(process.stderr), _START_WITHIN)
            drain = asyncio.create_task(process.stderr.read())
            bidi = await Bidi.connect(inside.connect(port), port)
            await bidi.command("script.addPreloadScript", functionDeclaration=f"() => {{ {PEER_SCRIPT} }}")
            async with _blank_page(inside.host) as url:
                yield Firefox(bidi, url)
        finally:
            if bidi is not None:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(bidi.command("browser.close"), 5)
                await bidi.close()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()
            if drain is not None:
                await drain


@contextlib.asynccontextmanager
async def _blank_page(host: str) -> AsyncIterator[str]:
    """Serve an empty page: one without an address of its own would get no camera."""
    body = b"<!doctype html><title>peer</title><body></body>"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head + body)
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, host, 0) as server:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}/"


async def _port(stream: asyncio.StreamReader) -> int:
    """The port that the browser chose for BiDi, as it says on stderr."""
    seen = b""
    while line := await stream.readline():
        seen += line
        if found := _LISTENING.search(line):
            return int(found[1])
    raise AssertionError(f"Firefox ended before it listened: {seen[-2000:].decode(errors='replace')}")
