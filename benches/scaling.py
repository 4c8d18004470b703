"""Does the cost of a packet stay the same: from 10 to 3000 subscribers, from 1 to 100 publishers, and over two shards.

Each publisher sends frames of 8 packets of 1200 bytes, 64 packets a second. What subscribers cost that receive nothing
(their tracks muted, in the same run) is told apart and subtracted. Two shards carry one room of 200 on a core each; the
load shares the second, and the CPU of both threads is counted.
"""

import functools
from dataclasses import replace

from support.limit import Shape, carried, cores, wanted_rate, window
from support.measure import Bench, Figures

VIEWERS = 30


def main() -> None:
    """All shapes in turn, round after round."""
    bench = Bench(
        __doc__,
        own={
            "--crowds": {"type": int, "nargs": "+", "default": [10, 100, 1000, 3000], "help": "of subscribers"},
            "--stages": {"type": int, "nargs": "+", "default": [1, 10, 100], "help": "of publishers"},
            "--seconds": {"type": int, "default": 10, "help": "of each run, and as many without media"},
        },
        smaller="--crowds 10 100 1000 --stages 1 10",
    )
    server_core, _ = cores()
    crowds, stages, seconds = bench.options.crowds, bench.options.stages, bench.options.seconds
    if bench.quick:
        crowds, stages, seconds = [20], [2], 1
    shapes = {f"subscribers_{count}": Shape(count, rate=64) for count in crowds}
    shapes |= {f"publishers_{count}": Shape(VIEWERS, count, rate=64) for count in stages}
    room = Shape(VIEWERS if bench.quick else 200, rate=304)
    shapes |= {f"shards_{count}": replace(room, shards=count) for count in ((2,) if bench.quick else (1, 2))}

    def take(shape: Shape, number: int) -> Figures:
        words = [*shape.words(), f"fixed={seconds}", *window(bench, seconds, server_core)]
        return carried(bench.take(number, ["fanout", *words]), wanted_rate(bench, shape))

    bench.each({name: functools.partial(take, shape) for name, shape in shapes.items()})


if __name__ == "__main__":
    main()
