"""SDP fragments that WHIP and WHEP trickle (RFC 8840, `application/trickle-ice-sdpfrag`)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CONTENT_TYPE", "Fragment", "parse", "restart_reply"]

CONTENT_TYPE = "application/trickle-ice-sdpfrag"


@dataclass(frozen=True)
class Fragment:
    """What a client trickles: its credentials and some candidates."""

    ufrag: str
    pwd: str
    candidates: tuple[str, ...]
    sections: tuple[tuple[str, str], ...]
    """`m=` lines with their mids, for the reply."""


def parse(text: str) -> Fragment:
    """Read a fragment. Raises `ValueError` naming the line."""
    ufrag = pwd = ""
    candidates: list[str] = []
    sections: list[tuple[str, str]] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        kind, _, value = line.partition("=")
        if not line.strip():
            continue
        if len(kind) != 1 or not value:
            raise ValueError(f"line {number}: {line[:80]!r} is not of the form x=…")
        name, _, rest = value.partition(":")
        if kind == "m":
            sections.append((value, ""))
        elif kind != "a":
            continue
        elif name == "ice-ufrag":
            ufrag = ufrag or rest
        elif name == "ice-pwd":
            pwd = pwd or rest
        elif name == "mid" and sections:
            sections[-1] = (sections[-1][0], rest)
        elif name == "candidate":
            candidates.append(value)
    return Fragment(ufrag, pwd, tuple(candidates), tuple(sections))


def restart_reply(fragment: Fragment, ufrag: str, pwd: str, addresses: list[str]) -> str:
    """The server's side of an ICE restart (RFC 9725 §4.3.2): credentials and all candidates, once for the bundle."""
    media, mid = fragment.sections[0] if fragment.sections else ("audio 9 UDP/TLS/RTP/SAVPF 0", "0")
    lines = [
        "a=ice-lite",
        f"a=group:BUNDLE {mid}",
        f"m={media}",
        f"a=mid:{mid}",
        f"a=ice-ufrag:{ufrag}",
        f"a=ice-pwd:{pwd}",
    ]
    for preference, address in enumerate(reversed(addresses), 1):
        host, _, port = address.rpartition(":")
        priority = (126 << 24) + (preference << 8) + 255  # RFC 8445 §5.1.2.1, host, component 1
        lines.append(f"a=candidate:{preference} 1 udp {priority} {host.strip('[]')} {port} typ host")
    lines.append("a=end-of-candidates")
    return "\r\n".join(lines) + "\r\n"
