"""What a newcomer is promised: the README's two commands, the list of all others, and one run for everybody."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_help_lists_the_commands() -> None:
    done = subprocess.run(
        ["make", "--no-print-directory", "help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    listed = set(re.findall(r"^  make (\S+)", done.stdout, re.MULTILINE))
    assert {"help", "serve", "test", "lint", "bench", "wheel", "clean"} <= listed


def test_the_readme_starts_with_serve_and_test() -> None:
    commands = re.findall(r"^\$ (make \S+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert commands[:2] == ["make serve", "make test"]


def test_the_check_of_what_lands_is_make_test_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and not line.startswith("#")]
    bare = "command -v make >/dev/null || scripts/system_packages.sh build"  # a fresh Debian has no `make`
    assert lines == ["set -eu", 'cd "$(dirname "$0")/.."', bare, "exec make test"]


def test_every_requirement_is_pinned() -> None:
    for name in ("run.txt", "dev.txt"):
        for line in (ROOT / "requirements" / name).read_text().splitlines():
            assert re.fullmatch(r"#.*|-r run\.txt|[\w.-]+==[\w.]+", line), f"{name}: {line}"
