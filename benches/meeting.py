"""Nanoseconds of the server's CPU for a packet of a meeting of 30: simulcast video and audio, mixed layers."""

from support.crowd import SCALE, Room, measure
from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(__doc__, own={**SCALE, "--people": {"type": int, "default": 30}}, smaller="--people 15")
    people = 5 if bench.quick else bench.options.people
    # A tenth of the others in the high layer, a third in the middle one.
    high, middle = max(people // 10, 1), people // 3
    room = Room(people, high, middle, low=people - 1 - high - middle, voices=people - 1, fps=bench.options.fps)
    measure(bench, {"meeting": room}, bench.options.seconds or (1 if bench.quick else 10))
