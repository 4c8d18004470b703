"""Nanoseconds of the server's CPU for a packet of 10 speakers to 500 listeners: 50 a second of 100 bytes, one each.

That is 250,000 packets a second, which the load's core has to carry as well: `--listeners` is the scale.
"""

from support.limit import Shape, compare
from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(
        __doc__,
        own={
            "--speakers": {"type": int, "default": 10},
            "--listeners": {"type": int, "default": 500},
            "--seconds": {"type": int, "default": 10, "help": "of each run"},
        },
        smaller="--listeners 100",
    )
    options = bench.options
    speakers, listeners, seconds = (2, 10, 1) if bench.quick else (options.speakers, options.listeners, options.seconds)
    room = Shape(listeners, speakers, media="audio", rate=50, frame=1, bytes=100)
    compare(bench, {"audio": room}, seconds)
