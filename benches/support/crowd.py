"""Rooms in which everybody publishes simulcast video and audio, and receives some of the others."""

import functools
from dataclasses import dataclass, replace

from support.limit import carried, cores, window
from support.measure import Bench, Figures

SCALE = {
    "--fps": {"type": int, "default": 30, "help": "frames a second of each encoding"},
    "--seconds": {"type": int, "help": "of each run"},
}


@dataclass(frozen=True)
class Room:
    """People of one room; so many of the others each one sees in which layer, and so many it hears."""

    people: int
    high: int
    middle: int
    low: int
    voices: int
    fps: int = 30
    rooms: int = 1


def scaled(room: Room) -> Room:
    """The same in rooms of ten, three at most, at half the rate: what any machine carries."""
    middle = min(room.middle, 2)
    return replace(room, people=10, middle=middle, low=9 - room.high - middle, fps=15, rooms=min(room.rooms, 3))


def measure(bench: Bench, rooms: dict[str, Room], seconds: int) -> None:
    """Rounds of each, of which those that lost more than 0.1 % are void."""
    server_core, _ = cores()

    def take(room: Room, number: int) -> Figures:
        words = [f"{word}={value}" for word, value in vars(room).items()]
        return carried(bench.take(number, ["crowd", *words, *window(bench, seconds, server_core)]))

    bench.each({name: functools.partial(take, room) for name, room in rooms.items()})
