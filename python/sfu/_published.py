"""What is published in one room, and who speaks. Stands under `Room`.

Invariant: whoever publishes a track hears of it as `OwnTrackPublished` and `OwnTrackUnpublished`, everybody else as
`TrackPublished` and `TrackUnpublished`, all in one order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from sfu.events import (
    LayersChanged,
    OwnTrackPublished,
    OwnTrackUnpublished,
    SharedEvent,
    Speaker,
    SpeakersChanged,
    TrackMuted,
    TrackPublished,
    TrackStalled,
    TrackUnmuted,
    TrackUnpublished,
    TrackUpdated,
)
from sfu.track import Track

if TYPE_CHECKING:
    from sfu._hub import Hub
    from sfu.member import Member
    from sfu.session import Session

__all__ = ["Audience", "Published"]


class Audience(Protocol):
    """The room, as its tracks see it."""

    @property
    def sessions(self) -> list[Session]:
        """Who is in it."""

    def emit(self, event: SharedEvent) -> None:
        """To the room's readers and every session's."""

    def emit_apart(self, event: SharedEvent, member: Member, own: OwnTrackPublished | OwnTrackUnpublished) -> None:
        """Likewise, but `own` to the readers of `member`."""


class Published:
    """The tracks and speakers of one room."""

    def __init__(self, hub: Hub, room: Audience) -> None:
        """Nothing yet."""
        self._hub = hub
        self._room = room
        self._tracks: dict[int, Track] = {}
        self.speakers: tuple[Speaker, ...] = ()
        """Who speaks, loudest first."""

    @property
    def tracks(self) -> list[Track]:
        """In the order of publishing."""
        return list(self._tracks.values())

    def find(self, number: int) -> Track | None:
        """The track with this id."""
        return self._tracks.get(number)

    def handle(self, event: Any) -> None:
        """Take an event of the data plane."""
        match type(event).__name__:
            case "TrackPublished":
                self._add(event)
            case "TrackUnpublished":
                self._remove(event.track)
            case "SpeakersChanged":
                named = ((self._tracks.get(track), level) for _, track, level in event.speakers)
                self.speakers = tuple(Speaker(track.session, track, level) for track, level in named if track)
                self._room.emit(SpeakersChanged(self.speakers))

    def left(self, member: Member) -> None:
        """Its tracks go with it."""
        for track in self.tracks:
            if track.session is member:
                self._remove(track.id)

    # What tracks report (`sfu.track.Watcher`).

    def track_muted(self, track: Track, by: Literal["publisher", "server"], muted: bool) -> None:
        """A mute was set or lifted."""
        self._room.emit(TrackMuted(track, by) if muted else TrackUnmuted(track, by))

    def track_stalled(self, track: Track) -> None:
        """Packets stopped coming, or come again."""
        self._room.emit(TrackStalled(track, track.stalled))

    def layers_changed(self, track: Track) -> None:
        """Its layers came, went or have another size."""
        self._room.emit(LayersChanged(track))

    def track_updated(self, track: Track) -> None:
        """Its source or name changed."""
        self._room.emit(TrackUpdated(track))

    def _add(self, event: Any) -> None:
        session = next((one for one in self._room.sessions if one.id == event.session), None)
        if session is None:
            return
        track = Track(self._hub, self, session, event)
        source, name, muted = session.note(track.mid)
        track.describe(source, name, muted, quiet=True)
        self._tracks[track.id] = track
        self._hub.add("track", track.id, track)
        if track.source not in session.sources:
            self._hub.spawn(track.mute())  # it says what it may not send, or says nothing
        self._room.emit_apart(TrackPublished(track), session, OwnTrackPublished(track))

    def _remove(self, number: int) -> None:
        track = self._tracks.pop(number, None)
        if track is None:
            return
        track.end()
        self.speakers = tuple(speaker for speaker in self.speakers if speaker.track is not track)
        self._room.emit_apart(TrackUnpublished(track), track.session, OwnTrackUnpublished(track))
