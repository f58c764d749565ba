"""OME-Zarr 0.4 and 0.5, by zarr: only the chunks that a region touches are read and decoded.

An array may come from a stranger: nothing outside its folder is read, no codec runs code, and no bomb goes off.
"""

from __future__ import annotations

import dataclasses
import math
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numcodecs.abc
import numpy as np
from zarr import Array, Group, open_group
from zarr.abc.codec import BytesBytesCodec, Codec
from zarr.abc.store import ByteRequest, RangeByteRequest
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, TransposeCodec
from zarr.core.array import AsyncArray
from zarr.core.array_spec import ArraySpec
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from tsva.errors import UserError
from tsva.readers.guards import COMPRESSORS, INFLATED, check_unfolded, inflate
from tsva.readers.ome import MOST_PLANES, OmeImage, read_ome
from tsva.readers.pixels import BOTH_DEPTHS, as_grey_or_rgb, unreadable
from tsva.readers.registry import stem_of
from tsva.readers.scale import PixelSizeEntry, heights, pixel_size, unit_um
from tsva.readers.stored import (
    MOST_FOCAL_PLANES,
    MOST_PIECES,
    UNKNOWN,
    UNNAMED,
    Level,
    StoredImage,
    channel_names,
    colour_order,
)
from tsva.readers.tiff import MOST_PIXELS, check_decoded, reading

MOST_BYTES = 2**29
"""Of a file that is read at once: twice the pixels that are decoded at once, as 16-bit ones."""
MOST_INNER = 2**20
"""Chunks of a shard, whose index has 16 bytes for each."""


def regular_within(root: Path, path: Path, most: float = MOST_BYTES) -> bool:
    """Whether a path leads to a plain file below a folder, and not by links to somewhere else.

    Raises
    ------
    ValueError
        If it leads elsewhere, to what is neither a file nor a folder, such as a pipe, or to more than `most` bytes.
    """
    if not path.exists():
        return False
    if not path.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"{path.name}, which leads out of its folder")
    kind = path.stat()
    if stat.S_ISDIR(kind.st_mode):
        return False
    if not stat.S_ISREG(kind.st_mode) or kind.st_size > most:
        raise ValueError(f"{path.name}, which is no file that could be read")
    return True


class FolderStore(LocalStore):
    """A folder, out of which nothing leads."""

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """A file's bytes, or None; see `regular_within`."""
        # a shard may be of any size, as parts of it are asked for
        if not regular_within(self.root, self.root / key, MOST_BYTES if byte_range is None else math.inf):
            return None
        if isinstance(byte_range, RangeByteRequest) and not 0 <= byte_range.end - byte_range.start <= MOST_BYTES:
            raise ValueError(f"{key}, a shard whose index is damaged")
        return await super().get(key, prototype, byte_range)


def group_of(root: Path, name: str = "") -> Group:
    """Open a group below a folder, whose links may lead anywhere below the folder alone."""
    return open_group(FolderStore(root, read_only=True), path=name, mode="r")


def checked_array(group: Group, name: Any) -> Array[Any]:
    """Open an array of a group, so that what its chunks unfold to is limited to what its header says.

    Raises
    ------
    ValueError
        If it is no array of 8- or 16-bit whole numbers, or compressed in a way that isn't known here.
    """
    array = group[name]
    if not isinstance(array, Array):
        raise ValueError(f"{name!r} is no array")
    metadata: Any = array.metadata  # of either format
    chunk = array.shards or array.chunks
    if not array.shape or min(array.shape) < 1 or min((*chunk, *array.chunks)) < 1:
        raise ValueError(f"a shape of {array.shape} in chunks of {chunk}")
    if array.dtype.kind == "u" and math.prod(array.chunks) > MOST_PIXELS:
        raise ValueError(f"chunks of {'×'.join(map(str, array.chunks))} pixels")
    most = math.prod(array.chunks) * array.dtype.itemsize
    if metadata.zarr_format == 2:
        if metadata.filters:
            raise ValueError(f"filters {[one.codec_id for one in metadata.filters]}")
        limited = dataclasses.replace(metadata, compressor=_limited(metadata.compressor, most))
    else:
        if math.prod(chunk) // math.prod(array.chunks) > MOST_INNER:
            raise ValueError(f"shards of {math.prod(chunk) // math.prod(array.chunks)} chunks")
        limited = dataclasses.replace(metadata, codecs=tuple(_chain(metadata.codecs, most)))
    opened = array.async_array
    return Array(AsyncArray(limited, opened.store_path, opened.config))


def _chain(codecs: Iterable[Codec], most: int, *, in_shard: bool = False) -> Iterable[Codec]:
    """The codecs of version 3, with a limit where one unfolds."""
    compressors = 0
    for codec in codecs:
        name = str(codec.to_dict()["name"])
        if isinstance(codec, ShardingCodec) and not in_shard:
            if any(not isinstance(one, BytesCodec | Crc32cCodec) for one in codec.index_codecs):
                raise ValueError("a compressed index of shards")
            yield ShardingCodec(
                chunk_shape=codec.chunk_shape,
                codecs=tuple(_chain(codec.codecs, most, in_shard=True)),
                index_codecs=codec.index_codecs,
                index_location=codec.index_location,
            )
        elif isinstance(codec, BytesCodec | Crc32cCodec | TransposeCodec):
            yield codec
        elif name in COMPRESSORS and not compressors:
            compressors += 1
            if name not in INFLATED:
                yield codec
            yield Limit(name, most)
        else:
            raise ValueError(f"a codec {name}")


@dataclasses.dataclass(frozen=True)
class Limit(BytesBytesCodec):
    """Stands after a compressor, so that it sees the bytes before the compressor does; in the place of gzip."""

    codec: str
    most: int
    is_fixed_size = False

    def to_dict(self) -> dict[str, Any]:
        """For messages; it is never written."""
        return {"name": "limit"}

    async def _decode_single(self, chunk_bytes: Buffer, chunk_spec: ArraySpec) -> Buffer:
        data = chunk_bytes.to_bytes()
        if self.codec in INFLATED:
            return chunk_spec.prototype.buffer.from_bytes(inflate(data, self.most))
        check_unfolded(self.codec, data, self.most)
        return chunk_bytes

    def compute_encoded_size(self, input_byte_length: int, _chunk_spec: ArraySpec) -> int:
        """Not known beforehand."""
        raise NotImplementedError


def _limited(compressor: Any, most: int) -> Any:
    """A compressor of version 2, with a limit."""
    if compressor is None:
        return None
    if compressor.codec_id not in COMPRESSORS:
        raise ValueError(f"a codec {compressor.codec_id}")
    return LimitedCompressor(compressor, most)


class LimitedCompressor(numcodecs.abc.Codec):
    """A compressor of version 2 that unfolds at most so many bytes; it only reads."""

    codec_id = "limited"

    def __init__(self, compressor: Any, most: int) -> None:
        self._name, self._compressor, self._most = str(compressor.codec_id), compressor, most

    def decode(self, buf: Any, out: Any = None) -> Any:
        """The unfolded bytes."""
        data = np.asarray(buf).tobytes()
        if self._name in INFLATED:
            return inflate(data, self._most)
        check_unfolded(self._name, data, self._most)
        return self._compressor.decode(data, out)

    def encode(self, buf: Any) -> Any:
        """Never asked for."""
        raise NotImplementedError


def zarr_images(path: Path) -> list[StoredImage]:
    """Images of an OME-Zarr folder: itself, or the numbered ones of bioformats2raw's layout.

    Raises
    ------
    UserError
        If it is damaged, or its axes are other than planes, channels, and one point of time.
    """
    where = str(path)
    with reading(where):
        attributes = _attributes(path, "")
        if "multiscales" in attributes:
            return [_image(path, "", stem_of(path), attributes, None)]
        if "bioformats2raw.layout" in attributes:
            heads = _heads(path)
            numbers = sorted(int(part.name) for part in path.iterdir() if part.name.isdecimal())
            return [
                _image(
                    path,
                    str(n),
                    f"{stem_of(path)}_{n}",
                    _attributes(path, str(n)),
                    heads[n] if n < len(heads) else None,
                )
                for n in numbers
            ]
    raise UserError(
        where,
        got="a Zarr group that holds no image of OME's kind",
        wanted="an OME-Zarr image (0.4 or 0.5)",
        do="Let the sheet's column path name the image within it (in a plate: row/column/field).",
    )


def _heads(path: Path) -> tuple[OmeImage, ...]:

    header = path / "OME" / "METADATA.ome.xml"
    return read_ome(header.read_text(encoding="utf-8"), str(header)) if regular_within(path, header) else ()


def _attributes(path: Path, group: str) -> Mapping[str, Any]:
    """OME's attributes; version 0.5 keeps them under a key of their own."""

    attributes = dict(group_of(path, group).attrs)
    own = attributes.get("ome")
    return own if isinstance(own, Mapping) else attributes


def _image(path: Path, group: str, name: str, attributes: Mapping[str, Any], head: OmeImage | None) -> StoredImage:
    where = str(path / group)
    scales = attributes["multiscales"][0]
    axes = [str(axis["name"]) for axis in scales["axes"]]
    units = [unit_um(axis.get("unit", "")) for axis in scales["axes"]]
    scale, start = _placing(scales, len(axes))
    paths = tuple(str(one["path"]) for one in scales["datasets"])
    array = _array(path, group, paths[0])
    size = dict(zip(axes, array.shape, strict=True))
    labels = [_called(one) for one in attributes.get("omero", {}).get("channels", [])]
    if len(size) < len(axes) or set(axes) - set("tczyx") or not {"y", "x"} <= set(axes) or size.get("t", 1) > 1:
        raise UserError(
            where,
            got=f"axes {''.join(axes)} of sizes {'×'.join(map(str, array.shape))}",
            wanted="planes along z alone",
            do="Export one point of time.",
        )
    planes, channels = size.get("z", 1), size.get("c", 1)
    if planes > MOST_FOCAL_PLANES or channels > MOST_PLANES:
        raise unreadable(where, f"its header states {planes} planes of {channels} channels")
    place = {axis: (s, o, u) for axis, s, o, u in zip(axes, scale, start, units, strict=True)}
    step, first, z_unit = place.get("z", (0.0, 0.0, None))
    own_um = tuple(float((first + i * step) * z_unit) for i in range(planes)) if z_unit and step else None
    colours = colour_order(tuple(labels), channels, where)
    objective = head.objective if head is not None else UNKNOWN
    x, y = ((float(place[a][0]) * u if (u := place[a][2]) else None) for a in "xy")
    version = scales.get("version", attributes.get("version", ""))
    return StoredImage(
        name=name,
        where=where,
        format=f"OME-Zarr {version}".strip(),
        planes=planes,
        height_px=size["y"],
        width_px=size["x"],
        channels=channel_names(channels, tuple(labels) if colours is None else ()),
        depth=array.dtype.itemsize * 8,
        bits=8 if array.dtype.itemsize == 1 else head.bits if head is not None else None,
        heights=replace(heights(where, planes, own_um, None, source=("scale", "")), absolute=bool(first)),
        pixel=pixel_size(where, [PixelSizeEntry("scale", x, y)], objective.magnification),
        objective=objective,
        open=lambda: nullcontext(ZarrReader(path, group, paths, axes, colours)),
        levels=tuple(_levels(path, group, paths, axes)),
    )


def _called(channel: Mapping[str, Any]) -> str:
    """What a channel is called: its label, or what its colour is called if the label says nothing."""
    label = str(channel.get("label", ""))
    colour = {"FF0000": "red", "00FF00": "green", "0000FF": "blue"}.get(str(channel.get("color", "")).upper(), "")
    return colour if colour and UNNAMED.fullmatch(label) else label


def _placing(scales: Mapping[str, Any], axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Size of a pixel along each axis, and where the first one lies, of the finest level."""
    scale, start = np.ones(axes), np.zeros(axes)
    for change in [*scales["datasets"][0]["coordinateTransformations"], *scales.get("coordinateTransformations", [])]:
        if change["type"] == "scale":
            scale, start = scale * change["scale"], start * change["scale"]
        elif change["type"] == "translation":
            start = start + change["translation"]
    return scale, start


def _array(path: Path, group: str, level: str) -> Any:

    return checked_array(group_of(path, group), level)


def _levels(path: Path, group: str, paths: Sequence[str], axes: Sequence[str]) -> Iterator[Level]:
    y, x, finest = axes.index("y"), axes.index("x"), 0
    for place in paths:
        shape = _array(path, group, place).shape
        finest = finest or shape[x]
        yield Level(shape[y], shape[x], finest / shape[x])


class ZarrReader:
    """A `PlaneReader` of an OME-Zarr image.

    Parameters
    ----------
    path, group
        The folder, and the image's group in it.
    levels : sequence of str
        Paths of the arrays within the group, from fine to coarse.
    axes : sequence of str
        Names of their axes.
    colours : tuple of int, optional
        Which channels are red, green and blue.
    """

    def __init__(
        self,
        path: Path,
        group: str,
        levels: Sequence[str],
        axes: Sequence[str],
        colours: tuple[int, ...] | None = None,
    ) -> None:
        self._where, self._axes, self._colours = str(path / group), axes, colours
        self._array = cache(lambda level: _array(path, group, levels[level]))
        with reading(self._where):
            self._channels = dict(zip(axes, self._array(0).shape, strict=True)).get("c", 1)

    def read(self, plane: int, top: int, left: int, height: int, width: int, level: int = 0) -> np.ndarray:
        """(height, width, 1 or 3) uint8 or uint16 pixels."""
        check_decoded(height * self._channels, width, self._where)
        with reading(self._where):
            array = self._array(level)
            chunk = dict(zip(self._axes, array.chunks, strict=True))
        sizes = {"c": self._channels, "y": height, "x": width}
        touched = math.prod(-(-size // chunk.get(axis, 1)) for axis, size in sizes.items())
        if touched > MOST_PIECES:
            raise unreadable(self._where, f"{touched} chunks in {height}×{width} pixels")
        part = {"t": 0, "z": plane, "c": slice(None), "y": slice(top, top + height), "x": slice(left, left + width)}
        with reading(self._where):
            pixels = np.asarray(array[tuple(part[axis] for axis in self._axes)])
        left_over = [axis for axis in self._axes if axis in "cyx"]
        if sorted(left_over[-2:]) != ["x", "y"] or pixels.ndim != len(left_over):
            raise unreadable(self._where, f"axes {''.join(self._axes)}")
        if left_over[-2:] == ["x", "y"]:
            pixels = pixels.swapaxes(-2, -1)
        pixels = np.moveaxis(pixels, 0, -1) if "c" in left_over else pixels
        pixels = pixels if self._colours is None else pixels[..., list(self._colours)]
        native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
        return as_grey_or_rgb(native, self._where, BOTH_DEPTHS)
