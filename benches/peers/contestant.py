"""What a server must be able to do to be compared."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from support.process import Place, ServerProcess

from sfu.load import Signaling

__all__ = ["FOLDER", "Contestant", "Running"]

FOLDER = Path(__file__).parents[2] / ".cache" / "peers"
"""Where servers that are built from source are looked for and put."""


@dataclass(frozen=True)
class Running:
    """A server that takes peers in."""

    process: ServerProcess
    signaling: Signaling
    version: str
    address: str
    """Where its media is."""


class Contestant(Protocol):
    """A server with its settings."""

    name: str
    settings: str
    """Those that differ from its defaults."""

    def available(self) -> str | None:
        """`None` if it can be started here, else what is missing and how to get it."""

    def serve(self, place: Place) -> AbstractAsyncContextManager[Running]:
        """A running server, which ends with the context."""
