"""What a session costs: resident memory of one that is connected and idle, and of one that receives audio and video.

`idle` and `receiving`: the core alone. `viewers`: WHEP viewers of the Python server, over real sockets, with all that
the process keeps for them.
"""

import asyncio
import sys

from support.limit import cores
from support.measure import Bench, Figures
from support.server import Between, Viewers, server

from sfu.load import LoadConfig, Video, run


async def viewers(server_core: int, load_core: int, count: int) -> Figures:
    """Of 100 packets a second, half of them audio."""
    async with server(server_core) as (process, url):
        memory = Between(process.resident_bytes)
        config = LoadConfig(
            subscribers=count,
            video=Video(size=1100, rate=50, frame=5),
            audio=True,
            warm_up=5,
            seconds=1,
            cores=(load_core,),
        )
        result = await run(config, Viewers(url, "memory", memory.begin), memory)
    if problems := result.problems():
        sys.exit("; ".join(problems))
    return {"subscribers": count, "bytes_per_subscriber": memory.grown / count}


def main() -> None:
    """All in turn, round after round."""
    bench = Bench(__doc__)
    server_core, load_core = cores()
    few, many, watching = (100, 200, 20) if bench.quick else (1000, 5000, 500)
    native = {
        "idle": ["idle", str(few)],
        f"receiving_{few}": ["subscribers", str(few)],
        f"receiving_{many}": ["subscribers", str(many)],
    }
    taken: dict[str, list[Figures]] = {name: [] for name in (*native, "viewers")}
    for number in range(bench.rounds):
        for name, words in native.items():
            taken[name].append(bench.take(number, words))
        taken["viewers"].append(asyncio.run(viewers(server_core, load_core, watching)))
    bench.report(taken)


if __name__ == "__main__":
    main()
