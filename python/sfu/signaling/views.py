"""Rooms, members, tracks and subscriptions as the page protocol shows them.

Ids become strings: JavaScript's numbers hold 53 bits.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sfu.signaling.quality import quality_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sfu.events import Speaker
    from sfu.layer import Layer
    from sfu.member import Member
    from sfu.room import Room
    from sfu.session import Session
    from sfu.stats import SessionStats
    from sfu.subscription import Subscription
    from sfu.track import Track

__all__ = ["audio_slots", "layer", "participant", "room", "speakers", "stats", "subscription", "track"]

_IDS = {"session", "track", "subscription"}


def room(one: Room) -> dict[str, Any]:
    """`room` of `joined` and `room_updated`."""
    return {
        "name": one.name,
        "metadata": one.metadata,
        "attributes": dict(one.attributes),
        "max_sessions": one.max_sessions,
    }


def participant(one: Member) -> dict[str, Any]:
    """One of `participants`."""
    return {
        "session": str(one.id),
        "identity": one.identity,
        "name": one.name,
        "metadata": one.metadata,
        "attributes": dict(one.attributes),
        "state": one.state,
    }


def track(one: Track) -> dict[str, Any]:
    """One of `tracks`."""
    return {
        "track": str(one.id),
        "session": str(one.session.id),
        "identity": one.session.identity,
        "kind": one.kind,
        "source": one.source,
        "name": one.name,
        "codec": one.codec,
        "layers": max(1, len(one.rids)),
        "muted": one.muted_by_publisher,
        "muted_by_server": one.muted_by_server,
        "stalled": one.stalled,
        "mid": one.mid,
    }


def subscription(one: Subscription) -> dict[str, Any]:
    """One of `subscriptions`."""
    return {
        "subscription": str(one.id),
        "track": str(one.track.id),
        "mid": one.mid,
        "quality": quality_of(one.max_layer, len(one.track.rids)),
        "paused": one.paused,
        "layer": layer(one.layer),
        "problem": one.problem,
    }


def layer(one: Layer | None) -> dict[str, int] | None:
    """A layer, or nothing."""
    return None if one is None else {"spatial": one.spatial, "temporal": one.temporal}


def audio_slots(session: Session) -> list[dict[str, str | None]]:
    """`audio_slots`: the track that is heard in each section."""
    return [
        {"mid": mid, "track": None if track is None else str(track.id)} for mid, track in session.audio_slots.items()
    ]


def speakers(ranking: Iterable[Speaker]) -> list[dict[str, Any]]:
    """`speakers`, loudest first."""
    return [
        {
            "session": str(one.session.id),
            "identity": one.session.identity,
            "track": str(one.track.id),
            "level": one.level,
        }
        for one in ranking
    ]


def stats(one: SessionStats) -> Any:
    """`stats`."""
    return _with_text_ids(asdict(one))


def _with_text_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: str(each) if key in _IDS and isinstance(each, int) else _with_text_ids(each)
            for key, each in value.items()
        }
    if isinstance(value, list | tuple):
        return [_with_text_ids(each) for each in value]
    return value
