"""What a bench says of runs that its machine did not carry."""

import json
import sys
from pathlib import Path

import pytest

BENCHES = str(Path(__file__).parents[2] / "benches")


@pytest.fixture(autouse=True)
def called_for_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHES)
    monkeypatch.setattr(sys, "argv", ["bench.py", "--json", "--rounds", "2"])


def test_the_line_comes_in_any_case_and_the_end_names_a_smaller_load(capsys: pytest.CaptureFixture[str]) -> None:
    from support.measure import Bench, Figures, Void

    def crowd(number: int) -> Figures:
        raise Void(f"{number + 3} % were lost")

    bench = Bench("", package=None, smaller="--people 3")
    with pytest.raises(SystemExit, match=r"^void: no run of crowd could .*; a smaller load: --people 3$"):
        bench.each({"crowd": crowd, "calm": lambda number: {"ns": number + 1.0}})
    found = json.loads(capsys.readouterr().out)
    assert found["void"] == 2
    assert found["void_because"] == ["crowd: 3 % were lost", "crowd: 4 % were lost"]
    assert found["calm"] == {"ns": 1.5}
    assert "crowd" not in found


def test_figures_count_that_were_taken_beside_void_runs(capsys: pytest.CaptureFixture[str]) -> None:
    from support.measure import Bench, Figures, Void

    def crowd(number: int) -> Figures:
        if number == 0:
            raise Void("it was late")
        return {"ns": 7.0}

    Bench("", package=None).each({"crowd": crowd})
    found = json.loads(capsys.readouterr().out)
    assert (found["void"], found["crowd"]) == (1, {"ns": 7.0})


def test_what_a_program_says_that_gives_up_is_why_its_run_is_void() -> None:
    from support.measure import Bench, Void

    panic = "thread 'main' panicked at mod.rs:191:13:\\nstill not: media\\nnote: run with `RUST_BACKTRACE=1`"
    with pytest.raises(Void, match=r"^still not: media$"):
        Bench("", package=None).take(0, ["-c", f'import sys; sys.exit("{panic}")'], Path(sys.executable))


@pytest.mark.parametrize(
    ("sent", "loss", "why"), [(97.0, 0.0, "97 packets a second, not 100"), (100.0, 0.002, "0.20% were lost, 3 packets")]
)
def test_a_run_counts_only_if_it_came_to_its_rate_and_lost_nothing_to_speak_of(
    sent: float, loss: float, why: str
) -> None:
    from support.limit import carried
    from support.measure import Void

    figures = {"packets_in_per_second": sent, "loss": loss, "kernel_drops": 3.0}
    with pytest.raises(Void, match=why):
        carried(figures, rate=100)
    assert carried({**figures, "packets_in_per_second": 98.0, "loss": 0.001}, rate=100)
