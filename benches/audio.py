"""Nanoseconds of the server's CPU for a packet of 10 speakers to 500 listeners: 50 a second of 100 bytes, one each."""

from support.limit import Shape, compare
from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(__doc__)
    speakers, listeners, seconds = (2, 10, 1) if bench.quick else (10, 500, 10)
    room = Shape(listeners, speakers, media="audio", rate=50, frame=1, bytes=100)
    compare(bench, {"audio": room}, seconds)
