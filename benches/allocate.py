"""What dividing a subscriber's bandwidth costs, among 25 and 100 tracks, and how far from the best it is at most."""

from support.measure import Bench

if __name__ == "__main__":
    Bench(__doc__, "sfu-core", "allocate").run(allocate=[])
