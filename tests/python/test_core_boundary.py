"""The border to the data plane: `sfu._core` as `NativeBackend` uses it, without an event loop."""

from __future__ import annotations

import datetime
import errno
import hashlib
import os
import select
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from skips import missing

from sfu import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK: dict[str, Any] = {"udp": ["127.0.0.1:0"], "announce": []}
NEVER = 2**63 + 5
"""An id that no data plane makes."""


@pytest.fixture
def core() -> Iterator[_core.Core]:
    """A running data plane."""
    core = _core.Core(**LOOPBACK)
    yield core
    core.close()


def readable(core: _core.Core, seconds: float = 0) -> bool:
    """Whether the outbox holds something."""
    return bool(select.select([core.event_fd()], [], [], seconds)[0])


def drain(core: _core.Core, replies: int) -> tuple[dict[int, Any], list[_core.Event], list[tuple[int, str, str]]]:
    """Drain until there are so many replies."""
    answers: dict[int, Any] = {}
    events: list[_core.Event] = []
    logs: list[tuple[int, str, str]] = []
    while len(answers) < replies:
        assert readable(core, 10), f"only {len(answers)} of {replies} replies came"
        drained = core.drain()
        answers.update(drained.replies)
        events += drained.events
        logs += drained.logs
    return answers, events, logs


def ask(core: _core.Core, ticket: int) -> Any:
    """The answer to one command."""
    return drain(core, 1)[0][ticket]


def create_room(core: _core.Core) -> int:
    """A room without limits."""
    return core.create_room(max_sessions=None, video_codecs=[], audio_codecs=[])


def join(core: _core.Core, room: int, **changes: Any) -> int:
    """A session with everything allowed."""
    options: dict[str, Any] = {
        "offers": "either",
        "label": "sfu",
        "auto_subscribe": True,
        "publish_audio": True,
        "publish_video": True,
    }
    return core.join(room, **(options | changes))


def threads_and_descriptors() -> tuple[int, int]:
    """How many of both this process has."""
    return len(list(Path("/proc/self/task").iterdir())), len(list(Path("/proc/self/fd").iterdir()))


def test_start_and_close_leave_no_thread_and_no_descriptor() -> None:
    """Closed or just dropped."""
    _core.Core(**LOOPBACK).close()
    before = threads_and_descriptors()
    for number in range(20):
        core = _core.Core(**LOOPBACK)
        create_room(core)
        if number % 2:
            core.close()
        del core
    deadline = time.monotonic() + 5  # the kernel forgets a joined thread a moment after it wakes the joiner
    while threads_and_descriptors() != before and time.monotonic() < deadline:
        os.sched_yield()
    assert threads_and_descriptors() == before


def test_close_is_idempotent_and_ends_commands(core: _core.Core) -> None:
    """What was asked before is answered, what is asked after is refused."""
    ticket = core.sfu_stats()
    core.close()
    core.close()
    assert isinstance(ask(core, ticket), _core.SfuStats)
    with pytest.raises(RuntimeError, match="closed"):
        core.sfu_stats()
    assert core.drain().replies == []


def test_one_wake_for_a_batch(core: _core.Core) -> None:
    """The descriptor is written only when the outbox goes from empty to non-empty."""
    drain_of_start = core.sfu_stats()
    ask(core, drain_of_start)
    assert not readable(core)
    tickets = [core.sfu_stats() for _ in range(50)]
    core.close()  # all are answered then
    assert os.read(core.event_fd(), 8) == (1).to_bytes(8, sys.byteorder)
    assert [ticket for ticket, _ in core.drain().replies] == tickets
    assert not readable(core)


def test_rooms_and_sessions(core: _core.Core) -> None:
    """Ids come back, statistics count them, a limit is kept."""
    room = ask(core, core.create_room(max_sessions=1, video_codecs=["VP8"], audio_codecs=["opus"]))
    assert isinstance(room, int)
    session = ask(core, join(core, room))
    assert isinstance(session, int)
    stats = ask(core, core.sfu_stats())
    assert (stats.rooms, stats.sessions, stats.tracks, stats.dropped.malformed) == (1, 1, 0, 0)
    full = ask(core, join(core, room))
    assert isinstance(full, _core.CommandFailed)
    assert full.code == "room_full"
    assert ask(core, core.room_stats(room)).sessions[0].session == session
    assert ask(core, core.close_room(room)) is None


def test_commands_about_nothing_are_refused_by_name(core: _core.Core) -> None:
    """Each command answers with the code of what is not there."""
    commands = {
        "room_closed": [core.close_room(NEVER), join(core, NEVER), core.room_stats(NEVER)],
        "session_closed": [
            core.close_session(NEVER),
            core.receive(NEVER, "main", "offer", "v=0", None),
            core.add_candidate(NEVER, "main", "candidate:1 1 udp 1 127.0.0.1 1 typ host"),
            core.restart_ice(NEVER, "main", "ufrag", "pwd"),
            core.offer_ice_restart(NEVER, "main"),
            core.subscribe(NEVER, NEVER, (0, 0)),
            core.open_channel(NEVER, label="", protocol="", ordered=True, max_retransmits=None, max_lifetime=None),
            core.session_stats(NEVER),
        ],
        "subscription_ended": [
            core.unsubscribe(NEVER),
            core.set_layer(NEVER, None),
            core.set_paused(NEVER, True),
        ],
        "track_ended": [
            core.set_muted(NEVER, True),
            core.request_keyframe(NEVER),
            core.dump(NEVER, 1.0, 1000),
        ],
        "channel_closed": [core.send_message(NEVER, True, b""), core.close_channel(NEVER)],
    }
    answers, _, _ = drain(core, sum(map(len, commands.values())))
    found = {code: {answers[ticket].code for ticket in tickets} for code, tickets in commands.items()}
    assert found == {code: {code} for code in commands}


def test_answers_match_by_position_and_are_frozen(core: _core.Core) -> None:
    """`__match_args__` and no way to write."""
    match ask(core, core.close_room(NEVER)):
        case _core.CommandFailed(code, message) as failed:
            assert (code, message) == ("room_closed", "the room is closed")
            assert repr(failed) == "CommandFailed(code='room_closed', message='the room is closed')"
            with pytest.raises(AttributeError):
                failed.code = "other"  # type: ignore[misc, assignment]
        case other:
            pytest.fail(f"{other!r}")


def test_a_wrong_description_names_its_line(core: _core.Core) -> None:
    """The session survives it."""
    room = ask(core, create_room(core))
    session = ask(core, join(core, room))
    failed = ask(core, core.receive(session, "main", "offer", "nonsense", None))
    assert failed.code == "negotiation"
    assert failed.message
    assert ask(core, core.session_stats(session)).session == session
    failed = ask(core, core.receive(session, "publisher", "offer", "v=0", None))
    assert failed.code == "no_such_transport"
    assert failed.message.startswith('this session has no transport "publisher"')


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"udp": ["localhost:7882"]}, '"0.0.0.0:7882"'),
        ({"udp": ["7882"]}, "udp"),
        ({"udp": []}, '"0.0.0.0:7882"'),
        ({"announce": ["203.0.113.7:7882"]}, "no port"),
        ({"announce": ["example.org"]}, "announce"),
        ({"announce": ["2001:db8::1"]}, r"\[::\]:7882"),
        ({"announce": ["0.0.0.0"]}, "announce"),
        ({"shards": 0}, "shards"),
        ({"shards": 257}, "256"),
        ({"log_level": "loud"}, '"warning"'),
        ({"consent_timeout": -1.0}, "consent_timeout"),
        ({"close_timeout": float("nan")}, "close_timeout"),
        ({"certificate_pem": "x"}, "both"),
        ({"certificate_pem": "x", "private_key_pem": "y"}, "certificate"),
    ],
)
def test_wrong_settings_say_what_to_change(changes: dict[str, Any], says: str) -> None:
    """`ValueError`, and nothing is left running."""
    before = threads_and_descriptors()
    with pytest.raises(ValueError, match=says):
        _core.Core(**(LOOPBACK | changes))
    assert threads_and_descriptors() == before


def test_wrong_arguments_of_commands_say_what_to_change(core: _core.Core) -> None:
    """Words, layers and times are checked before anything is posted."""
    refused: list[tuple[str, Any]] = [
        ("offers", lambda: join(core, 1, offers="both")),
        ("transport", lambda: core.receive(1, "other", "offer", "", None)),  # type: ignore[arg-type]
        ("type", lambda: core.receive(1, "main", "pranswer", "", None)),  # type: ignore[arg-type]
        ("max_layer", lambda: core.set_layer(1, (8, 0))),
        ("max_layer", lambda: core.subscribe(1, 1, (0, -1))),
        ("seconds", lambda: core.dump(1, -1.0, 10)),
        ("video_codecs", lambda: core.create_room(max_sessions=None, video_codecs=["H266"], audio_codecs=[])),  # type: ignore[list-item]
        (
            "max_lifetime",
            lambda: core.open_channel(1, label="", protocol="", ordered=True, max_retransmits=1, max_lifetime=1.0),
        ),
    ]
    for says, command in refused:
        with pytest.raises(ValueError, match=says):
            command()
    with pytest.raises(TypeError):
        core.close_room("room")  # type: ignore[arg-type]
    assert ask(core, core.sfu_stats()).rooms == 0, "the next command is the first that was posted"


def test_a_port_in_use_is_named(core: _core.Core) -> None:
    """`OSError` with its errno."""
    taken = core.candidates()[0]
    with pytest.raises(OSError, match=f"port {taken.rpartition(':')[2]} is in use") as caught:
        _core.Core(udp=[taken], announce=[])
    assert caught.value.errno == errno.EADDRINUSE


def test_an_address_of_another_machine_is_named() -> None:
    """The hint is `announce`."""
    with pytest.raises(OSError, match="announce") as caught:
        _core.Core(udp=["192.0.2.1:0"], announce=[])
    assert caught.value.errno == errno.EADDRNOTAVAIL


def test_candidates_are_what_peers_can_reach() -> None:
    """One port for everybody, announced addresses first and alone when given."""
    wide = _core.Core(udp=["0.0.0.0:0"], announce=[])
    port = wide.candidates()[0].rpartition(":")[2]
    assert f"127.0.0.1:{port}" in wide.candidates()
    assert {candidate.rpartition(":")[2] for candidate in wide.candidates()} == {port}
    wide.close()
    announced = _core.Core(udp=["0.0.0.0:0"], announce=["203.0.113.7", "198.51.100.7"])
    assert [candidate.partition(":")[0] for candidate in announced.candidates()] == ["203.0.113.7", "198.51.100.7"]
    announced.close()


def test_both_families_share_a_port() -> None:
    """`[::]` alone binds IPv4 too."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        missing("this machine has no IPv6 loopback")
    core = _core.Core(udp=["[::]:0"], announce=["127.0.0.1", "::1"])
    four, six = core.candidates()
    assert four.partition(":")[0] == "127.0.0.1"
    assert six == f"[::1]:{four.partition(':')[2]}"
    core.close()


def test_a_capped_buffer_is_a_warning() -> None:
    """It names the setting of the kernel."""
    core = _core.Core(**LOOPBACK, receive_buffer=2**40)
    assert any("net.core.rmem_max" in warning for warning in core.warnings())
    core.close()


def test_own_certificate() -> None:
    """The fingerprint is that of the certificate given."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sfu")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    core = _core.Core(
        **LOOPBACK,
        certificate_pem=certificate.public_bytes(serialization.Encoding.PEM).decode(),
        private_key_pem=pem.decode(),
    )
    digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()
    assert core.fingerprint() == "sha-256 " + ":".join(f"{byte:02X}" for byte in digest)
    core.close()


def test_logs_come_with_the_levels_of_logging(core: _core.Core) -> None:
    """And not at all below the level."""
    _, _, logs = drain(core, len([create_room(core)]))
    assert any(level == 20 and target.startswith("sfu_runtime") for level, target, _ in logs)
    quiet = _core.Core(**LOOPBACK, log_level="error")
    _, _, logs = drain(quiet, len([create_room(quiet)]))
    assert logs == []
    quiet.close()


def test_two_in_one_process_do_not_hear_each_other(core: _core.Core) -> None:
    """Replies and logs stay apart."""
    other = _core.Core(**LOOPBACK, log_level="off")
    mine, theirs = create_room(core), [create_room(other), other.sfu_stats()]
    answers, _, logs = drain(other, 2)
    assert set(answers) == set(theirs)
    assert logs == []
    assert set(drain(core, 1)[0]) == {mine}
    other.close()
    assert isinstance(ask(core, core.sfu_stats()), _core.SfuStats)


def test_garbage_is_counted_and_dropped(core: _core.Core) -> None:
    """Datagrams that are nothing known change nothing but counters."""
    host, _, port = core.candidates()[0].rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        for size in range(100):
            peer.sendto(bytes([255 - size]) * size, (host, int(port)))
    deadline = time.monotonic() + 10
    while (stats := ask(core, core.sfu_stats())).datagrams_received < 100:
        assert time.monotonic() < deadline, stats
    dropped = stats.dropped
    assert dropped.malformed + dropped.unknown_path == 100
    assert dropped.kernel == 0


def run(script: str) -> subprocess.CompletedProcess[str]:
    """A script in a process of its own; what it prints."""
    preamble = "import os, select, sys\nfrom sfu import _core\ncore = _core.Core(udp=['127.0.0.1:0'], announce=[])\n"
    return subprocess.run(
        [sys.executable, "-c", preamble + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_fork_is_told_and_harms_nobody() -> None:
    """The child gets errors instead of dead locks; the parent goes on; a new data plane works in the child."""
    done = run("""
        child = os.fork()
        if child == 0:
            texts = []
            for use in (core.sfu_stats, core.drain):
                try:
                    use()
                except RuntimeError as error:
                    texts.append(str(error))
            core.close()
            del core
            new = _core.Core(udp=['127.0.0.1:0'], announce=[])
            new.sfu_stats()
            answered = bool(select.select([new.event_fd()], [], [], 10)[0])
            new.close()
            os._exit(0 if answered and len(texts) == 2 and all('fork' in text for text in texts) else 1)
        _, status = os.waitpid(child, 0)
        ticket = core.sfu_stats()
        while ticket not in dict(core.drain().replies):
            select.select([core.event_fd()], [], [], 10)
        core.close()
        print(os.waitstatus_to_exitcode(status))
    """)
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr


def test_an_exit_without_close_is_clean() -> None:
    """The interpreter ends, whatever still runs."""
    done = run("core.sfu_stats()")
    assert (done.returncode, done.stderr) == (0, "")
