"""The same as fanout.py with AES_CM_SHA1_80, which every peer has: the server beside the limit with that profile."""

from support.limit import Shape, compare
from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(__doc__)
    compare(bench, {"none": Shape(10 if bench.quick else 200)}, 1 if bench.quick else 10, profile="sha1")
