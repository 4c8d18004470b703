"""`python -m sfu` is `sfu`."""

from sfu.cli import main

if __name__ == "__main__":
    main()
