"""What the scripts share: the measuring program, rounds, medians, the machine's facts, a table and a line of JSON."""

import argparse
import contextlib
import functools
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

Figures = dict[str, float]
Answer = Callable[[str], str]


class Void(Exception):
    """A run that says nothing, and why: the machine did not carry its load."""


class Bench:
    """One script's run: its arguments, and the program that measures."""

    def __init__(
        self,
        description: str,
        package: str | None = "sfu-load",
        example: str = "figures",
        own: dict[str, dict[str, Any]] | None = None,
        smaller: str = "",
    ) -> None:
        """`own`: the script's own arguments, as argparse takes them. `package`: whose program measures, if one does.

        `smaller`: of them, with values, those of a load that most machines carry.
        """
        parser = argparse.ArgumentParser(description=description)
        for name, settings in (own or {}).items():
            parser.add_argument(name, **settings)
        parser.add_argument("--json", action="store_true", help="print nothing but the last line, which is JSON")
        parser.add_argument("--quick", action="store_true", help="unoptimised and short: shows that it works")
        parser.add_argument("--rounds", type=int, help="how often each figure is taken")
        options = parser.parse_args()
        self.quick: bool = options.quick
        self.options = options
        self.rounds: int = options.rounds or (1 if self.quick else 5)
        self._silent: bool = options.json
        self._smaller = smaller
        self._void: list[str] = []
        self._program = None if package is None else build(package, release=not self.quick, example=example)

    def run(self, **figures: list[str]) -> None:
        """Take all figures from the program with these arguments each."""
        self.each({name: functools.partial(self.take, arguments=words) for name, words in figures.items()})

    def each(self, figures: Mapping[str, Callable[[int], Figures]], **facts: Any) -> None:
        """Take all figures in turn, round after round, so that a busy minute hurts all of them; report the medians."""
        taken: dict[str, list[Figures]] = {name: [] for name in figures}
        for number in range(self.rounds):
            for name, take in figures.items():
                with self.voiding(name):
                    taken[name].append(take(number))
        self.report(taken, **facts)

    @contextlib.contextmanager
    def voiding(self, name: str) -> Iterator[None]:
        """A run of `name`, which may turn out to be void: that is told and counted."""
        try:
            yield
        except Void as reason:
            self._void.append(f"{name}: {reason}")
            self.say(f"void: {self._void[-1]}")

    def take(
        self, number: int, arguments: list[str], program: Path | None = None, answer: Answer | None = None
    ) -> Figures:
        """One run in a round: what the program printed as its last line. `answer`: to what it asks meanwhile."""
        self.say(f"round {number + 1} of {self.rounds}: {' '.join(arguments)}")
        code, last, complaint = _converse([program or self._measuring(), *arguments], answer)
        if code != 0:
            raise Void(_last_words(complaint) or f"it ended with {code}")
        figures: Figures = json.loads(last)
        return figures

    def _measuring(self) -> Path:
        assert self._program is not None, "who takes figures from a program names it"
        return self._program

    def report(self, taken: dict[str, list[Figures]], **facts: Any) -> None:
        """Print the medians of all rounds as a table, and as a line of JSON with `facts`.

        Ends the program with 1 if every run of a figure was void.
        """
        medians = {name: _median(rounds) for name, rounds in taken.items() if rounds}
        machine = _machine(optimised=not self.quick)
        self._table(medians, taken, machine)
        void = {"void": len(self._void), "void_because": sorted(set(self._void))}
        print(json.dumps({**medians, **facts, **void, "rounds": self.rounds, "machine": machine}), flush=True)
        if nothing := sorted(taken.keys() - medians.keys()):
            smaller = f"; a smaller load: {self._smaller}" if self._smaller else ""
            sys.exit(f"void: no run of {', '.join(nothing)} could be carried by this machine{smaller}")

    def _table(self, medians: dict[str, Figures], taken: dict[str, list[Figures]], machine: dict[str, Any]) -> None:
        self.say("")
        for name, figures in medians.items():
            for figure, median in figures.items():
                values = [one[figure] for one in taken[name]]
                spread = f"{min(values):,.1f} … {max(values):,.1f}" if min(values) != max(values) else ""
                self.say(f"{name:<12} {figure:<28} {median:>14,.1f}   {spread}")
        self.say("")
        self.say("; ".join(f"{fact}: {value}" for fact, value in machine.items()))

    def say(self, line: str) -> None:
        """Print a line for people."""
        if not self._silent:
            print(line, flush=True)


def _converse(command: list[str | Path], answer: Answer | None) -> tuple[int, str, str]:
    """Run a program and answer its questions: its return code, its last line, its complaints."""
    last = ""
    with tempfile.TemporaryFile("w+") as complaints:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": complaints}
        environment = {**os.environ, "RUST_BACKTRACE": "0"}
        with subprocess.Popen(command, text=True, bufsize=1, env=environment, **pipes) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for line in process.stdout:
                if answer and line.startswith("ask "):
                    process.stdin.write(answer(line.removeprefix("ask ")) + "\n")
                else:
                    last = line
        complaints.seek(0)
        return process.returncode, last, complaints.read()


def _last_words(complaint: str) -> str:
    """What a program that gave up says, without where it did."""
    lines = (line.strip() for line in complaint.splitlines())
    return " ".join(line for line in lines if line and not line.startswith(("thread ", "note: ")))


def _median(rounds: list[Figures]) -> Figures:
    return {figure: statistics.median(one[figure] for one in rounds) for figure in rounds[0]}


def build(package: str, *, release: bool, example: str | None = None) -> Path:
    """A program of a crate, built: an example, or else the one of the crate's name."""
    cargo = shutil.which("cargo") or shutil.which("cargo", path=os.path.expanduser("~/.cargo/bin"))
    if cargo is None:
        sys.exit("cargo is not installed (https://rustup.rs)")
    command = [cargo, "build", "--quiet", "--locked", "--package", package]
    command += ["--example", example] if example else ["--bin", package]
    subprocess.run([*command, *(["--release"] * release)], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    folder = target / ("release" if release else "debug")
    return folder / "examples" / example if example else folder / package


def build_extension() -> None:
    """The extension module, optimised, where the package in the tree finds it."""
    subprocess.run([ROOT / "scripts" / "extension.sh", "--release"], check=True)


def _machine(*, optimised: bool) -> dict[str, Any]:
    """What a figure depends on besides the code."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "kernel": platform.release(),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "-uno") else ""),
        "profile": "release" if optimised else "debug",
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
