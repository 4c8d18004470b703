"""Which release this is."""

from importlib import metadata

__all__ = ["VERSION"]


def _version() -> str:
    try:
        return metadata.version("sfu")
    except metadata.PackageNotFoundError:  # used from a source tree
        return "0+unknown"


VERSION = _version()
"""As the installed package says."""
