"""Nanoseconds of the server's CPU for a packet of one publisher to 200, beside the physical limit at the same rate.

Frames of 8 packets of 1200 bytes come as bursts, about 300 packets a second. The server's thread stays on one core, the
load on another. The limit (rust/limit) copies, patches, seals and sends the same and does nothing else. One subscriber
asks for 1 % of its packets again and verifies what comes, one changes its temporal layer every second. A run that lost
more than 0.1 % is void.
"""

from dataclasses import replace

from support.limit import SETTINGS, Shape, compare, frames
from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(
        __doc__,
        own={
            **SETTINGS,
            "--subscribers": {"type": int, "default": 200},
            "--rate": {"type": int, "default": 300, "help": "packets a second, rounded to whole frames a second"},
            "--frame": {"type": int, "default": 8, "help": "packets of a frame"},
            "--seconds": {"type": int, "default": 10, "help": "of each run"},
            "--hold": {"type": int, "default": 0, "help": "microseconds for which datagrams are let come, at most 500"},
        },
    )
    options = bench.options
    rate = frames(options.rate, options.frame)
    shape = Shape(10 if bench.quick else options.subscribers, rate=rate, frame=options.frame, hold=options.hold)
    # Who gets nothing at the far end of the wire has nothing to report.
    feedbacks = ("none",) if options.setting == "wire" else ("none", "twcc", "control")
    shapes = {feedback: replace(shape, feedback=feedback) for feedback in feedbacks}
    compare(bench, shapes, 1 if bench.quick else options.seconds, options.setting, options.profile)
