"""What a session costs: resident memory of one that is connected and idle, and of one that receives audio and video."""

from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(__doc__)
    count = "100" if bench.quick else "1000"
    bench.run(idle=["idle", count], receiving=["subscribers", count])
