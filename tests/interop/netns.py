"""A network namespace with an address of its own, joined to this one by a veth pair.

Firefox and libnice pair no loopback candidates, so their peers need a network of their own: the test's server answers
on `host`, the browser runs inside and has `address`. Nothing leaves the pair: the namespace has no other route.
"""

import ctypes
import itertools
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_numbers = itertools.count()


class Unavailable(Exception):
    """This machine or this user cannot make network namespaces."""


@dataclass(frozen=True)
class Namespace:
    """A live namespace. `host`: the address of this side of the pair; `address`: the one inside."""

    name: str
    host: str
    address: str
    device: str

    def command(self, *words: str) -> list[str]:
        """The command line that runs `words` inside."""
        return ["ip", "netns", "exec", self.name, *words]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread is inside meanwhile, and so are the sockets that it makes and the threads that it starts."""
        with Path("/proc/thread-self/ns/net").open() as home, Path(f"/run/netns/{self.name}").open() as inside:
            _enter(inside.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    def connect(self, port: int) -> socket.socket:
        """A TCP connection to the loopback of the namespace: a socket belongs to where it was made."""
        made: list[socket.socket] = []
        failed: list[OSError] = []

        def inside() -> None:
            # In a thread of its own: the caller's other tasks stay outside.
            try:
                with self.entered():
                    made.append(socket.create_connection(("127.0.0.1", port), timeout=10))
            except OSError as error:
                failed.append(error)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]
        made[0].setblocking(False)
        return made[0]


def _enter(network: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(network, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Make a namespace and take it down again. Raises `Unavailable`."""
    if shutil.which("ip") is None:
        raise Unavailable("the command `ip` is missing (apt-get install iproute2)")
    if os.geteuid() != 0:
        raise Unavailable("only root can make them")
    number = next(_numbers)
    name = f"sfu{os.getpid()}n{number}"
    device = f"sv{os.getpid() % 100000}n{number}"[:15]
    net = f"10.213.{os.getpid() % 256}.{4 * (number % 64)}".rpartition(".")
    host, address = (f"{net[0]}.{int(net[2]) + last}" for last in (1, 2))
    try:
        _ip("netns", "add", name)
        _ip("link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("address", "add", f"{host}/30", "dev", device)
        _ip("link", "set", device, "up")
        _ip("-n", name, "address", "add", f"{address}/30", "dev", "eth0")
        _ip("-n", name, "link", "set", "eth0", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        yield Namespace(name, host, address, device)
    finally:
        # The pair goes with the namespace.
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}")
