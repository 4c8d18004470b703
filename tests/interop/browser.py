"""What the tests ask of a browser page, whichever browser it is, and the peers that live in it (`peer.js`)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from interop.polling import eventually

PEER_SCRIPT = (Path(__file__).parent / "peer.js").read_text(encoding="utf-8")

# Three layers need a picture of at least 960x540 in libwebrtc; 15 frames a second leave two cores some air.
CAMERA = {"width": 960, "height": 540, "frameRate": 15, "rids": ["q", "h", "f"], "codec": "VP8"}


class Page(Protocol):
    """One page of one browser."""

    async def call(self, function: str, *arguments: Any) -> Any:
        """Call a JavaScript function, given as source, with JSON arguments; its awaited JSON result."""


class Watched:
    """A connection in a page that the tests look into. `peer.js` finds it, whoever made it."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name

    async def report(self) -> dict[str, Any]:
        """The parts of getStats that the tests look at."""
        report: dict[str, Any] = await self.page.call("() => pageReport()")
        return report

    async def connected(self) -> dict[str, Any]:
        """Wait for the connection."""
        return await eventually(f"{self.name} connected", self.report, lambda now: now["connection"] == "connected")

    async def decodes(self, count: int = 1, *, more: int = 20, height: int | None = None) -> dict[str, Any]:
        """Wait until `count` received videos have each grown by `more` frames, at `height` if it is given."""

        def growing(before: dict[str, Any], now: dict[str, Any]) -> bool:
            return (
                now["kind"] == "video"
                and now["frames"] >= before.get("frames", 0) + more
                and height in (None, now["height"])
            )

        what = f"{self.name} decodes {count} video(s)" + (f" of height {height}" if height else "")
        return await self._grown(what, count, growing)

    async def hears(self, count: int = 1) -> dict[str, Any]:
        """Wait until the energy of `count` received audio tracks has grown."""

        def growing(before: dict[str, Any], now: dict[str, Any]) -> bool:
            return now["kind"] == "audio" and now["energy"] > before.get("energy", 0) + 1e-6

        return await self._grown(f"{self.name} hears {count} track(s)", count, growing)

    async def _grown(
        self, what: str, count: int, growing: Callable[[dict[str, Any], dict[str, Any]], bool]
    ) -> dict[str, Any]:
        before = {(one["kind"], one["mid"]): one for one in (await self.report())["inbound"]}

        def enough(now: dict[str, Any]) -> bool:
            return sum(growing(before.get((one["kind"], one["mid"]), {}), one) for one in now["inbound"]) >= count

        return await eventually(what, self.report, enough)


class Peer(Watched):
    """One named peer of the tests' own: a thin cover for `peer.js`."""

    @classmethod
    async def create(cls, page: Page, name: str = "peer", **configuration: Any) -> "Peer":
        """A new peer with its own RTCPeerConnection."""
        await page.call("(name, configuration) => makePeer(name, configuration)", name, configuration)
        return cls(page, name)

    async def do(self, method: str, *arguments: Any) -> Any:
        """Call a method of the JavaScript peer."""
        return await self.page.call(
            "(name, method, ...rest) => peers[name][method](...rest)", self.name, method, *arguments
        )

    async def report(self) -> dict[str, Any]:
        """The parts of getStats that the tests look at."""
        report: dict[str, Any] = await self.do("report")
        return report

    async def close(self) -> None:
        """Close the connection, as a page that leaves does."""
        await self.do("close")


async def connect(offerer: Peer, answerer: Peer) -> None:
    """Connect two peers without a server in between."""
    await offerer.do("accept", await answerer.do("answer", await offerer.do("offer")))
