"""A hundred people in a room: all publish simulcast video and audio, see 1 high, 8 middle and 15 low, and hear 5.

Delay through the server and loss are those of every packet. `--people` is the scale.
"""

from support.crowd import SCALE, Room, measure, scaled
from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(
        __doc__,
        own={**SCALE, "--people": {"type": int, "default": 100, "help": "25 or more"}},
        smaller="--people 30 --fps 15",
    )
    room = Room(bench.options.people, 1, 8, 15, 5, bench.options.fps)
    measure(
        bench, {"hundred": scaled(room) if bench.quick else room}, bench.options.seconds or (1 if bench.quick else 60)
    )
