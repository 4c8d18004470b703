"""The native data plane as a `Backend`: tickets become futures, one eventfd wakes the loop for a whole batch.

Bound to the loop on which it starts and to its process. Invariant: replies settle before the events of the same batch
are delivered, so a new id is always known before anything is reported about it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sfu import _core
from sfu.description import Description
from sfu.errors import (
    AlreadySubscribed,
    ChannelClosed,
    ConfigError,
    MessageTooLarge,
    NegotiationError,
    NotInRoom,
    NotRunning,
    RoomClosed,
    RoomFull,
    RoomUnavailable,
    SessionClosed,
    SfuError,
    SubscriptionEnded,
    TrackEnded,
    TransportError,
    WrongLoop,
    WrongProcess,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sfu._backend import Adopt, ChannelOptions, Deliver, LayerTuple, RoomOptions, SessionOptions, Timer
    from sfu.config import Config
    from sfu.description import TransportName

__all__ = ["NativeBackend"]

_ERRORS: dict[str, type[SfuError]] = {
    "room_closed": RoomClosed,
    "room_full": RoomFull,
    "room_unavailable": RoomUnavailable,
    "session_closed": SessionClosed,
    "track_ended": TrackEnded,
    "subscription_ended": SubscriptionEnded,
    "tap_ended": TrackEnded,
    "channel_closed": ChannelClosed,
    "not_in_room": NotInRoom,
    "already_subscribed": AlreadySubscribed,
    "no_such_transport": NegotiationError,
    "message_too_large": MessageTooLarge,
    "negotiation": NegotiationError,
    "candidate": NegotiationError,
}


@dataclass(slots=True)
class _Waiting:
    """A command on its way."""

    future: asyncio.Future[Any]
    adopt: Adopt | None
    undo: Callable[[int], int] | None


class NativeBackend:
    """`_core.Core` behind the `Backend` protocol."""

    def __init__(self, config: Config) -> None:
        """Nothing starts yet."""
        self._config = config
        self._waiting: dict[int, _Waiting] = {}
        self._closed = False

    def start(self, deliver: Deliver) -> None:
        """Bind, start, listen to the outbox."""
        try:
            self._loop = asyncio.get_running_loop()
        except RuntimeError:
            raise WrongLoop(
                "no asyncio event loop runs here: start the server in a coroutine, asyncio.run(main())"
            ) from None
        self._pid = os.getpid()
        self._deliver = deliver
        self._core = self._open(self._config)
        self._listen()

    def _open(self, config: Config) -> _core.Core:
        try:
            return _core.Core(
                udp=config.udp_addresses,
                announce=config.announced_addresses,
                shards=config.shards,
                pin=list(config.pin),
                spread=config.spread,
                hold=config.hold,
                certificate_pem=config.certificate_pem,
                private_key_pem=config.private_key_pem,
                consent_timeout=config.consent_timeout,
                close_timeout=config.close_timeout,
                connect_timeout=config.connect_timeout,
                max_half_open=config.max_half_open,
                channel_buffer=config.channel_buffer,
                remb_bitrate=config.remb_bitrate,
                congestion_control=config.congestion_control,
                receive_buffer=config.receive_buffer,
                send_buffer=config.send_buffer,
                log_level=config.log_level,
            )
        except ValueError as error:
            raise ConfigError(str(error)) from error
        except OSError as error:
            raise _transport_error(error) from error

    def _listen(self) -> None:
        self._loop.add_reader(self._core.event_fd(), self._drain)

    def _ignore(self) -> None:
        self._loop.remove_reader(self._core.event_fd())

    def _posted(self) -> None:
        """A command is on its way: its answer wakes the loop."""

    async def close(self) -> None:
        """Stop the threads (the loop stands still for the milliseconds that this takes) and fail what waits."""
        if self._closed:
            return
        self._drain()
        self._closed = True
        self._ignore()
        self._core.close()
        # Its descriptors go now, not when the garbage collector comes round; nothing gets past `check` any more.
        del self._core
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            if not one.future.done():
                one.future.set_exception(NotRunning("the server was closed before it answered"))

    def check(self) -> None:
        """Right process, right loop, still running."""
        if os.getpid() != self._pid:
            raise WrongProcess(
                "this server belongs to the process before the fork: start a Server in the child, after forking"
            )
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise WrongLoop(
                "no asyncio event loop runs here: call this from a coroutine on the server's loop"
            ) from None
        if loop is not self._loop:
            raise WrongLoop(
                "this server belongs to another event loop: use it on the loop that started it "
                "(from a thread: asyncio.run_coroutine_threadsafe(coroutine, loop))"
            )
        if self._closed:
            raise NotRunning("the server is closed: make a new one")

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Real time."""
        return self._loop.call_later(seconds, callback)

    def candidates(self) -> list[str]:
        """The announced socket addresses."""
        return self._core.candidates()

    def fingerprint(self) -> str:
        """Of the DTLS certificate."""
        return self._core.fingerprint()

    def warnings(self) -> list[str]:
        """What the start had to put up with."""
        return self._core.warnings()

    async def create_room(self, options: RoomOptions, adopt: Adopt) -> None:
        """Make a room."""
        await self._ask(
            lambda: self._core.create_room(
                max_sessions=options.max_sessions,
                video_codecs=list(options.video_codecs),
                audio_codecs=list(options.audio_codecs),
                red=options.red,
                audio_slots=options.audio_slots,
            ),
            adopt,
            lambda made: self._core.close_room(made),
        )

    async def close_room(self, room: int) -> None:
        """Close it; it may be closed already."""
        await self._ask_gone(lambda: self._core.close_room(room), RoomClosed)

    async def join(self, room: int, options: SessionOptions, adopt: Adopt) -> None:
        """Make a session."""
        await self._ask(
            lambda: self._core.join(
                room,
                offers=options.offers,
                label=options.label,
                auto_subscribe=options.auto_subscribe,
                publish_audio=options.publish_audio,
                publish_video=options.publish_video,
            ),
            adopt,
            lambda made: self._core.close_session(made),
        )

    async def close_session(self, session: int) -> None:
        """End it; it may have ended already."""
        await self._ask_gone(lambda: self._core.close_session(session), SessionClosed)

    async def receive(self, session: int, description: Description) -> Description | None:
        """Apply a description."""
        reply: _core.Description | None = await self._ask(
            lambda: self._core.receive(
                session, description.transport, description.type, description.sdp, description.id
            )
        )
        if reply is None:
            return None
        return Description(type=reply.type, sdp=reply.sdp, transport=reply.transport, id=reply.id)

    async def add_candidate(self, session: int, transport: TransportName, candidate: str) -> None:
        """Take a trickled candidate."""
        await self._ask(lambda: self._core.add_candidate(session, transport, candidate))

    async def restart_ice(self, session: int, transport: TransportName, ufrag: str, pwd: str) -> tuple[str, str]:
        """Exchange ICE credentials."""
        reply: tuple[str, str] = await self._ask(lambda: self._core.restart_ice(session, transport, ufrag, pwd))
        return reply

    async def offer_ice_restart(self, session: int, transport: TransportName) -> None:
        """Offer fresh ICE credentials."""
        await self._ask(lambda: self._core.offer_ice_restart(session, transport))

    async def subscribe(self, session: int, track: int, max_layer: LayerTuple | None, adopt: Adopt) -> None:
        """Make a subscription."""
        await self._ask(
            lambda: self._core.subscribe(session, track, max_layer), adopt, lambda made: self._core.unsubscribe(made)
        )

    async def unsubscribe(self, subscription: int) -> None:
        """End it; it may have ended already."""
        await self._ask_gone(lambda: self._core.unsubscribe(subscription), SubscriptionEnded)

    async def set_layer(self, subscription: int, max_layer: LayerTuple | None) -> None:
        """Choose its layer."""
        await self._ask(lambda: self._core.set_layer(subscription, max_layer))

    async def set_paused(self, subscription: int, paused: bool) -> None:
        """Stop or restart it."""
        await self._ask(lambda: self._core.set_paused(subscription, paused))

    async def set_muted(self, track: int, muted: bool) -> None:
        """Drop what a track brings, or no longer."""
        await self._ask(lambda: self._core.set_muted(track, muted))

    async def request_keyframe(self, track: int) -> None:
        """Ask the publisher."""
        await self._ask(lambda: self._core.request_keyframe(track))

    async def open_channel(self, session: int, options: ChannelOptions, adopt: Adopt) -> None:
        """Make a data channel."""
        await self._ask(
            lambda: self._core.open_channel(
                session,
                label=options.label,
                protocol=options.protocol,
                ordered=options.ordered,
                max_retransmits=options.max_retransmits,
                max_lifetime=options.max_lifetime,
            ),
            adopt,
            lambda made: self._core.close_channel(made),
        )

    async def send_message(self, channel: int, message: str | bytes) -> bool:
        """Send; false when the buffer is full."""
        binary = isinstance(message, bytes)
        payload = message if isinstance(message, bytes) else message.encode()
        reply: bool = await self._ask(lambda: self._core.send_message(channel, binary, payload))
        return reply

    async def close_channel(self, channel: int) -> None:
        """Close it; it may be closed already."""
        await self._ask_gone(lambda: self._core.close_channel(channel), ChannelClosed)

    async def dump(self, track: int, seconds: float, max_bytes: int) -> None:
        """Deliver a track's packets as events."""
        await self._ask(lambda: self._core.dump(track, seconds, max_bytes))

    async def tap(self, track: int, max_layer: LayerTuple | None, capacity: int, adopt: Adopt) -> None:
        """Make a tap."""
        await self._ask(lambda: self._core.tap(track, max_layer, capacity), adopt, lambda made: self._core.untap(made))

    async def take_frames(self, tap: int) -> _core.TapFrames:
        """What waits in it."""
        reply: _core.TapFrames = await self._ask(lambda: self._core.take_frames(tap))
        return reply

    async def untap(self, tap: int) -> None:
        """End it; it may have ended already."""
        await self._ask_gone(lambda: self._core.untap(tap), TrackEnded)

    async def sfu_stats(self) -> _core.SfuStats:
        """Of everything."""
        reply: _core.SfuStats = await self._ask(lambda: self._core.sfu_stats())
        return reply

    async def room_stats(self, room: int) -> _core.RoomStats:
        """Of a room."""
        reply: _core.RoomStats = await self._ask(lambda: self._core.room_stats(room))
        return reply

    async def session_stats(self, session: int) -> _core.SessionStats:
        """Of a session."""
        reply: _core.SessionStats = await self._ask(lambda: self._core.session_stats(session))
        return reply

    async def _ask(
        self, command: Callable[[], int], adopt: Adopt | None = None, undo: Callable[[int], int] | None = None
    ) -> Any:
        """Give a command and wait for its answer. Cancelled while it is on its way, its result is undone."""
        self.check()
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[command()] = _Waiting(future, adopt, undo)
        self._posted()
        return await future

    async def _ask_gone(self, command: Callable[[], int], gone: type[SfuError]) -> None:
        with contextlib.suppress(gone):  # what was to end has ended
            await self._ask(command)

    def _drain(self) -> None:
        drained = self._core.drain()
        for ticket, reply in drained.replies:
            waiting = self._waiting.pop(ticket, None)
            if waiting is not None:
                self._settle(waiting, reply)
        for level, target, message in drained.logs:
            logging.getLogger(f"sfu.{target.removeprefix('sfu_').replace('::', '.')}").log(level, "%s", message)
        if drained.events or drained.events_dropped:
            self._deliver(drained.events, drained.events_dropped)

    def _settle(self, waiting: _Waiting, reply: Any) -> None:
        if isinstance(reply, _core.CommandFailed):
            if not waiting.future.done():
                waiting.future.set_exception(_ERRORS.get(reply.code, SfuError)(reply.message))
        elif waiting.future.cancelled():
            if waiting.undo is not None:
                waiting.undo(reply)
        else:
            try:
                if waiting.adopt is not None:
                    waiting.adopt(reply)
            except Exception as error:  # the rest of the batch must still be settled
                if waiting.undo is not None:
                    waiting.undo(reply)
                waiting.future.set_exception(error)
            else:
                waiting.future.set_result(reply)


def _transport_error(error: OSError) -> TransportError:
    made = TransportError(error.strerror or str(error))
    made.errno = error.errno
    return made
