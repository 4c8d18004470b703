"""Where everything is meant to be there (`CI=true`), a test that skips has failed.

A browser that could not be installed would otherwise hide behind a green run. At a developer's desk the same test skips
with its reason.
"""

import os
from collections.abc import Generator
from typing import Any, NoReturn

import pytest

_NO = ("", "0", "false", "no")


def missing(what: str) -> NoReturn:
    """Skip the test that runs: this machine lacks `what`, which says how to get it. With `CI` set that is a failure."""
    # The one skip of the suite: a developer without a second browser can still run the rest.
    pytest.skip(what)


def forbidden() -> bool:
    """Whether this run is one in which nothing may be missing."""
    return os.environ.get("CI", "").lower() not in _NO


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test, or one whose fixture skips."""
    report = yield
    if forbidden() and not hasattr(report, "wasxfail"):
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips as a whole."""
    report = yield
    if forbidden():
        _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: Any) -> None:
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{reason}; with CI set nothing may be missing"
