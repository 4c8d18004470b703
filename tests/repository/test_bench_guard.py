"""What the guard of the packet path says of its counts; counting itself takes valgrind (`make bench-guard`)."""

import importlib.util
import json
import platform
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = {"rustc": "rustc 1", "valgrind": "valgrind-3"}


@pytest.fixture(scope="module")
def guard() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_guard", ROOT / "scripts" / "bench_guard.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_guard"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("counted", "code", "said"),
    [
        (1029, 0, ""),
        (1031, 1, "More than 3% above what was accepted, or new: frame.\n"),
        (980, 0, ""),
        (960, 0, "Cheaper: frame. So that it stays so: make bench-guard ARGS=--accept.\n"),
    ],
)
def test_three_percent_above_what_was_accepted_fail(
    guard: ModuleType, capsys: pytest.CaptureFixture[str], counted: int, code: int, said: str
) -> None:
    case = guard.Case("frame", "a frame", 1000, counted)
    assert guard.verdict([case], TOOLS, TOOLS) == code
    out = capsys.readouterr().out
    assert said in out
    assert bool(said) == bool(out)
    assert ("--accept" in out) == bool(said)
    assert ("<--" in guard.table([case])) == bool(code)
    assert f"1,000 {counted:>10,}" in guard.table([case])


def test_a_case_without_an_accepted_count_fails(guard: ModuleType) -> None:
    assert guard.verdict([guard.Case("new", "a new one", None, 7)], TOOLS, None) == 1


def test_another_compiler_is_told(guard: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert guard.verdict([guard.Case("frame", "a frame", 1000, 1000)], TOOLS, {**TOOLS, "rustc": "rustc 2"}) == 0
    assert "rustc 2" in capsys.readouterr().out


def test_the_total_is_read_and_nothing_counted_is_an_error(guard: ModuleType) -> None:
    assert guard.instructions("summary: 5\ntotals: 12345\n") == 12345
    with pytest.raises(SystemExit, match="still have its name"):
        guard.instructions("events: Ir\n")


def test_every_case_has_an_accepted_count(guard: ModuleType) -> None:
    counts = json.loads(guard.COUNTS.read_text(encoding="utf-8"))
    source = (ROOT / "rust" / "core" / "examples" / "guard" / "cases.rs").read_text(encoding="utf-8")
    names = {line.split('"')[1] for line in source.splitlines() if line.strip().startswith('name: "')}
    assert names
    if platform.machine() in counts:
        assert set(counts[platform.machine()]["instructions"]) == names
