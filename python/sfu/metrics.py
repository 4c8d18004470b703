"""Counters for Prometheus: the server's and, summed per room, what its live sessions have.

Read in one snapshot per scrape; nothing is counted here. Per-room numbers are gauges, because they fall when sessions
leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sfu.errors import RoomClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sfu.server import Server
    from sfu.stats import EncodingStats, RoomStats, ServerStats, SubscriptionStats

__all__ = ["CONTENT_TYPE", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LIVE = ("rooms", "sessions", "tracks", "subscriptions", "channels")

_COUNTED = {
    "datagrams_received": "Datagrams taken in.",
    "checks": "Authentic ICE checks.",
    "keep_alives": "STUN binding indications.",
    "dtls": "DTLS datagrams of which something was taken.",
    "packets_received": "RTP packets taken in.",
    "bytes_received": "Bytes of RTP packets taken in.",
    "packets_sent": "RTP packets sent.",
    "bytes_sent": "Bytes of RTP packets sent.",
    "events_dropped": "Events dropped because the event loop did not run.",
}

_SHARD: dict[str, str] = {
    "sessions": "Sessions that live on the thread.",
    "received_per_second": "Datagrams that came in, over the last second.",
    "sent_per_second": "Datagrams that went out, over the last second.",
    "busy": "Share of a processor in the last second.",
    "stall": "Seconds: the longest that anything ready was not taken, in the last ten seconds.",
}

_SHARD_COUNTED: dict[str, str] = {
    "handed_over": "Datagrams that belonged to another thread.",
    "taken_over": "Datagrams that came to another thread.",
    "relayed_bytes": "Bytes given to other threads for rooms that live on several.",
    "ring_drops": "Datagrams and media lost because another thread was late.",
}

_ROOM_IN: dict[str, tuple[str, Callable[[EncodingStats], int]]] = {
    "received_packets": ("RTP packets received from the publishers.", lambda one: one.packets_received),
    "received_bytes": ("Bytes received from the publishers.", lambda one: one.bytes_received),
    "lost_packets": ("Packets that never came.", lambda one: one.packets_lost),
    "nacks_sent": ("Packets asked again.", lambda one: one.nacks_sent),
    "plis_sent": ("Keyframes asked.", lambda one: one.plis_sent),
    "keyframes": ("Keyframes that came.", lambda one: one.keyframes),
    "received_bits_per_second": ("Over the last second.", lambda one: one.bitrate),
}

_ROOM_OUT: dict[str, tuple[str, Callable[[SubscriptionStats], int]]] = {
    "sent_packets": ("RTP packets sent to the subscribers.", lambda one: one.packets_sent),
    "sent_bytes": ("Bytes sent to the subscribers.", lambda one: one.bytes_sent),
    "retransmitted_packets": ("Packets sent again.", lambda one: one.packets_retransmitted),
    "nacks_received": ("Packets that subscribers asked again.", lambda one: one.nacks_received),
    "plis_received": ("Keyframes that subscribers asked.", lambda one: one.plis_received),
}


async def render(server: Server) -> bytes:
    """The exposition text. Raises `NotRunning`."""
    rooms = []
    for room in list(server.rooms.values()):
        try:
            rooms.append(await room.stats())
        except RoomClosed:
            continue  # closed while we asked
    registry = CollectorRegistry()
    registry.register(_Snapshot(await server.stats(), rooms))
    return generate_latest(registry)


class _Snapshot(Collector):
    def __init__(self, server: ServerStats, rooms: Iterable[RoomStats]) -> None:
        self._server = server
        self._rooms = list(rooms)

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield from self._of_the_server()
        yield from self._of_the_rooms()

    def _of_the_server(self) -> Iterator[Metric]:
        for name in _LIVE:
            yield GaugeMetricFamily(f"sfu_{name}", f"{name.capitalize()} that exist.", getattr(self._server, name))
        for name, text in _COUNTED.items():
            yield CounterMetricFamily(f"sfu_{name}", text, getattr(self._server, name))
        dropped = CounterMetricFamily("sfu_datagrams_dropped", "Datagrams dropped.", labels=["reason"])
        for reason, count in self._server.dropped.to_dict().items():
            dropped.add_metric([reason], count)
        yield dropped
        yield from self._of_the_shards()

    def _of_the_shards(self) -> Iterator[Metric]:
        for family, texts in ((GaugeMetricFamily, _SHARD), (CounterMetricFamily, _SHARD_COUNTED)):
            for name, text in texts.items():
                metric = family(f"sfu_shard_{name}", text, labels=["shard"])
                for shard in self._server.shards:
                    metric.add_metric([str(shard.shard)], getattr(shard, name))
                yield metric

    def _of_the_rooms(self) -> Iterator[Metric]:
        sessions = GaugeMetricFamily("sfu_room_sessions", "Sessions in the room.", labels=["room"])
        tracks = GaugeMetricFamily("sfu_room_tracks", "Tracks in the room.", labels=["room"])
        for room in self._rooms:
            sessions.add_metric([room.room], len(room.sessions))
            tracks.add_metric([room.room], sum(len(session.tracks) for session in room.sessions))
        yield from (sessions, tracks)
        for name, (text, read) in _ROOM_IN.items():
            family = GaugeMetricFamily(f"sfu_room_{name}", text, labels=["room"])
            for room in self._rooms:
                family.add_metric([room.room], sum(read(one) for one in _encodings(room)))
            yield family
        for name, (text, count) in _ROOM_OUT.items():
            family = GaugeMetricFamily(f"sfu_room_{name}", text, labels=["room"])
            for room in self._rooms:
                family.add_metric([room.room], sum(count(one) for one in _subscriptions(room)))
            yield family
        yield self._resends_refused()

    def _resends_refused(self) -> Metric:
        text = "Packets that subscribers asked again and were not sent."
        family = GaugeMetricFamily("sfu_room_resends_refused", text, labels=["room", "reason"])
        for room in self._rooms:
            counts: dict[str, int] = {}
            for one in _subscriptions(room):
                for reason, count in one.resends_refused.to_dict().items():
                    counts[reason] = counts.get(reason, 0) + count
            for reason, count in counts.items():
                family.add_metric([room.room, reason], count)
        return family


def _encodings(room: RoomStats) -> Iterator[EncodingStats]:
    for session in room.sessions:
        for track in session.tracks:
            yield from track.encodings


def _subscriptions(room: RoomStats) -> Iterator[SubscriptionStats]:
    for session in room.sessions:
        yield from session.subscriptions
