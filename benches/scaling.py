"""Does the cost of a packet stay the same: from 10 to 3000 subscribers, from 1 to 100 publishers, and over two shards.

Each publisher sends frames of 8 packets of 1200 bytes, 64 packets a second. What subscribers cost that receive nothing
(their tracks muted, in the same run) is told apart and subtracted. Two shards carry one room of 200 on a core each; the
load shares the second, and the CPU of both threads is counted.
"""

from dataclasses import replace

from support.limit import Shape, cores
from support.measure import Bench, Figures

VIEWERS = 30


def main() -> None:
    """All shapes in turn, round after round."""
    bench = Bench(__doc__)
    server_core, _ = cores()
    crowds, stages, seconds = ((10, 20), (1, 2), 1) if bench.quick else ((10, 100, 1000, 3000), (1, 10, 100), 10)
    shapes = {f"subscribers_{count}": Shape(count, rate=64) for count in crowds}
    shapes |= {f"publishers_{count}": Shape(VIEWERS, count, rate=64) for count in stages}
    room = Shape(VIEWERS if bench.quick else 200, rate=304)
    shapes |= {f"shards_{count}": replace(room, shards=count) for count in (1, 2)}
    taken: dict[str, list[Figures]] = {name: [] for name in shapes}
    for number in range(bench.rounds):
        for name, shape in shapes.items():
            words = [*shape.words(), f"seconds={seconds}", f"fixed={seconds}", f"core={server_core}"]
            taken[name].append(bench.take(number, ["fanout", *words]))
    bench.report(taken)


if __name__ == "__main__":
    main()
