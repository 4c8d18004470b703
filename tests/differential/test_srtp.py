"""SRTP against libsrtp: the same bytes out, the same verdicts in.

Both implementations seal the same random packets under the same key. What they sealed then crosses a bad network (loss,
reordering across wraps, replays, changed bits), and both receivers must say the same about every single datagram: the
same bytes, or no. Each way, what ours sealed into libsrtp and what libsrtp sealed into ours, opens at least 100 000
packets of RTP and of RTCP in each profile. Two that refuse one datagram agree, although their words for it may differ
where each looks at something else first; `Tally.compare` names the pairs of words that may.
"""

from __future__ import annotations

import heapq
import random
import struct
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pylibsrtp
import pytest
from pylibsrtp import Policy

from sfu._core import testing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROFILES = {
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    "AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12),
    "AES128_CM_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}
# Of each sealer, so that losses leave 100 000.
RTP_PACKETS = 120_000
RTCP_PACKETS = 106_000

# What libsrtp says, in our words.
VERDICTS = {
    "authentication failure": "Authentication",
    "cipher failure": "Authentication",
    "replay check failed (bad index)": "Replayed",
    "replay check failed (index too old)": "TooOld",
    "unable to perform desired validation": "Unencrypted",
    "error parsing data": "Malformed",
    "unsupported parameter": "Malformed",
}


class Theirs:
    """Libsrtp, with a replay window as wide as ours."""

    def __init__(self, profile: str, key: bytes, salt: bytes) -> None:
        self.sender = self.session(profile, key + salt, Policy.SSRC_ANY_OUTBOUND)
        self.receiver = self.session(profile, key + salt, Policy.SSRC_ANY_INBOUND)

    @staticmethod
    def session(profile: str, key: bytes, direction: int) -> pylibsrtp.Session:
        policy = Policy(key=key, ssrc_type=direction, srtp_profile=PROFILES[profile][0])
        policy.window_size = 1024
        return pylibsrtp.Session(policy)

    def unprotect_rtp(self, packet: bytes) -> bytes | str:
        try:
            return self.receiver.unprotect(packet)
        except pylibsrtp.Error as error:
            return VERDICTS[str(error)]

    def unprotect_rtcp(self, packet: bytes) -> bytes | str:
        try:
            return self.receiver.unprotect_rtcp(packet)
        except pylibsrtp.Error as error:
            return VERDICTS[str(error)]


class Ours:
    def __init__(self, profile: str, key: bytes, salt: bytes) -> None:
        self.srtp = testing.Srtp(profile, key, salt)

    def unprotect_rtp(self, packet: bytes) -> bytes | str:
        try:
            return self.srtp.unprotect_rtp(packet)
        except ValueError as error:
            return broken(str(error))

    def unprotect_rtcp(self, packet: bytes) -> bytes | str:
        try:
            return self.srtp.unprotect_rtcp(packet)
        except ValueError as error:
            return broken(str(error))


def broken(verdict: str) -> str:
    """Libsrtp has one word for whatever cannot be parsed."""
    return "Malformed" if verdict == "TooShort" else verdict


@dataclass
class Stream:
    ssrc: int
    index: int

    def advance(self, rng: random.Random) -> int:
        """This index; the next one lies behind a gap that a receiver can follow, so that every stream wraps."""
        index, gap = self.index, rng.random()
        self.index += 1 if gap < 0.8 else rng.randrange(1, 40) if gap < 0.995 else rng.randrange(1, 3000)
        return index


@dataclass
class Tally:
    """What was seen, so that a test that looks at nothing does not pass."""

    verdicts: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)

    def compare(self, packet: bytes, ours: bytes | str, theirs: bytes | str) -> None:
        if ours == "Malformed" and isinstance(theirs, str):
            # Libsrtp leaves the version to the tag, and looks at the replay window before it looks for the tag's room.
            theirs = ours
        elif ours == "Unencrypted" and theirs in ("Authentication", "Replayed", "TooOld"):
            # With an AEAD cipher libsrtp would take authentic RTCP in the clear, so it looks on; we refuse it unseen.
            theirs = ours
        if ours != theirs:
            self.disagreements.append(f"{packet.hex()}: ours {ours!r}, theirs {theirs!r}")
        self.verdicts[ours if isinstance(ours, str) else "opened"] += 1

    def report(self, what: str) -> None:
        print(f"{what}: {dict(self.verdicts)}, {len(self.disagreements)} disagreements")


def rtp_packet(rng: random.Random, ssrc: int, index: int) -> bytes:
    """A packet with any number of CSRCs, with or without a header extension, of any size down to no payload."""
    csrcs = rng.choice((0, 0, 0, 1, 2, 15))
    extension = rng.choice((None, None, 0, 1, 3, 20))
    first = 0x80 | (0x10 if extension is not None else 0) | csrcs
    header = struct.pack("!BBHLL", first, rng.randrange(256), index & 0xFFFF, rng.getrandbits(32), ssrc)
    header += rng.randbytes(4 * csrcs)
    if extension is not None:
        header += struct.pack("!HH", rng.choice((0xBEDE, 0x1000, 0x1234)), extension) + rng.randbytes(4 * extension)
    size = rng.choice((0, 1, 15, 16, 17, 20, 60, 100, 160, rng.randrange(1200)))
    return header + rng.randbytes(size)


def rtcp_packet(rng: random.Random, ssrc: int) -> bytes:
    words = rng.choice((0, 1, 5, 12, rng.randrange(250)))
    return struct.pack("!BBHL", 0x80, rng.randrange(200, 208), 1 + words, ssrc) + rng.randbytes(4 * words)


def bad_network(rng: random.Random, packets: list[bytes], delay: int) -> Iterator[bytes]:
    """Loses, reorders, repeats and changes packets."""
    under_way: list[tuple[int, int, bytes]] = []
    number = 0
    for now, packet in enumerate(packets):
        for arrival in arrivals(rng, now, delay):
            heapq.heappush(under_way, (arrival, number, packet))
            number += 1
        if rng.random() < 0.03:
            heapq.heappush(under_way, (now, number, changed(rng, packet)))
            number += 1
        while under_way and under_way[0][0] <= now:
            yield heapq.heappop(under_way)[2]
    while under_way:
        yield heapq.heappop(under_way)[2]


def arrivals(rng: random.Random, now: int, delay: int) -> list[int]:
    lot = rng.random()
    if lot < 0.02:
        return []
    if lot < 0.80:
        return [now]
    if lot < 0.97:
        return [now + rng.randrange(20)]
    if lot < 0.98:
        return [now + rng.randrange(delay)]
    return [now, now + rng.randrange(delay)]


def changed(rng: random.Random, packet: bytes) -> bytes:
    match rng.randrange(4):
        case 0:
            return packet[: rng.randrange(len(packet))]
        case 1:
            return packet + rng.randbytes(rng.randrange(1, 20))
        case 2:
            return rng.randbytes(rng.randrange(80))
        case _:
            bit = rng.randrange(8 * min(len(packet), rng.choice((1, 16, 40, 1500))))
            copy = bytearray(packet)
            copy[bit // 8] ^= 1 << bit % 8
            return bytes(copy)


@pytest.mark.parametrize("profile", PROFILES)
def test_rtp_agrees_with_libsrtp(profile: str) -> None:
    rng = random.Random(f"rtp {profile}")
    key, salt = key_and_salt(rng, profile)
    ours, theirs = Ours(profile, key, salt), Theirs(profile, key, salt)
    streams = [Stream(rng.getrandbits(32), start) for start in (0, 5, 0x7FFF, 0x8000, 0xFFF0)]

    clear: dict[bytes, bytes] = {}
    for _ in range(RTP_PACKETS):
        stream = rng.choice(streams)
        index = stream.advance(rng)
        packet = rtp_packet(rng, stream.ssrc, index)
        sealed = ours.srtp.protect_rtp(packet, index >> 16)
        assert sealed == theirs.sender.protect(packet)
        clear[sealed] = packet
    assert min(stream.index for stream in streams) > 3 << 16, "every stream wraps"

    # The bytes are equal, so each receiver opens what the other implementation sealed: both ways at a time.
    tally = Tally()
    for packet in bad_network(rng, list(clear), delay=8000):
        verdict = ours.unprotect_rtp(packet)
        tally.compare(packet, verdict, theirs.unprotect_rtp(packet))
        assert isinstance(verdict, str) or verdict == clear[packet]
    tally.report(profile)
    assert tally.disagreements == []
    assert tally.verdicts["opened"] > 100_000
    assert min(tally.verdicts[verdict] for verdict in ("Replayed", "TooOld", "Authentication", "Malformed")) > 100


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("sealer", ["ours", "theirs"])
def test_rtcp_agrees_with_libsrtp(profile: str, sealer: str) -> None:
    rng = random.Random(f"rtcp {profile} {sealer}")
    key, salt = key_and_salt(rng, profile)
    ours, theirs = Ours(profile, key, salt), Theirs(profile, key, salt)
    seal: Callable[[bytes], bytes] = ours.srtp.protect_rtcp if sealer == "ours" else theirs.sender.protect_rtcp
    ssrcs = [rng.getrandbits(32) for _ in range(3)]

    clear: dict[bytes, bytes] = {}
    for _ in range(RTCP_PACKETS):
        packet = rtcp_packet(rng, rng.choice(ssrcs))
        clear[seal(packet)] = packet

    tally = Tally()
    for packet in bad_network(rng, list(clear), delay=1000):
        verdict = ours.unprotect_rtcp(packet)
        tally.compare(packet, verdict, theirs.unprotect_rtcp(packet))
        assert isinstance(verdict, str) or verdict == clear[packet]
    tally.report(f"{profile} RTCP sealed by {sealer}")
    assert tally.disagreements == []
    assert tally.verdicts["opened"] > 100_000
    assert min(tally.verdicts[v] for v in ("Replayed", "TooOld", "Authentication", "Malformed", "Unencrypted")) > 20


@pytest.mark.parametrize("profile", PROFILES)
def test_rtcp_bytes_are_those_of_libsrtp(profile: str) -> None:
    rng = random.Random(f"rtcp bytes {profile}")
    key, salt = key_and_salt(rng, profile)
    ours, theirs = Ours(profile, key, salt), Theirs(profile, key, salt)
    # Libsrtp counts from 1, we from 0 as RFC 3711 §3.4 has it.
    ours.srtp.protect_rtcp(rtcp_packet(rng, 1))
    for _ in range(2000):
        packet = rtcp_packet(rng, 1)
        assert ours.srtp.protect_rtcp(packet) == theirs.sender.protect_rtcp(packet)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_second_seal_of_one_index_is_refused(profile: str) -> None:
    rng = random.Random(profile)
    srtp = testing.Srtp(profile, *key_and_salt(rng, profile))
    srtp.protect_rtp(rtp_packet(rng, 1, 7), 0)
    with pytest.raises(ValueError, match="IndexReused"):
        srtp.protect_rtp(rtp_packet(rng, 1, 7), 0)


def test_wrong_keys_are_named() -> None:
    with pytest.raises(ValueError, match="profile is one of AEAD_AES_128_GCM, "):
        testing.Srtp("NULL", b"", b"")
    with pytest.raises(ValueError, match="takes 16 bytes of key and 12 of salt"):
        testing.Srtp("AEAD_AES_128_GCM", bytes(16), bytes(14))


def key_and_salt(rng: random.Random, profile: str) -> tuple[bytes, bytes]:
    _, key_len, salt_len = PROFILES[profile]
    return rng.randbytes(key_len), rng.randbytes(salt_len)
