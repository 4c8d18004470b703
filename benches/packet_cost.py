"""What a forwarded packet costs: the data plane's time on a processor, everybody publishing to everybody."""

from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(__doc__)
    seconds = "1" if bench.quick else "10"
    bench.run(
        room_of_30=["packets", "6" if bench.quick else "30", seconds],
        room_of_3=["packets", "3", seconds],
    )
