"""Settings and the command line."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner
from websockets.asyncio.client import connect

import sfu
from sfu.cli import app
from sfu.settings import Settings
from sfu.tokens import verify
from sfu.web.tls import make_certificate

PACKAGE = str(Path(sfu.__file__).parents[1])


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("SFU_", "LIVEKIT_")):
            monkeypatch.delenv(name)


def test_variables_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFU_PORT", "9000")
    monkeypatch.setenv("SFU_HOST", "0.0.0.0")
    monkeypatch.setenv("SFU_ANNOUNCE", "203.0.113.7, 2001:db8::1")
    monkeypatch.setenv("LIVEKIT_API_KEY", "k")
    monkeypatch.setenv("LIVEKIT_API_SECRET", "s")
    monkeypatch.setenv("SFU_METRICS_TOKEN", "")  # as compose files leave it
    settings = Settings(host="127.0.0.1", udp=["127.0.0.1:0"])
    assert settings.metrics_token is None
    assert (settings.host, settings.port) == ("127.0.0.1", 9000)
    assert settings.config.announced_addresses == ["203.0.113.7", "2001:db8::1"]
    assert settings.keys == {"k": "s"}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"key": "k"}, "key and secret belong together"),
        ({"tls_cert": "a"}, "tls_cert and tls_key belong together"),
        ({"tls_cert": "a", "tls_key": "b", "tls_self_signed": True}, "leave tls_cert"),
        ({"port": 70000}, "65535"),
        ({"metrics_token": ""}, "visible ASCII"),
    ],
)
def test_settings_that_cannot_work(given: dict[str, object], error: str) -> None:
    with pytest.raises(ValidationError, match=error):
        Settings(**given)  # type: ignore[arg-type]


def test_sfu_token_prints_a_token() -> None:
    result = CliRunner().invoke(
        app, ["token", "--room", "r", "--identity", "a", "--key", "k", "--secret", "s", "--admin", "--no-publish"]
    )
    claims = verify(result.stdout.strip(), {"k": "s"})
    assert (claims.identity, claims.video.room) == ("a", "r")
    assert (claims.video.room_admin, claims.video.can_publish) == (True, False)


def test_sfu_token_without_a_key_says_so() -> None:
    result = CliRunner().invoke(app, ["token", "--room", "r", "--identity", "a"])
    assert result.exit_code == 1
    assert "SFU_KEY" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        (["--room", "", "--identity", "a"], 1, "--room and an --identity that are not empty"),
        (["--room", "r", "--identity", "a", "--hours", "1e12"], 2, "--hours"),
        (["--room", "r"], 2, "--identity"),
    ],
)
def test_sfu_token_refuses_what_cannot_work(options: list[str], code: int, error: str) -> None:
    result = CliRunner().invoke(app, ["token", "--key", "k", "--secret", "s", *options])
    assert result.exit_code == code
    assert error in " ".join(result.stderr.split())


def test_the_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"sfu {sfu.__version__}\n")


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        (["--key", "k"], 2, "belong together"),
        (["--udp", "7882"], 1, "HOST:PORT"),
        (["--log-level", "loud"], 1, "trace, debug"),
        (["--host", "192.0.2.1"], 1, "choose another --host"),
        (["--udp", "[fe80::1]:0"], 1, "[fe80::1]:"),
        (["--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"], 1, "--tls-cert /nowhere.pem: No such file"),
        (["--tls-cert", __file__, "--tls-key", __file__], 1, "a PEM certificate (chain) and its private key"),
    ],
)
def test_sfu_serve_refuses_what_cannot_work(options: list[str], code: int, error: str) -> None:
    result = CliRunner().invoke(app, ["serve", "--port", "0", "--udp", "127.0.0.1:0", *options])
    assert result.exit_code == code
    assert error in " ".join(result.stderr.split())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
async def test_sfu_serve_serves_and_ends_cleanly(tls: bool, end: signal.Signals) -> None:
    port = free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), *(["--tls-self-signed"] * tls)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "sfu", "serve", *options),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": PACKAGE, "SFU_UDP": "127.0.0.1:0"},  # an option not given leaves it alone
    )
    assert process.stderr is not None
    shown = ""
    async with asyncio.timeout(30):
        while "Ctrl-C" not in shown:
            line = (await process.stderr.readline()).decode()
            assert line, f"it ended:\n{shown}"
            shown += line
    assert f"http{'s' * tls}://localhost:{port}/" in shown
    assert "Open to everybody" in shown
    verify_tls = ssl.create_default_context() if not tls else False
    async with httpx.AsyncClient(verify=verify_tls) as client:
        url = f"http{'s' * tls}://127.0.0.1:{port}"
        assert (await client.get(f"{url}/healthz")).json() == {"status": "ok"}
        assert "sfu_sessions 0.0" in (await client.get(f"{url}/metrics")).text
    told: list[str] = []
    context = ssl._create_unverified_context() if tls else None
    async with asyncio.timeout(30), connect(f"ws{'s' * tls}://127.0.0.1:{port}/ws", ssl=context) as socket_:
        await socket_.send('{"type": "join", "room": "r"}')
        told.append(json.loads(await socket_.recv())["type"])
        process.send_signal(end)
        told += [json.loads(text).get("reason") for text in [text async for text in socket_]]
        rest = (await process.stderr.read()).decode()
        assert await process.wait() == 0
    assert told == ["joined", "server_closed"]
    assert "Traceback" not in rest


def test_the_certificate_names_its_hosts(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, ["localhost", "127.0.0.1", "::1"])
    assert key.stat().st_mode & 0o777 == 0o600
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    for name in ("localhost", "127.0.0.1", "::1"):
        shake_hands(context, trusting, name)
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(context, trusting, "example.org")
    made = shake_hands(context, trusting, "localhost")
    begin, end = (ssl.cert_time_to_seconds(str(made[when])) for when in ("notBefore", "notAfter"))
    assert begin < time.time() < end
    assert round((end - time.time()) / 86400) == 90


def shake_hands(context: ssl.SSLContext, trusting: ssl.SSLContext, name: str) -> dict[str, Any]:
    """TLS in memory between a server and a client that asks for `name`: what the client saw of the certificate."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(up, down, server_side=True)
    client = trusting.wrap_bio(down, up, server_hostname=name)
    waiting = [client, server]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)
    return dict(client.getpeercert() or {})


def test_a_name_that_no_certificate_can_carry(tmp_path: Path) -> None:
    with pytest.raises(sfu.ConfigError, match="--tls-cert"):
        make_certificate(tmp_path, ["m\N{LATIN SMALL LETTER U WITH DIAERESIS}nchen"])
