"""What audio slots cost: ranking a voice in rooms of 10 to 1000, and a change of place before a thousand people."""

from support.measure import Bench

if __name__ == "__main__":
    Bench(__doc__, "sfu-core", "voices").run(voices=[])
