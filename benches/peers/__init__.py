"""Servers to compare with: each module starts one on a core of its own, and lets the load's peers in."""

from peers.contestant import Contestant, Running

__all__ = ["Contestant", "Running"]
