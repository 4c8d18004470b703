"""Settings of a server. Checked when they are made, so that a mistake shows where it was written."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sfu.errors import ConfigError

__all__ = ["Config"]

_MAX_HOLD = 0.0005
_LEVELS = ("trace", "debug", "info", "warning", "error")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of one `Server`. Every field has a default that works on one machine.

    Raises `ConfigError`, naming the field and what it may be; `TypeError` for a wrong type.
    """

    udp: str | Sequence[str] = "[::]:0"
    """Where media is received: one or more `"HOST:PORT"`. `"[::]:7882"` takes IPv4 and IPv6, `"0.0.0.0:7882"`
    IPv4 only; port 0 takes a free one."""

    announce: str | Sequence[str] = ()
    """IP addresses that peers are told to send to. Empty: loopback and the interfaces' addresses."""

    shards: int | None = None
    """Threads of the data plane. `None`: as many as this process has processors, by its affinity and its control
    group's quota (rounded down)."""

    pin: Sequence[int] = ()
    """The processor on which each of these threads stays, in their order; those without one go where the system puts
    them. Pinned: warm caches, figures that repeat. Not pinned: room beside what else runs there."""

    spread: bool = False
    """Whether the sessions of a room go to all threads alike from the first on: for rooms that are known to become
    large. `False`: a room stays on one thread while that has little to do."""

    hold: float = 0.0
    """Seconds, at most 0.0005, for which a thread lets more datagrams come after the first before it reads them. More:
    frames are read whole, leave in fewer system calls and cost less. 0: nothing waits."""

    certificate: str | Path | None = None
    """The DTLS certificate: a PEM file's path or its text. `None`: a fresh P-256 certificate per server."""

    private_key: str | Path | None = None
    """The certificate's private key, likewise."""

    consent_timeout: float = 10.0
    """Seconds without an authenticated check until a session is `disconnected` (RFC 7675)."""

    close_timeout: float = 20.0
    """Seconds that a session may be `disconnected` until it is closed."""

    connect_timeout: float = 20.0
    """Seconds from the first negotiation until a session must be connected."""

    max_half_open: int = 1024
    """DTLS handshakes under way at a time."""

    channel_buffer: int = 4 * 1024 * 1024
    """Bytes that wait for a peer that does not read its data channels; above it, `send` waits."""

    remb_bitrate: int = 8_000_000
    """Bits per second granted to publishers without transport-wide feedback."""

    congestion_control: bool = True
    """Whether what each subscriber's way carries is estimated, from its transport-wide feedback, and layers are chosen
    by it. `False`: everybody gets what was asked for, as for links that are known to be good."""

    receive_buffer: int = 8 * 1024 * 1024
    """SO_RCVBUF in bytes."""

    send_buffer: int = 8 * 1024 * 1024
    """SO_SNDBUF in bytes."""

    event_queue: int = 1024
    """Events that wait for one slow reader; what comes on top is counted in one `EventsDropped`."""

    empty_room_timeout: float | None = 60.0
    """Seconds until a room without sessions closes by itself. `None`: never."""

    resume_timeout: float = 30.0
    """Seconds that a session outlives its lost WebSocket (page protocol)."""

    max_rooms: int | None = None
    """Rooms at a time."""

    max_sessions: int | None = None
    """Sessions at a time, over all rooms."""

    log_level: str = "info"
    """Of the data plane: `trace`, `debug`, `info`, `warning` or `error`. Its records go to the logger `sfu`."""

    def __post_init__(self) -> None:
        """Check every field."""
        for address in self.udp_addresses:
            _check_socket_address(address)
        if not self.udp_addresses:
            raise ConfigError("udp needs at least one 'HOST:PORT', for example '0.0.0.0:7882'")
        for address in self.announced_addresses:
            _check_ip_address(address)
        if self.shards is not None:
            _check_count("shards", self.shards)
        _check_processors(self.pin)
        for name in ("spread", "congestion_control"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be a bool, not {type(getattr(self, name)).__name__}")
        for name in ("max_half_open", "channel_buffer", "remb_bitrate", "receive_buffer", "send_buffer"):
            _check_count(name, getattr(self, name))
        _check_count("event_queue", self.event_queue)
        for name in ("max_rooms", "max_sessions"):
            if getattr(self, name) is not None:
                _check_count(name, getattr(self, name))
        for name in ("consent_timeout", "close_timeout", "connect_timeout"):
            _check_seconds(name, getattr(self, name), above=0.0)
        _check_seconds("resume_timeout", self.resume_timeout)
        _check_seconds("hold", self.hold)
        if self.hold > _MAX_HOLD:
            raise ConfigError(f"hold must be at most {_MAX_HOLD} seconds, not {self.hold}")
        if self.empty_room_timeout is not None:
            _check_seconds("empty_room_timeout", self.empty_room_timeout)
        if self.log_level not in _LEVELS:
            raise ConfigError(f"log_level must be one of {', '.join(_LEVELS)}, not {self.log_level!r}")
        if (self.certificate is None) != (self.private_key is None):
            raise ConfigError("certificate and private_key belong together: give both or neither")

    @property
    def udp_addresses(self) -> list[str]:
        """`udp` as a list."""
        return _strings("udp", self.udp)

    @property
    def announced_addresses(self) -> list[str]:
        """`announce` as a list."""
        return _strings("announce", self.announce)

    @property
    def certificate_pem(self) -> str | None:
        """The certificate's text; reads the file."""
        return _pem("certificate", self.certificate)

    @property
    def private_key_pem(self) -> str | None:
        """The private key's text; reads the file."""
        return _pem("private_key", self.private_key)

    @classmethod
    def names(cls) -> list[str]:
        """All settings by name."""
        return [field.name for field in fields(cls)]


def _strings(name: str, value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
        return list(value)
    raise TypeError(f"{name} must be a str or a sequence of str, not {value!r}")


def _check_socket_address(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(
            f"udp must be 'HOST:PORT' with a port of 0 to 65535, for example '0.0.0.0:7882', not {address!r}"
        )
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        ip = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        raise ConfigError(f"udp must name an IP address of this machine, not {host!r}; every one: '0.0.0.0'") from None
    if (ip.version == 6) != bracketed:
        raise ConfigError(f"udp {address!r}: IPv6 addresses stand in brackets ('[::]:7882') and IPv4 addresses do not")


def _check_ip_address(address: str) -> None:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        raise ConfigError(
            f"announce must be an IP address without a port, such as '203.0.113.7', not {address!r}"
        ) from None
    if ip.is_unspecified:
        raise ConfigError(f"announce is what peers send to: {address!r} is no destination; name the machine's address")


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < 1:
        raise ConfigError(f"{name} must be at least 1, not {value}")


def _check_processors(numbers: object) -> None:
    if isinstance(numbers, str) or not isinstance(numbers, Sequence):
        raise TypeError(f"pin must be a sequence of processors' numbers, not {type(numbers).__name__}")
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(f"pin must be a sequence of processors' numbers, not of {type(number).__name__}")
        if number < 0:
            raise ConfigError(f"pin names processors by numbers from 0, not {number}")


def _check_seconds(name: str, value: Any, above: float | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be seconds as a number, not {type(value).__name__}")
    if not 0 <= value < 1e9 or (above is not None and value <= above):
        raise ConfigError(f"{name} must be {'more than 0' if above is not None else '0 or more'} seconds, not {value}")


def _pem(name: str, value: str | Path | None) -> str | None:
    if value is None or (isinstance(value, str) and "-----BEGIN" in value):
        return value if value is None else str(value)
    try:
        return Path(value).read_text("ascii")
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{name}: {error}; it must be a PEM file's path or PEM text") from error


def level_number(name: str) -> int:
    """The `logging` level of a setting; `trace` is below `DEBUG`."""
    return 5 if name == "trace" else logging.getLevelNamesMapping()[name.upper()]
