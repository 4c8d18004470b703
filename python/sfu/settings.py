"""What `sfu serve` can be told: by option, by `SFU_…` variable, or not at all."""

import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from sfu.config import Config

__all__ = ["Settings"]

Strings = Annotated[list[str], NoDecode]
"""A list; in a variable its items stand between commas."""

Processors = Annotated[list[Annotated[int, Field(ge=0)]], NoDecode]
"""Numbers of processors, likewise."""


class Settings(BaseSettings):
    """Settings of a served SFU. Options win over variables, variables over defaults.

    Raises pydantic's `ValidationError` (a `ValueError`), naming the setting.
    """

    model_config = SettingsConfigDict(env_prefix="SFU_", env_ignore_empty=True, extra="forbid", populate_by_name=True)

    host: str = "127.0.0.1"
    """Where the page listens; `0.0.0.0` for the whole network."""

    port: int = Field(default=8080, ge=0, le=65535)
    """Its TCP port; 0 takes a free one."""

    udp: Strings = ["[::]:7882"]
    """Where media is received."""

    announce: Strings = []
    """IP addresses that peers are told."""

    shards: int | None = Field(default=None, ge=1)
    """Threads of the data plane; `None`: as many as there are processors for this process."""

    pin: Processors = []
    """The processor on which each of them stays."""

    spread: bool = False
    """The sessions of a room go to all threads from the first on."""

    hold: float = 0.0
    """Seconds for which datagrams are let come before they are read."""

    key: str | None = Field(default=None, validation_alias=AliasChoices("SFU_KEY", "LIVEKIT_API_KEY", "key"))
    """Key of access tokens."""

    secret: str | None = Field(
        default=None, validation_alias=AliasChoices("SFU_SECRET", "LIVEKIT_API_SECRET", "secret")
    )
    """Its secret."""

    tls_cert: Path | None = None
    """PEM file: the page is served over https."""

    tls_key: Path | None = None
    """PEM file."""

    tls_self_signed: bool = False
    """A certificate of its own making: browsers warn once, and then allow the camera."""

    origins: Strings = []
    """Browser origins that may use `/ws` besides the page's own."""

    max_rooms: int | None = Field(default=1000, ge=1)
    """Rooms at a time."""

    max_sessions: int | None = Field(default=10_000, ge=1)
    """Sessions at a time."""

    metrics_token: str | None = None
    """Bearer token that `/metrics` asks for; without one it is open."""

    log_level: str = "info"
    """`trace`, `debug`, `info`, `warning` or `error`."""

    @model_validator(mode="before")
    @classmethod
    def _split(cls, values: dict[str, Any]) -> dict[str, Any]:
        for name in ("udp", "announce", "pin", "origins"):
            if isinstance(values.get(name), str):
                values[name] = [one.strip() for one in values[name].split(",") if one.strip()]
        return values

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.key is None) != (self.secret is None):
            raise ValueError("key and secret belong together: give both or neither")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together: give both or neither")
        if self.tls_cert is not None and self.tls_self_signed:
            raise ValueError("tls_self_signed makes a certificate: leave tls_cert and tls_key out, or it")
        if self.metrics_token is not None and not re.fullmatch("[!-~]+", self.metrics_token):
            raise ValueError("metrics_token must be visible ASCII characters; leave it out, and /metrics is open")
        return self

    @property
    def keys(self) -> dict[str, str]:
        """Key to secret; empty: the server is open."""
        return {} if self.key is None or self.secret is None else {self.key: self.secret}

    @property
    def config(self) -> Config:
        """Of the server. Raises `ConfigError`."""
        return Config(
            udp=self.udp,
            announce=self.announce,
            shards=self.shards,
            pin=self.pin,
            spread=self.spread,
            hold=self.hold,
            max_rooms=self.max_rooms,
            max_sessions=self.max_sessions,
            log_level=self.log_level,
        )
