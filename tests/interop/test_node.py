"""A node of many rooms for a minute: `benches/node.py` at a scale that any machine carries, unoptimised.

The whole of it, 500 sessions for half an hour, is `benches/node.py --rounds 1 --seconds 1800`.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from skips import missing

pytestmark = pytest.mark.interop

NODE = Path(__file__).parents[2] / "benches" / "node.py"


# It may have to compile.
@pytest.mark.timeout(900)
def test_rooms_keep_flowing_for_a_minute() -> None:
    if shutil.which("cargo") is None:
        missing("cargo is not installed (https://rustup.rs)")
    command = [sys.executable, str(NODE), "--quick", "--json", "--seconds", "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # More than 0.1 % of loss would be void.
    assert done.returncode == 0, done.stderr
    node = json.loads(done.stdout)["node"]
    print(f"{node['sessions']:.0f} sessions, {node['packets_per_second']:.0f} packets/s, p95 {node['delay_p95_ms']} ms")
    assert node["sessions"] == 30
    assert node["delay_p95_ms"] <= 5
