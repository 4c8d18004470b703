"""The page's certificate: one that was given, or a self-signed one (a phone on the LAN has no camera without https)."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from sfu import _core
from sfu.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["check_certificate", "make_certificate"]


def check_certificate(certificate: Path, key: Path) -> None:
    """See that both files can be read and belong together. Raises `ConfigError`, naming the option."""
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{option} {path}: {error.strerror}") from error
    try:
        # A password could only be asked for on a terminal that nobody watches.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"--tls-cert {certificate} and --tls-key {key} do not go together: "
            f"they must be a PEM certificate (chain) and its private key without a password ({error})"
        ) from error


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
