"""For all tests: property tests find the same cases on every machine, and no machine is too slow for them."""

from hypothesis import settings
from skips import pytest_make_collect_report, pytest_runtest_makereport

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

settings.register_profile("house", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("house")
