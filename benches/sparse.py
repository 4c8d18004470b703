"""What little media costs: 30 packets a second to 200, and one a second to 200 who send receiver reports."""

from support.limit import Shape, compare
from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(__doc__)
    viewers, seconds, seldom = (10, 1, 100) if bench.quick else (200, 10, 1)
    shapes = {
        "thirty": Shape(viewers, rate=30, frame=1),
        "one": Shape(viewers, rate=seldom, frame=1, feedback="rr"),
    }
    compare(bench, shapes, seconds)
