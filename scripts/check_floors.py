"""Check the floors: no import goes upward, and no modules import each other in a circle.

    python scripts/check_floors.py [ROOT]

Rust: dependencies between crates (Cargo.toml), cycles between the modules of each crate, and no clock, socket or
thread below `runtime`. Python: `python/sfu`. Prints one line for each problem, cycles file by file, and ends with 1 if
there is any.
"""

import sys
from pathlib import Path

from floors import python_imports, rust_floors


def main(root: Path) -> int:
    """Print every problem of the tree at `root`; 0 if there is none, else 1."""
    problems = [*rust_floors.problems(root), *python_imports.problems(root)]
    for problem in problems:
        print(problem)
    print(f"floors: {len(problems)} problems" if problems else "floors: clean")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]).resolve()))
