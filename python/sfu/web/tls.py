"""A self-signed certificate, so that a phone on the LAN gets https and with it a camera."""

from __future__ import annotations

import ipaddress
import subprocess
from typing import TYPE_CHECKING

from sfu.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["make_certificate"]


def make_certificate(folder: Path, names: Iterable[str]) -> tuple[Path, Path]:
    """Write a P-256 certificate for `names` (hosts and addresses), good for a year: the paths of both PEM files.

    Made by the `openssl` command. Raises `ConfigError` when there is none.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    alternatives = ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in names)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    command += ["-days", "365", "-subj", "/CN=sfu", "-addext", f"subjectAltName={alternatives}"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(
            f"a self-signed certificate needs the `openssl` command (Debian: apt install openssl): {error}; "
            "or give --tls-cert and --tls-key"
        ) from error
    key.chmod(0o600)
    return certificate, key


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
