"""The wheel as somebody installs it: a clean virtual environment outside the tree, `sfu serve` and Chromium."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from interop.browser import Watched
from interop.chromium import Chromium
from interop.polling import PATIENCE

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a clean virtual environment with the wheel in it."""
    wheels = sorted((_ROOT / "dist").glob("sfu-*.whl"))
    if not wheels:
        pytest.fail("there is no wheel in dist/: run `make wheel` first")
    assert len(wheels) == 1, wheels
    assert "-cp311-abi3-" in wheels[0].name, "one wheel serves all Pythons from 3.11 on"
    home = tmp_path_factory.mktemp("clean")
    venv.create(home, with_pip=True, symlinks=True)
    # The versions of this test run, so that a release of somebody else's does not decide about it.
    constraints = _ROOT / "requirements" / "run.txt"
    subprocess.run(
        [home / "bin" / "python", "-m", "pip", "install", "--quiet", "-c", constraints, wheels[0]],
        check=True,
        env=_environment(),
        cwd=home,
    )
    return home / "bin"


def _environment() -> dict[str, str]:
    """Without what would lead back into the tree."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def test_the_installed_package_comes_from_the_wheel(installed: Path) -> None:
    code = "import sfu, sfu._core; print(sfu.__file__); print(sfu._core.__file__)"
    done = subprocess.run(
        [installed / "python", "-c", code], capture_output=True, text=True, check=True, env=_environment(), cwd="/"
    )
    for line in done.stdout.splitlines():
        assert Path(line).is_relative_to(installed.parent), line


@pytest.mark.parametrize("command", ["serve", "demo"])
async def test_chromium_connects_to_what_the_wheel_serves(
    installed: Path, tmp_path: Path, chromium: Chromium, command: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(installed / "sfu", command, "--port", "0", "--udp", "0.0.0.0:0", "--announce", "127.0.0.1"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        cwd=tmp_path,
    )
    assert process.stderr is not None
    rest: asyncio.Task[bytes] | None = None
    try:
        url = await asyncio.wait_for(_url(process.stderr), PATIENCE)
        rest = asyncio.create_task(process.stderr.read())
        anna = Watched(await chromium.open(f"{url}?room=demo&name=Anna&join=1"), "Anna")
        await anna.connected()
        if command == "demo":
            # The three who are already there.
            await anna.decodes(3)
            await anna.hears()
        else:
            ben = Watched(await chromium.open(f"{url}?room=demo&name=Ben&join=1"), "Ben")
            await ben.connected()
            await ben.decodes()
            await anna.decodes()
        assert anna.page.errors == []
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if rest is not None:
            complaints = (await rest).decode(errors="replace")
            print(complaints, file=sys.stderr)
    assert "Traceback" not in complaints


async def _url(stream: asyncio.StreamReader) -> str:
    """The page's address, as the command line prints it."""
    seen = ""
    while line := (await stream.readline()).decode(errors="replace"):
        seen += line
        if found := re.search(r"On this machine\s+(http\S+)", line):
            return found[1]
    raise AssertionError(f"it ended without an address: {seen}")
