"""`sfu torture`: the command line of the simulator's judge. What the SFU does under it is tested in Rust."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from sfu._core import testing
from sfu.cli import app

KEYS = [
    "switches",
    "switches_applied",
    "switch_wait_ms_p95",
    "frames_forwarded",
    "frames_withheld",
    "undecodable_frames",
    "reused_sequence_numbers",
    "timestamps_backwards",
    "marker_errors",
    "nacks_never_sent",
    "gap_errors",
]


def test_json_has_exactly_the_keys_and_repeats() -> None:
    options = ["torture", "--codec", "h264", "--switches", "200", "--seed", "3", "--json"]
    first, again = (CliRunner().invoke(app, options) for _ in range(2))
    assert first.exit_code == 0, first.output
    counts = json.loads(first.stdout)
    assert list(counts) == KEYS
    assert counts["switches"] >= 200
    assert counts["frames_forwarded"] > 1000
    assert first.stdout == again.stdout


def test_another_seed_is_another_scene() -> None:
    one, _ = testing.torture("vp8", switches=100, seed=1)
    other, _ = testing.torture("vp8", switches=100, seed=2)
    assert one != other


def test_a_codec_that_there_is_not_is_named() -> None:
    result = CliRunner().invoke(app, ["torture", "--codec", "theora"])
    assert result.exit_code == 2
    with pytest.raises(ValueError, match="av1-s3t3"):
        testing.torture("theora", switches=1, seed=1)
