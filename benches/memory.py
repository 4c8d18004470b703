"""What a session costs: resident memory of one that is connected and idle, and of one that receives audio and video.

`idle` and `receiving`: the core alone. `viewers`: WHEP viewers of the Python server, over real sockets, with all that
the process keeps for them.
"""

import asyncio

from support.limit import cores
from support.measure import Bench, Figures, Void
from support.server import Between, Viewers, server

from sfu.load import LoadConfig, Video, run


async def viewers(server_core: int, load_core: int, count: int, warm_up: float) -> Figures:
    """Of 100 packets a second, half of them audio."""
    async with server(server_core) as (process, url):
        memory = Between(process.resident_bytes)
        config = LoadConfig(
            subscribers=count,
            video=Video(size=1100, rate=50, frame=5),
            audio=True,
            warm_up=warm_up,
            seconds=1,
            cores=(load_core,),
        )
        result = await run(config, Viewers(url, "memory", memory.begin), memory)
    if problems := result.problems():
        raise Void("; ".join(problems))
    return {"subscribers": count, "bytes_per_subscriber": memory.grown / count}


def main() -> None:
    """All in turn, round after round."""
    bench = Bench(__doc__)
    server_core, load_core = cores()
    few, many, watching, warm_up = (50, 100, 10, 0.2) if bench.quick else (1000, 5000, 500, 5.0)
    bench.each(
        {
            "idle": lambda number: bench.take(number, ["idle", str(few)]),
            f"receiving_{few}": lambda number: bench.take(number, ["subscribers", str(few)]),
            f"receiving_{many}": lambda number: bench.take(number, ["subscribers", str(many)]),
            "viewers": lambda _: asyncio.run(viewers(server_core, load_core, watching, warm_up)),
        }
    )


if __name__ == "__main__":
    main()
