"""The same packets from every kind of capture, in whatever numbers, give the same replay."""

import json
import random
import struct
from collections import Counter
from pathlib import Path

import pytest
from streams import rtp
from streams.judge import judge
from streams.source import RECORDINGS, load
from typer.testing import CliRunner

from sfu._core import testing
from sfu.cli import app

SCHEDULE = "0 2 2\n1.0 0 2 # down\n\n# and up\n2.0 2 2\n"
NAME = "vp8-simulcast"


def records(capture: bytes) -> list[tuple[int, bytes]]:
    """Milliseconds and packets of an rtpdump file."""
    rest, at, found = capture.partition(b"\n")[2], 16, []
    while at < len(rest):
        length, packet_length, offset = struct.unpack_from("!HHI", rest, at)
        found.append((offset, rest[at + 8 : at + 8 + packet_length]))
        at += length
    return found


def rtpdump(packets: list[tuple[int, bytes]]) -> bytes:
    head = b"#!rtpplay1.0 0.0.0.0/0\n" + bytes(16)
    return head + b"".join(struct.pack("!HHI", len(one) + 8, len(one), at) + one for at, one in packets)


def udp(payload: bytes, ports: tuple[int, int] = (5004, 7882)) -> bytes:
    datagram = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1")
    return head + datagram


def pcap(packets: list[tuple[int, bytes]], link: bytes = b"\0" * 12 + b"\x08\0", link_type: int = 1) -> bytes:
    frames = [(at, link + (one if one[:1] == b"\x45" else udp(one))) for at, one in packets]
    body = (struct.pack("<IIII", at // 1000, at % 1000 * 1000, len(one), len(one)) + one for at, one in frames)
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link_type) + b"".join(body)


def replay(capture: bytes, **options: object) -> tuple[list[rtp.Packet], dict]:
    source = load(NAME)
    extmap = [f"{number}={uri}" for uri, number in source.extmap.items()]
    given = {"codec": "VP8", "extmap": extmap, "schedule": SCHEDULE, "seed": 5} | options
    out, report = testing.replay(capture, **given)
    return rtp.read(out), report


def payloads(packets: list[rtp.Packet]) -> list[tuple[int, int, bool, bytes]]:
    return [(one.seq, one.timestamp, one.marker, one.payload) for one in packets]


@pytest.fixture(scope="module")
def expected() -> list[tuple[int, int, bool, bytes]]:
    packets, report = replay(load(NAME).capture)
    assert report["anomalies"] == []
    assert len({one["to"][0] for one in report["switches"] if one["to"]}) > 1
    return payloads(packets)


@pytest.mark.parametrize(
    ("link", "link_type"),
    [
        (b"\0" * 12 + b"\x08\0", 1),
        (b"\0" * 12 + b"\x81\0\0\x07\x08\0", 1),
        (b"\2\0\0\0", 0),
        (b"", 101),
        (b"\0" * 14 + b"\x08\0", 113),
        (b"\x08\0" + b"\0" * 18, 276),
    ],
)
def test_pcap_of_every_link_type(expected: list, link: bytes, link_type: int) -> None:
    packets, _ = replay(pcap(records(load(NAME).capture), link, link_type))
    assert payloads(packets) == expected


def test_what_else_is_in_a_capture_is_left_out(expected: list) -> None:
    """Audio, a subscriber's stream that the server sends, STUN and the server's own RTCP."""
    packets = records(load(NAME).capture)
    start, end = packets[0][0], packets[-1][0]
    audio = [
        (at, struct.pack("!BBHII", 0x80, 111, index, 960 * index, 77) + bytes(60))
        for index, at in enumerate(range(start, end, 20))
    ]
    back = [(at, udp(one[:8] + b"\0\0\0\x63" + one[12:], (7882, 5004))) for at, one in packets if len(one) > 900]
    stun = [(start + 1, struct.pack("!HHI", 1, 0, 0x2112A442) + bytes(12))]
    reports = [(at, udp(struct.pack("!BBHI", 0x80, 201, 1, 99), (7882, 5004))) for at in range(start, end, 500)]
    # Behind the first packet, so that the times count from the same one.
    first, *rest = packets
    everything = [first, *sorted([*rest, *audio, *back, *stun, *reports], key=lambda one: one[0])]
    got, report = replay(pcap(everything))
    assert payloads(got) == expected
    assert [one["ssrc"] for one in report["ignored"]] == [77]


def test_other_numbers_and_forms_change_nothing(expected: list) -> None:
    """Payload types that change, two-byte extensions under other ids, RIDs on every packet, other timestamps."""
    source = load(NAME)
    rids: dict[int, bytes] = {}
    changed = []
    for index, (at, data) in enumerate(records(source.capture)):
        packet = rtp.parse(at / 1000, data)
        rid = rids.setdefault(packet.ssrc, b"abc"[len(rids) : len(rids) + 1])
        block = b"".join(
            bytes([number + 100, len(value)]) + value
            for number, value in [*packet.extensions.items(), (99, b"long " + rid)]
        )
        block += bytes(-len(block) % 4)
        head = struct.pack(
            "!BBHII",
            0x90,
            packet.marker << 7 | (100 if index % 3 else 35),
            packet.seq,
            (packet.timestamp + 0xF000_0000) % 2**32,
            packet.ssrc,
        )
        changed.append((at, head + struct.pack("!HH", 0x1000, len(block) // 4) + block + packet.payload))
    extmap = [f"{number + 100}={uri}" for uri, number in source.extmap.items() if not uri.endswith("rtp-stream-id")]
    packets, report = replay(rtpdump(changed), extmap=[*extmap, "199=urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"])
    assert [one["payload_types"] for one in report["encodings"]] == [[35, 100]] * 3
    assert payloads(packets) == expected


def test_without_extmap_encodings_are_told_apart_by_their_rate(expected: list) -> None:
    packets, report = replay(load(NAME).capture, extmap=[])
    # Capture times are known more exactly with their extension.
    assert [(one.seq, one.marker, one.payload) for one in packets] == [(seq, *rest) for seq, _, *rest in expected]
    assert all(abs(one.timestamp - timestamp) <= 2 for one, (_, timestamp, *_) in zip(packets, expected, strict=True))
    rates = [one["bitrate"] for one in report["encodings"]]
    assert rates == sorted(rates)


def test_header_extensions_that_nobody_named_are_told() -> None:
    _, report = testing.replay(load("av1-l3t3").capture, codec="AV1", extmap=[], schedule="")
    assert any("no --extmap names the header extensions" in one for one in report["anomalies"]), report["anomalies"]


def test_repairs_are_recognised(expected: list) -> None:
    """Every tenth packet is missing and comes 30 ms later over RTX (RFC 4588), with nothing that names the stream."""
    packets = records(load(NAME).capture)
    kept, repairs = [], []
    for index, (at, data) in enumerate(packets):
        if index % 10 or index == 0:
            kept.append((at, data))
            continue
        packet = rtp.parse(at / 1000, data)
        head = struct.pack("!BBHII", 0x80, packet.marker << 7 | 97, index, packet.timestamp, packet.ssrc ^ 1)
        repairs.append((at + 30, head + struct.pack("!H", packet.seq) + packet.payload))
    out, report = testing.replay(
        rtpdump(sorted([*kept, *repairs], key=lambda one: one[0])),
        codec="vp8",
        extmap=[],
        schedule="0 2 2",
        seed=5,
    )
    assert [len(one["repairs"]) for one in report["encodings"]] == [1, 1, 1]
    verdict = judge(load(NAME), out, damaged=True)
    assert verdict.problems == []
    assert len(verdict.shown) >= 70


def sender_reports(packets: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """One a second for each SSRC (RFC 3550 §6.4.1), as if all first pictures had been captured at once."""
    first: dict[int, int] = {}
    for _, data in packets:
        timestamp, ssrc = struct.unpack_from("!II", data, 4)
        first.setdefault(ssrc, timestamp)
    reports = []
    for at in range(packets[0][0] + 300, packets[-1][0], 1000):
        since = at - packets[0][0]
        for ssrc, timestamp in first.items():
            ntp = (3_976_214_400 << 32) + (since << 32) // 1000
            rtp_timestamp = (timestamp + since * 90) % 2**32
            reports.append((at, struct.pack("!BBHIQIII", 0x80, 200, 6, ssrc, ntp, rtp_timestamp, 0, 0)))
    return reports


def test_sender_reports_in_the_capture_set_the_timestamps() -> None:
    """The upper encoding comes 240 ms later than the others: only reports tell what was captured together."""
    source = load(NAME)
    packets = records(source.capture)
    sizes: Counter[bytes] = Counter()
    for _, data in packets:
        sizes[data[8:12]] += len(data)
    ((late, _),) = sizes.most_common(1)
    delayed = sorted(((at + 240 * (data[8:12] == late), data) for at, data in packets), key=lambda one: one[0])
    told = sorted([*delayed, *sender_reports(packets)], key=lambda one: one[0])

    def misplaced(capture: bytes, reports: int) -> list[str]:
        out, report = testing.replay(capture, codec="vp8", extmap=[], schedule="0 2 2\n1.5 0 2\n")
        assert report["sender_reports"] == reports
        assert [one["to"][0] for one in report["switches"]][-1] == 0
        return [one for one in judge(source, out).problems if " pictures last " in one]

    assert len(misplaced(rtpdump(delayed), 0)) == 1
    assert misplaced(pcap(told), 15) == misplaced(rtpdump(told), 15) == []


@pytest.mark.parametrize("name", ["vp8-simulcast", "vp9-l3t3", "av1-l3t3-key", "h264-simulcast", "h265-simulcast"])
def test_hard_captures_are_judged_like_easy_ones(name: str) -> None:
    """A tool mixed up the order, a clock leaps, a beginning or an end is missing, the SSRC is another half-way."""
    source = load(name)
    extmap = [f"{number}={uri}" for uri, number in source.extmap.items()]
    packets = records(source.capture)
    half, mixed = len(packets) // 2, packets[:]
    random.Random(3).shuffle(mixed)
    years = 3_000_000_000
    restarted = [(at, one[:8] + bytes([one[8] ^ 1]) + one[9:]) for at, one in packets[half:]]
    for what, capture, anomaly in [
        ("mixed", pcap(mixed), "order of their times"),
        (
            "leaping",
            rtpdump([(at + years * (50 <= n < 60), one) for n, (at, one) in enumerate(packets)]),
            "leaps 2 times",
        ),
        ("without its beginning", rtpdump(packets[40:]), None),
        ("cut", rtpdump(packets)[:-7], "ends within a packet"),
        ("twice", rtpdump([one for one in packets for _ in range(2)]), "came twice"),
        ("restarted", rtpdump([*packets[:half], *restarted]), None),
    ]:
        out, report = testing.replay(capture, codec=source.codec, extmap=extmap, schedule=SCHEDULE, seed=5)
        assert [bool(anomaly and anomaly in one) for one in report["anomalies"]] == [True] * bool(anomaly), what
        verdict = judge(source, out)
        assert verdict.problems == [], what
        assert len(verdict.shown) > 25, what


def command(*words: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["replay", *map(str, words)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command(tmp_path: Path, expected: list) -> None:
    schedule = tmp_path / "schedule"
    schedule.write_text(SCHEDULE, encoding="utf-8")
    source = load(NAME)
    extmap = [f"{number}={uri}" for uri, number in source.extmap.items()]
    capture, out = RECORDINGS / f"{NAME}.rtpdump", tmp_path / "out"
    words = [capture, "--codec", "vp8", "--schedule", schedule, "--out", out, "--seed", 5]
    code, text, _ = command(*words, "--extmap", *extmap, "--json")
    assert code == 0
    report = json.loads(text)
    assert payloads(rtp.read(out)) == expected
    assert report["frames_forwarded"] + report["frames_dropped"] == report["frames"] == 225
    out.unlink()
    code, text, _ = command(*(word for one in extmap for word in ("--extmap", one)), *words)
    assert code == 0
    assert payloads(rtp.read(out)) == expected
    assert "frames forwarded" in text
    assert "chosen" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--codec", "mpeg2"], "no codec"),
        (["--extmap", "four=uri"], "no extension id"),
        (["--extmap", "4:uri"], "no ID=URI"),
        (["--extmap", "0=uri"], "no extension id"),
        (["--extmap", "4=ddd"], "neither a URI nor one of mid rid"),
        (["--loss", "2"], "share from 0 to 1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, words: list[str], message: str) -> None:
    given = {"--codec": "vp8", "--out": str(tmp_path / "out")} | dict(zip(words[::2], words[1::2], strict=True))
    code, _, errors = command(RECORDINGS / f"{NAME}.rtpdump", *(word for pair in given.items() for word in pair))
    assert code != 0
    assert message in " ".join(errors.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("schedule", "message"),
    [("1 2", "line 1"), ("# fine\n0 0 0\nsoon 1 1", "line 3"), ("0 0 -1", "line 1"), ("nan 0 0", "line 1")],
)
def test_a_wrong_schedule_names_its_line(schedule: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replay(load(NAME).capture, schedule=schedule)


@pytest.mark.parametrize(
    ("capture", "message"),
    [
        (b"", "nothing"),
        (b"RIFF1234", "not a capture"),
        (rtpdump([]), "no RTP"),
        (rtpdump([(0, bytes([22]) * 60)]), "no RTP"),
        (pcap([(0, b"x")], b"", 105), "link type 105"),
    ],
)
def test_what_is_no_capture_is_refused(capture: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replay(capture)


def test_audio_alone_is_refused() -> None:
    audio = [(20 * index, struct.pack("!BBHII", 0x80, 111, index, 960 * index, 77) + bytes(60)) for index in range(100)]
    with pytest.raises(ValueError, match=r"no video: SSRC 77 .* audio clock"):
        replay(rtpdump(audio))
