"""Servers that take offers by POST, as WHIP and WHEP do: ours, a bare forwarder on pion, aiortc with its relay."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path

from support.process import Place, ServerProcess, free_port

from peers.contestant import FOLDER, Running
from sfu.load import WhipWhep

__all__ = ["Aiortc", "Ours", "Pion"]

_HERE = Path(__file__).parent


class Ours:
    """`sfu serve`, the whole process: the interpreter with its page and signalling, and the shards."""

    name = "sfu"
    settings = "sfu serve"

    def available(self) -> str | None:
        """Always."""
        return None

    @asynccontextmanager
    async def serve(self, place: Place) -> AsyncIterator[Running]:
        """With the interpreter of this bench."""
        port = free_port()
        command = [sys.executable, "-m", "sfu", "serve", "--host", place.host, "--port", str(port)]
        command += ["--udp", f"{place.host}:{free_port(socket.SOCK_DGRAM)}", "--log-level", "warning"]
        async with ServerProcess(place, command) as process:
            await process.listens(port)
            base = f"http://{place.host}:{port}"
            signaling = WhipWhep(whip=f"{base}/whip/{{n}}", whep=f"{base}/whep/{{n}}")
            yield Running(process, signaling, metadata.version("sfu"), place.host)


class Pion:
    """`pion/main.go`, built here."""

    name = "pion"
    settings = "GOMAXPROCS=1; one UDP port, ICE lite, no interceptors"

    def available(self) -> str | None:
        """Only Go is needed; it fetches pion itself."""
        return None if shutil.which("go") or _forwarder().exists() else "not installed (Go, then it is built)"

    @asynccontextmanager
    async def serve(self, place: Place) -> AsyncIterator[Running]:
        """One process."""
        port = free_port()
        command: list[str | Path] = [
            _build(),
            "-http",
            f"{place.host}:{port}",
            "-udp",
            f"{place.host}:{free_port(socket.SOCK_DGRAM)}",
        ]
        async with ServerProcess(place, command, {"GOMAXPROCS": "1"}) as process:
            await process.listens(port)
            yield Running(process, _posting(place, port), _pion_version(), place.host)


def _forwarder() -> Path:
    return FOLDER / "forwarder"


def _build() -> Path:
    """Go knows what has changed. Without Go what was built before is taken."""
    if go := shutil.which("go"):
        command = [go, "build", "-o", str(_forwarder()), "."]
        subprocess.run(command, cwd=_HERE / "pion", check=True, env={**os.environ, "GOFLAGS": "-mod=readonly"})
    return _forwarder()


def _pion_version() -> str:
    required = (_HERE / "pion" / "go.mod").read_text(encoding="ascii").splitlines()
    return next(line.split()[1] for line in required if "github.com/pion/webrtc/" in line)


class Aiortc:
    """`aiortc/main.py`: its relay decodes what comes, and encodes it for each subscriber."""

    name = "aiortc"
    settings = "MediaRelay: decoded once, encoded for each"

    def available(self) -> str | None:
        """It comes with what the tests need."""
        return None if importlib.util.find_spec("aiortc") else "not installed (pip install aiortc)"

    @asynccontextmanager
    async def serve(self, place: Place) -> AsyncIterator[Running]:
        """One interpreter."""
        port = free_port()
        command = [sys.executable, str(_HERE / "aiortc" / "main.py"), "--host", place.host, "--port", str(port)]
        async with ServerProcess(place, command) as process:
            await process.listens(port)
            yield Running(process, _posting(place, port), metadata.version("aiortc"), place.host)


def _posting(place: Place, port: int) -> WhipWhep:
    base = f"http://{place.host}:{port}"
    return WhipWhep(whip=f"{base}/publish/{{n}}", whep=f"{base}/watch/{{n}}")
