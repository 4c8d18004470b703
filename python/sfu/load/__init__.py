"""Load: many native peers against this server or any other.

`run(config, signaling)` lets publishers and subscribers in through a `Signaling`, lets media flow and measures; `sfu
load` is its command line.
"""

from sfu.load.config import Feedback, LoadConfig, Video
from sfu.load.signaling import LoadPeer, Refused, Signaling

__all__ = ["Feedback", "LoadConfig", "LoadPeer", "Refused", "Signaling", "Video"]
