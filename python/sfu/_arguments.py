"""Checks of what callers give. Each error names the argument and says what it may be.

Invariant: what has passed here is never refused by the data plane for its type.
"""

from __future__ import annotations

from typing import Any

__all__ = ["check_choice", "check_flag", "check_seconds", "check_text", "check_whole"]


def check_text(name: str, value: object, hint: str = "") -> None:
    """A `str`."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str{f' ({hint})' if hint else ''}, not {type(value).__name__}")


def check_flag(name: str, value: object) -> None:
    """A `bool`, not something that merely counts as one: `"no"` would."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r}")


def check_whole(name: str, value: Any, low: int, high: int, hint: str = "") -> None:
    """An `int` from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int{f' ({hint})' if hint else ''}, not {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high}{f' ({hint})' if hint else ''}, not {value}")


def check_seconds(name: str, value: Any, high: float) -> None:
    """A number of seconds from 0 to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be seconds as a number, not {type(value).__name__}")
    if not 0 <= value <= high:
        raise ValueError(f"{name} must be 0 to {high:g} seconds, not {value}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """One of a few words."""
    if value not in choices:
        *others, last = map(repr, choices)
        raise ValueError(f"{name} must be {', '.join(others)} or {last}, not {value!r}")
