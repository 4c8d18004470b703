"""A self-signed certificate, so that a phone on the LAN gets https and with it a camera."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sfu import _core
from sfu.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["make_certificate"]


def make_certificate(folder: Path, names: Iterable[str]) -> tuple[Path, Path]:
    """Write a P-256 certificate for `names` (hosts and addresses), good for 90 days: the paths of both PEM files.

    Raises `ConfigError` for a name that no certificate can carry.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    try:
        texts = _core.self_signed(list(names))
    except ValueError as error:
        raise ConfigError(f"no certificate for this machine: {error}; give --tls-cert and --tls-key") from error
    for path, text in zip((certificate, key), texts, strict=True):
        # Nobody else reads the key, not even for the moment before a chmod.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
    return certificate, key
