"""The example for embedders runs: the core alone carries a call."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from skips import missing

ROOT = Path(__file__).parents[2]


# It may have to be compiled first.
@pytest.mark.timeout(900)
def test_two_peers_receive_each_other() -> None:
    cargo = shutil.which("cargo") or shutil.which("cargo", path=os.path.expanduser("~/.cargo/bin"))
    if cargo is None:
        missing("cargo is not installed (https://rustup.rs)")
    command = [cargo, "run", "--quiet", "--locked", "--package", "sfu-core", "--example", "core_alone"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    line = re.compile(r"(\S+) received (\w+) of peer (\d): (\d+) packets, (\d+) frames, (\d+) corrupt, (\d+) missing")
    found = [match.groups() for match in line.finditer(done.stdout)]
    assert {(kind, publisher) for _, kind, publisher, *_ in found} == {
        (kind, publisher) for kind in ("audio", "video") for publisher in "12"
    }
    assert len({address for address, *_ in found}) == 2
    for _, kind, _, packets, frames, corrupt, lost in found:
        # Three seconds of 50 audio packets and 15 frames.
        assert int(packets) > 120
        assert kind == "audio" or int(frames) > 40
        assert (corrupt, lost) == ("0", "0")
