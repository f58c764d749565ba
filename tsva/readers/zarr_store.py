"""Zarr arrays of strangers: nothing outside their folder is read, no codec runs code, and no bomb goes off."""

from __future__ import annotations

import dataclasses
import math
import stat
from collections.abc import Iterable
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

from tsva.readers.guards import COMPRESSORS, INFLATED, check_unfolded, inflate
from tsva.readers.tiff import MOST_PIXELS

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
