"""What a machine lacks skips at a desk and fails where `CI` is set, whichever way a test says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# No test of this suite skips here: these are texts of tests that a run under the rule is given, each skipping in a way
# of its own, and the rule has to see every one.
SKIPPING = {
    "in_the_test": "import pytest\ndef test_it():\n    pytest.skip('no browser')\n",
    "in_a_fixture": (
        "import pytest\n@pytest.fixture\ndef browser():\n    pytest.skip('no browser')\n"
        "def test_it(browser):\n    raise AssertionError\n"
    ),
    "by_a_mark": "import pytest\n@pytest.mark.skipif(True, reason='no browser')\ndef test_it():\n    pass\n",
    "as_a_module": "import pytest\npytest.skip('no browser', allow_module_level=True)\n",
}
# One that passes and one that fails as it is expected to (the mark needs no reason: it is only there to be left alone).
OTHERS = "import pytest\ndef test_it():\n    pass\n@pytest.mark.xfail\ndef test_known():\n    raise AssertionError\n"


def run(folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    """All of them under the rule alone."""
    for name, source in {**SKIPPING, "of_others": OTHERS}.items():
        (folder / f"test_{name}.py").write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "skips", "-p", "no:cacheprovider", "--continue-on-collection-errors"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI": ci},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_skip_fails_with_its_reason_where_ci_is_set(tmp_path: Path) -> None:
    done = run(tmp_path, "true")
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 1, done.stdout
    # What skips before the test itself is an error, as it is when it raises.
    assert "1 failed, 1 passed, 1 xfailed, 3 errors" in last, done.stdout
    assert done.stdout.count("\nSkipped: no browser; with CI set nothing may be missing") == len(SKIPPING), done.stdout


@pytest.mark.parametrize("ci", ["", "false"])
def test_a_skip_is_a_skip_elsewhere(tmp_path: Path, ci: str) -> None:
    done = run(tmp_path, ci)
    assert done.returncode == 0, done.stdout
    assert "1 passed, 4 skipped, 1 xfailed" in done.stdout.splitlines()[-1], done.stdout
