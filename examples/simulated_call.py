"""A minute of a call in virtual time: what a viewer on a bad network sees. Nothing is sent, nobody waits."""

import asyncio

from sfu import testing


async def watch(loss: float) -> testing.Received:
    async with testing.Simulation(seed=7) as sim:
        room = await sim.server.create_room("standup")
        await sim.peer(room, "ann", publish=[testing.Video(simulcast=3), testing.Audio()])
        bob = await sim.peer(room, "bob", link=testing.Link(delay=0.05, loss=loss))
        await sim.run(seconds=60)
        return bob.video["ann"]


async def main() -> None:
    for loss in (0.0, 0.02, 0.1):
        seen = await watch(loss)
        print(f"{loss:.0%} loss: {seen.decoded} frames, {seen.freezes} freezes, {seen.repaired} packets repaired")


if __name__ == "__main__":
    asyncio.run(main())
