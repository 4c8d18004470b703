"""Nanoseconds of the server's CPU for a packet of one publisher to 200, beside the physical limit at the same rate.

Frames of 8 packets of 1200 bytes come as bursts, about 300 packets a second. The server's thread stays on one core, the
load on another. The limit (rust/limit) copies, patches, seals and sends the same and does nothing else. A run that lost
more than 0.1 % is void.
"""

import os
import sys
from pathlib import Path

from support.measure import Bench, build

MAX_LOSS = 0.001
WAYS = ("by_sendto", "by_sendmmsg", "by_gso", "by_gso_by_8", "by_gso_by_64")


def main() -> None:
    """Rounds of the server with each feedback and the limit in between; what held is reported."""
    bench = Bench(
        __doc__,
        own={
            "--subscribers": {"type": int, "default": 200},
            "--rate": {"type": int, "default": 300, "help": "packets a second, rounded to whole frames a second"},
            "--frame": {"type": int, "default": 8, "help": "packets of a frame"},
            "--seconds": {"type": int, "default": 10, "help": "of each run"},
        },
    )
    server_core, load_core = _cores()
    limit = build("sfu-limit", release=not bench.quick)
    options = bench.options
    subscribers, seconds = (10, 1) if bench.quick else (options.subscribers, options.seconds)
    rate = max(round(options.rate / options.frame), 1) * options.frame
    # What a thread of the server is pinned to is its own affair; all others stay here.
    os.sched_setaffinity(0, {load_core})
    taken: dict[str, list[dict[str, float]]] = {"none": [], "twcc": []}
    void = 0
    for number in range(bench.rounds):
        shape = [str(subscribers), str(rate), str(options.frame)]
        ours = {
            feedback: bench.take(number, ["fanout", *shape, feedback, str(seconds), str(server_core)])
            for feedback in taken
        }
        size = round(ours["none"]["bytes_per_packet"])
        least = _limit(bench, number, limit, ["--destinations", shape[0], "--rate", shape[1], "--frame", shape[2],
            "--bytes", str(size), "--seconds", str(max(seconds // 2, 1)),
            "--core", str(server_core), "--reader-core", str(load_core)])  # fmt: skip
        for feedback, figures in ours.items():
            loss = max(figures["loss"], least["limit_loss"])
            if loss > MAX_LOSS:
                void += 1
                bench.say(f"void: {loss:.2%} were lost (server {figures['loss']:.2%}, limit {least['limit_loss']:.2%})")
                continue
            ratio = figures["ns_per_packet"] / least["limit_ns_per_packet"]
            taken[feedback].append({**figures, **least, "ratio": ratio})
    if not all(taken.values()):
        sys.exit("every run is void: nothing to report; the machine is too busy for this rate")
    bench.report(taken, cipher="AEAD_AES_128_GCM", void=void)


def _limit(bench: Bench, number: int, program: Path, arguments: list[str]) -> dict[str, float]:
    """The best way at that rate, with its loss; and each way's cost."""
    figures = bench.take(number, arguments, program)
    best = min(WAYS, key=lambda way: figures[way])
    costs = {f"limit_{way}": figures[way] for way in WAYS}
    bare = {"bare_seal": figures["seal"], "bare_sendto": figures["sendto"]}
    least = {"limit_ns_per_packet": figures[best], "limit_loss": figures[f"{best}_loss"]}
    return {**least, **costs, **bare, "limit_late": figures[f"{best}_late"]}


def _cores() -> tuple[int, int]:
    """One for the server, one for the load."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("two cores are needed: one for the server, one for the load")
    return cores[0], cores[1]


if __name__ == "__main__":
    main()
