"""A simulated peer: what a browser is to the server, under a test's control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sfu._arguments import check_choice, check_flag, check_text, check_whole
from sfu.description import Description
from sfu.errors import NegotiationError, UsageError
from sfu.layer import Layer
from sfu.testing.options import Audio, Link, Video, link_of
from sfu.testing.received import Received, Sent, Streams

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sfu._core.testing import Simulation as Core
    from sfu.description import TransportName
    from sfu.session import Session
    from sfu.testing._backend import SimulatedBackend

__all__ = ["Message", "Peer"]


@dataclass(frozen=True)
class Message:
    """A data channel message that a peer received."""

    label: str
    data: str | bytes


class Peer:
    """A simulated peer, made by `Simulation.peer` or `Simulation.client`."""

    def __init__(
        self,
        backend: SimulatedBackend,
        name: str,
        names: Mapping[int, str],
        publish: Sequence[Video | Audio],
        links: tuple[Link, Link],
        channels: bool,
    ) -> None:
        """As `name`; `names` are everybody's by number."""
        check_flag("channels", channels)
        self._backend = backend
        self._name = name
        self._names = names
        self._links = links
        self._session: Session | None = None
        self._subscriber: int | None = None
        self._labels: dict[int, str] = {}
        self._messages: list[Message] = []
        audio, video = _sorted(publish)
        self._kinds = {"audio": len(audio), "video": len(video)}
        self._offers = bool(audio or video or channels)
        self._number = self._core.add_client(
            audio=[-one.level for one in audio], video=video, channels=channels, uplink=links[0], downlink=links[1]
        )

    # What it is.

    @property
    def name(self) -> str:
        """Unique in the simulation; its identity if `Simulation.peer` made it."""
        return self._name

    @property
    def number(self) -> int:
        """Counts the peers."""
        return self._number

    @property
    def session(self) -> Session:
        """The server's side of it. Raises `UsageError` for a peer that joins through the application's signalling."""
        if self._session is None:
            raise UsageError(f"{self!r} joins through signalling of the application's own: only that knows its session")
        return self._session

    @property
    def connected(self) -> bool:
        """Whether media can flow."""
        return self.sent.connected

    # What it has seen.

    @property
    def received(self) -> list[Received]:
        """Every track of which something came."""
        rows = [row for number in self._numbers for row in self._core.received(number)]
        return [Received(**self._describe(row)) for row in rows if row["client"] in self._names]

    @property
    def video(self) -> Streams:
        """The others' video by their names."""
        return Streams(self._name, "video", self.received)

    @property
    def audio(self) -> Streams:
        """The others' audio by their names."""
        return Streams(self._name, "audio", self.received)

    @property
    def sent(self) -> Sent:
        """What it sent, over both transports if it has two."""
        rows = {number: self._core.sent(number) for number in self._numbers}
        counted = {key: sum(row[key] for row in rows.values()) for key in rows[self._number]}
        # The one to publish over waits for something to publish.
        used = [row for number, row in rows.items() if number == self._numbers[-1] or self._offers]
        return Sent(**counted | {"connected": all(row["connected"] for row in used)})

    @property
    def messages(self) -> list[Message]:
        """Every data channel message that came, in order."""
        self._note_events()
        return list(self._messages)

    # Signalling.

    def offer(self) -> Description:
        """What a browser's `createOffer` gives; the server's answer goes to `receive`."""
        transport: TransportName = "main" if self._subscriber is None else "publisher"
        return Description(type="offer", sdp=self._core.create_offer(self._number), transport=transport)

    def receive(self, description: Description) -> Description | None:
        """Take the server's description: gives the answer to an offer, `None` for an answer.

        Raises `NegotiationError` when a browser could not follow it.
        """
        if not isinstance(description, Description):
            raise TypeError(f"receive() takes an sfu.Description, not {type(description).__name__}")
        try:
            number = self._number_of(description.transport)
            if description.type == "answer":
                self._core.receive_answer(number, description.sdp)
                return None
            sdp = self._core.receive_offer(number, description.sdp)
        except ValueError as error:
            raise NegotiationError(str(error)) from error
        return Description(type="answer", sdp=sdp, transport=description.transport, id=description.id)

    async def attach(self, session: Session) -> None:
        """Speak to this session from now on: answer its offers, and offer if there is something to offer."""
        if self._session is not None:
            raise UsageError(f"{self!r} has a session already")
        self._session = session
        if session.offers == "split":
            # Like livekit-client: it publishes over one transport, and over the other the server sends to it.
            up, down = self._links
            self._subscriber = self._core.add_client(audio=[], video=[], channels=False, uplink=up, downlink=down)

        @session.on("offer_ready")
        async def _(offer: Description) -> None:
            if session.ended is None and (answer := self.receive(offer)) is not None:
                await session.receive(answer)

        @session.on("sections_needed")
        async def _(audio: int, video: int) -> None:
            self._core.add_receivers(self._number, audio, video)
            await self.negotiate()

        if session.offers == "client" and not self._offers:
            self._core.add_receivers(self._number, 1, 1)
            self._offers = True
        if self._offers:
            await self.negotiate()
        for offer in session.pending_offers:  # it came with the join
            if (answer := self.receive(offer)) is not None:
                await session.receive(answer)

    async def negotiate(self) -> None:
        """Offer, or offer again after something changed: new tracks, muted ones, an ICE restart."""
        self._offers = True
        answer = await self.session.receive(self.offer())
        if answer is not None:
            self.receive(answer)

    # What it does.

    async def publish(self, source: Video | Audio) -> None:
        """One track more."""
        audio, video = _sorted([source])
        for one in audio:
            self._core.add_audio(self._number, -one.level)
        for picture in video:
            self._core.add_video(self._number, picture)
        self._kinds["audio"] += len(audio)
        self._kinds["video"] += len(video)
        await self.negotiate()

    async def stop(self, kind: str, source: int = 0) -> None:
        """Stop sending its `source`th `"audio"` or `"video"`: the track ends."""
        self._core.set_sends(self._number, self._of(kind, source) == "video", source, False)
        await self.negotiate()

    async def resume(self, kind: str, source: int = 0) -> None:
        """Send it again."""
        self._core.set_sends(self._number, self._of(kind, source) == "video", source, True)
        await self.negotiate()

    async def restart_ice(self) -> None:
        """Offer new ICE credentials."""
        self._core.restart_ice(self._number)
        await self.negotiate()

    def speak(self, level: int, source: int = 0) -> None:
        """Its audio is as loud as this from now on, in dBov (0 to -127)."""
        check_whole("level", level, -127, 0, "dBov")
        self._of("audio", source)
        self._core.set_level(self._number, source, -level)

    def set_encoding(self, encoding: int, active: bool, source: int = 0) -> None:
        """Stop an encoding of its `source`th video, or let it go on, as browsers do when bandwidth changes."""
        check_flag("active", active)
        self._of("video", source)
        self._core.set_encoding(self._number, source, encoding, active)

    def set_link(self, link: Link | None = None, *, uplink: Link | None = None, downlink: Link | None = None) -> None:
        """The network is another from now on; what is not given stays."""
        if link is not None:
            both = link_of("link", link)
            self._links = (both, both)
        up, down = self._links
        self._links = (up if uplink is None else link_of("uplink", uplink), down if downlink is None else downlink)
        down = link_of("downlink", self._links[1])
        for number in self._numbers:
            self._core.set_links(number, self._links[0], down)

    def move(self) -> None:
        """It gets another address (from Wi-Fi to mobile)."""
        for number in self._numbers:
            self._core.move_away(number)

    def vanish(self) -> None:
        """It sends and receives nothing any more (a killed process): consent expires at the server."""
        for number in self._numbers:
            self._core.vanish(number)

    def close(self) -> None:
        """It closes its transport (a closed page)."""
        for number in self._numbers:
            self._core.close(number)

    def open_channel(self, label: str, *, ordered: bool = True) -> int:
        """Open a data channel; its number, for `send`. Needs `channels=True`, and a connection."""
        check_text("label", label)
        check_flag("ordered", ordered)
        try:
            number = self._core.open_channel(self._number, label, ordered)
        except ValueError as error:
            raise UsageError(f"{self!r} cannot open a channel: {error}") from error
        self._labels[number] = label
        return number

    def send(self, channel: int | str, message: str | bytes) -> bool:
        """Send on a channel, by number or label (the server's too); false: too much waits already."""
        self._note_events()
        number = channel
        if isinstance(channel, str):
            number = next((one for one, label in self._labels.items() if label == channel), -1)
        if not isinstance(number, int) or number not in self._labels:
            raise UsageError(f"{self!r} has no channel {channel!r}; it has {sorted(self._labels.values())}")
        binary = isinstance(message, bytes)
        payload = message if isinstance(message, bytes) else message.encode()
        try:
            return self._core.send_message(self._number, number, binary, payload)
        except ValueError as error:
            raise UsageError(f"{self!r} cannot send: {error}") from error

    def __repr__(self) -> str:
        """For people."""
        return f"<Peer {self._name!r}>"

    @property
    def _core(self) -> Core:
        self._backend.check()
        return self._backend.simulation

    @property
    def _numbers(self) -> list[int]:
        """Of its transports."""
        return [self._number] if self._subscriber is None else [self._number, self._subscriber]

    def _number_of(self, transport: TransportName) -> int:
        return self._subscriber if transport == "subscriber" and self._subscriber is not None else self._number

    def _of(self, kind: str, source: int) -> str:
        check_choice("kind", kind, ("audio", "video"))
        if not 0 <= source < self._kinds[kind]:
            raise ValueError(f"{self!r} publishes {self._kinds[kind]} {kind} tracks: there is no source {source}")
        return kind

    def _describe(self, row: dict[str, Any]) -> dict[str, Any]:
        about = {key: value for key, value in row.items() if key not in ("client", "video")}
        layer = None if row["layer"] is None else Layer(*row["layer"])
        return {
            **about,
            "layer": layer,
            "publisher": self._names[row["client"]],
            "kind": "video" if row["video"] else "audio",
        }

    def _note_events(self) -> None:
        events = [event for number in self._numbers for event in self._core.events(number)]
        for kind, channel, text, value in events:
            if kind == "opened":
                self._labels[channel] = text
            elif kind == "ended":
                self._labels.pop(channel, None)
            elif kind == "message":
                data = value if text == "binary" else value.decode()
                self._messages.append(Message(self._labels.get(channel, ""), data))


def _sorted(publish: Sequence[Video | Audio]) -> tuple[list[Audio], list[Video]]:
    if isinstance(publish, Video | Audio):
        raise TypeError(f"publish must be a sequence: publish=[{publish!r}]")
    audio: list[Audio] = []
    video: list[Video] = []
    for one in publish:
        if isinstance(one, Audio):
            audio.append(one)
        elif isinstance(one, Video):
            video.append(one)
        else:
            raise TypeError(f"publish takes sfu.testing.Video and sfu.testing.Audio, not {one!r}")
    return audio, video
