"""How fast a viewer is in: from the command to its first packets, joins a second, 200 sections negotiated at once.

`whep`: viewers of one publisher over HTTP, the Python server on one core, everything that it does on the bill; and the
delay of what it forwards to ten others of another room, first while nobody comes (`calm`), then while 50 a second do.
"""

import asyncio

from support.behind import Everybody, behind
from support.limit import cores
from support.measure import Bench, Figures, Void
from support.server import Between, Viewers, endpoints, server

from sfu.load import LoadConfig, LoadResult, Video, run

# Little media, so that it is joining what is measured.
VIDEO = Video(size=1200, rate=20, frame=2)
WATCHERS = 10


async def whep(cores: tuple[int, int], joins: int, a_second: float, seconds: float) -> Figures:
    """As many as the server takes, then a steady stream of them beside those who watch something else."""
    server_core, load_core = cores
    async with server(server_core) as (process, url):
        cpu = Between(process.cpu_ns)
        config = LoadConfig(subscribers=joins, video=VIDEO, warm_up=0, seconds=1, cores=(load_core,))
        crowd = _good(await run(config, Viewers(url, "crowd", cpu.begin), cpu))
        calm = LoadConfig(subscribers=WATCHERS, verify=WATCHERS, video=Video(), seconds=seconds, cores=(load_core,))
        # In a room beside: what is measured is not how long a packet takes to ever more viewers.
        steady = LoadConfig(
            subscribers=round(a_second * (seconds + 2)),
            ramp=a_second,
            video=VIDEO,
            feedback="none",
            cores=(load_core,),
        )
        alone = _good(await run(calm, endpoints(url, "alone")))
        everybody = Everybody()
        stream = asyncio.create_task(run(calm, endpoints(url, "stream"), everybody))
        # Nobody waits for ever for those who could not come.
        stream.add_done_callback(lambda _: everybody.inside.set())
        await asyncio.to_thread(everybody.inside.wait)
        async with behind(steady, endpoints(url, "beside")):
            watched = _good(await stream)
    joined = crowd.subscribers.to_dict()
    assert alone.figures is not None
    assert watched.figures is not None
    return {
        "joins": joins,
        "joins_per_core_second": joins / cpu.grown * 1e9,
        "joins_per_second": joined["per_second"],
        "first_packet_p50_ms": joined["media_p50_ms"],
        "first_packet_p99_ms": joined["media_p99_ms"],
        "calm_p50_us": alone.figures["delay_p50_us"],
        "calm_p99_us": alone.figures["delay_p99_us"],
        "forwarding_p50_us": watched.figures["delay_p50_us"],
        "forwarding_p99_us": watched.figures["delay_p99_us"],
    }


def _good(result: LoadResult) -> LoadResult:
    if problems := result.problems():
        raise Void("; ".join(problems))
    return result


def main() -> None:
    """All three in turn, round after round."""
    bench = Bench(__doc__)
    both = cores()
    joins, a_second, seconds = (10, 10.0, 1.0) if bench.quick else (500, 50.0, 10.0)
    bench.each(
        {
            "join": lambda number: bench.take(number, ["joins", "3" if bench.quick else "50"]),
            "negotiation": lambda number: bench.take(number, ["sections", "200"]),
            "whep": lambda _: asyncio.run(whep(both, joins, a_second, seconds)),
        }
    )


if __name__ == "__main__":
    main()
