"""Rooms in which everybody publishes simulcast video and audio, and receives some of the others."""

import sys
from dataclasses import dataclass, replace

from support.limit import MAX_LOSS, cores
from support.measure import Bench, Figures

SCALE = {
    "--fps": {"type": int, "default": 30, "help": "frames a second of each encoding"},
    "--seconds": {"type": int, "help": "of each run (60)"},
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
    taken: dict[str, list[Figures]] = {name: [] for name in rooms}
    void, lost = 0, ""
    for number in range(bench.rounds):
        for name, room in rooms.items():
            words = [f"{word}={value}" for word, value in vars(room).items()]
            figures = bench.take(number, ["crowd", *words, f"seconds={seconds}", f"core={server_core}"])
            if figures["loss"] > MAX_LOSS:
                void += 1
                lost = f"{figures['loss']:.2%} were lost, {figures['kernel_drops']:.0f} packets of them here"
                bench.say(f"void: {lost}")
                continue
            taken[name].append(figures)
    if not all(taken.values()):
        sys.exit(f"every run is void ({lost}): this machine does not carry this load; try a smaller scale")
    bench.report(taken, void=void)
