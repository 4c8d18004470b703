"""A wire: a namespace joined by a veth pair, whose far end drops media unread and counts it.

Nothing of the way up to a socket is on the sender's bill there, as behind a network interface. A message that the
kernel would cut stays whole on the pair, so what arrives is counted by bytes.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from interop.netns import Namespace, Unavailable, namespace

_TABLE = "netdev bench"
# RTP by its version and its payload types (RFC 5761 §4); checks, handshakes and reports pass.
_RULES = """
table {table} {{
    counter media {{ }}
    chain far {{
        type filter hook ingress device "eth0" priority 0; policy accept;
        udp dport {{ {ports} }} @th,64,2 2 @th,72,8 != 200-207 counter name media drop
    }}
}}
"""


@dataclass(frozen=True)
class Wire:
    """The server's side is this one, its peers lie in `far`."""

    far: Namespace

    @property
    def word(self) -> str:
        """As the measuring program takes it."""
        return f"wire={self.far.host},{self.far.address},{self.far.name}"

    def drop(self, ports: Iterable[int | str]) -> None:
        """From now on media to these ports is dropped at the far end, and nothing else."""
        self.let_through()
        self._nft("-f", "-", rules=_RULES.format(table=_TABLE, ports=", ".join(map(str, ports))))

    def let_through(self) -> None:
        """Nothing is dropped any more."""
        self._nft("add", "table", *_TABLE.split())
        self._nft("delete", "table", *_TABLE.split())

    def dropped(self) -> tuple[int, int]:
        """Messages, and their bytes from the header of IP on."""
        found = re.search(r"packets (\d+) bytes (\d+)", self._nft("list", "counter", *_TABLE.split(), "media"))
        assert found is not None, "the counter stands in the rules"
        return int(found[1]), int(found[2])

    def answer(self, question: str) -> str:
        """What the measuring program asks for."""
        match question.split():
            case ["drop", *ports]:
                self.drop(ports)
                return "done"
            case ["dropped"]:
                return " ".join(map(str, self.dropped()))
        raise ValueError(f"nobody knows what to answer to {question!r}")

    def _nft(self, *words: str, rules: str | None = None) -> str:
        command = self.far.command("nft", *words)
        done = subprocess.run(command, input=rules, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)} failed: {done.stderr.strip()}")
        return done.stdout


@contextmanager
def wire() -> Iterator[Wire]:
    """A wire until the block ends, however it ends. Refused with a word where namespaces are not allowed."""
    try:
        with namespace() as far:
            yield Wire(far)
    except Unavailable as reason:
        sys.exit(f"no wire: {reason}")
