"""A session's events as the messages of the page protocol.

Knows what the client has been told of already, so that nothing in `joined` is announced again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sfu.signaling import views

if TYPE_CHECKING:
    from sfu.room import Room
    from sfu.session import Session
    from sfu.subscription import Subscription

__all__ = ["News"]


class News:
    """What one client hears."""

    def __init__(self, room: Room, session: Session) -> None:
        """The client of `session` in `room`, told of everything that is there now."""
        self._room = room
        self._session = session
        self._members: set[int] = set()
        self._tracks: set[int] = set()
        self.all_told()

    def all_told(self) -> None:
        """The client has just been given the whole state."""
        self._members = {member.id for member in self._room.sessions}
        self._tracks = {track.id for track in self._room.tracks}

    def of(self, event: Any) -> list[dict[str, Any]]:
        """The messages that tell of an event."""
        match type(event).__name__:
            case "SectionsNeeded":
                return [{"type": "sections_needed", "audio": event.audio, "video": event.video}]
            case "ConnectionStateChanged":
                news = [{"type": "participant_updated", "participant": views.participant(event.session)}]
                if event.session is self._session:
                    news.append({"type": "connection", "state": event.state})
                return news
            case "SessionJoined":
                if event.session.id in self._members:
                    return []
                self._members.add(event.session.id)
                return [{"type": "participant_joined", "participant": views.participant(event.session)}]
            case "SessionUpdated":
                return [{"type": "participant_updated", "participant": views.participant(event.session)}]
            case "SessionLeft":
                self._members.discard(event.session.id)
                return [{"type": "participant_left", **_whose(event.session), "reason": event.reason}]
            case "TrackPublished" | "OwnTrackPublished":
                if event.track.id in self._tracks:
                    return []
                self._tracks.add(event.track.id)
                return [{"type": "track_published", "track": views.track(event.track)}]
            case "TrackUnpublished" | "OwnTrackUnpublished":
                self._tracks.discard(event.track.id)
                return [{"type": "track_unpublished", "track": str(event.track.id), **_whose(event.track.session)}]
            case "TrackUpdated" | "TrackMuted" | "TrackUnmuted" | "TrackStalled":
                return [{"type": "track_updated", "track": views.track(event.track)}]
            case "AudioSlotChanged":
                track = None if event.track is None else str(event.track.id)
                return [{"type": "audio_slot", "slot": event.slot, "mid": event.mid, "track": track}]
            case "SpeakersChanged":
                return [{"type": "speakers", "speakers": views.speakers(event.speakers)}]
            case "RoomUpdated":
                return [{"type": "room_updated", "room": views.room(self._room)}]
            case "MessageReceived":
                sender = event.sender.identity if event.sender is not None else None
                return [{"type": "message", "topic": event.topic, "data": event.data, "from": sender}]
            case _:
                return _of_subscription(event)


def _of_subscription(event: Any) -> list[dict[str, Any]]:
    match type(event).__name__:
        case "Subscribed":
            return [{"type": "subscribed", "subscription": views.subscription(event.subscription)}]
        case "Unsubscribed":
            return [{"type": "unsubscribed", **_which(event.subscription)}]
        case "SubscriptionFailed":
            about = {"problem": event.problem, "codec": event.codec}
            return [{"type": "subscription_failed", **_which(event.subscription), **about}]
        case "LayerChanged":
            about = {
                "quality": views.subscription(event.subscription)["quality"],
                "before": views.layer(event.before),
                "after": views.layer(event.after),
                "reason": event.reason,
            }
            return [{"type": "layer_changed", **_which(event.subscription), **about}]
        case "LayersWanted":
            layers = [views.layer(layer) for layer in event.layers]
            rids = [event.track.rids[layer.spatial] for layer in event.layers if event.track.rids]
            return [{"type": "layers_wanted", "track": str(event.track.id), "rids": rids, "layers": layers}]
        case _:
            return []  # data channels are not for this WebSocket


def _whose(member: Any) -> dict[str, str]:
    return {"session": str(member.id), "identity": member.identity}


def _which(subscription: Subscription) -> dict[str, str]:
    return {"subscription": str(subscription.id), "track": str(subscription.track.id)}
