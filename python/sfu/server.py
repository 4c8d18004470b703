"""The process object: one data plane and its rooms, from `async with sfu.Server(...)` to the end of that block.

Invariant: when `close` has returned, no thread, socket, timer or task of the server is left.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self, TypeVar

from sfu._arguments import check_seconds, check_text, check_whole
from sfu._backend import Backend, RoomOptions, Timer
from sfu._emitter import Emitter, EventsDropped, EventStream
from sfu._hub import Hub
from sfu.config import Config
from sfu.errors import NotRunning, RoomExists, RoomNotFound, TooManyRooms, UsageError
from sfu.member import check_attributes
from sfu.room import Room, RoomEnded
from sfu.stats import ServerStats

if TYPE_CHECKING:
    from sfu import _core

__all__ = ["AudioCodec", "RoomCreated", "Server", "ServerEvent", "VideoCodec"]

H = TypeVar("H", bound=Callable[..., Any])

VideoCodec = Literal["VP8", "VP9", "AV1", "H264", "H265"]
AudioCodec = Literal["opus", "red"]

_VIDEO: tuple[_core.CodecName, ...] = ("VP8", "VP9", "AV1", "H264", "H265")
_AUDIO: tuple[_core.CodecName, ...] = ("opus", "red")

_log = logging.getLogger("sfu")


@dataclass(frozen=True)
class RoomCreated:
    """A room came into being."""

    room: Room


ServerEvent = RoomCreated | RoomEnded | EventsDropped
"""What `server.events()` yields."""


class _State(enum.Enum):
    NEW = "has not been started: write `async with sfu.Server(...) as server`, or await server.start()"
    RUNNING = "runs"
    CLOSING = "is closing"
    CLOSED = "is closed: make a new one"


class _Default(enum.Enum):
    """Tells "not given" from `None`."""

    CONFIG = enum.auto()


class Server:
    """An SFU in this process: `async with sfu.Server(sfu.Config(udp="0.0.0.0:7882")) as server`.

    Bound to the event loop on which it was started. Several may run side by side.
    """

    def __init__(self, config: Config | None = None, *, backend: Callable[[Config], Backend] | None = None) -> None:
        """Nothing starts yet. `backend` makes another data plane than the native one (simulations)."""
        if config is not None and not isinstance(config, Config):
            raise TypeError(f"Server() takes an sfu.Config: sfu.Server(sfu.Config(udp=…)), not {config!r}")
        self._config = config or Config()
        self._make_backend = backend or _native
        self._state = _State.NEW
        self._rooms: dict[str, Room] = {}
        self._creating = asyncio.Lock()
        self._hub: Hub | None = None
        self._emitter: Emitter[ServerEvent] = Emitter(ServerEvent, self._config.event_queue, self._spawn)

    # What it is.

    @property
    def config(self) -> Config:
        """Its settings."""
        return self._config

    @property
    def running(self) -> bool:
        """Whether it has started and not been closed."""
        return self._state is _State.RUNNING

    @property
    def rooms(self) -> Mapping[str, Room]:
        """The rooms by name; read-only."""
        return MappingProxyType(self._rooms)

    @property
    def candidates(self) -> list[str]:
        """The socket addresses that peers are told to send media to."""
        return self._running().backend.candidates()

    @property
    def fingerprint(self) -> str:
        """Of the DTLS certificate: `sha-256 AA:BB:…`."""
        return self._running().backend.fingerprint()

    @property
    def warnings(self) -> list[str]:
        """What the start had to put up with, such as socket buffers that the kernel capped."""
        return self._running().backend.warnings()

    # Events.

    def events(self) -> EventStream[ServerEvent]:
        """A stream of what happens from now on, for one reader: `RoomCreated`, `RoomEnded`."""
        return self._emitter.stream()

    def on(self, name: str) -> Callable[[H], H]:
        """Decorate a handler: `@server.on("room_created")`; it is called with the event's fields."""
        return self._emitter.on(name)

    # Its clock.

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback()` after so many seconds of the server's time, unless the result's `cancel()` comes first.

        Real time; in a simulation (`sfu.testing`) virtual time. Raises `NotRunning`.
        """
        check_seconds("seconds", seconds, 1e9)
        return self._running_or_closing().backend.call_later(seconds, callback)

    # Its life.

    async def start(self) -> None:
        """Bind the sockets and start the threads; `async with` does it.

        Raises `TransportError` (port in use, no such address) and `ConfigError` (bad certificate).
        """
        if self._state is not _State.NEW:
            raise UsageError(f"this server {self._state.value if self._state is _State.CLOSED else 'runs already'}")
        backend = self._make_backend(self._config)
        hub = Hub(backend, self._config, self._skip_events)
        backend.start(hub.deliver)
        self._hub = hub
        self._state = _State.RUNNING
        for warning in backend.warnings():
            _log.warning("%s", warning)

    async def close(self) -> None:
        """End all rooms (`server_closed`), stop the threads, close the sockets. Does nothing when it is closed already.

        Connected peers are told on their transports too. Takes milliseconds, and half a second more for handlers that
        do not end. A second call waits for nothing.
        """
        if self._state is not _State.RUNNING or self._hub is None:
            self._state = _State.CLOSED if self._state is _State.NEW else self._state
            return
        self._hub.backend.check()
        self._state = _State.CLOSING
        try:
            for room in list(self._rooms.values()):
                room.end("server_closed")
                self._hub.spawn(self._hub.backend.close_room(room.id))  # its peers hear a DTLS close_notify
            await self._hub.finish()
        finally:
            self._state = _State.CLOSED
            await self._hub.backend.close()
            self._hub.gone()
            self._emitter.end()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    def __enter__(self) -> NoReturn:
        """Explain what to write instead."""
        raise TypeError("write `async with sfu.Server(...) as server`: starting and closing are asynchronous")

    def __exit__(self, *_: object) -> None:
        """Never reached."""

    # Rooms.

    async def create_room(
        self,
        name: str,
        *,
        max_sessions: int | None = None,
        video_codecs: Sequence[VideoCodec] = (),
        audio_codecs: Sequence[AudioCodec] = (),
        red: int = 0,
        audio_slots: int | None = None,
        empty_timeout: float | _Default | None = _Default.CONFIG,
        metadata: str = "",
        attributes: Mapping[str, str] | None = None,
    ) -> Room:
        """Make a room. Codecs: the allowed ones by preference, all when empty.

        `red`: so many earlier frames, 0 to 2, go along with each Opus packet to those who take RED (RFC 2198); 0 passes
        what the publisher sends. `audio_slots`: whoever subscribes to everything gets so many audio sections, 1 to 16,
        in which the loudest of the others are heard (`AudioSlotChanged`); `None`: each track has its own.

        It closes by itself when it has been empty for `empty_timeout` seconds (`None`: never; default:
        `Config.empty_room_timeout`), before the first join too: 0 leaves no time for one.
        A cancelled call leaves nothing behind. Raises `RoomExists`, `TooManyRooms`.
        """
        _check_name(name)
        if max_sessions is not None:
            check_whole("max_sessions", max_sessions, 1, 2**32 - 1, "None means no limit")
        check_whole("red", red, 0, 2, "0 means that what publishers send passes as it is")
        if audio_slots is not None:
            check_whole("audio_slots", audio_slots, 1, 16, "None means a section for each track")
        if isinstance(empty_timeout, _Default):
            empty_timeout = self._config.empty_room_timeout
        elif empty_timeout is not None:
            check_seconds("empty_timeout", empty_timeout, 1e9)
        check_text("metadata", metadata, "json.dumps() makes one")
        check_attributes(attributes or {})
        options = RoomOptions(
            max_sessions=max_sessions,
            video_codecs=_codecs("video_codecs", video_codecs, _VIDEO),
            audio_codecs=_codecs("audio_codecs", audio_codecs, _AUDIO),
            red=red,
            audio_slots=audio_slots,
        )
        hub = self._running()
        hub.backend.check()
        async with self._creating:
            if name in self._rooms:
                raise RoomExists(f"there is a room {name!r} already: server.room({name!r}) gives it")
            limit = self._config.max_rooms
            if limit is not None and len(self._rooms) >= limit:
                raise TooManyRooms(f"the server holds its {limit} rooms: raise Config.max_rooms or close one")
            return await self._create(
                hub,
                name,
                options,
                empty_timeout=empty_timeout,
                metadata=metadata,
                attributes=attributes or {},
            )

    async def room(self, name: str, *, create: bool = True) -> Room:
        """The room of this name; makes it when it is not there, or raises `RoomNotFound` with `create=False`."""
        _check_name(name)
        self._running().backend.check()
        while True:
            if (room := self._rooms.get(name)) is not None:
                return room
            if not create:
                raise RoomNotFound(f"there is no room {name!r}: create=True makes it")
            try:
                return await self.create_room(name)
            except RoomExists:
                continue  # somebody else made it meanwhile

    async def stats(self) -> ServerStats:
        """The counters of everything."""
        hub = self._running()
        hub.backend.check()
        return ServerStats.of(await hub.backend.sfu_stats())

    def __repr__(self) -> str:
        """For people."""
        return f"<Server {self._state.name.lower()}, {len(self._rooms)} rooms>"

    async def _create(self, hub: Hub, name: str, options: RoomOptions, **about: Any) -> Room:
        made: list[Room] = []

        def adopt(number: int) -> None:
            room = Room(hub, number, name, options, ended=self._room_ended, **about)
            made.append(room)
            if self._state is not _State.RUNNING:
                room.end("server_closed")
                return
            self._rooms[name] = room
            _log.info("room %d is open", number)
            hub.add("room", number, room)
            self._emitter.emit(RoomCreated(room))

        try:
            await hub.backend.create_room(options, adopt)
        except BaseException:
            if made:
                hub.spawn(made[0].close())
            raise
        self._running()  # it may have been closed meanwhile
        return made[0]

    def _room_ended(self, room: Room, reason: str) -> None:
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]
        _log.info("room %d is closed: %s", room.id, reason)
        self._emitter.emit(RoomEnded(room, reason))

    def _skip_events(self, count: int) -> None:
        self._emitter.skip(count)
        for room in list(self._rooms.values()):
            room.skip_events(count)

    def _spawn(self, coroutine: Any) -> object:
        return self._running_or_closing().spawn(coroutine)

    def _running(self) -> Hub:
        if self._state is not _State.RUNNING or self._hub is None:
            raise NotRunning(f"the server {self._state.value}")
        return self._hub

    def _running_or_closing(self) -> Hub:
        if self._hub is None:
            raise NotRunning(f"the server {self._state.value}")
        return self._hub


def _native(config: Config) -> Backend:
    from sfu._native import NativeBackend  # a simulated server runs without the extension

    return NativeBackend(config)


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise TypeError(f"a room's name must be a str, not {type(name).__name__}")
    if not 0 < len(name) <= 128:
        raise ValueError(f"a room's name must have 1 to 128 characters, not {len(name)}")


def _codecs(what: str, wanted: Sequence[str], known: tuple[_core.CodecName, ...]) -> tuple[_core.CodecName, ...]:
    if isinstance(wanted, str) or not isinstance(wanted, Sequence):
        raise TypeError(f"{what} must be a sequence of names: [{wanted!r}]")
    names = []
    for codec in wanted:
        match = next((one for one in known if one == codec), None)
        if match is None:
            raise ValueError(f"{what}: there is no {codec!r}; there are {', '.join(known)}")
        names.append(match)
    return tuple(names)
