"""How fast a viewer is in: from the command to its first packets, joins a second, 200 sections negotiated at once."""

from support.measure import Bench

if __name__ == "__main__":
    bench = Bench(__doc__)
    bench.run(
        join=["joins", "3" if bench.quick else "50"],
        negotiation=["sections", "200"],
    )
