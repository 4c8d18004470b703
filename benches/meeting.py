"""Nanoseconds of the server's CPU for a packet of a meeting of 30: simulcast video and audio, mixed layers."""

from support.crowd import Room, measure
from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(__doc__)
    room = Room(people=5, high=1, middle=1, low=2, voices=4) if bench.quick else Room(30, 3, 10, 16, 29)
    measure(bench, {"meeting": room}, 1 if bench.quick else 10)
