"""Session descriptions as they travel through an application's signalling: SDP text and what it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["Description", "SdpType", "TransportName"]

TransportName = Literal["main", "publisher", "subscriber"]
SdpType = Literal["offer", "answer"]


@dataclass(frozen=True)
class Description:
    """An SDP offer or answer (RFC 9429) of one of a session's transports.

    `Description(**message)` takes the JSON of the page protocol and `to_dict()` gives it back.
    `id` counts the server's offers of a transport: an answer that repeats it can be told from a stale one.

    Raises `TypeError` or `ValueError` when a field is not what it should be. The SDP itself is read by
    `Session.receive`.
    """

    type: SdpType
    sdp: str
    transport: TransportName = "main"
    id: int | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be a description."""
        if not isinstance(self.sdp, str):
            raise TypeError(f"sdp must be the SDP text as str, not {type(self.sdp).__name__}")
        if self.type not in get_args(SdpType):
            raise ValueError(f"type must be 'offer' or 'answer', not {self.type!r}")
        if self.transport not in get_args(TransportName):
            raise ValueError(f"transport must be 'main', 'publisher' or 'subscriber', not {self.transport!r}")
        if self.id is not None and (isinstance(self.id, bool) or not isinstance(self.id, int)):
            raise TypeError(f"id must be an int or None, not {type(self.id).__name__}")
        if self.id is not None and not 0 <= self.id < 2**63:
            raise ValueError(f"id must be between 0 and 2**63 - 1, not {self.id}")

    def to_dict(self) -> dict[str, str | int]:
        """As JSON wants it; `id` is left out when there is none."""
        fields: dict[str, str | int] = {"type": self.type, "sdp": self.sdp, "transport": self.transport}
        if self.id is not None:
            fields["id"] = self.id
        return fields
