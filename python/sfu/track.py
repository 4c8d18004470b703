"""Published sources.

A track is keyed by its session and section; encodings and SSRCs may come and go under it. Muted is what the publisher
or the server did, paused is what a subscriber did.
"""

from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

from sfu._arguments import check_whole
from sfu._taps import EncodedFrame, Tap, TapStats, encoded_frames
from sfu.errors import MediaMissing, SfuError, TrackBusy, TrackEnded
from sfu.layer import Layer, LayerInfo, layer_info, layer_tuple

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from os import PathLike

    import av

    from sfu import _core
    from sfu._backend import LayerTuple
    from sfu._hub import Hub
    from sfu.media.decoding import Decoding
    from sfu.member import Member, Source

__all__ = ["Track", "Watcher"]


class Watcher(Protocol):
    """Who tells the room what changes about a track."""

    def track_muted(self, track: Track, by: Literal["publisher", "server"], muted: bool) -> None:
        """A mute was set or lifted."""

    def track_stalled(self, track: Track) -> None:
        """Packets stopped coming, or come again."""

    def layers_changed(self, track: Track) -> None:
        """Its layers came, went or have another size."""

    def track_updated(self, track: Track) -> None:
        """Its source or name changed."""


class Track:
    """A published source. Made by the room when its first media arrives; read-only but for the methods."""

    def __init__(self, hub: Hub, watcher: Watcher, session: Member, event: _core.TrackPublished) -> None:
        """Of `session`, as the data plane reported it."""
        self._hub = hub
        self._watcher = watcher
        self._id = event.track
        self._session = session
        self._kind: Literal["audio", "video"] = event.kind
        self._mid = event.mid
        self._codec: str = event.codec
        self._rids = tuple(event.rids)
        self._msid = (event.stream, event.source)
        self._source: Source = "microphone" if event.kind == "audio" else "camera"
        self._name = ""
        self._muted_by: set[Literal["publisher", "server"]] = set()
        self._stalled = False
        self._layers: tuple[LayerInfo, ...] = ()
        self._ended = False
        self._dump: _Dump | None = None
        self._taps: set[Tap] = set()
        self._decodings: dict[LayerTuple | None, Decoding] = {}

    @property
    def id(self) -> int:
        """Unique within the server."""
        return self._id

    @property
    def session(self) -> Member:
        """Whose it is."""
        return self._session

    @property
    def kind(self) -> Literal["audio", "video"]:
        """Audio or video."""
        return self._kind

    @property
    def mid(self) -> str:
        """The section in the publisher's SDP."""
        return self._mid

    @property
    def codec(self) -> str:
        """`opus`, `red`, `VP8`, `VP9`, `AV1`, `H264` or `H265`."""
        return self._codec

    @property
    def rids(self) -> tuple[str, ...]:
        """The simulcast encodings by rising quality, `rids[layer.spatial]`; empty without simulcast."""
        return self._rids

    @property
    def msid(self) -> tuple[str, str]:
        """The publisher's `a=msid`: stream and track identifier."""
        return self._msid

    @property
    def source(self) -> Source:
        """What it shows, as the publisher says."""
        return self._source

    @property
    def name(self) -> str:
        """What the publisher calls it."""
        return self._name

    @property
    def muted(self) -> bool:
        """Whether its publisher or the server muted it."""
        return bool(self._muted_by)

    @property
    def muted_by_publisher(self) -> bool:
        """Whether its publisher muted it."""
        return "publisher" in self._muted_by

    @property
    def muted_by_server(self) -> bool:
        """Whether the server muted it."""
        return "server" in self._muted_by

    @property
    def stalled(self) -> bool:
        """Whether no packets have come for a while."""
        return self._stalled

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """What is known of its layers, by rising layer, learnt from the stream; empty for audio.

        Renewed every few seconds; `LayersChanged` tells of more than other numbers.
        """
        return self._layers

    @property
    def ended(self) -> bool:
        """Whether it is no longer published."""
        return self._ended

    async def mute(self) -> None:
        """Mute it for everybody: what arrives is dropped until `unmute`. Raises `TrackEnded`."""
        self._check()
        await self._hub.backend.set_muted(self._id, True)
        self._set_muted("server", True)

    async def unmute(self) -> None:
        """Lift the server's mute. Raises `TrackEnded`."""
        self._check()
        await self._hub.backend.set_muted(self._id, False)
        self._set_muted("server", False)

    async def request_keyframe(self) -> None:
        """Ask the publisher for a keyframe on every encoding. Raises `TrackEnded`."""
        self._check()
        await self._hub.backend.request_keyframe(self._id)

    def frames(
        self, *, format: str | None = None, queue: int = 1, max_layer: Layer | None = None
    ) -> AsyncGenerator[av.VideoFrame | av.AudioFrame, None]:
        """Decoded frames, the latest only: `async for frame in track.frames(format="rgb24"): frame.to_ndarray()`.

        PyAV's frames as they are: `pts` in `time_base`, `width` and `height` in pixels; `to_ndarray()` has the shape
        (height, width, 3) in `rgb24`, (channels, samples) in planar audio at 48 kHz. `format`: an FFmpeg pixel or
        sample format, the decoder's own when not given. `queue`: so many frames wait at most, 1 to 1000; when they are
        not taken in time the oldest gives way. `max_layer`: not above this, `None` is the highest that flows. All who
        take the same layer share one decoder. The iteration ends with the track; closing it, `break` or cancelling ends
        the tap.

        Raises `MediaMissing` without PyAV, `TrackEnded`; while iterating `DecoderMissing` for a codec that PyAV was
        built without, `ConversionFailed` for a format that it cannot make of these frames.
        """
        self._check()
        pair = layer_tuple(max_layer)
        check_whole("queue", queue, 1, 1000)
        try:
            from sfu.media import decoding
        except ImportError as error:
            raise MediaMissing("decoding needs PyAV: pip install sfu[media]") from error
        decoding.check_format(self._kind, format)
        return decoding.decoded_frames(self._hub, self._id, pair, format, queue, self._decodings)

    def encoded_frames(self, *, max_layer: Layer | None = None, queue: int = 64) -> AsyncGenerator[EncodedFrame, None]:
        """Encoded frames, whole and in order: `async for frame in track.encoded_frames()`.

        What is given can be decoded, given everything before it. Who takes them too slowly loses whole frames once
        `queue` of them wait (1 to 10000); video then goes on at a keyframe, which is asked for. `max_layer`: not above
        this, `None` is the highest that flows. The iteration ends with the track; closing it, `break` or cancelling
        ends the tap. Raises `TrackEnded`.
        """
        self._check()
        check_whole("queue", queue, 1, 10_000)
        return encoded_frames(self._hub, self._id, layer_tuple(max_layer), queue, self._taps)

    @property
    def tap_stats(self) -> TapStats:
        """What `frames` and `encoded_frames` cost and lost."""
        decodings = self._decodings.values()
        taps = [*self._taps, *(one.tap for one in decodings if one.tap is not None)]
        return TapStats(
            taps=len(taps),
            decoders=len(decodings),
            takers=sum(len(one.takers) for one in decodings),
            frames_decoded=sum(one.decoder.decoded for one in decodings),
            frames_dropped=sum(tap.dropped for tap in taps),
            frames_damaged=sum(tap.damaged for tap in taps),
        )

    async def dump(self, path: str | PathLike[str], *, seconds: float, max_bytes: int = 64 * 1024 * 1024) -> int:
        """Write the track's packets as received and decrypted to `path`, for `seconds` or until `max_bytes` or its end.

        The file is rtpdump (`#!rtpplay1.0`; Wireshark and rtptools read it). Returns the bytes written.
        Raises `TrackEnded`, `TrackBusy` when a dump of this track is under way, `OSError` when the file cannot be
        written. A cancelled dump leaves what was written.
        """
        self._check()
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise TypeError(f"seconds must be a number, not {type(seconds).__name__}")
        if not 0 < seconds < 86_400:
            raise ValueError(f"seconds must be more than 0 and less than a day, not {seconds}")
        check_whole("max_bytes", max_bytes, 1, 2**40)
        if self._dump is not None:
            raise TrackBusy("this track is being dumped already: wait for that dump to end")
        dump = self._dump = _Dump()
        self._hub.at_end.add(dump.cut)
        try:
            with await asyncio.to_thread(_create, Path(path)) as file:
                dump.started = True
                await self._hub.backend.dump(self._id, seconds, max_bytes)
                return await dump.write(file)
        except BaseException as error:
            dump.abandon()
            if not dump.started or isinstance(error, SfuError):
                self._dump = None  # otherwise its last piece is still to come
            self._forget_if_over()
            raise
        finally:
            self._hub.at_end.discard(dump.cut)

    def report_muted(self, muted: bool) -> None:
        """The publisher says (through signalling) that it muted or unmuted the track. Raises `TrackEnded`."""
        self._check()
        self._set_muted("publisher", muted)

    def handle(self, event: Any) -> None:
        """Take an event of the data plane."""
        match type(event).__name__:
            case "TrackStalled":
                if self._stalled != event.stalled:
                    self._stalled = event.stalled
                    self._watcher.track_stalled(self)
            case "LayersChanged":
                known = [_lasting(layer) for layer in self._layers]
                self._layers = tuple(layer_info(layer) for layer in event.layers)
                if known != [_lasting(layer) for layer in self._layers]:
                    self._watcher.layers_changed(self)
            case "Dump":
                if self._dump is not None:
                    self._dump.take(event.data, event.last)
                if event.last:
                    self._dump = None
                    self._forget_if_over()

    def describe(self, source: Source | None, name: str | None, muted: bool | None, *, quiet: bool = False) -> None:
        """The publisher says what it is; `quiet` before it is announced."""
        changed = False
        if source is not None and source != self._source:
            self._source, changed = source, True
        if name is not None and name != self._name:
            self._name, changed = name, True
        if muted is not None and quiet:
            self._muted_by = {"publisher"} if muted else set()
        if changed and not quiet:
            self._watcher.track_updated(self)
        if muted is not None and not quiet:
            self._set_muted("publisher", muted)

    def end(self) -> None:
        """It is gone; the data plane may still have the last piece of a dump."""
        self._ended = True
        self._forget_if_over()

    def __repr__(self) -> str:
        """For people."""
        return f"<Track {self._id} {self._kind} {self._source} of {self._session.identity!r}>"

    def _set_muted(self, by: Literal["publisher", "server"], muted: bool) -> None:
        if self._ended or (by in self._muted_by) == muted:
            return
        if muted:
            self._muted_by.add(by)
        else:
            self._muted_by.discard(by)
        self._watcher.track_muted(self, by, muted)

    def _forget_if_over(self) -> None:
        if self._ended and (self._dump is None or self._dump.abandoned):
            self._hub.remove("track", self._id)

    def _check(self) -> None:
        self._hub.backend.check()
        if self._ended:
            raise TrackEnded(f"{self!r} is no longer published")


def _lasting(layer: LayerInfo) -> tuple[object, ...]:
    """What does not change from second to second."""
    return (layer.layer, layer.rid, layer.width, layer.height, layer.flowing)


class _Dump:
    """Records on their way from the data plane into a file."""

    def __init__(self) -> None:
        self.started = False
        self._pieces: asyncio.Queue[tuple[bytes, bool]] = asyncio.Queue()
        self.abandoned = False

    def take(self, piece: bytes, last: bool) -> None:
        """A batch of records."""
        if not self.abandoned:
            self._pieces.put_nowait((piece, last))

    def abandon(self) -> None:
        """Nobody writes any more; what still comes is forgotten."""
        self.abandoned = True

    def cut(self) -> None:
        """The data plane is gone: what has come is all there is."""
        self.take(b"", True)

    async def write(self, file: BinaryIO) -> int:
        """Write until the last one."""
        header = _file_header(time.time())
        await asyncio.to_thread(file.write, header)
        written = len(header)
        last = False
        while not last:
            piece, last = await self._pieces.get()
            await asyncio.to_thread(file.write, piece)
            written += len(piece)
        return written


def _create(path: Path) -> BinaryIO:
    return path.open("wb")


def _file_header(now: float) -> bytes:
    """The `RD_hdr_t` of rtptools: start in seconds and microseconds, source address, port, padding; big-endian."""
    seconds, fraction = divmod(now, 1.0)
    return b"#!rtpplay1.0 0.0.0.0/0\n" + struct.pack("!IIIHH", int(seconds), int(fraction * 1e6), 0, 0, 0)
