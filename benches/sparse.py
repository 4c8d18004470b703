"""What little media costs: 30 packets a second to 200, and one a second to 200 who send receiver reports."""

from support.limit import Shape, compare
from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(__doc__)
    viewers, seconds = (10, 2) if bench.quick else (200, 10)
    shapes = {
        "thirty": Shape(viewers, rate=30, frame=1),
        "one": Shape(viewers, rate=1, frame=1, feedback="rr"),
    }
    compare(bench, shapes, seconds)
