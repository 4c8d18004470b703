"""A viewer's choice in people's words, as a layer: which `auto`, `high`, `medium` and `low` mean for a track."""

from __future__ import annotations

from typing import Literal

from sfu.layer import Layer

__all__ = ["Quality", "layer_for", "quality_of"]

Quality = Literal["auto", "high", "medium", "low"]

_ORDER: tuple[Quality, ...] = ("low", "medium", "high")


def layer_for(quality: Quality, encodings: int) -> Layer | None:
    """The highest layer to receive. With several encodings they are the choice, with one its temporal layers are."""
    if quality == "auto":
        return None
    step = _ORDER.index(quality)
    if encodings < 2:
        return Layer(spatial=7, temporal=(0, 1, 7)[step])
    top = encodings - 1
    return Layer(spatial=(0, top // 2, top)[step])


def quality_of(layer: Layer | None, encodings: int) -> Quality | None:
    """Which choice a layer was; `None` when it was none of them."""
    if layer is None:
        return "auto"
    return next((quality for quality in reversed(_ORDER) if layer_for(quality, encodings) == layer), None)
