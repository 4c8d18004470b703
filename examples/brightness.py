"""How bright is everybody's picture? Decoded frames, in the same process. Needs `pip install sfu[media]`."""

import asyncio

import sfu
from sfu.demo import people


async def watch(track: sfu.Track, pictures: int) -> float:
    """The mean brightness, 0 (black) to 255, over so many pictures."""
    total, count = 0.0, 0
    async for frame in track.frames(format="gray", max_layer=sfu.Layer(spatial=0)):
        total, count = total + float(frame.to_ndarray().mean()), count + 1
        if count == pictures:
            break
    return total / count


async def main(pictures: int = 15) -> dict[str, float]:
    """By person."""
    found: dict[str, float] = {}
    async with sfu.Server(sfu.Config(udp="127.0.0.1:0")) as server:
        room = await server.create_room("demo")
        events = room.events()
        async with people(server, "demo"), asyncio.TaskGroup() as tasks:
            watching = {}
            async for event in events:
                if isinstance(event, sfu.TrackPublished) and event.track.kind == "video":
                    name = event.track.session.identity
                    watching[name] = tasks.create_task(watch(event.track, pictures))
                    if len(watching) == 3:
                        break
            for name, task in watching.items():
                found[name] = await task
                print(f"{name}: {found[name]:.0f}")
    return found


if __name__ == "__main__":
    asyncio.run(main())
