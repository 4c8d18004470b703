"""The data channels of one session, whichever side opened them. Stands under `Session`.

Invariant: a channel is known here, and in the hub, before a message or its end is reported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sfu._arguments import check_flag, check_seconds, check_text, check_whole
from sfu._backend import ChannelOptions
from sfu.channel import DataChannel

if TYPE_CHECKING:
    from sfu._hub import Hub
    from sfu.member import Member

__all__ = ["Channels", "channel_options"]

_MAX_NAME = 65_535
"""Bytes of a label or protocol (RFC 8832 §5.1: 16 bits)."""


class Channels:
    """Of one session."""

    def __init__(self, hub: Hub, session: Member) -> None:
        """Of `session`."""
        self._hub = hub
        self._session = session
        self._all: dict[int, DataChannel] = {}

    @property
    def all(self) -> list[DataChannel]:
        """Those that live."""
        return list(self._all.values())

    async def make(self, options: ChannelOptions) -> DataChannel:
        """Open one. A cancelled call leaves nothing behind."""
        made: list[DataChannel] = []

        def adopt(number: int) -> None:
            made.append(self._adopt(number, options, by_peer=False))

        try:
            await self._hub.backend.open_channel(self._session.id, options, adopt)
        except BaseException:
            if made:
                self._hub.spawn(made[0].close())
            raise
        return made[0]

    def opened(self, event: Any) -> DataChannel:
        """Both sides know it; the peer's are new here."""
        channel = self._all.get(event.channel) or self._adopt(event.channel, event, by_peer=event.by_peer)
        channel.now_open()
        return channel

    def end(self) -> None:
        """The session is over."""
        for channel in self.all:
            channel.end()

    def _adopt(self, number: int, about: Any, *, by_peer: bool) -> DataChannel:
        channel = self._all[number] = DataChannel(
            self._hub,
            self._session,
            number,
            self._drop,
            label=about.label,
            protocol=about.protocol,
            ordered=about.ordered,
            by_peer=by_peer,
        )
        self._hub.add("channel", number, channel)
        return channel

    def _drop(self, number: int) -> None:
        self._all.pop(number, None)


def channel_options(
    label: str, protocol: str, ordered: bool, max_retransmits: int | None, max_lifetime: float | None
) -> ChannelOptions:
    """As the data plane wants them; checked."""
    for name, text in (("label", label), ("protocol", protocol)):
        check_text(name, text)
        if len(text.encode()) > _MAX_NAME:
            raise ValueError(f"{name} may have {_MAX_NAME} bytes at most")
    check_flag("ordered", ordered)
    if max_retransmits is not None and max_lifetime is not None:
        raise ValueError("give max_retransmits or max_lifetime, not both (RFC 8832 §5.1)")
    if max_retransmits is not None:
        check_whole("max_retransmits", max_retransmits, 0, 65_535)
    if max_lifetime is not None:
        check_seconds("max_lifetime", max_lifetime, 65.535)
    return ChannelOptions(
        label=label,
        protocol=protocol,
        ordered=ordered,
        max_retransmits=max_retransmits,
        max_lifetime=max_lifetime,
    )
