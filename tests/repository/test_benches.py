"""The benches run: their quick mode, whose last line is JSON with the figures that others quote."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from skips import missing

ROOT = Path(__file__).parents[2]
BESIDE = {"ns_per_packet", "limit_ns_per_packet", "ratio", "kpps_per_core"}
CROWD = {"ns_per_packet", "packets_per_second", "delay_p95_ms", "sessions"}
DELAYS = {"p50_us", "p99_us", "p999_us", "echo_p50_us", "echo_p99_us", "limit_p50_us", "core_percent"}
FIGURES = {
    "join.py": {
        "join": {"first_packet_ms", "first_packets_of_both_ms", "joins_per_second", "server_cpu_ms_per_join"},
        "negotiation": {"sections", "answer_ms"},
        "whep": {"joins_per_core_second", "joins_per_second", "first_packet_p50_ms", "forwarding_p99_us"},
    },
    "packet_cost.py": {"room_of_30": {"cpu_ns_per_packet", "packets_forwarded"}, "room_of_3": {"cpu_ns_per_packet"}},
    # Who else is there would be compared, too: one of them is enough here.
    "compare.py": {"sfu": {"ns_per_packet", "kpps_per_core", "packets_per_second", "kb_per_subscriber"}},
    "layers.py": {"layers": {"seal_ns", "vp8_ns", "h264_ns", "h265_ns", "vp9_ns", "av1_dd_ns", "vp8_percent"}},
    "fanout.py": dict.fromkeys(("none", "twcc", "control"), BESIDE | {"repaired"}),
    "sha1.py": {"none": BESIDE},
    "audio.py": {"audio": BESIDE},
    "livestream.py": {"livestream": BESIDE},
    "sparse.py": {"thirty": BESIDE, "one": BESIDE | {"us_per_subscriber_second"}},
    "scaling.py": {
        name: {"ns_per_packet_without_fixed", "fixed_us_per_subscriber_second"}
        for name in ("subscribers_20", "publishers_2", "shards_2")
    },
    "meeting.py": {"meeting": CROWD},
    "hundred.py": {"hundred": CROWD},
    "node.py": {"node": CROWD},
    "latency.py": {"single": DELAYS, "burst": DELAYS},
    "allocate.py": {
        "allocate": {"us_25_tracks", "us_100_tracks", "p99_us_25_tracks", "p99_us_100_tracks", "exact_percent"}
    },
    "voices.py": {"voices": {"ranked_10_ns", "ranked_1000_ns", "change_us", "changes_percent"}},
    "memory.py": {
        "idle": {"bytes_per_idle_session"},
        "receiving_100": {"bytes_per_subscriber"},
        "viewers": {"bytes_per_subscriber"},
    },
}

WORDS = {"compare.py": ["--only", "aiortc"]}


# It may have to compile.
@pytest.mark.timeout(900)
def test_the_far_end_of_a_wire_counts_what_it_drops() -> None:
    """Refused with a word where namespaces are not allowed."""
    if shutil.which("cargo") is None:
        missing("cargo is not installed (https://rustup.rs)")
    command = [sys.executable, str(ROOT / "benches" / "fanout.py"), "--quick", "--json", "--setting", "wire"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.stderr.startswith("no wire: "):
        missing(done.stderr.removeprefix("no wire: "))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["setting"] == "wire"
    assert found["none"]["ratio"] > 0
    assert abs(found["none"]["loss"]) <= 0.001


def test_every_bench_is_here() -> None:
    assert {path.name for path in (ROOT / "benches").glob("*.py")} == set(FIGURES)
    readme = (ROOT / "benches" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in FIGURES)


# The first of them may have to compile.
@pytest.mark.timeout(900)
@pytest.mark.parametrize("script", FIGURES)
def test_quick_mode(script: str) -> None:
    if shutil.which("cargo") is None:
        missing("cargo is not installed (https://rustup.rs)")
    command = [sys.executable, str(ROOT / "benches" / script), "--quick", *WORDS.get(script, [])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    *table, last = done.stdout.splitlines()
    found = json.loads(last)
    for part, names in FIGURES[script].items():
        assert names <= found[part].keys()
        assert all(found[part][name] > 0 for name in names)
        assert all(any(name in line for line in table) for name in names)
    assert found["machine"]["commit"]
    if part := found.get("negotiation"):
        assert part["sections"] == 200
