"""Count the instructions of the packet path and compare them with those that were accepted: make bench-guard.

Each case of `rust/core/examples/guard` runs under callgrind, which counts the instructions between a sealed datagram
that comes in and the sealed datagrams that wait to be sent. A count depends on the compiler and on the processor's
architecture, not on the machine, its clock or its load: the accepted counts (`benches/guard.json`) stand under the
architecture, with the versions that they were taken with. More than 3 % above them fails; after a change that is worth
it: make bench-guard ARGS=--accept.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COUNTS = ROOT / "benches" / "guard.json"
PROGRAM = ROOT / "target" / "release" / "examples" / "guard"
#: Above it a count fails. Runs of one program differ by less than 0.4 % (hash tables are seeded anew).
ALLOWED = 0.03
#: Below it is worth accepting, so that it is kept.
WORTH_KEEPING = -0.03


@dataclass(frozen=True)
class Case:
    """One count: instructions for a unit (a packet that leaves, a request, a second of a session)."""

    name: str
    about: str
    accepted: float | None
    counted: float

    @property
    def change(self) -> float:
        """As a share of what was accepted; 0 without it."""
        return self.counted / self.accepted - 1 if self.accepted else 0.0

    @property
    def fails(self) -> bool:
        """Whether it has become dearer, or is not known yet."""
        return self.accepted is None or self.change > ALLOWED


def main() -> int:
    """Count, compare, and say so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accept", action="store_true", help="write the counts down as those to compare with")
    parser.add_argument("--runs", type=int, default=1, help="count so often and show the spread")
    parser.add_argument("--only", help="one case")
    arguments = parser.parse_args()

    abouts = {name: about for name, about in cases().items() if arguments.only in (None, name)}
    runs = [{name: count(name) for name in abouts} for _ in range(arguments.runs)]
    known = json.loads(COUNTS.read_text()) if COUNTS.exists() else {}
    before = known.get(platform.machine(), {})
    accepted = before.get("instructions", {})
    found = [Case(name, about, accepted.get(name), min(run[name] for run in runs)) for name, about in abouts.items()]
    print(table(found))
    if arguments.runs > 1:
        print(f"\nspread of {arguments.runs} runs: " + ", ".join(spreads(runs)))
    versions = tools()
    if arguments.accept:
        counts = accepted | {case.name: case.counted for case in found}
        known[platform.machine()] = {"tools": versions, "instructions": {name: counts[name] for name in cases()}}
        COUNTS.write_text(json.dumps(known, indent=2) + "\n")
        print(f"\naccepted: {COUNTS.relative_to(ROOT)}")
        return 0
    return verdict(found, versions, before.get("tools"))


def cases() -> dict[str, str]:
    """Names and what each one counts, as the program tells them."""
    lines = subprocess.run([PROGRAM], check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split(maxsplit=1) for line in lines)


def count(name: str) -> float:
    """The instructions that a unit of this case takes."""
    with tempfile.NamedTemporaryFile() as out:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}", "--collect-atstart=no"]
        command += ["--toggle-collect=guard::measured*", str(PROGRAM), name]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(f"{' '.join(command)}:\n{run.stderr}")
        return instructions(Path(out.name).read_text()) / int(run.stdout)


def instructions(callgrind: str) -> int:
    """The total of a callgrind file."""
    total = re.search(r"^totals: (\d+)$", callgrind, re.MULTILINE)
    if total is None:
        raise SystemExit("callgrind counted nothing: does the function that it waits for still have its name?")
    return int(total[1])


def table(found: list[Case]) -> str:
    """One line a case."""
    rows = [f"{'case':<10} {'accepted':>10} {'now':>10} {'change':>8}   instructions for"]
    for case in found:
        accepted = "-" if case.accepted is None else f"{case.accepted:,.0f}"
        mark = "  <-- " if case.fails else "      "
        rows.append(f"{case.name:<10} {accepted:>10} {case.counted:>10,.0f} {case.change:>+8.1%}{mark}{case.about}")
    return "\n".join(rows)


def spreads(runs: list[dict[str, float]]) -> list[str]:
    """How far the runs of each case lie apart."""
    each = ((name, [run[name] for run in runs]) for name in runs[0])
    return [f"{name} {max(counts) / min(counts) - 1:.3%}" for name, counts in each]


def verdict(found: list[Case], versions: dict[str, str], of_accepted: dict[str, str] | None) -> int:
    """What follows from the counts; the exit code."""
    dearer = [case.name for case in found if case.fails]
    cheaper = [case.name for case in found if case.change < WORTH_KEEPING]
    if of_accepted not in (None, versions):
        print(f"\nThe accepted counts were taken with {of_accepted}, these with {versions}: that alone can move them.")
    if dearer:
        print(f"\nMore than {ALLOWED:.0%} above what was accepted, or new: {', '.join(dearer)}.")
        print(
            f"To see where: callgrind_annotate (docs/performance.md). To accept: {ACCEPT}, and say why in the commit."
        )
        return 1
    if cheaper:
        print(f"\nCheaper: {', '.join(cheaper)}. So that it stays so: {ACCEPT}.")
    return 0


ACCEPT = "make bench-guard ARGS=--accept"


def tools() -> dict[str, str]:
    """What the counts depend on beside the code."""
    versions = {}
    for tool in ("rustc", "valgrind"):
        versions[tool] = subprocess.run([tool, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    return versions


if __name__ == "__main__":
    sys.exit(main())
