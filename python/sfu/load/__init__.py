"""Load: many native peers against this server or any other.

`run(config, signaling)` lets publishers and subscribers in through a `Signaling`, lets media flow and measures;
`sfu load` is its command line.
"""

from sfu.load.config import Feedback, LoadConfig, Video
from sfu.load.result import Joins, LoadResult
from sfu.load.room import RoomSignaling
from sfu.load.runner import ChoosesLayers, run
from sfu.load.signaling import LoadPeer, Refused, Signaling
from sfu.load.whip import WhipWhep

__all__ = [
    "ChoosesLayers",
    "Feedback",
    "Joins",
    "LoadConfig",
    "LoadPeer",
    "LoadResult",
    "Refused",
    "RoomSignaling",
    "Signaling",
    "Video",
    "WhipWhep",
    "run",
]
