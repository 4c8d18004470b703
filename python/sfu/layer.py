"""Quality points of video, and how they cross into the data plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sfu import _core

__all__ = ["Layer", "LayerInfo", "layer_from", "layer_info", "layer_tuple"]


@dataclass(frozen=True, order=True)
class Layer:
    """A quality point of a video track: `spatial` counts encodings (or SVC layers) from the lowest, 0.

    `temporal` likewise counts temporal layers; 7 means all of them. A layer that a track does not have means the
    highest below it. Raises `ValueError` outside 0 to 7.
    """

    spatial: int
    temporal: int = 7

    def __post_init__(self) -> None:
        """Check the range."""
        for name in ("spatial", "temporal"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an int, not {type(value).__name__}")
            if not 0 <= value <= 7:
                raise ValueError(f"{name} must be 0 to 7, not {value}")


@dataclass(frozen=True)
class LayerInfo:
    """What is known of one layer of a track, learnt from its stream; as a subscriber of this layer gets it."""

    layer: Layer
    """Counted as in `Layer`, `temporal` as the stream numbers it."""
    rid: str | None
    """The simulcast encoding that it is part of."""
    width: int | None
    """In pixels; `None` before the stream told, itself or in a description of it."""
    height: int | None
    """In pixels; `None` before the stream told."""
    frame_rate: float
    """Frames per second when it last flowed, with the temporal layers below it."""
    bitrate: int
    """Bits per second of payload when it last flowed, with all lower spatial and temporal layers of the same encoding.

    An upper bound in K-SVC: pictures between keyframes go without their lower spatial layers."""
    flowing: bool
    """Whether its publisher sends it now."""


def layer_info(native: _core.LayerInfo) -> LayerInfo:
    """From the data plane's."""
    return LayerInfo(
        Layer(*native.layer),
        native.rid,
        native.width,
        native.height,
        native.frame_rate,
        native.bitrate,
        native.flowing,
    )


def layer_tuple(layer: Layer | None) -> tuple[int, int] | None:
    """As the data plane wants it; refuses what a newcomer might give instead."""
    if layer is None:
        return None
    if not isinstance(layer, Layer):
        raise TypeError(f"a layer is sfu.Layer(spatial=…, temporal=…) or None for the highest, not {layer!r}")
    return (layer.spatial, layer.temporal)


def layer_from(pair: tuple[int, int] | None) -> Layer | None:
    """As the data plane gives it."""
    return None if pair is None else Layer(*pair)
