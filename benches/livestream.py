"""Nanoseconds of the server's CPU for a packet of one 720p publisher to 1000: 30 frames of 8 x 950 bytes a second."""

from support.limit import Shape, compare
from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(
        __doc__,
        own={
            "--viewers": {"type": int, "default": 1000},
            "--seconds": {"type": int, "default": 10, "help": "of each run"},
        },
        smaller="--viewers 200",
    )
    viewers, seconds = (10, 1) if bench.quick else (bench.options.viewers, bench.options.seconds)
    compare(bench, {"livestream": Shape(viewers, rate=240, bytes=950)}, seconds)
