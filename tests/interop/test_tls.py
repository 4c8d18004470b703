"""`sfu serve --tls-self-signed`: what a phone on the LAN needs for its camera."""

import socket

import pytest
from interop.browser import Watched
from interop.chromium import Chromium
from interop.program import program
from skips import missing

pytestmark = pytest.mark.interop

# Loopback is trusted without TLS, so only another address shows that the certificate does it.
_CAMERA = """async () => {
    const stream = await navigator.mediaDevices?.getUserMedia({ video: true });
    const [track] = stream?.getTracks() ?? [];
    track?.stop();
    return { secure: isSecureContext, camera: track?.kind ?? null };
}"""


def network_address() -> str:
    """This machine's address on its network; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            missing("this machine has no network address besides loopback")
        return str(probe.getsockname()[0])


async def test_https_gives_the_camera_to_a_page_from_the_network(chromium: Chromium) -> None:
    host = network_address()
    options = ("--host", host, "--port", "0", "--udp", "0.0.0.0:0")
    async with program("-m", "sfu", "serve", *options) as plain:
        url = (await plain.line(r"http://\S+"))[0]
        page = await chromium.open(f"{url}healthz")
        assert await page.call(_CAMERA) == {"secure": False, "camera": None}
    async with program("-m", "sfu", "serve", *options, "--tls-self-signed") as served:
        url = (await served.line(r"https://\S+"))[0]
        page = await chromium.open(f"{url}healthz", ignore_https_errors=True)
        assert await page.call(_CAMERA) == {"secure": True, "camera": "video"}

        # And a call over it: the page's WebSocket is wss, media takes its own way.
        people = []
        for name in ("Anna", "Ben"):
            page = await chromium.open(f"{url}?room=tls&name={name}&join=1", ignore_https_errors=True)
            people.append(Watched(page, name))
        for one in people:
            await one.connected()
