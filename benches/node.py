"""Five hundred video sessions on a node: 50 rooms of 10, each sees one in the high layer and eight in the low one.

`--rooms` is the scale; `--seconds 1800 --rounds 1` is the half hour.
"""

from support.crowd import SCALE, Room, measure, scaled
from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(__doc__, own={**SCALE, "--rooms": {"type": int, "default": 50}}, smaller="--rooms 5 --fps 15")
    room = Room(10, 1, 0, 8, 9, bench.options.fps, rooms=bench.options.rooms)
    measure(bench, {"node": scaled(room) if bench.quick else room}, bench.options.seconds or (1 if bench.quick else 60))
