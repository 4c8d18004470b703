"""A data plane in memory: answers commands on the loop's next turns and delivers events that a test gives it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sfu import Config, Description, NegotiationError, NotRunning, RoomClosed, RoomFull, SessionClosed

if TYPE_CHECKING:
    from collections.abc import Callable


# What went through a transport, as through all of them.
TRAFFIC = {"packets_received": 9, "bytes_received": 900, "packets_sent": 18, "bytes_sent": 1800}


def event(name: str, **fields: Any) -> Any:
    """An event of the data plane."""
    return type(name, (SimpleNamespace,), {})(**fields)


class FakeBackend:
    """A `Backend`; `log` holds every command that reached it."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config
        self.log: list[tuple[Any, ...]] = []
        # The subscription that statistics tell of.
        self.explained = 2**60 + 1
        self.rooms: dict[int, set[int]] = {}
        self.limits: dict[int, int | None] = {}
        self.sessions: dict[int, int] = {}
        self.offered: dict[tuple[int, str], int] = {}
        self.full_channels: set[int] = set()
        self.sent: list[tuple[int, str | bytes]] = []
        self.closed = False
        self.hold: asyncio.Event | None = None
        self.running: asyncio.AbstractEventLoop | None = None
        self._next = 100

    # Test controls.

    def deliver(self, *events: Any, dropped: int = 0) -> None:
        self._deliver(list(events), dropped)

    def offer_ready(self, session: int, sdp: str = "server offer", transport: str = "main", number: int = 1) -> None:
        self.offered[session, transport] = number
        description = SimpleNamespace(type="offer", sdp=sdp, transport=transport, id=number)
        self.deliver(event("OfferReady", session=session, description=description))

    def publish(
        self, room: int, session: int, *, kind: str = "video", mid: str = "1", rids: tuple[str, ...] = ("q", "h", "f")
    ) -> int:
        track = self._number()
        self.deliver(
            event(
                "TrackPublished",
                room=room,
                session=session,
                track=track,
                kind=kind,
                mid=mid,
                codec="VP8" if kind == "video" else "opus",
                rids=list(rids) if kind == "video" else [],
                stream="stream",
                source="source",
            )
        )
        return track

    def subscribed(self, session: int, track: int, *, subscription: int | None = None, mid: str = "5") -> int:
        number = subscription if subscription is not None else self._number()
        self.deliver(event("Subscribed", session=session, subscription=number, track=track, mid=mid, transport="main"))
        return number

    def open_by_peer(self, session: int, label: str) -> int:
        number = self._number()
        self.deliver(
            event(
                "ChannelOpened", session=session, channel=number, label=label, protocol="", ordered=True, by_peer=True
            )
        )
        return number

    def names(self) -> list[str]:
        return [entry[0] for entry in self.log]

    async def reached(self, command: str) -> None:
        """Wait until this command has come."""
        while command not in self.names():  # noqa: ASYNC110
            await asyncio.sleep(0)

    # The protocol.

    def start(self, deliver: Any) -> None:
        self._deliver = deliver
        self.running = asyncio.get_running_loop()

    async def close(self) -> None:
        self.closed = True

    def check(self) -> None:
        if self.closed:
            raise NotRunning("the server is closed: make a new one")

    def call_later(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds, callback)

    def candidates(self) -> list[str]:
        return ["127.0.0.1:7882"]

    def fingerprint(self) -> str:
        return "sha-256 AA:BB"

    def warnings(self) -> list[str]:
        return []

    async def create_room(self, options: Any, adopt: Callable[[int], None]) -> None:
        def make() -> int:
            number = self._number()
            self.rooms[number] = set()
            self.limits[number] = options.max_sessions
            return number

        await self._answer(("create_room", options), make, adopt, lambda number: self.rooms.pop(number))

    async def close_room(self, room: int) -> None:
        def close() -> None:
            for session in self.rooms.pop(room, set()):
                self.sessions.pop(session, None)

        await self._answer(("close_room", room), close)

    async def join(self, room: int, options: Any, adopt: Callable[[int], None]) -> None:
        def make() -> int:
            if room not in self.rooms:
                raise RoomClosed("the room is closed")
            limit = self.limits[room]
            if limit is not None and len(self.rooms[room]) >= limit:
                raise RoomFull(f"the room is full: it holds {limit} sessions")
            number = self._number()
            self.rooms[room].add(number)
            self.sessions[number] = room
            return number

        await self._answer(("join", room, options), make, adopt, self._gone)

    async def close_session(self, session: int) -> None:
        await self._answer(("close_session", session), lambda: self._gone(session))

    async def receive(self, session: int, description: Description) -> Description | None:
        def negotiate() -> Description | None:
            if session not in self.sessions:
                raise SessionClosed("the session is closed")
            if not description.sdp.startswith(("v=0", "client", "answer")):
                raise NegotiationError(f"line 1: {description.sdp[:10]!r} is not v=0")
            if description.type == "offer":
                return Description(
                    type="answer", sdp="v=0\r\nanswer", transport=description.transport, id=description.id
                )
            return None

        return await self._answer(("receive", session, description), negotiate)

    async def add_candidate(self, session: int, transport: str, candidate: str) -> None:
        await self._answer(("add_candidate", session, transport, candidate), lambda: None)

    async def restart_ice(self, session: int, transport: str, ufrag: str, pwd: str) -> tuple[str, str]:
        return await self._answer(("restart_ice", session, transport, ufrag, pwd), lambda: ("newu", "new-password"))

    async def offer_ice_restart(self, session: int, transport: str) -> None:
        await self._answer(("offer_ice_restart", session, transport), lambda: None)

    async def subscribe(self, session: int, track: int, max_layer: Any, adopt: Callable[[int], None]) -> None:
        await self._answer(("subscribe", session, track, max_layer), self._number, adopt, lambda _: None)

    async def unsubscribe(self, subscription: int) -> None:
        await self._answer(("unsubscribe", subscription), lambda: None)

    async def set_layer(self, subscription: int, max_layer: Any) -> None:
        await self._answer(("set_layer", subscription, max_layer), lambda: None)

    async def set_paused(self, subscription: int, paused: bool) -> None:
        await self._answer(("set_paused", subscription, paused), lambda: None)

    async def set_muted(self, track: int, muted: bool) -> None:
        await self._answer(("set_muted", track, muted), lambda: None)

    async def request_keyframe(self, track: int) -> None:
        await self._answer(("request_keyframe", track), lambda: None)

    async def open_channel(self, session: int, options: Any, adopt: Callable[[int], None]) -> None:
        await self._answer(("open_channel", session, options), self._number, adopt, lambda _: None)

    async def send_message(self, channel: int, message: str | bytes) -> bool:
        def send() -> bool:
            if channel in self.full_channels:
                return False
            self.sent.append((channel, message))
            return True

        return await self._answer(("send_message", channel), send)

    async def close_channel(self, channel: int) -> None:
        await self._answer(("close_channel", channel), lambda: None)

    async def dump(self, track: int, seconds: float, max_bytes: int) -> None:
        await self._answer(("dump", track, seconds, max_bytes), lambda: None)

    async def tap(self, track: int, max_layer: Any, capacity: int, adopt: Callable[[int], None]) -> None:
        await self._answer(("tap", track, max_layer, capacity), self._number, adopt, lambda _: None)

    async def take_frames(self, tap: int) -> Any:
        # The track has ended.
        taken = SimpleNamespace(frames=[], dropped=0, damaged=0, ended=True)
        return await self._answer(("take_frames", tap), lambda: taken)

    async def untap(self, tap: int) -> None:
        await self._answer(("untap", tap), lambda: None)

    async def sfu_stats(self) -> Any:
        return await self._answer(("sfu_stats",), lambda: sfu_stats(len(self.rooms), len(self.sessions)))

    async def room_stats(self, room: int) -> Any:
        sessions = [session_stats(number) for number in sorted(self.rooms[room])]
        return await self._answer(("room_stats", room), lambda: SimpleNamespace(room=room, sessions=sessions))

    async def session_stats(self, session: int) -> Any:
        return await self._answer(("session_stats", session), lambda: session_stats(session, self.explained))

    async def _answer(
        self,
        entry: tuple[Any, ...],
        act: Callable[[], Any],
        adopt: Callable[[int], None] | None = None,
        undo: Callable[[int], object] | None = None,
    ) -> Any:
        self.check()
        self.log.append(entry)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def settle() -> None:
            await asyncio.sleep(0)
            if self.hold is not None:
                await self.hold.wait()
            try:
                result = act()
            except Exception as error:
                if not future.done():
                    future.set_exception(error)
                return
            if future.cancelled():
                if undo is not None:
                    undo(result)
            else:
                if adopt is not None:
                    adopt(result)
                future.set_result(result)

        self._settling = asyncio.get_running_loop().create_task(settle())
        return await future

    def _gone(self, session: int) -> None:
        room = self.sessions.pop(session, None)
        if room in self.rooms:
            self.rooms[room].discard(session)

    def _number(self) -> int:
        self._next += 1
        return self._next


def drop_counts(kernel: int = 0) -> Any:
    return SimpleNamespace(
        unknown_path=1, malformed=2, authentication=0, replayed=0, half_open_limit=0, unbound_stream=0, kernel=kernel
    )


def sfu_stats(rooms: int, sessions: int) -> Any:
    return SimpleNamespace(
        rooms=rooms,
        sessions=sessions,
        tracks=0,
        subscriptions=0,
        channels=0,
        datagrams_received=10,
        checks=3,
        keep_alives=1,
        dtls=2,
        **TRAFFIC,
        events_dropped=0,
        dropped=drop_counts(),
        runs=[],
        shards=[
            SimpleNamespace(
                shard=0,
                sessions=sessions,
                received_per_second=10.0,
                sent_per_second=20.0,
                busy=0.25,
                stall=0.001,
                handed_over=1,
                taken_over=2,
                relayed_bytes=3,
                ring_drops=4,
            )
        ],
    )


def session_stats(number: int, subscription_id: int = 2**60 + 1) -> Any:
    transport = SimpleNamespace(
        transport="main",
        state="connected",
        cipher="AEAD_AES_128_GCM",
        local="127.0.0.1:7882",
        remote="127.0.0.1:50000",
        **TRAFFIC,
        rtt=0.01,
        estimate=2_500_000,
        dropped=drop_counts(),
    )
    encoding = SimpleNamespace(
        rid="q",
        ssrc=1,
        spatial=0,
        active=True,
        packets_received=9,
        bytes_received=900,
        packets_lost=1,
        packets_repaired=1,
        jitter=0.001,
        nacks_sent=1,
        plis_sent=1,
        keyframes=1,
        frames=5,
        bitrate=100_000,
    )
    track = SimpleNamespace(track=2**60, kind="video", mid="1", codec="VP8", muted=False, encodings=[encoding])
    subscription = SimpleNamespace(
        subscription=subscription_id,
        track=2**60,
        mid="5",
        ssrc=2,
        layer=(1, 2),
        max_layer=None,
        paused=False,
        choice=((1, 2), 500_000, "budget", 2_300_000),
        packets_sent=18,
        bytes_sent=1800,
        packets_retransmitted=1,
        nacks_received=1,
        resends_refused=SimpleNamespace(
            unknown=1, superseded=0, too_old=0, too_often=0, too_soon=2, over_budget=0, flood=0
        ),
        plis_received=0,
        packets_lost=0,
        jitter=0.0,
        rtt=0.02,
    )
    return SimpleNamespace(
        session=number, age=1.5, transports=[transport], tracks=[track], subscriptions=[subscription]
    )
