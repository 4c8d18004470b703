"""A server in virtual time, for tests of applications: rooms, peers, links and a clock, without sockets and sleeping.

    async with sfu.testing.Simulation(seed=7) as sim:
        room = await sim.server.create_room("standup")
        ann = await sim.peer(room, "ann", publish=[sfu.testing.Video(simulcast=3), sfu.testing.Audio()])
        bob = await sim.peer(room, "bob", link=sfu.testing.Link(delay=0.05))
        await sim.run(seconds=60)
        assert bob.video["ann"].freezes == 0

`sim.server` is an `sfu.Server` like any other. A seed decides what the links do; keys are drawn anew in each run.
"""

from sfu.testing.options import Audio, Link, Video
from sfu.testing.peer import Message, Peer
from sfu.testing.received import Received, Sent
from sfu.testing.simulation import Simulation

__all__ = ["Audio", "Link", "Message", "Peer", "Received", "Sent", "Simulation", "Video"]
