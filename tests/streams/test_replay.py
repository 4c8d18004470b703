"""Recorded streams through the SFU, decoded by real decoders: what a subscriber gets shows what the publisher drew."""

import random

import pytest
from streams.judge import Verdict, judge
from streams.source import NAMES, Source, load, spatial_layers

from sfu._core import testing

TARGETS = [
    pytest.param(name, (spatial, temporal), id=f"{name}-S{spatial}T{temporal}")
    for name in NAMES
    for spatial in range(spatial_layers(name))
    for temporal in range(3)
]


def replayed(source: Source, schedule: str, **options: float) -> tuple[bytes, dict]:
    extmap = [f"{number}={uri}" for uri, number in source.extmap.items()]
    return testing.replay(source.capture, codec=source.codec, extmap=extmap, schedule=schedule, **options)


def assert_clean(verdict: Verdict, what: str) -> None:
    assert not verdict.problems, "\n  ".join([f"{what}: {len(verdict.problems)} problems", *verdict.problems[:8]])


def random_schedule(seed: int, seconds: float = 5.0) -> str:
    """Dwelling 30 ms to 2 s, log-uniform."""
    chance = random.Random(seed)
    at, lines = 0.0, []
    while at < seconds:
        lines.append(f"{at:.3f} {chance.randrange(3)} {chance.randrange(3)}")
        at += 0.03 * (2 / 0.03) ** chance.random()
    return "\n".join(lines)


@pytest.mark.parametrize(("name", "target"), TARGETS)
def test_a_steady_target_gets_all_of_its_layer_and_nothing_else(name: str, target: tuple[int, int]) -> None:
    source = load(name)
    spatial, temporal = target
    out, report = replayed(source, f"0 {spatial} {temporal}")
    verdict = judge(source, out)
    assert_clean(verdict, f"{name} at {target}")
    # Lower encodings may come first while the target's keyframe is awaited.
    start = next(index for index, one in enumerate(verdict.shown) if one.spatial == spatial)
    got = [one.counter for one in verdict.shown[start:]]
    wanted = [
        one.counter for one in source.layers[spatial] if one.temporal <= temporal and source.can_show(one, spatial)
    ]
    assert got == wanted[wanted.index(got[0]) :]
    assert wanted.index(got[0]) == 0
    assert all(one in source.layers[spatial] for one in verdict.shown[start:])
    assert report["anomalies"] == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(4))
def test_random_targets_never_show_a_wrong_picture(name: str, seed: int) -> None:
    source = load(name)
    out, _ = replayed(source, random_schedule(seed), seed=seed)
    verdict = judge(source, out)
    assert_clean(verdict, f"{name} with schedule {seed}")
    assert len(verdict.shown) >= 10


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("loss", "reorder"), [(0.0, 20), (0.02, 0), (0.1, 30)])
def test_damage_on_the_way_in_never_shows_a_wrong_picture(name: str, loss: float, reorder: int) -> None:
    source = load(name)
    out, report = replayed(source, random_schedule(7), loss=loss, reorder=reorder, seed=3)
    verdict = judge(source, out, damaged=True)
    assert_clean(verdict, f"{name} with loss {loss} and reordering {reorder}")
    assert (report["packets_lost"] > 0) == (loss > 0)
