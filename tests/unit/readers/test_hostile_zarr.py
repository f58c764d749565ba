"""OME-Zarr made to fill the memory, to run code, or to reach where it shouldn't."""

from __future__ import annotations

import json
import os
import pickle
import struct
import sys
from pathlib import Path
from typing import Any

import google_crc32c
import numcodecs
import numpy as np
import pytest
import zarr

from tsva.errors import UserError
from tsva.readers import zarr_images
from tsva.readers.guards import check_unfolded, inflate
from tsva.readers.source import stored_images
from tsva.readers.stacks import fields_of_stack

sys.path.insert(0, str(Path(__file__).parent))
from apart import read_apart, zeros
from zarr_files import change_json, write_zarr

PIXELS = np.random.default_rng(5).integers(0, 256, (3, 32, 48), dtype=np.uint8)
CHUNK = (1, 32, 48)
GIB = 2**30
WAYS: dict[str, tuple[int, dict[str, Any]]] = {
    "raw": (2, {"compressors": None}),
    "blosc 2": (2, {"compressors": numcodecs.Blosc()}),
    "zlib": (2, {"compressors": numcodecs.Zlib()}),
    "gzip 2": (2, {"compressors": numcodecs.GZip()}),
    "lz4": (2, {"compressors": numcodecs.LZ4()}),
    "zstd 2": (2, {"compressors": numcodecs.Zstd()}),
    "blosc 3": (3, {"compressors": zarr.codecs.BloscCodec()}),
    "gzip 3": (3, {"compressors": zarr.codecs.GzipCodec()}),
    "zstd 3": (3, {"compressors": zarr.codecs.ZstdCodec()}),
    "shards": (3, {"compressors": zarr.codecs.GzipCodec(), "chunks": (1, 16, 16), "shards": CHUNK}),
}


@pytest.mark.parametrize("way", WAYS)
def test_all_usual_compressions_are_read(tmp_path: Path, way: str) -> None:
    form, how = WAYS[way]
    write_zarr(tmp_path / "a.zarr", PIXELS, form, **{"chunks": CHUNK, **how})
    (field,) = fields_of_stack(tmp_path / "a.zarr", None, None)
    assert np.array_equal(np.stack(list(field.planes()))[..., 0], PIXELS)


def test_width_before_height(tmp_path: Path) -> None:
    write_zarr(tmp_path / "a.zarr", PIXELS.swapaxes(1, 2), 2, axes="zxy")
    (field,) = fields_of_stack(tmp_path / "a.zarr", None, None)
    assert np.array_equal(np.stack(list(field.planes()))[..., 0], PIXELS)


def rle_zstd(length: int, *, is_told: bool) -> bytes:
    """A zstd frame of zeros, 4 bytes for each 128 KiB (RFC 8878, 3.1.1)."""
    head = b"\xa0" + struct.pack("<I", length) if is_told else b"\x00\x58"
    blocks = length // 2**17
    return (
        b"\x28\xb5\x2f\xfd"
        + head
        + b"".join(struct.pack("<I", (i == blocks - 1) | 1 << 1 | 2**17 << 3)[:3] + b"\0" for i in range(blocks))
    )


def shard_of(chunk: bytes) -> bytes:
    """A shard of one chunk, then its index and the index's check sum."""
    index = struct.pack("<QQ", 0, len(chunk))
    return chunk + index + struct.pack("<I", google_crc32c.value(index))


@pytest.mark.parametrize("way", ["zlib", "gzip 3", "zstd 2", "zstd 3 told", "blosc 3", "lz4", "shards"])
def test_chunk_that_unfolds_to_a_gibibyte(tmp_path: Path, way: str) -> None:
    path = tmp_path / "bomb.zarr"
    form, how = WAYS[way.removesuffix(" told")]
    write_zarr(path, PIXELS, form, **{**how, "chunks": CHUNK})
    bomb = {
        "zlib": lambda: zeros(GIB),
        "gzip 3": lambda: zeros(GIB),
        "zstd 2": lambda: rle_zstd(GIB, is_told=False),
        "zstd 3 told": lambda: rle_zstd(GIB, is_told=True),
        "shards": lambda: shard_of(zeros(GIB)),
        "blosc 3": lambda: struct.pack("<BBBBIII", 2, 1, 1, 1, GIB, GIB, 100) + bytes(84),
        "lz4": lambda: struct.pack("<I", GIB) + bytes(100),
    }[way]()
    for file in (path / "0").rglob("*"):
        if file.is_file() and not file.name.startswith((".", "zarr")):
            file.write_bytes(bomb)
    for line in read_apart(path, "stack", "stored"):
        assert "bomb.zarr: got a file that can't be read" in line and "unfolds to" in line


def test_zstd_frame_of_zeros_is_what_it_is_made_for() -> None:
    """Else the bombs above would be refused as damaged by any reader."""
    for is_told in (True, False):
        data = rle_zstd(2**18, is_told=is_told)
        assert bytes(numcodecs.Zstd().decode(data)) == bytes(2**18)
        check_unfolded("zstd", data, 2**18)
    with pytest.raises(ValueError, match="damaged"):
        check_unfolded("zstd", rle_zstd(2**18, is_told=False) * 2, 2**18)


def test_members_of_gzip_count_together() -> None:
    member = zeros(2**20)
    assert len(inflate(member * 3, 3 * 2**20)) == 3 * 2**20
    with pytest.raises(ValueError, match="unfolds"):
        inflate(member * 3, 3 * 2**20 - 1)
    with pytest.raises(ValueError, match="cut off"):
        inflate(member[:-8], 2**20)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "place",
    [
        {"filters": [{"id": "vlen-utf8"}], "compressor": {"id": "pickle"}},
        {"filters": [{"id": "vlen-utf8"}, {"id": "pickle"}]},
        {"compressor": {"id": "lzma"}},
    ],
)
def test_code_in_chunks_is_not_run(tmp_path: Path, place: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """One of numcodecs' codecs is Python's pickle, which its later versions only run if they are told to."""
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True, raising=False)
    path, made = tmp_path / "code.zarr", tmp_path / "made"
    write_zarr(path, PIXELS, 2, compressors=None)
    objects = {"dtype": "|O", "fill_value": ""} if "filters" in place else {}
    change_json(path / "0" / ".zarray", **objects, **place)
    next(path.glob("0/0*")).write_bytes(pickle.dumps(Touch(made)))
    with pytest.raises(UserError, match=r"code\.zarr.*(filters|codec)"):
        stored_images(path)
    assert not made.exists()


@pytest.mark.parametrize(
    "values",
    [
        {"shape": [10**9, 32, 48]},
        {"shape": [3, 2**40, 2**40]},
        {"shape": [3, 2**20, 2**20], "chunks": [1, 2**20, 2**20]},
        {"shape": [3, 2**31, 2**31], "chunks": [1, 1, 1]},
        {"shape": [3, 8192, 8192], "chunks": [1, 1, 1]},
        {"shape": [3, 0, 48]},
        {"chunks": [0, 32, 48]},
        {"chunks": [2**40, 32, 48]},
        {"dtype": "|V1000000000"},
        {"dtype": "|O", "fill_value": 0},
        {"dtype": "<f8"},
    ],
)
def test_absurd_sizes(tmp_path: Path, values: dict[str, Any]) -> None:
    path = tmp_path / "absurd.zarr"
    write_zarr(path, PIXELS, 2, compressors=None)
    change_json(path / "0" / ".zarray", **values)
    assert all("absurd.zarr: got" in line for line in read_apart(path, "stack", "stored"))


def test_shards_of_countless_chunks(tmp_path: Path) -> None:
    path = tmp_path / "shards.zarr"
    write_zarr(path, PIXELS, 3, chunks=(1, 16, 16), shards=CHUNK)
    said = json.loads((path / "0" / "zarr.json").read_text())
    said["shape"] = said["chunk_grid"]["configuration"]["chunk_shape"] = [3, 2**20, 2**20]
    said["codecs"][0]["configuration"]["chunk_shape"] = [1, 1, 1]
    (path / "0" / "zarr.json").write_text(json.dumps(said))
    assert all("shards of" in line for line in read_apart(path, "stack", "stored"))


@pytest.mark.parametrize("level", ["../../secret.zarr/0", "0/../../../secret.zarr/0", "..", {"a": 1}])
def test_paths_of_levels_stay_within_the_folder(tmp_path: Path, level: Any) -> None:
    write_zarr(tmp_path / "secret.zarr", PIXELS, 2)
    path = tmp_path / "study" / "a.zarr"
    path.parent.mkdir()
    write_zarr(path, PIXELS, 2)
    said = json.loads((path / ".zattrs").read_text())
    said["multiscales"][0]["datasets"][0]["path"] = level
    (path / ".zattrs").write_text(json.dumps(said))
    with pytest.raises(UserError, match=r"a\.zarr"):
        stored_images(path)


@pytest.mark.parametrize("target", ["secret", "/dev/zero", "pipe"])
@pytest.mark.parametrize("name", ["0", "0/.zarray", "0/0.0.0"])
def test_links_stay_within_the_folder(tmp_path: Path, name: str, target: str) -> None:
    """The whole folder may lie behind a link; within it, /dev/zero has no end, and a pipe waits for ever."""
    write_zarr(tmp_path / "secret.zarr", PIXELS, 2, compressors=None, chunk_key_encoding={"name": "v2"})
    write_zarr(tmp_path / "real.zarr", PIXELS, 2, compressors=None, chunk_key_encoding={"name": "v2"})
    path = tmp_path / "linked.zarr"
    path.symlink_to(tmp_path / "real.zarr")
    assert len(fields_of_stack(path, None, None)) == 1
    place = tmp_path / "real.zarr" / name
    place.rename(tmp_path / "away")
    if target == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(tmp_path / "secret.zarr" / name if target == "secret" else target)
    assert all("linked.zarr: got" in line for line in read_apart(path, "stack", "stored"))


def test_numbered_images_behind_links_and_ome_header_behind_a_link(tmp_path: Path) -> None:
    """Of bioformats2raw's layout."""
    write_zarr(tmp_path / "secret.zarr", PIXELS, 2)
    path = tmp_path / "raw.zarr"
    zarr.open_group(path, mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    write_zarr(path / "0", PIXELS, 2)
    assert [image.planes for image in stored_images(path)] == [3]
    (path / "1").symlink_to(tmp_path / "secret.zarr")
    with pytest.raises(UserError, match=r"raw\.zarr.*leads out"):
        stored_images(path)
    (path / "1").unlink()
    (path / "OME").mkdir()
    (path / "OME" / "METADATA.ome.xml").symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"raw\.zarr.*leads out"):
        stored_images(path)


def test_a_large_shard_is_read_by_parts_and_a_large_chunk_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zarr_images, "MOST_BYTES", 1000)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    write_zarr(tmp_path / "shards.zarr", pixels, 3, chunks=(1, 16, 16), shards=(3, 64, 64), compressors=None)
    write_zarr(tmp_path / "chunks.zarr", pixels, 3, chunks=(1, 64, 64), compressors=None)
    (field,) = fields_of_stack(tmp_path / "shards.zarr", None, None)
    assert np.array_equal(np.stack(list(field.planes()))[..., 0], pixels)
    (field,) = fields_of_stack(tmp_path / "chunks.zarr", None, None)
    with pytest.raises(UserError, match="no file that could be read"):
        list(field.planes())
